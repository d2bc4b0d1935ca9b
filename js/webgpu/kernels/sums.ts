/** The product of two words. */
export const PRODUCT = /* wgsl */ `
// The high and the low word.
fn product(a: u32, b: u32) -> vec2<u32> {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let low = al * bl;
  let middle = ah * bl;
  let other = al * bh;
  let carried = (low >> 16u) + (middle & 0xffffu) + (other & 0xffffu);
  return vec2(ah * bh + (middle >> 16u) + (other >> 16u) + (carried >> 16u), (low & 0xffffu) | (carried << 16u));
}
`;

// The threads of a row add up what they have in workgroup memory. With subgroups, the threads of a subgroup add theirs up
// before, and one of them goes there for all. Only the GPU knows which threads are a subgroup, and whether they are of one
// row. Without subgroups, each thread is on its own.
const SUBGROUP = /* wgsl */ `
fn isOfOneRow(row: u32) -> bool { return subgroupAll(row == subgroupBroadcastFirst(row)); }
fn isFirstOf(oneRow: bool) -> bool { let isFirst = subgroupElect(); return isFirst || !oneRow; }
fn maxOf(value: i32, oneRow: bool) -> i32 { return select(value, subgroupMax(value), oneRow); }
fn sumOf(value: i32, oneRow: bool) -> i32 { return select(value, subgroupAdd(value), oneRow); }
`;
const NO_SUBGROUP = /* wgsl */ `
fn isOfOneRow(row: u32) -> bool { return false; }
fn isFirstOf(oneRow: bool) -> bool { return true; }
fn maxOf(value: i32, oneRow: bool) -> i32 { return value; }
fn sumOf(value: i32, oneRow: bool) -> i32 { return value; }
`;

/** Sums of count * score. Each thread has one; a row's are added up in integers, so that their order does not matter. */
export const sums = (subgroups: boolean): string => /* wgsl */ `
${PRODUCT}${subgroups ? SUBGROUP : NO_SUBGROUP}
// (high * 2^32 + low) * 2^unit, in two's complement. The unit grows with the largest product, of which 56 bits are
// kept, so the sum is about as good as one in float64.
struct Sum { unit: i32, high: u32, low: u32, isInfinite: u32 }

const LOWEST_UNIT = -100000;
fn zeroSum() -> Sum { return Sum(LOWEST_UNIT, 0u, 0u, 0u); }

fn shiftedRight(high: u32, low: u32, by: u32) -> vec2<u32> {
  let sign = u32(i32(high) >> 31u);
  if (by == 0u) { return vec2(high, low); }
  if (by < 32u) { return vec2(u32(i32(high) >> by), (low >> by) | (high << (32u - by))); }
  if (by < 64u) { return vec2(sign, u32(i32(high) >> (by - 32u))); }
  return vec2(sign, sign);
}

fn raiseUnit(sum: ptr<function, Sum>, unit: i32) {
  let shifted = shiftedRight((*sum).high, (*sum).low, u32(unit - (*sum).unit));
  (*sum).high = shifted.x;
  (*sum).low = shifted.y;
  (*sum).unit = unit;
}

fn addWords(sum: ptr<function, Sum>, high: u32, low: u32) {
  let total = (*sum).low + low;
  (*sum).high += high + select(0u, 1u, total < low);
  (*sum).low = total;
  // Counts from 2^62 on.
  if (((*sum).high + 0x40000000u) >= 0x80000000u) { raiseUnit(sum, (*sum).unit + 8); }
}

// Adds count * score, or subtracts it.
fn add(sum: ptr<function, Sum>, count: u32, score: u32, isSubtracted: bool) {
  let exponent = (score >> 23u) & 0xffu;
  if (count == 0u) { return; }
  if (exponent == 0xffu) { (*sum).isInfinite = 1u; return; }
  let mantissa = (score & 0x7fffffu) | select(0u, 0x800000u, exponent != 0u);
  if (mantissa == 0u) { return; }
  let zeros = countLeadingZeros(count);
  let unit = i32(max(exponent, 1u)) - 150 - i32(zeros);
  if (unit > (*sum).unit) { raiseUnit(sum, unit); }
  let exact = product(mantissa, count << zeros);
  var words = shiftedRight(exact.x, exact.y, u32((*sum).unit - unit));
  if (((score >> 31u) != 0u) != isSubtracted) {
    words = vec2(~words.x, ~words.y);
    if (words.y == 0xffffffffu) { words = vec2(words.x + 1u, 0u); } else { words.y += 1u; }
  }
  addWords(sum, words.x, words.y);
}

var<workgroup> units: array<atomic<i32>, ROWS>;
// The sum of a row, 16 bits in each word, the highest with a sign; and whether it is infinite.
var<workgroup> pieces: array<array<atomic<i32>, 5>, ROWS>;

// Call this before addUp(), with a barrier in between.
fn beginSums(thread: u32) {
  if (thread % LANES == 0u) {
    let row = thread / LANES;
    atomicStore(&units[row], LOWEST_UNIT);
    for (var i = 0u; i < 5u; i++) { atomicStore(&pieces[row][i], 0); }
  }
}

// Returns the sum of the sums of all threads of a row. All threads of the workgroup call it.
fn addUp(own: Sum, thread: u32) -> Sum {
  let row = thread / LANES;
  let oneRow = isOfOneRow(row);
  let isFirst = isFirstOf(oneRow);
  let highest = maxOf(own.unit, oneRow);
  if (isFirst) { atomicMax(&units[row], highest); }
  workgroupBarrier();
  let unit = atomicLoad(&units[row]);
  let words = shiftedRight(own.high, own.low, u32(unit - own.unit));
  let sum0 = sumOf(i32(words.y & 0xffffu), oneRow);
  let sum1 = sumOf(i32(words.y >> 16u), oneRow);
  let sum2 = sumOf(i32(words.x & 0xffffu), oneRow);
  let sum3 = sumOf(i32(words.x) >> 16u, oneRow);
  if (isFirst && (sum0 | sum1 | sum2 | sum3) != 0) {
    atomicAdd(&pieces[row][0], sum0);
    atomicAdd(&pieces[row][1], sum1);
    atomicAdd(&pieces[row][2], sum2);
    atomicAdd(&pieces[row][3], sum3);
  }
  if (own.isInfinite != 0u) { atomicStore(&pieces[row][4], 1); }
  workgroupBarrier();
  let s0 = atomicLoad(&pieces[row][0]);
  let s1 = atomicLoad(&pieces[row][1]) + (s0 >> 16u);
  let s2 = atomicLoad(&pieces[row][2]) + (s1 >> 16u);
  let s3 = atomicLoad(&pieces[row][3]) + (s2 >> 16u);
  let isInfinite = u32(atomicLoad(&pieces[row][4]));
  let low = u32(s0 & 0xffff) | (u32(s1) << 16u);
  let middle = u32(s2 & 0xffff) | (u32(s3) << 16u);
  if (s3 >= -0x4000 && s3 < 0x4000) { return Sum(unit, middle, low, isInfinite); }
  // The sum has more than 62 bits. There are 256 threads at most, so nine bits less suffice.
  let high = u32(s3 >> 16u);
  return Sum(unit + 9, (middle >> 9u) | (high << 23u), (low >> 9u) | (middle << 23u), isInfinite);
}
`;
