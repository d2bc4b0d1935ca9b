import { describe, LossError } from './errors.js';

/**
 * The typed array that a tensor of each dtype holds. TypeScript 5.7 and later know that its memory is an `ArrayBuffer`, which
 * `Blob` and `BufferSource` want; earlier versions make no difference.
 *
 * @example
 * import type { ArrayTypes } from 'multilabel-margin-loss';
 *
 * const labels: ArrayTypes['int64'] = BigInt64Array.of(1n, 3n, -1n);
 * labels.length; // => 3
 */
export interface ArrayTypes {
  // of() returns Float32Array<ArrayBuffer> where that can be written, and Float32Array where it cannot.
  /** Scores, losses and gradients; the default. */
  float32: ReturnType<typeof Float32Array.of>;
  /** Scores, losses and gradients. */
  float64: ReturnType<typeof Float64Array.of>;
  /** Targets. */
  int32: ReturnType<typeof Int32Array.of>;
  /** Targets, as PyTorch has them. */
  int64: ReturnType<typeof BigInt64Array.of>;
}

/** The type of the elements of a tensor. */
export type DType = 'float32' | 'float64' | 'int32' | 'int64';

/** The dtypes that scores can have, and that have a gradient. */
export type FloatDType = 'float32' | 'float64';

/** A typed array of a dtype, over memory of any kind: what a tensor is made of. */
export type TypedArray<D extends DType = DType> = {
  /** For scores, losses and gradients. */
  float32: Float32Array;
  /** For scores, losses and gradients. */
  float64: Float64Array;
  /** For targets. */
  int32: Int32Array;
  /** For targets. */
  int64: BigInt64Array;
}[D];

/** A typed array of integers, of which two are tensors' own, and all can be converted. */
export type IntegerArray =
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint8ClampedArray
  | Int8Array
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** The dtype of a typed array of type A. */
export type DTypeOfArray<A> = A extends Float32Array
  ? 'float32'
  : A extends Float64Array
    ? 'float64'
    : A extends Int32Array
      ? 'int32'
      : A extends BigInt64Array
        ? 'int64'
        : never;

/** Whether the `data` of T, in every type that it may have, is one of the arrays A. */
export type HasOnly<T, A> = T extends { readonly data: infer D }
  ? [D] extends [never]
    ? false
    : 0 extends 1 & D
      ? false
      : [D] extends [A]
        ? true
        : false
  : false;

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

// The getters that all typed arrays inherit. They read the array itself, so they are right for arrays of another realm (an
// iframe, a vm context), whose class is another one, and for subclasses that override them.
const TYPED_ARRAY = Object.getPrototypeOf(Int8Array.prototype) as object;
const getter = <T>(key: PropertyKey) => {
  const descriptor = Object.getOwnPropertyDescriptor(TYPED_ARRAY, key) as { get: { call(array: unknown): T } };
  return descriptor.get;
};
const nameOf = getter<string | undefined>(Symbol.toStringTag);
const lengthOf = getter<number>('length');
const bufferOf = getter<ArrayBuffer>('buffer');
const byteOffsetOf = getter<number>('byteOffset');

/** The name of a typed array's class, 'Uint8Array' for one; undefined for anything else. */
export function arrayName(value: unknown): string | undefined {
  return nameOf.call(value);
}

/** The number of elements, whatever a subclass says. */
export function arrayLength(array: TypedArray): number {
  return lengthOf.call(array);
}

/** Whether a typed array has its memory still: its ArrayBuffer may be detached, or have shrunk. Its length is 0 then. */
export function hasMemory(array: TypedArray): boolean {
  try {
    // Every method of typed arrays checks that, and this one reads no element of an array of length 0.
    Uint8Array.prototype.indexOf.call(array, 0);
    return true;
  } catch {
    return false;
  }
}

/** The one function that tells dtypes. */
export function dtypeOf(data: unknown): DType | null {
  switch (arrayName(data)) {
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
  return arrayName(value) !== undefined;
}

/**
 * The same elements as an array of this realm's own class: the array itself if it is one, else a view of its memory. What
 * reads and writes elements needs no care for subclasses that override `length`, `subarray()` or `set()`.
 */
export function plainArray<A extends TypedArray>(array: A): A {
  const prototype: unknown = Object.getPrototypeOf(array);
  // Comparing with four prototypes is faster than looking the class up: a call with one row takes 5 % less time.
  const isOwn =
    prototype === Float32Array.prototype ||
    prototype === Int32Array.prototype ||
    prototype === Float64Array.prototype ||
    prototype === BigInt64Array.prototype;
  const length = lengthOf.call(array);
  if (isOwn && array.length === length) return array;
  const own = ARRAY_OF[dtypeOf(array) as DType];
  return new own(bufferOf.call(array), byteOffsetOf.call(array), length) as A;
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
