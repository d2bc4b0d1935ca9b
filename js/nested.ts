import { allocate, type DType, isTypedArray, type TypedArray } from './dtypes.js';
import { describe, LossError } from './errors.js';
import { sizeOf } from './shapes.js';

/**
 * Numbers, nested as deep as the shape is long; every list at one depth has the same length. The innermost lists may be
 * typed arrays.
 */
export type NestedArray = number | bigint | TypedArray | readonly NestedArray[];

/** Whether this is a list of elements or of lists. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || isTypedArray(value);
}

// More dimensions than anyone means: a list that contains itself.
const MOST_DIMENSIONS = 32;

/** Row-major elements and shape of nested arrays. */
export function fromNested(value: NestedArray, dtype: DType, name: string): { data: TypedArray; shape: number[] } {
  const shape: number[] = [];
  for (let inner: unknown = value; isList(inner); inner = inner[0]) {
    shape.push(inner.length);
    if (shape.length > MOST_DIMENSIONS) {
      throw new LossError('ERR_SHAPE', `${name} must be nested at most ${MOST_DIMENSIONS} deep`);
    }
  }
  const data = allocate(dtype, sizeOf(shape));
  const path: number[] = [];
  const here = (): string => name + path.map((i) => `[${i}]`).join('');
  let at = 0;
  const fill = (inner: unknown): void => {
    const depth = path.length;
    if (depth === shape.length) {
      data[at++] = toElement(inner, dtype, here);
      return;
    }
    if (!isList(inner) || inner.length !== shape[depth]) {
      throw new LossError(
        'ERR_SHAPE',
        `${here()} must be an array of length ${shape[depth]}, as the first one at its depth, got ${describe(inner)}`,
      );
    }
    for (let i = 0; i < inner.length; i++) {
      path.push(i);
      fill(inner[i]);
      path.pop();
    }
  };
  fill(value);
  return { data, shape };
}

function toElement(value: unknown, dtype: DType, where: () => string): never {
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw new LossError('ERR_DTYPE', `${where()} must be a number, got ${describe(value)}`);
  }
  if (dtype === 'float32' || dtype === 'float64') return Number(value) as never;
  if (typeof value === 'number' && !Number.isInteger(value)) {
    throw new LossError('ERR_DTYPE', `${where()} must be an integer for dtype ${dtype}, got ${value}`);
  }
  const integer = BigInt(value);
  const fits = dtype === 'int64' ? BigInt.asIntN(64, integer) === integer : BigInt.asIntN(32, integer) === integer;
  if (!fits) throw new LossError('ERR_DTYPE', `${where()} does not fit in ${dtype}: ${value}`);
  return (dtype === 'int64' ? integer : Number(value)) as never;
}
