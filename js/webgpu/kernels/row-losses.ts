import { ENTRIES } from './entries.js';
import { defineKernel, HAS_FAILED, type Kernel, MAIN, read, readWrite, sharing } from './kernel.js';
import { KEYS } from './keys.js';
import { LOSS_FLAGS } from './memory.js';
import { sums } from './sums.js';

/**
 * Computes the loss of each row, and the counts that its targets' gradients consist of. The counts take the places in the
 * histogram that were read.
 */
export const rowLosses = (lanes: number, subgroups: boolean): Kernel =>
  defineKernel({
    label: `row losses, ${lanes} lanes${subgroups ? ', subgroups' : ''}`,
    subgroups,
    bindings: {
      entries: read('array<Entry>'),
      rowInfo: read('array<u32>'),
      status: read('array<u32>'),
      partialSums: read('array<Sum>'),
      histogram: readWrite('array<u32>'),
      losses: readWrite('array<vec4<u32>>'),
    },
    code: /* wgsl */ `
${KEYS}${ENTRIES}${sums(subgroups)}${sharing(lanes)}
var<workgroup> aboveLane: array<u32, THREADS>;

${MAIN} {
  if (${HAS_FAILED}) { return; }
  let row = groupIndex(group, groups) * ROWS + thread / LANES;
  let lane = thread % LANES;
  let isRow = row < params.rows;
  var info = params.width;
  if (isRow) { info = rowInfo[params.firstRow + row]; }
  let numTargets = params.width - (info & ~NAN_ROW);
  let numEntries = select(0u, numTargets + params.unknownWidth, isRow);
  let entriesAt = row * entryWidth();
  let histogramAt = row * (entryWidth() + 1u);
  // This thread has the entries from begin to end. The scores above threshold k have ranks from k + 1 on.
  let each = (numEntries + LANES - 1u) / LANES;
  let begin = min(lane * each, numEntries);
  let end = min(begin + each, numEntries);

  beginSums(thread);
  var above = 0u;
  for (var k = begin; k < end; k++) { above += histogram[histogramAt + k + 1u]; }
  aboveLane[thread] = above;
  workgroupBarrier();
  for (var step = 1u; step < LANES; step *= 2u) {
    var more = 0u;
    if (lane + step < LANES) { more = aboveLane[thread + step]; }
    workgroupBarrier();
    aboveLane[thread] += more;
    workgroupBarrier();
  }
  above = 0u;
  if (lane + 1u < LANES) { above = aboveLane[thread + 1u]; }

  var sum = zeroSum();
  for (var k = end; k > begin; k--) {
    let at = histogramAt + k;
    above += histogram[at];
    let entry = entries[entriesAt + k - 1u];
    let pairs = above + entry.z;
    // A pair adds x[j] - t[k], where t[k] is the threshold in float32: the loss is that of the pairs as compared.
    add(&sum, pairs, bitsOf(thresholdKey(entry.x)), true);
    add(&sum, entry.w, bitsOf(entry.x), false);
    histogram[at] = entry.w - pairs;
  }
  if (isRow) {
    for (var i = lane; i < params.segments; i += LANES) {
      let other = partialSums[row * params.segments + i];
      if (other.unit > sum.unit) { raiseUnit(&sum, other.unit); }
      let words = shiftedRight(other.high, other.low, u32(sum.unit - other.unit));
      addWords(&sum, words.x, words.y);
      sum.isInfinite |= other.isInfinite;
    }
  }
  let total = addUp(sum, thread);
  if (isRow && lane == 0u) {
    var flagged = numTargets;
    if (total.isInfinite != 0u) { flagged |= ${LOSS_FLAGS.infinite}u; }
    if ((info & NAN_ROW) != 0u) { flagged |= ${LOSS_FLAGS.nan}u; }
    losses[params.firstRow + row] = vec4(u32(total.unit), total.high, total.low, flagged);
  }
}
`,
  });
