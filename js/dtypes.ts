import { describe, LossError } from './errors.js';

/**
 * The typed array of each dtype.
 *
 * @example
 * import type { ArrayTypes } from 'multilabel-margin-loss';
 *
 * const labels: ArrayTypes['int64'] = BigInt64Array.of(1n, 3n, -1n);
 * labels.length; // => 3
 */
export interface ArrayTypes {
  /** Scores, losses and gradients; the default. */
  float32: Float32Array;
  /** Scores, losses and gradients. */
  float64: Float64Array;
  /** Targets. */
  int32: Int32Array;
  /** Targets, as PyTorch has them. */
  int64: BigInt64Array;
}

/** The type of the elements of a tensor. */
export type DType = 'float32' | 'float64' | 'int32' | 'int64';

/** The dtypes that scores can have, and that have a gradient. */
export type FloatDType = 'float32' | 'float64';

/** The array of a tensor of any dtype. */
export type TypedArray = ArrayTypes[DType];

/** A dtype: a `Float32Array`. */
export const float32 = 'float32';

/** A dtype: a `Float64Array`. */
export const float64 = 'float64';

/** A dtype, for targets: an `Int32Array`. */
export const int32 = 'int32';

/** A dtype, for targets: a `BigInt64Array`. */
export const int64 = 'int64';

const ARRAY_OF = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array };
const DTYPES = Object.keys(ARRAY_OF) as DType[];

/** The arrays of all dtypes, for messages. */
export const ARRAY_NAMES = DTYPES.map((dtype) => ARRAY_OF[dtype].name).join(', ');

/** By its tag and not its class: an array of another realm (an iframe, a vm context) has another class. */
export function dtypeOf(data: unknown): DType | null {
  switch (isTypedArray(data) && data[Symbol.toStringTag]) {
    case 'Float32Array':
      return 'float32';
    case 'Float64Array':
      return 'float64';
    case 'Int32Array':
      return 'int32';
    case 'BigInt64Array':
      return 'int64';
    default:
      return null;
  }
}

export function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && (value as TypedArray)[Symbol.toStringTag] !== ('DataView' as string);
}

export function checkDType(dtype: unknown): void {
  if (dtype !== undefined && !DTYPES.includes(dtype as DType)) {
    throw new LossError('ERR_OPTION', `dtype must be one of ${DTYPES.join(', ')}, got ${describe(dtype)}`);
  }
}

/** An array of zeros, or ERR_OUT_OF_MEMORY where there is no memory for it. */
export function allocate<D extends DType>(dtype: D, length: number): ArrayTypes[D] {
  try {
    return new ARRAY_OF[dtype](length) as ArrayTypes[D];
  } catch (cause) {
    throw new LossError('ERR_OUT_OF_MEMORY', `no memory for ${length} elements of ${dtype}`, { cause });
  }
}

/** A view of memory. */
export function arrayIn<D extends DType>(
  dtype: D,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): ArrayTypes[D] {
  return new ARRAY_OF[dtype](buffer as ArrayBuffer, byteOffset, length) as ArrayTypes[D];
}
