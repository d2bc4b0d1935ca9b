// The kernels, in WGSL. What they compute is told in docs/webgpu.md; the numbers are those of src/, but all of it is
// counted and summed in integers: WGSL lets a compiler reorder and fuse floating-point operations, flush what is
// denormal and assume that nothing is NaN or infinite, and promises nothing of the kind about u32. What is left of
// floating point are single operations, which nothing can be fused with: score - margin, count * scale.

/** Threads of a workgroup: the most that every device has. */
export const THREADS = 256;

/** Scores of a row that one workgroup counts. A bit for each is in workgroup memory, and tells targets from others. */
export const SEGMENT = 16384;

/** Thresholds, with one place to spare, that fit in workgroup memory beside the histogram of their ranks. */
export const MOST_LOCAL = 1024;

/** Of a target of a row, while the row is computed. */
export const ENTRY_BYTES = 16;

/** What a dispatch is about, in 32-bit words. */
export const PARAMS = [
  'rows', // of this part of the batch
  'firstRow', // of the part, among those that are submitted together
  'classes',
  'width', // of the targets
  'begin', // the classes that are bound are those from begin to end
  'end',
  'scoresAt', // index of the first row's class 0 in what is bound; wraps around where that class is not
  'gradAt',
  'targetsAt',
  'targetWords', // 1 for int32, 2 for int64
  'firstSegment', // that is bound
  'segments', // of a row
  'length', // of the runs that are sorted or merged
  'spread', // workgroups that share a row; if more than one, no two rows share a workgroup
  'byTargets', // 1 where the row's scale is that of its number of targets
  'propagatesNan',
  'isRanked',
  'withGradient',
  'margin', // float32
] as const;

export type Params = Record<(typeof PARAMS)[number], number>;

/** Words of the status buffer; all are 0 at first. */
export const STATUS = {
  /** 2^32 - 1 - i, for the first target i, row by row, that is out of range */
  badTarget: 0,
  /** The same for NaN scores */
  badScore: 1,
  /** The most targets that a row has */
  mostTargets: 2,
  /** Of the target that is out of range: int64 */
  valueLow: 3,
  valueHigh: 4,
};
export const STATUS_WORDS = 8;

const ENABLE_SUBGROUPS = 'enable subgroups;';

const HEADER = /* wgsl */ `
struct Params { ${PARAMS.map((name) => `${name}: ${name === 'margin' ? 'f32' : 'u32'}`).join(', ')} }
@group(0) @binding(0) var<uniform> params: Params;

const THREADS = ${THREADS}u;
// The key of a NaN score, and of no score: of no target, and of a threshold that nothing is above.
const NOTHING = 0xffffffffu;
// In the words of a row in 'info': its width less its number of targets, and whether a score is NaN.
const NAN_ROW = 0x80000000u;

// The number of a workgroup: there may be too many for one dimension.
fn groupIndex(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.y * groups.x + group.x; }

fn isNan(bits: u32) -> bool { return (bits & 0x7fffffffu) > 0x7f800000u; }
`;

// Of a kernel of many threads, before its body.
const MAIN = /* wgsl */ `@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) thread: u32)`;

// Floats as integers of the same order.
const KEYS = /* wgsl */ `
fn keyOf(bits: u32) -> u32 {
  // -0 is 0
  if ((bits << 1u) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) != 0u);
}

fn bitsOf(key: u32) -> u32 { return select(~key, key ^ 0x80000000u, (key >> 31u) != 0u); }

// Of x[k] - margin, which in floating point is the same as -(margin - x[k]). It is monotone in the score.
fn thresholdKey(scoreKey: u32) -> u32 {
  let bits = bitsOf(scoreKey);
  // What is infinite or NaN stays so. And x - 0 is x, also where the subtraction would flush it to 0.
  if ((bits & 0x7f800000u) == 0x7f800000u || params.margin == 0.0) { return scoreKey; }
  return keyOf(bitcast<u32>(bitcast<f32>(bits) - params.margin));
}
`;

