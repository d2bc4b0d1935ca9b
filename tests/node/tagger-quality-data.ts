// The data of tests/fixtures/make_training_quality.py: hashes of counters, in integers, so that both have the same numbers.

import type { SparseMatrix } from 'multilabel-margin-loss/train';

export const TRAINING = 6000;
export const TEST = 5000;
const ROWS = TRAINING + TEST;
const LABELS = 30;
const FEATURES = 64;
const TERMS = 2000;
const TERMS_PER_ROW = 20;

/** The finaliser of MurmurHash3. */
function mixed(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function hashes(seed: number, stream: number): (i: number) => number {
  const start = mixed(seed * 16 + stream);
  return (i) => mixed((Math.imul(i, 0x9e3779b1) + start) | 0);
}

/** Sums of four bytes, from -510 to 510. */
function bells(seed: number, stream: number): (i: number) => number {
  const hash = hashes(seed, stream);
  return (i) => {
    const h = hash(i);
    return (h & 255) + ((h >>> 8) & 255) + ((h >>> 16) & 255) + (h >>> 24) - 510;
  };
}

/** The labels whose signal is above 0, and always the one of the highest. */
function labelsOf(signal: readonly number[]): number[] {
  const highest = signal.indexOf(Math.max(...signal));
  return [...signal.keys()].filter((label) => signal[label]! > 0 || label === highest);
}

export function dense(seed: number): { features: Float32Array; targets: number[][] } {
  const [x, weights, noise] = [bells(seed, 0), bells(seed, 1), bells(seed, 2)];
  const table = Int32Array.from({ length: FEATURES * LABELS }, (_, i) => weights(i));
  const features = new Float32Array(ROWS * FEATURES);
  const targets = Array.from({ length: ROWS }, (_, row) => {
    const signal = Array.from({ length: LABELS }, (_, j) => 600 * noise(row * LABELS + j) - (180_000 + 6000 * j));
    for (let i = 0; i < FEATURES; i++) {
      const value = x(row * FEATURES + i);
      features[row * FEATURES + i] = value / 128;
      for (let j = 0; j < LABELS; j++) signal[j]! += value * table[i * LABELS + j]!;
    }
    return labelsOf(signal);
  });
  return { features, targets };
}

export function sparse(seed: number): { features: SparseMatrix; targets: number[][] } {
  const [first, term, noise] = [hashes(seed, 3), hashes(seed, 4), bells(seed, 5)];
  const [data, indices, indptr]: [number[], number[], number[]] = [[], [], [0]];
  const targets = Array.from({ length: ROWS }, (_, row) => {
    const label = first(row) % LABELS;
    const signal = Array.from({ length: LABELS }, (_, j) => (noise(row * LABELS + j) >> 1) - (500 + 4 * j));
    const counts = new Map<number, number>();
    for (let i = 0; i < TERMS_PER_ROW; i++) {
      const h = term(row * TERMS_PER_ROW + i);
      const half = h >>> 1;
      const chosen = h & 1 ? label * 61 + (half % 100) : half % TERMS;
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
      for (let j = 0; j < LABELS; j++) if (chosen >= j * 61 && chosen < j * 61 + 100) signal[j]! += 100;
    }
    for (const [index, count] of [...counts].sort((a, b) => a[0] - b[0])) {
      indices.push(index);
      data.push(count);
    }
    indptr.push(data.length);
    return labelsOf(signal);
  });
  return { features: { data, indices, indptr, shape: [ROWS, TERMS] }, targets };
}

/** Rows `begin` to before `end`. */
export function sliceOf({ data, indices, indptr, shape }: SparseMatrix, begin: number, end: number): SparseMatrix {
  const [first, last] = [indptr[begin]!, indptr[end]!];
  return {
    data: data.slice(first, last),
    indices: indices.slice(first, last),
    indptr: Array.from(indptr.slice(begin, end + 1), (at) => at - first),
    shape: [end - begin, shape[1]!],
  };
}
