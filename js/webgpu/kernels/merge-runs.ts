import { ENTRIES, mergePlace } from './entries.js';
import { defineKernel, MAIN, read, readWrite } from './kernel.js';
import { KEYS } from './keys.js';
import { STATUS } from './memory.js';

/** Merges every two sorted runs of `length`. */
export const MERGE_RUNS = defineKernel({
  label: 'merge runs',
  bindings: {
    status: read('array<u32>'),
    entries: read('array<Entry>'),
    merged: readWrite('array<Entry>'),
  },
  code: /* wgsl */ `
${KEYS}${ENTRIES}
${MAIN} {
  let number = groupIndex(group, groups);
  let row = number / params.spread;
  if (row >= params.rows) { return; }
  let first = row * entryWidth();
  let most = status[${STATUS.mostEntries}];
  // Only whole runs are sorted: their places beyond the row's entries are filled up.
  let end = min((most + THREADS - 1u) / THREADS * THREADS, entryWidth());
  for (var i = number % params.spread * THREADS + thread; i < end; i += THREADS * params.spread) {
    var own = entries[first + i];
    let run = i & ~(params.length - 1u);
    let isFirstRun = (i & params.length) == 0u;
    let otherRun = run ^ params.length;
    let size = select(0u, min(params.length, end - otherRun), otherRun < end);
    ${mergePlace('entries[first + otherRun + middle]')}
    merged[first + min(run, otherRun) + (i - run) + before] = own;
  }
}
`,
});
