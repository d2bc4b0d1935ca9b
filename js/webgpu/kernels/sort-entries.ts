import { ENTRIES, mergePlace } from './entries.js';
import { defineKernel, MAIN, read, readWrite } from './kernel.js';
import { KEYS } from './keys.js';
import { STATUS } from './memory.js';

/** Sorts the entries of each row in runs of `length`, a power of two up to THREADS. A thread for each entry. */
export const SORT_ENTRIES = defineKernel({
  label: 'sort entries',
  bindings: {
    rowInfo: read('array<u32>'),
    status: read('array<u32>'),
    entries: readWrite('array<Entry>'),
  },
  code: /* wgsl */ `
${KEYS}${ENTRIES}
// Two tiles: runs are merged from the one to the other.
var<workgroup> tiles: array<Entry, 2u * THREADS>;

${MAIN} {
  let number = groupIndex(group, groups);
  let runs = (entryWidth() + params.length - 1u) / params.length;
  if (runs > 1u && number % runs * THREADS >= status[${STATUS.mostEntries}]) { return; }
  let i = number * THREADS + thread;
  let row = i / (params.length * runs);
  let k = i % (params.length * runs);
  var own = noEntry();
  let isInside = row < params.rows && k < entryWidth();
  if (isInside && k < entryWidth() - (rowInfo[params.firstRow + row] & ~NAN_ROW)) {
    own = entries[row * entryWidth() + k];
  }
  var source = 0u;
  tiles[thread] = own;
  workgroupBarrier();
  for (var size = 1u; size < params.length; size *= 2u) {
    own = tiles[source + thread];
    let isFirstRun = (thread & size) == 0u;
    let otherRun = (thread & ~(size - 1u)) ^ size;
    ${mergePlace('tiles[source + otherRun + middle]')}
    source = THREADS - source;
    tiles[source + (thread & ~(2u * size - 1u)) + (thread & (size - 1u)) + before] = own;
    workgroupBarrier();
  }
  if (isInside) { entries[row * entryWidth() + k] = tiles[source + thread]; }
}
`,
});