const ENTRIES = /* wgsl */ `
// A target: the key of its score; its class; under targetOrder 'ranked', the later targets above its threshold, and
// the earlier ones whose thresholds it is above.
alias Entry = vec4<u32>;

fn noEntry() -> Entry { return Entry(NOTHING, NOTHING, 0u, 0u); }

// By score, then by class, so that a class that is listed several times is in one place.
fn isBefore(a: Entry, b: Entry) -> bool { return a.x < b.x || (a.x == b.x && a.y < b.y); }
`;

const PRODUCT = /* wgsl */ `
// Of 32 bits each: the high and the low word.
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

// What the threads of a row have in common goes through workgroup memory; with subgroups, those of a subgroup put theirs
// together before, and one of them goes there for all. Which threads are a subgroup, and whether they are of one row, is
// known to the GPU alone. Without subgroups, each thread is on its own.
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

// Sums of count * score. Each thread has one; those of a row are put together in integers: the order does not matter.
const sums = (subgroups: boolean): string => /* wgsl */ `
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
  // From 2^62 on.
  if (((*sum).high + 0x40000000u) >= 0x80000000u) { raiseUnit(sum, (*sum).unit + 8); }
}

// Adds count * score; or subtracts it.
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
// Of the sum of a row, 16 bits in each word, the highest with a sign; and whether it is infinite.
var<workgroup> pieces: array<array<atomic<i32>, 5>, ROWS>;

// To be called before addUp(), with a barrier in between.
fn beginSums(thread: u32) {
  if (thread % LANES == 0u) {
    let row = thread / LANES;
    atomicStore(&units[row], LOWEST_UNIT);
    for (var i = 0u; i < 5u; i++) { atomicStore(&pieces[row][i], 0); }
  }
}

// The sums of all threads of a row. By all threads of the workgroup.
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
  // More than 62 bits; there are 256 threads at most.
  let high = u32(s3 >> 16u);
  return Sum(unit + 9, (middle >> 9u) | (high << 23u), (low >> 9u) | (middle << 23u), isInfinite);
}
`;

// The threads of a workgroup that share a row, and the rows of a workgroup.
const sharing = (lanes: number): string => /* wgsl */ `
const LANES = ${lanes}u;
const ROWS = ${THREADS / lanes}u;
`;

/** Checks every target, and notes the row's number of targets. A thread each. */
export const CHECK = /* wgsl */ `
${HEADER}
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read_write> status: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> info: array<atomic<u32>>;

${MAIN} {
  let i = groupIndex(group, groups) * THREADS + thread;
  if (i >= params.rows * params.width) { return; }
  let at = params.targetsAt + i * params.targetWords;
  let low = targets[at];
  var high = u32(i32(low) >> 31u);
  if (params.targetWords == 2u) { high = targets[at + 1u]; }
  let isClass = high == 0u && low < params.classes;
  let isPadding = (high & low) == 0xffffffffu;
  if (!isClass && !isPadding) {
    atomicMax(&status[${STATUS.badTarget}], 0xffffffffu - (params.firstRow * params.width + i));
  }
  if ((high >> 31u) != 0u) {
    let row = i / params.width;
    atomicMax(&info[params.firstRow + row], params.width - (i - row * params.width));
  }
}
`;

/** Notes what the first target is that CHECK found to be out of range, if it is among those bound. One thread. */
export const REPORT = /* wgsl */ `
${HEADER}
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read_write> status: array<u32>;

@compute @workgroup_size(1)
fn main() {
  let bad = 0xffffffffu - status[${STATUS.badTarget}];
  let first = params.firstRow * params.width;
  if (status[${STATUS.badTarget}] == 0u || bad < first || bad - first >= params.rows * params.width) { return; }
  let at = params.targetsAt + (bad - first) * params.targetWords;
  status[${STATUS.valueLow}] = targets[at];
  // Of int32, not read.
  status[${STATUS.valueHigh}] = targets[at + params.targetWords - 1u];
}
`;

/** Looks for NaN scores. A thread each; after CHECK. */
export const FIND_NAN = /* wgsl */ `
${HEADER}
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> status: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> info: array<atomic<u32>>;

