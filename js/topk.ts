import { allocate, type FloatDType } from './dtypes.js';
import { describe, LossError } from './errors.js';
import { type DTypeOf, type Scores, toScores } from './scores.js';
import { isDeviceTensor } from './device-tensor.js';
import { Tensor } from './tensor.js';

/**
 * The k largest scores of each row, in descending order. Equal scores come in ascending order of their classes. NaN counts as
 * the largest, as in PyTorch.
 *
 * @param scores float32 or float64, [N, C] or [C]
 * @param k a whole number from 0 to C
 * @returns `values` of the dtype of the scores and their classes, `indices`; [N, k] or [k]. The indices are int32, where
 * PyTorch has int64, so that they index arrays
 * @throws LossError ERR_SHAPE, ERR_DTYPE; ERR_OPTION for a k out of range
 * @example
 * import { topk } from 'multilabel-margin-loss';
 *
 * const { values, indices } = topk([[0.5, 2, -1, 1.25]], 2);
 * values.tolist(); // => [[2, 1.25]]
 * indices.tolist(); // => [[1, 3]]
 */
export function topk<S extends Scores>(
  scores: S,
  k: number,
): {
  /** The k largest scores of each row. */
  values: Tensor<DTypeOf<S>>;
  /** Their classes. */
  indices: Tensor<'int32'>;
} {
  const given = toScores(scores);
  if (isDeviceTensor(given)) throw new LossError('ERR_DTYPE', "topk() needs scores in memory, not in a GPU's");
  const { data, shape, dtype } = given;
  const classes = shape.at(-1) ?? 1;
  if (!Number.isInteger(k) || k < 0 || k > classes) {
    throw new LossError('ERR_OPTION', `k must be a whole number from 0 to the ${classes} classes, got ${describe(k)}`);
  }
  const rows = shape.length === 2 ? (shape[0] as number) : 1;
  const values = allocate<FloatDType>(dtype, rows * k);
  const indices = allocate('int32', rows * k);
  for (let row = 0; row < rows; row++) selectRow(data, row * classes, classes, k, values, indices, row * k);
  const selected = shape.length === 2 ? [rows, k] : [k];
  const best: Tensor<FloatDType> = new Tensor<FloatDType>(values, selected);
  return { values: best as Tensor<DTypeOf<S>>, indices: new Tensor<'int32'>(indices, selected) };
}

/** Keeps the k best classes so far in a heap with the worst of them first: O(C log k), and O(C) for most rows. */
function selectRow(
  scores: Float32Array | Float64Array,
  begin: number,
  classes: number,
  k: number,
  values: Float32Array | Float64Array,
  indices: Int32Array,
  at: number,
): void {
  if (k === 0) return;
  const score = (j: number): number => scores[begin + j] as number;
  /** Whether class a ranks before class b. */
  const before = (a: number, b: number): boolean => {
    const [x, y] = [score(a), score(b)];
    if (x === y || (x !== x && y !== y)) return a < b;
    return x > y || x !== x;
  };
  const heap = indices.subarray(at, at + k);
  const sink = (root: number, size: number): void => {
    const sinking = heap[root] as number;
    for (;;) {
      let child = 2 * root + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child] as number, heap[child + 1] as number)) child++;
      if (before(heap[child] as number, sinking)) break;
      heap[root] = heap[child] as number;
      root = child;
    }
    heap[root] = sinking;
  };
  for (let j = 0; j < k; j++) heap[j] = j;
  for (let root = (k >> 1) - 1; root >= 0; root--) sink(root, k);
  for (let j = k; j < classes; j++) {
    if (!before(j, heap[0] as number)) continue;
    heap[0] = j;
    sink(0, k);
  }
  for (let size = k - 1; size > 0; size--) {
    [heap[0], heap[size]] = [heap[size] as number, heap[0] as number];
    sink(0, size);
  }
  for (let i = 0; i < k; i++) values[at + i] = score(heap[i] as number);
}
