import { arrayName, type FloatDType } from '../dtypes.js';
import { describe, LossError } from '../errors.js';
import { isList, type NestedArray } from '../nested.js';
import { formatShape, isShape } from '../shapes.js';
import { Tensor, type TensorLike, toTensor } from '../tensor.js';

/**
 * Rows that are mostly zeros, in the form and under the names of `scipy.sparse.csr_matrix`. The entries of row i are
 * number `indptr[i]` to before `indptr[i + 1]`; entries of one column in a row add up.
 *
 * @example
 * import { type SparseMatrix, Tagger, trainTagger } from 'multilabel-margin-loss/train';
 *
 * // [[0, 2, 0], [1, 0, 3], [0, 0, 0]]
 * const features: SparseMatrix = { data: [2, 1, 3], indices: [1, 0, 2], indptr: [0, 1, 3, 3], shape: [3, 3] };
 * const tagger: Tagger = await trainTagger({ features, targets: [[0], [1], [0]], validation: 0 });
 * tagger.scores(features).shape; // => [3, 2]
 */
export interface SparseMatrix {
  /** The values of the entries. */
  readonly data: Float32Array | Float64Array | readonly number[];
  /** The columns of the entries. */
  readonly indices: Int32Array | readonly number[];
  /** Where the entries of each row begin, from 0, and at last where those of the last row end; N + 1 numbers. */
  readonly indptr: Int32Array | readonly number[];
  /** [N, F] */
  readonly shape: readonly number[];
}

/** Rows of features: [N, F] or [F], float32, float64 or nested arrays; or sparse rows. */
export type Features = TensorLike | Float32Array | Float64Array | NestedArray | SparseMatrix;

/** Dense rows. */
export interface DenseRows {
  readonly isSparse: false;
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array | Float64Array;
}

export interface SparseRows {
  readonly isSparse: true;
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array | Float64Array;
  readonly indices: Int32Array;
  readonly indptr: Int32Array;
}

export type FeatureRows = DenseRows | SparseRows;

/**
 * Features in any form.
 *
 * @throws LossError ERR_SHAPE, ERR_DTYPE; ERR_OPTION for sparse rows that are none
 */
export function toFeatureRows(value: unknown): FeatureRows {
  if (typeof value === 'object' && value !== null && 'indptr' in value) return toSparseRows(value as SparseMatrix);
  const { data, dtype, shape } = toTensor(value, 'float32', 'features') as Tensor<FloatDType>;
  if (dtype !== 'float32' && dtype !== 'float64') {
    throw new LossError('ERR_DTYPE', `features must be float32 or float64, got ${dtype as string}`);
  }
  if (shape.length !== 1 && shape.length !== 2) {
    throw new LossError('ERR_SHAPE', `features must have shape [N, F] or [F], got ${formatShape(shape)}`);
  }
  const columns = shape.at(-1) as number;
  return { isSparse: false, rows: shape.length === 1 ? 1 : (shape[0] as number), columns, data };
}

function toSparseRows({ data, indices, indptr, shape }: SparseMatrix): SparseRows {
  if (!isShape(shape) || shape.length !== 2) {
    throw new LossError('ERR_SHAPE', `the shape of sparse features must be [N, F], got ${formatShape(shape)}`);
  }
  const [rows, columns] = shape as [number, number];
  const result = {
    isSparse: true,
    rows,
    columns,
    data: toFloats(data, 'the data of sparse features'),
    indices: toInt32(indices, 'the indices of sparse features'),
    indptr: toInt32(indptr, 'the indptr of sparse features'),
  } as SparseRows;
  const wrong = (what: string): LossError => new LossError('ERR_OPTION', `sparse features: ${what}`);
  if (result.indptr.length !== rows + 1) {
    throw wrong(`indptr must have ${rows + 1} elements for ${rows} rows, got ${result.indptr.length}`);
  }
  if (result.indices.length !== result.data.length) {
    throw wrong(`data and indices must have one length, got ${result.data.length} and ${result.indices.length}`);
  }
  let before = 0;
  for (let row = 0; row <= rows; row++) {
    const at = result.indptr[row] as number;
    if (at < before || (row === 0 && at !== 0)) throw wrong(`indptr must rise from 0, got ${at} at row ${row}`);
    before = at;
  }
  if (before > result.data.length) throw wrong(`indptr ends at ${before}, and data has ${result.data.length} elements`);
  for (let row = 0; row < rows; row++) {
    for (let at = result.indptr[row] as number; at < (result.indptr[row + 1] as number); at++) {
      const column = result.indices[at] as number;
      if (column < 0 || column >= columns) {
        throw wrong(`indices must be in [0, ${columns}), got ${column} at row ${row}`);
      }
    }
  }
  // SciPy allows arrays that are longer than their entries.
  return { ...result, data: result.data.subarray(0, before), indices: result.indices.subarray(0, before) };
}

/** @throws LossError ERR_NON_FINITE for a feature that is NaN, or infinite in float32, in which models are computed */
export function checkFinite(features: FeatureRows): void {
  const { data, columns } = features;
  const at = data.findIndex((value) => !Number.isFinite(Math.fround(value)));
  if (at === -1) return;
  const [row, column] = features.isSparse
    ? [rowOfEntry(features, at), features.indices[at]]
    : [Math.floor(at / columns), at % columns];
  throw new LossError(
    'ERR_NON_FINITE',
    `feature at row ${row}, column ${column} is ${data[at]}: features must be finite, also as float32`,
  );
}

/** The row of entry `at`. */
export function rowOfEntry({ indptr }: SparseRows, at: number): number {
  return indptr.findIndex((end) => end > at) - 1;
}

function toInt32(values: unknown, name: string): Int32Array {
  if (arrayName(values) === 'Int32Array') return values as Int32Array;
  checkNumberList(values, name);
  const result = Int32Array.from(values);
  for (let i = 0; i < result.length; i++) {
    if (values[i] !== result[i]) {
      throw new LossError('ERR_DTYPE', `${name} must be int32, got ${describe(values[i])} at ${i}`);
    }
  }
  return result;
}

function toFloats(values: unknown, name: string): Float32Array | Float64Array {
  const array = arrayName(values);
  if (array === 'Float32Array' || array === 'Float64Array') return values as Float32Array | Float64Array;
  checkNumberList(values, name);
  return Float64Array.from(values);
}

function checkNumberList(values: unknown, name: string): asserts values is ArrayLike<number> {
  if (!isList(values)) throw new LossError('ERR_DTYPE', `${name} must be a list of numbers, got ${describe(values)}`);
  for (let i = 0; i < values.length; i++) {
    if (typeof values[i] === 'number') continue;
    throw new LossError('ERR_DTYPE', `${name} must be numbers, got ${describe(values[i])} at ${i}`);
  }
}

/** Rows `begin` to before `end`, in the memory of all. */
export function sliceRows(all: FeatureRows, begin: number, end: number): FeatureRows {
  const { columns } = all;
  if (!all.isSparse) {
    return { isSparse: false, rows: end - begin, columns, data: all.data.subarray(begin * columns, end * columns) };
  }
  const first = all.indptr[begin] as number;
  const last = all.indptr[end] as number;
  return {
    isSparse: true,
    rows: end - begin,
    columns,
    data: all.data.subarray(first, last),
    indices: all.indices.subarray(first, last),
    indptr: all.indptr.subarray(begin, end + 1).map((at) => at - first),
  };
}