${MAIN} {
  let i = groupIndex(group, groups) * THREADS + thread;
  let bound = params.end - params.begin;
  if (i >= params.rows * bound) { return; }
  let row = i / bound;
  let column = params.begin + i - row * bound;
  if (isNan(scores[params.scoresAt + row * params.classes + column])) {
    if (params.propagatesNan != 0u) {
      atomicOr(&info[params.firstRow + row], NAN_ROW);
    } else {
      atomicMax(&status[${STATUS.badScore}], 0xffffffffu - ((params.firstRow + row) * params.classes + column));
    }
  }
}
`;

/** Fetches the scores of the targets that are among the classes bound. */
export const gather = (lanes: number): string => /* wgsl */ `
${HEADER}${KEYS}${ENTRIES}${sharing(lanes)}
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> info: array<u32>;
@group(0) @binding(4) var<storage, read_write> status: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> entries: array<Entry>;

${MAIN} {
  let number = groupIndex(group, groups);
  let row = number / params.spread * ROWS + thread / LANES;
  if (row >= params.rows) { return; }
  let lane = number % params.spread * LANES + thread % LANES;
  let numTargets = params.width - (info[params.firstRow + row] & ~NAN_ROW);
  if (lane == 0u) { atomicMax(&status[${STATUS.mostTargets}], numTargets); }
  for (var k = lane; k < numTargets; k += LANES * params.spread) {
    let column = targets[params.targetsAt + (row * params.width + k) * params.targetWords];
    if (column >= params.begin && column < params.end) {
      let bits = scores[params.scoresAt + row * params.classes + column];
      var entry = noEntry();
      entry.x = select(keyOf(bits), NOTHING, isNan(bits));
      entry.y = column;
      entries[row * params.width + k] = entry;
    }
  }
}
`;

/** A binary search, by a bound on the number of entries that come before. */
const search = (count: string, size: string, isBefore: string, entry: string): string => /* wgsl */ `
  var ${count} = 0u;
  {
    var end = ${size};
    while (${count} < end) {
      let middle = (${count} + end) / 2u;
      let other = ${entry};
      if (${isBefore}) { ${count} = middle + 1u; } else { end = middle; }
    }
  }`;

// Of two sorted runs, 'own' is in one and the other has 'size' entries: 'before' is how many of these come before it.
// Of equal entries, those of the first run do. Merging takes every pair of targets past each other once, earlier and
// later: so this is where the ranked ones are counted. A threshold is monotone in its score, so one order serves both.
const merge = (other: string): string => /* wgsl */ `
  ${search('before', 'size', 'select(!isBefore(own, other), isBefore(other, own), isFirstRun)', other)}
  if (params.isRanked == 0u) {
    // No such pairs.
  } else if (isFirstRun) {
    let threshold = thresholdKey(own.x);
    ${search('notAbove', 'size', 'other.x <= threshold', other)}
    ${search('scores', 'size', 'other.x < NOTHING', other)}
    if (scores > notAbove) { own.z += scores - notAbove; }
  } else if (own.x != NOTHING) {
    ${search('below', 'size', 'thresholdKey(other.x) < own.x', other)}
    own.w += below;
  }`;

/** Sorts the entries of each row, in runs of 'length' at most, a power of two. A thread each. */
export const SORT = /* wgsl */ `
${HEADER}${KEYS}${ENTRIES}
@group(0) @binding(1) var<storage, read> info: array<u32>;
@group(0) @binding(2) var<storage, read> status: array<u32>;
@group(0) @binding(3) var<storage, read_write> entries: array<Entry>;

