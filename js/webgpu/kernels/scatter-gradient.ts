import { ENTRIES } from './entries.js';
import { defineKernel, HAS_FAILED, type Kernel, MAIN, read, readWrite, sharing } from './kernel.js';
import { SILENT } from './memory.js';
import { PRODUCT } from './sums.js';

/** Writes the gradients of the targets and of unknown classes, which are 0, among the classes bound. The histogram holds their counts by now. */
export const scatterGradient = (lanes: number): Kernel =>
  defineKernel({
    label: `scatter gradient, ${lanes} lanes`,
    bindings: {
      entries: read('array<Entry>'),
      rowInfo: read('array<u32>'),
      status: read('array<u32>'),
      histogram: read('array<u32>'),
      scales: read('array<vec4<u32>>'),
      gradient: readWrite('array<u32>'),
    },
    code: /* wgsl */ `
${ENTRIES}${PRODUCT}${sharing(lanes)}
// A count of 64 bits, in two's complement: the high and the low word.
fn plus(count: vec2<u32>, other: i32) -> vec2<u32> {
  let low = count.y + u32(other);
  return vec2(count.x + u32(other >> 31u) + select(0u, 1u, low < count.y), low);
}

// Computes count * scale in float64 and rounds it to float32, both to the nearest, ties to even, as src/loss does.
// A scale that is not 0 is far from the ends of both ranges: see LEAST_SCALE.
fn scaled(count: vec2<u32>, scale: vec4<u32>) -> f32 {
  if ((count.x | count.y) == 0u || (scale.x | scale.y) == 0u) { return 0.0; }
  let sign = count.x & 0x80000000u;
  var factor = count;
  if (sign != 0u) { factor = vec2(select(~count.x, ~count.x + 1u, count.y == 0u), ~count.y + 1u); }
  // The product of the mantissa and the count, in four words, the highest first.
  let high = (scale.y & 0xfffffu) | 0x100000u;
  let lowest = product(scale.x, factor.y);
  let middle = product(scale.x, factor.x);
  let other = product(high, factor.y);
  let highest = product(high, factor.x);
  var words = vec4(highest.x, highest.y, lowest.x, lowest.y);
  words.z += middle.y;
  var carries = select(0u, 1u, words.z < middle.y);
  words.z += other.y;
  carries += select(0u, 1u, words.z < other.y);
  // No sum of these three overflows by more than one: the product has 117 bits at most.
  for (var i = 0; i < 3; i++) {
    let term = vec3(middle.x, other.x, carries)[i];
    words.y += term;
    words.x += select(0u, 1u, words.y < term);
  }
  var exponent = i32((scale.y >> 20u) & 0x7ffu) - 1075 + 127 + 127;
  while (words.x == 0u) { words = vec4(words.yzw, 0u); exponent -= 32; }
  let zeros = countLeadingZeros(words.x);
  if (zeros > 0u) {
    let rest = 32u - zeros;
    words = vec4(
      (words.x << zeros) | (words.y >> rest),
      (words.y << zeros) | (words.z >> rest),
      (words.z << zeros) | (words.w >> rest),
      words.w << zeros,
    );
    exponent -= i32(zeros);
  }
  // Rounds to the 53 bits of a float64: 11 bits of the second word go, and the words after it.
  let isUpInDouble = (words.y & 0x400u) != 0u && ((words.y & 0xbffu) != 0u || (words.z | words.w) != 0u);
  words.y &= ~0x7ffu;
  if (isUpInDouble) {
    words.y += 0x800u;
    if (words.y == 0u) {
      words.x += 1u;
      if (words.x == 0u) { words.x = 0x80000000u; exponent += 1; }
    }
  }
  // Rounds to the 24 bits of a float32.
  let isUp = (words.x & 0x80u) != 0u && ((words.x & 0x17fu) != 0u || words.y != 0u);
  // A carry out of the mantissa increments the exponent, which is right.
  let bits = (u32(exponent - 1) << 23u) + (words.x >> 8u) + select(0u, 1u, isUp);
  return bitcast<f32>(bits | sign);
}

${MAIN} {
  if (${HAS_FAILED}) { return; }
  let number = groupIndex(group, groups);
  let row = number / params.spread * ROWS + thread / LANES;
  if (row >= params.rows) { return; }
  let info = rowInfo[params.firstRow + row];
  let numTargets = params.width - (info & ~NAN_ROW);
  let numEntries = numTargets + params.unknownWidth;
  let scale = scales[scaleIndex(row, numTargets)];
  if ((info & NAN_ROW) != 0u && scale.w != ${SILENT}u) { return; }
  let entriesAt = row * entryWidth();
  let countsAt = row * (entryWidth() + 1u) + 1u;
  for (var k = number % params.spread * LANES + thread % LANES; k < numEntries; k += LANES * params.spread) {
    let column = entries[entriesAt + k].y;
    if (column < params.begin || column >= params.end) { continue; }
    // The thread that has the first entry of a class adds up the counts of all, which are exact, and rounds once.
    if (k > 0u && entries[entriesAt + k - 1u].y == column) { continue; }
    var count = vec2(0u, 0u);
    for (var i = k; i < numEntries && entries[entriesAt + i].y == column; i++) {
      count = plus(count, i32(histogram[countsAt + i]));
    }
    let sum = scaled(count, scale);
    gradient[params.gradAt + row * params.classes + column] = bitcast<u32>(sum);
  }
}
`,
  });
