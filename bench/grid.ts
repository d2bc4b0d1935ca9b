/** The points that are timed, and the random inputs for them. */

export type DType = 'float32' | 'float64';
export type FloatArray = Float32Array | Float64Array;

/** 'random' scores are N(0, 1); 'trained' scores are the same, with 6 added to those of targets. */
export type ScoreSet = 'random' | 'trained';

export interface Point {
  /** N */
  rows: number;
  /** C */
  classes: number;
  /** K */
  width: number;
}

export interface Input {
  scores: FloatArray;
  /** K different classes per row, without padding. */
  targets: Int32Array;
}

/** The inputs that the calls of every contender take in turn. */
export interface Batch {
  point: Point;
  dtype: DType;
  scoreSet: ScoreSet;
  inputs: readonly Input[];
}

const point = (rows: number, classes: number, width: number): Point => ({ rows, classes, width });

export const GRID = [
  point(32, 10, 3),
  point(128, 80, 3),
  point(128, 1000, 5),
  point(1024, 1000, 10),
  point(256, 9600, 5),
  point(64, 20_000, 50),
  point(16, 100_000, 200),
  point(8, 670_000, 5),
];

/** Points that show how the time depends on K. */
export const WIDTHS = [1, 10, 100, 1000].map((width) => point(64, 20_000, width));

export const FLOAT64_POINTS = [point(32, 10, 3), point(1024, 1000, 10), point(64, 20_000, 50), point(8, 670_000, 5)];

export const WEBGPU_POINTS = [...GRID, point(4096, 1000, 10), point(1024, 20_000, 50)];

/** Points at which the metrics are timed. */
export const EVALUATION_POINTS = [point(100_000, 100, 4), point(10_000, 1000, 5), point(1000, 20_000, 5)];

export const formatPoint = ({ rows, classes, width }: Point): string => `${rows} x ${classes}, K = ${width}`;

// A branch predictor learns a short rotation of inputs, which flatters code that branches on scores. The inputs have more
// bytes than a last-level cache, so that the scores of large points come from memory, as new ones do.
const MOST_INPUTS = 256;
const MOST_BYTES = 64e6;
const QUICK_BYTES = 16e6;

export function makeBatch(at: Point, dtype: DType, scoreSet: ScoreSet, quick: boolean): Batch {
  const bytes = at.rows * at.classes * (dtype === 'float32' ? 4 : 8);
  const count = Math.max(2, Math.min(MOST_INPUTS, Math.floor((quick ? QUICK_BYTES : MOST_BYTES) / bytes)));
  return { point: at, dtype, scoreSet, inputs: Array.from({ length: count }, () => makeInput(at, dtype, scoreSet)) };
}

export function makeInput({ rows, classes, width }: Point, dtype: DType, scoreSet: ScoreSet): Input {
  const scores = new (dtype === 'float32' ? Float32Array : Float64Array)(rows * classes);
  for (let i = 0; i < scores.length; i++) {
    scores[i] = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  }
  const targets = new Int32Array(rows * width);
  for (let i = 0; i < targets.length; i++) {
    // One target in each of K equal ranges of classes: all differ, without a search for duplicates.
    const k = i % width;
    const start = Math.floor((k * classes) / width);
    const end = Math.floor(((k + 1) * classes) / width);
    const target = start + Math.floor(Math.random() * (end - start));
    targets[i] = target;
    if (scoreSet === 'trained') scores[Math.floor(i / width) * classes + target]! += 6;
  }
  return { scores, targets };
}