// Two, to merge from one to the other.
var<workgroup> tiles: array<Entry, 2u * THREADS>;

${MAIN} {
  let number = groupIndex(group, groups);
  let runs = (params.width + params.length - 1u) / params.length;
  if (runs > 1u && number % runs * THREADS >= status[${STATUS.mostTargets}]) { return; }
  let i = number * THREADS + thread;
  let row = i / (params.length * runs);
  let k = i % (params.length * runs);
  var own = noEntry();
  let isInside = row < params.rows && k < params.width;
  if (isInside && k < params.width - (info[params.firstRow + row] & ~NAN_ROW)) {
    own = entries[row * params.width + k];
  }
  var source = 0u;
  tiles[thread] = own;
  workgroupBarrier();
  for (var size = 1u; size < params.length; size *= 2u) {
    own = tiles[source + thread];
    let isFirstRun = (thread & size) == 0u;
    let otherRun = (thread & ~(size - 1u)) ^ size;
    ${merge('tiles[source + otherRun + middle]')}
    source = THREADS - source;
    tiles[source + (thread & ~(2u * size - 1u)) + (thread & (size - 1u)) + before] = own;
    workgroupBarrier();
  }
  if (isInside) { entries[row * params.width + k] = tiles[source + thread]; }
}
`;

/** Merges every two runs of 'length'. */
export const MERGE_RUNS = /* wgsl */ `
${HEADER}${KEYS}${ENTRIES}
@group(0) @binding(1) var<storage, read> status: array<u32>;
@group(0) @binding(2) var<storage, read> entries: array<Entry>;
@group(0) @binding(3) var<storage, read_write> merged: array<Entry>;

${MAIN} {
  let number = groupIndex(group, groups);
  let row = number / params.spread;
  if (row >= params.rows) { return; }
  let first = row * params.width;
  let most = status[${STATUS.mostTargets}];
  // Whole runs: their other places have been filled with no entries.
  let end = min((most + THREADS - 1u) / THREADS * THREADS, params.width);
  for (var i = number % params.spread * THREADS + thread; i < end; i += THREADS * params.spread) {
    var own = entries[first + i];
    let run = i & ~(params.length - 1u);
    let isFirstRun = (i & params.length) == 0u;
    let otherRun = run ^ params.length;
    let size = select(0u, min(params.length, end - otherRun), otherRun < end);
    ${merge('entries[first + otherRun + middle]')}
    merged[first + min(run, otherRun) + (i - run) + before] = own;
  }
}
`;

/** Counts, for every score bound that is no target, the thresholds below it. */
export const count = (lanes: number, subgroups: boolean): string => /* wgsl */ `
${subgroups ? ENABLE_SUBGROUPS : ''}${HEADER}${KEYS}${ENTRIES}${sums(subgroups)}${sharing(lanes)}
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> entries: array<Entry>;
@group(0) @binding(3) var<storage, read> info: array<u32>;
@group(0) @binding(4) var<storage, read> status: array<u32>;
// [rows, width + 1]: how many scores have so many thresholds below them
@group(0) @binding(5) var<storage, read_write> histogram: array<atomic<u32>>;
// [rows, segments]: sum of count * score
@group(0) @binding(6) var<storage, read_write> partialSums: array<Sum>;
@group(0) @binding(7) var<storage, read> scales: array<vec4<u32>>;
@group(0) @binding(8) var<storage, read_write> gradient: array<u32>;

const SPAN = ${SEGMENT / THREADS}u * LANES;
const MASK_WORDS = SPAN / 32u;
var<workgroup> isTarget: array<atomic<u32>, MASK_WORDS * ROWS>;
var<workgroup> localThresholds: array<u32, ${MOST_LOCAL}>;
var<workgroup> localHistogram: array<atomic<u32>, ${MOST_LOCAL}>;

