import { ENTRIES } from './entries.js';
import { defineKernel, HAS_FAILED, type Kernel, MAIN, read, readWrite, sharing, THREADS } from './kernel.js';
import { KEYS } from './keys.js';
import { SILENT, STATUS } from './memory.js';
import { sums } from './sums.js';

/** Scores of a row that one workgroup counts. Workgroup memory has a bit for each, which tells targets and unknown classes from others. */
export const SEGMENT = 16384;

/** Thresholds, and as many places of the histogram of their ranks, that fit in workgroup memory. */
export const MOST_LOCAL = 1024;

/**
 * Counts the thresholds below every bound score that is neither a target nor unknown: notes the counts in the histogram, adds up
 * count * score, and writes the gradient.
 */
export const countScores = (lanes: number, subgroups: boolean): Kernel =>
  defineKernel({
    label: `count scores, ${lanes} lanes${subgroups ? ', subgroups' : ''}`,
    subgroups,
    bindings: {
      scores: read('array<u32>'),
      entries: read('array<Entry>'),
      rowInfo: read('array<u32>'),
      status: read('array<u32>'),
      histogram: readWrite('array<atomic<u32>>'),
      partialSums: readWrite('array<Sum>'),
      scales: read('array<vec4<u32>>'),
      gradient: readWrite('array<u32>'),
    },
    code: /* wgsl */ `
${KEYS}${ENTRIES}${sums(subgroups)}${sharing(lanes)}
const SPAN = ${SEGMENT / THREADS}u * LANES;
const MASK_WORDS = SPAN / 32u;
var<workgroup> isMasked: array<atomic<u32>, MASK_WORDS * ROWS>;
var<workgroup> localThresholds: array<u32, ${MOST_LOCAL}>;
var<workgroup> localHistogram: array<atomic<u32>, ${MOST_LOCAL}>;

${MAIN} {
  if (${HAS_FAILED}) { return; }
  let number = groupIndex(group, groups);
  let segmentsBound = (params.end - params.begin + SPAN - 1u) / SPAN;
  let segment = number % segmentsBound;
  let rowHere = thread / LANES;
  let row = number / segmentsBound * ROWS + rowHere;
  let lane = thread % LANES;
  let isRow = row < params.rows;
  let first = params.begin + segment * SPAN;
  let last = min(first + SPAN, params.end);
  var numEntries = 0u;
  var scale = vec4(0u);
  var isNanRow = false;
  if (isRow) {
    let info = rowInfo[params.firstRow + row];
    let numTargets = params.width - (info & ~NAN_ROW);
    numEntries = numTargets + params.unknownWidth;
    scale = scales[scaleIndex(row, numTargets)];
    isNanRow = (info & NAN_ROW) != 0u && scale.w != ${SILENT}u;
  }

  // A power of two, so that every search takes the same number of steps; one of the places is for rank 0.
  let most = status[${STATUS.mostEntries}];
  let steps = 32u - countLeadingZeros(most);
  let places = 1u << steps;
  let isLocal = places * ROWS <= ${MOST_LOCAL}u;
  let entriesAt = row * entryWidth();
  let histogramAt = row * (entryWidth() + 1u);
  let placesAt = rowHere * places;
  let maskAt = rowHere * MASK_WORDS;

  beginSums(thread);
  for (var i = lane; i < MASK_WORDS; i += LANES) { atomicStore(&isMasked[maskAt + i], 0u); }
  if (isLocal) {
    for (var i = lane; i < places; i += LANES) {
      var threshold = NOTHING;
      if (i < numEntries) { threshold = thresholdKey(entries[entriesAt + i].x); }
      localThresholds[placesAt + i] = threshold;
      atomicStore(&localHistogram[placesAt + i], 0u);
    }
  }
  workgroupBarrier();
  for (var i = lane; i < numEntries; i += LANES) {
    let column = entries[entriesAt + i].y;
    if (column >= first && column < last) {
      atomicOr(&isMasked[maskAt + (column - first) / 32u], 1u << ((column - first) % 32u));
    }
  }
  workgroupBarrier();

  var sum = zeroSum();
  if (isRow) {
    for (var j = first + lane; j < last; j += LANES) {
      if (isNanRow) {
        if (params.withGradient != 0u) { gradient[params.gradAt + row * params.classes + j] = 0x7fc00000u; }
        continue;
      }
      if (((atomicLoad(&isMasked[maskAt + (j - first) / 32u]) >> ((j - first) % 32u)) & 1u) != 0u) { continue; }
      let bits = scores[params.scoresAt + row * params.classes + j];
      // NaN is above nothing.
      let key = select(keyOf(bits), 0u, isNan(bits));
      var rank = 0u;
      if (isLocal) {
        for (var step = places / 2u; step > 0u; step /= 2u) {
          if (localThresholds[placesAt + rank + step - 1u] < key) { rank += step; }
        }
      } else {
        for (var step = places / 2u; step > 0u; step /= 2u) {
          let i = rank + step - 1u;
          if (i < numEntries && thresholdKey(entries[entriesAt + i].x) < key) { rank += step; }
        }
      }
      if (rank > 0u) {
        if (isLocal) {
          atomicAdd(&localHistogram[placesAt + rank], 1u);
        } else {
          atomicAdd(&histogram[histogramAt + rank], 1u);
        }
        add(&sum, rank, bits, false);
      }
      if (params.withGradient != 0u) {
        gradient[params.gradAt + row * params.classes + j] = bitcast<u32>(f32(rank) * bitcast<f32>(scale.z));
      }
    }
  }
  let total = addUp(sum, thread);
  if (!isRow) { return; }
  if (lane == 0u) { partialSums[row * params.segments + params.firstSegment + segment] = total; }
  if (isLocal) {
    for (var i = lane; i < places; i += LANES) {
      let scoresOfRank = atomicLoad(&localHistogram[placesAt + i]);
      if (scoresOfRank > 0u) { atomicAdd(&histogram[histogramAt + i], scoresOfRank); }
    }
  }
}
`,
  });
