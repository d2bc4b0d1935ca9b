import { ENTRIES } from './entries.js';
import { defineKernel, type Kernel, MAIN, read, readWrite, sharing } from './kernel.js';
import { KEYS } from './keys.js';
import { STATUS } from './memory.js';

/**
 * Makes the entries of a row: of its targets that are among the classes bound, with their scores, and of its unknown
 * classes, as if their scores were NaN: they have no pairs, and are no non-targets.
 */
export const gatherEntries = (lanes: number): Kernel =>
  defineKernel({
    label: `gather entries, ${lanes} lanes`,
    bindings: {
      scores: read('array<u32>'),
      targets: read('array<u32>'),
      unknown: read('array<u32>'),
      rowInfo: read('array<u32>'),
      status: readWrite('array<atomic<u32>>'),
      entries: readWrite('array<Entry>'),
    },
    code: /* wgsl */ `
${KEYS}${ENTRIES}${sharing(lanes)}
${MAIN} {
  let number = groupIndex(group, groups);
  let row = number / params.spread * ROWS + thread / LANES;
  if (row >= params.rows) { return; }
  let lane = number % params.spread * LANES + thread % LANES;
  let numTargets = params.width - (rowInfo[params.firstRow + row] & ~NAN_ROW);
  if (lane == 0u) { atomicMax(&status[${STATUS.mostEntries}], numTargets + params.unknownWidth); }
  for (var k = lane; k < numTargets; k += LANES * params.spread) {
    let column = targets[params.targetsAt + (row * params.width + k) * params.targetWords];
    if (column >= params.begin && column < params.end) {
      let bits = scores[params.scoresAt + row * params.classes + column];
      var entry = noEntry();
      entry.x = select(keyOf(bits), NOTHING, isNan(bits));
      entry.y = column;
      entries[row * entryWidth() + k] = entry;
    }
  }
  for (var i = lane; i < params.unknownWidth; i += LANES * params.spread) {
    var entry = noEntry();
    entry.y = unknown[params.unknownAt + row * params.unknownWidth + i];
    entries[row * entryWidth() + numTargets + i] = entry;
  }
}
`,
  });
