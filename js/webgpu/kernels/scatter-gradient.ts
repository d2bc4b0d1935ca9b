import { ENTRIES } from './entries.js';
import { defineKernel, type Kernel, MAIN, read, readWrite, sharing } from './kernel.js';
import { STATUS } from './memory.js';
import { PRODUCT } from './sums.js';

/** Writes the gradients of the targets that are among the classes bound. The histogram holds their counts by now. */
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
// Computes count * scale in float64 and rounds it to float32, both to the nearest, ties to even, as src/loss does.
// The scale, 1/D or 1/(N D), is far from the ends of both ranges.
fn scaled(count: i32, scale: vec4<u32>) -> f32 {
  if (count == 0) { return 0.0; }
  let factor = u32(abs(count));
  let low = product(scale.x, factor);
  let high = product((scale.y & 0xfffffu) | 0x100000u, factor);
  // Three words, the highest first. The product has 53 bits or more.
  var words = vec3(high.x, high.y + low.x, low.y);
  if (words.y < low.x) { words.x += 1u; }
  var exponent = i32((scale.y >> 20u) & 0x7ffu) - 1075 + 95 + 127;
  if (words.x == 0u) { words = vec3(words.yz, 0u); exponent -= 32; }
  let zeros = countLeadingZeros(words.x);
  if (zeros > 0u) {
    let rest = 32u - zeros;
    words = vec3((words.x << zeros) | (words.y >> rest), (words.y << zeros) | (words.z >> rest), words.z << zeros);
    exponent -= i32(zeros);
  }
  // Rounds to the 53 bits of a float64: 11 bits of the second word go, and the third word.
  let isUpInDouble = (words.y & 0x400u) != 0u && ((words.y & 0xbffu) != 0u || words.z != 0u);
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
  return bitcast<f32>(bits | (u32(count) & 0x80000000u));
}

${MAIN} {
  if (status[${STATUS.badTarget}] != 0u || status[${STATUS.badScore}] != 0u) { return; }
  let number = groupIndex(group, groups);
  let row = number / params.spread * ROWS + thread / LANES;
  if (row >= params.rows) { return; }
  let info = rowInfo[params.firstRow + row];
  if ((info & NAN_ROW) != 0u) { return; }
  let numTargets = params.width - info;
  let entriesAt = row * params.width;
  let countsAt = row * (params.width + 1u) + 1u;
  let scale = scales[select(0u, numTargets, params.byTargets != 0u)];
  for (var k = number % params.spread * LANES + thread % LANES; k < numTargets; k += LANES * params.spread) {
    let column = entries[entriesAt + k].y;
    if (column < params.begin || column >= params.end) { continue; }
    // The thread that has the first entry of a class writes its gradient.
    if (k > 0u && entries[entriesAt + k - 1u].y == column) { continue; }
    var sum = scaled(i32(histogram[countsAt + k]), scale);
    for (var i = k + 1u; i < numTargets && entries[entriesAt + i].y == column; i++) {
      sum += scaled(i32(histogram[countsAt + i]), scale);
    }
    gradient[params.gradAt + row * params.classes + column] = bitcast<u32>(sum);
  }
}
`,
  });