${MAIN} {
  if (status[${STATUS.badTarget}] != 0u || status[${STATUS.badScore}] != 0u) { return; }
  let number = groupIndex(group, groups);
  let segmentsBound = (params.end - params.begin + SPAN - 1u) / SPAN;
  let segment = number % segmentsBound;
  let rowHere = thread / LANES;
  let row = number / segmentsBound * ROWS + rowHere;
  let lane = thread % LANES;
  let isRow = row < params.rows;
  let first = params.begin + segment * SPAN;
  let last = min(first + SPAN, params.end);
  var numTargets = 0u;
  var isNanRow = false;
  if (isRow) {
    numTargets = params.width - (info[params.firstRow + row] & ~NAN_ROW);
    isNanRow = (info[params.firstRow + row] & NAN_ROW) != 0u;
  }

  // A power of two, so that a search takes as many steps wherever it ends; one of the places is for rank 0.
  let most = status[${STATUS.mostTargets}];
  let steps = 32u - countLeadingZeros(most);
  let places = 1u << steps;
  let isLocal = places * ROWS <= ${MOST_LOCAL}u;
  let entriesAt = row * params.width;
  let histogramAt = row * (params.width + 1u);
  let placesAt = rowHere * places;
  let maskAt = rowHere * MASK_WORDS;

  beginSums(thread);
  for (var i = lane; i < MASK_WORDS; i += LANES) { atomicStore(&isTarget[maskAt + i], 0u); }
  if (isLocal) {
    for (var i = lane; i < places; i += LANES) {
      var threshold = NOTHING;
      if (i < numTargets) { threshold = thresholdKey(entries[entriesAt + i].x); }
      localThresholds[placesAt + i] = threshold;
      atomicStore(&localHistogram[placesAt + i], 0u);
    }
  }
  workgroupBarrier();
  for (var i = lane; i < numTargets; i += LANES) {
    let column = entries[entriesAt + i].y;
    if (column >= first && column < last) {
      atomicOr(&isTarget[maskAt + (column - first) / 32u], 1u << ((column - first) % 32u));
    }
  }
  workgroupBarrier();

  var sum = zeroSum();
  if (isRow) {
    let scale = bitcast<f32>(scales[select(0u, numTargets, params.byTargets != 0u)].z);
    for (var j = first + lane; j < last; j += LANES) {
      if (isNanRow) {
        if (params.withGradient != 0u) { gradient[params.gradAt + row * params.classes + j] = 0x7fc00000u; }
        continue;
      }
      if (((atomicLoad(&isTarget[maskAt + (j - first) / 32u]) >> ((j - first) % 32u)) & 1u) != 0u) { continue; }
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
          if (i < numTargets && thresholdKey(entries[entriesAt + i].x) < key) { rank += step; }
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
        gradient[params.gradAt + row * params.classes + j] = bitcast<u32>(f32(rank) * scale);
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
`;

/** The loss of each row, and the counts that the gradients of its targets are made of. */
export const finish = (lanes: number, subgroups: boolean): string => /* wgsl */ `
${subgroups ? ENABLE_SUBGROUPS : ''}${HEADER}${KEYS}${ENTRIES}${sums(subgroups)}${sharing(lanes)}
@group(0) @binding(1) var<storage, read> entries: array<Entry>;
@group(0) @binding(2) var<storage, read> info: array<u32>;
@group(0) @binding(3) var<storage, read> status: array<u32>;
@group(0) @binding(4) var<storage, read> partialSums: array<Sum>;
// The counts take the places in it that were read.
@group(0) @binding(5) var<storage, read_write> histogram: array<u32>;
// Unit, high and low word of the sum; the number of targets, whether it is infinite (2^30) and NaN (2^31)
@group(0) @binding(6) var<storage, read_write> losses: array<vec4<u32>>;

var<workgroup> aboveLane: array<u32, THREADS>;

${MAIN} {
  if (status[${STATUS.badTarget}] != 0u || status[${STATUS.badScore}] != 0u) { return; }
  let row = groupIndex(group, groups) * ROWS + thread / LANES;
  let lane = thread % LANES;
  let isRow = row < params.rows;
  var notes = params.width;
  if (isRow) { notes = info[params.firstRow + row]; }
  let numTargets = params.width - (notes & ~NAN_ROW);
  let entriesAt = row * params.width;
  let histogramAt = row * (params.width + 1u);
  // The targets of this thread. Above threshold k are the scores of ranks from k + 1 on.
  let each = (numTargets + LANES - 1u) / LANES;
  let begin = min(lane * each, numTargets);
  let end = min(begin + each, numTargets);

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
    let less = i32(entry.w - pairs);
    add(&sum, u32(abs(less)), bitsOf(entry.x), less < 0);
    add(&sum, pairs, bitcast<u32>(params.margin), false);
    histogram[at] = u32(less);
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
    losses[params.firstRow + row] =
      vec4(u32(total.unit), total.high, total.low, numTargets | (total.isInfinite << 30u) | (notes & NAN_ROW));
  }
}
`;

/** The gradients of the targets that are among the classes bound. */
export const scatter = (lanes: number): string => /* wgsl */ `
${HEADER}${ENTRIES}${PRODUCT}${sharing(lanes)}
@group(0) @binding(1) var<storage, read> entries: array<Entry>;
@group(0) @binding(2) var<storage, read> info: array<u32>;
@group(0) @binding(3) var<storage, read> status: array<u32>;
@group(0) @binding(4) var<storage, read> counts: array<u32>;
@group(0) @binding(5) var<storage, read> scales: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> gradient: array<u32>;

// count * scale in float64, rounded to float32, both to the nearest, ties to even: what the kernels of src/ compute.
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
  // To the 53 bits of a float64: 11 of the second word go, and the third.
  let isUpInDouble = (words.y & 0x400u) != 0u && ((words.y & 0xbffu) != 0u || words.z != 0u);
  words.y &= ~0x7ffu;
  if (isUpInDouble) {
    words.y += 0x800u;
    if (words.y == 0u) {
      words.x += 1u;
      if (words.x == 0u) { words.x = 0x80000000u; exponent += 1; }
    }
  }
  // To the 24 of a float32.
  let isUp = (words.x & 0x80u) != 0u && ((words.x & 0x17fu) != 0u || words.y != 0u);
  // One that is carried into the exponent is right there.
  let bits = (u32(exponent - 1) << 23u) + (words.x >> 8u) + select(0u, 1u, isUp);
  return bitcast<f32>(bits | (u32(count) & 0x80000000u));
}

${MAIN} {
  if (status[${STATUS.badTarget}] != 0u || status[${STATUS.badScore}] != 0u) { return; }
  let number = groupIndex(group, groups);
  let row = number / params.spread * ROWS + thread / LANES;
  if (row >= params.rows) { return; }
  let notes = info[params.firstRow + row];
  if ((notes & NAN_ROW) != 0u) { return; }
  let numTargets = params.width - notes;
  let entriesAt = row * params.width;
  let countsAt = row * (params.width + 1u) + 1u;
  let scale = scales[select(0u, numTargets, params.byTargets != 0u)];
  for (var k = number % params.spread * LANES + thread % LANES; k < numTargets; k += LANES * params.spread) {
    let column = entries[entriesAt + k].y;
    if (column < params.begin || column >= params.end) { continue; }
    // A class that is listed several times is done by the thread that has its first entry.
    if (k > 0u && entries[entriesAt + k - 1u].y == column) { continue; }
    var sum = scaled(i32(counts[countsAt + k]), scale);
    for (var i = k + 1u; i < numTargets && entries[entriesAt + i].y == column; i++) {
      sum += scaled(i32(counts[countsAt + i]), scale);
    }
    gradient[params.gradAt + row * params.classes + column] = bitcast<u32>(sum);
  }
}
`;
