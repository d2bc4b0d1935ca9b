import { describe, LossError } from './errors.js';
import { allocate, formatShape, type NestedArray, sizeOf, Tensor, type TensorLike, toTensor } from './tensor.js';

/**
 * Targets in any of the forms that the loss takes: a tensor of int32 or int64, padded at the end of each row with -1 to
 * any width, nested arrays of such rows, or lists of different lengths without padding.
 */
export type Targets = TensorLike | Int32Array | BigInt64Array | NestedArray | readonly (readonly number[])[];

/** A mask of 0 and 1, or false and true: of shape [C] or [N, C]. */
export type MultiHotMask =
  | { readonly data: ArrayLike<number | bigint | boolean>; readonly shape: readonly number[] }
  | readonly (number | boolean)[]
  | readonly (readonly (number | boolean)[])[];

/**
 * Target lists of a multi-hot mask.
 *
 * @param mask 1 (or true) where the class is a target, 0 elsewhere; [C] or [N, C], of any dtype
 * @returns int32, [K] or [N, K], K being the largest number of targets in a row: the classes in ascending order, padded
 * with -1
 * @throws LossError ERR_SHAPE for other shapes; ERR_DTYPE for values other than 0 and 1, naming row, column and value
 * @example fromMultiHot([[0, 1, 0, 1], [1, 0, 0, 0]]).tolist() // [[1, 3], [0, -1]]
 */
export function fromMultiHot(mask: MultiHotMask): Tensor<'int32'> {
  const { data, shape } = Array.isArray(mask) ? flattenMask(mask) : (mask as Exclude<MultiHotMask, readonly unknown[]>);
  if (!Array.isArray(shape) || (shape.length !== 1 && shape.length !== 2)) {
    throw new LossError(
      'ERR_SHAPE',
      `a multi-hot mask must have shape [C] or [N, C], got ${Array.isArray(shape) ? formatShape(shape) : describe(shape)}`,
    );
  }
  const classes = shape[shape.length - 1] as number;
  const rows = shape.length === 2 ? (shape[0] as number) : 1;
  if (data?.length !== rows * classes) {
    throw new LossError(
      'ERR_SHAPE',
      `a mask of shape ${formatShape(shape)} needs ${rows * classes} elements, its data has ${data?.length}`,
    );
  }
  const lists: number[][] = [];
  for (let row = 0; row < rows; row++) {
    const list: number[] = [];
    for (let column = 0; column < classes; column++) {
      const value: unknown = data[row * classes + column];
      const number = typeof value === 'boolean' || typeof value === 'bigint' ? Number(value) : value;
      if (number === 1) list.push(column);
      else if (number !== 0) {
        throw new LossError(
          'ERR_DTYPE',
          `a multi-hot mask holds 0 and 1 only, got ${describe(value)} at row ${row}, column ${column}`,
        );
      }
    }
    lists.push(list);
  }
  const padded = padLists(lists);
  return shape.length === 2 ? padded : new Tensor<'int32'>(padded.data, [padded.data.length]);
}

/** A tensor of any form of targets. Lists of different lengths are padded. */
export function toTargets(value: unknown): Tensor<'int32'> | Tensor<'int64'> {
  if (Array.isArray(value) && value.length > 0 && value.every((row) => Array.isArray(row) && !Array.isArray(row[0]))) {
    return padLists(value as number[][]);
  }
  const targets = toTensor(value, 'int32', 'targets');
  if (targets.dtype !== 'int32' && targets.dtype !== 'int64') {
    throw new LossError(
      'ERR_DTYPE',
      `targets must be int32 or int64 (Int32Array, BigInt64Array), got ${targets.dtype}; ` +
        'they are class indices: make them with { dtype: int64 }, or with fromMultiHot(mask) from a mask',
    );
  }
  return targets as Tensor<'int32'> | Tensor<'int64'>;
}

/** Warns once about targets that are a mask and not indices, the most frequent misuse of this loss. */
export function warnOfMultiHot(targets: Tensor, classes: number): void {
  // A row of as many zeros and ones as there are classes, with none of the padding, would name two classes over and over.
  if (warned || classes <= 2 || targets.shape.at(-1) !== classes || sizeOf(targets.shape) === 0) return;
  for (let i = 0; i < classes; i++) {
    const target = Number(targets.data[i]);
    if (target !== 0 && target !== 1) return;
  }
  warned = true;
  console.warn(
    `multilabel-margin-loss: the targets hold only 0 and 1, ${classes} in a row of ${classes} classes. They look like a ` +
      'multi-hot mask, but are read as class indices; fromMultiHot(mask) makes indices of a mask.',
  );
}

let warned = false;

function padLists(lists: readonly (readonly unknown[])[]): Tensor<'int32'> {
  const width = lists.reduce((most, list) => Math.max(most, list.length), 0);
  const data = allocate('int32', lists.length * width).fill(-1);
  lists.forEach((list, row) => {
    for (let column = 0; column < list.length; column++) {
      const value = list[column];
      const number = typeof value === 'bigint' ? Number(value) : value;
      if (typeof number !== 'number' || !Number.isInteger(number)) {
        throw new LossError(
          'ERR_DTYPE',
          `targets must be integers, got ${describe(value)} at row ${row}, column ${column}`,
        );
      }
      if (number !== (number | 0)) {
        throw new LossError('ERR_TARGET_RANGE', `target ${value} at row ${row}, column ${column} is out of range`);
      }
      data[row * width + column] = number;
    }
  });
  return new Tensor<'int32'>(data, [lists.length, width]);
}

function flattenMask(mask: readonly unknown[]): { data: unknown[]; shape: number[] } {
  if (!mask.some(Array.isArray)) return { data: [...mask], shape: [mask.length] };
  const classes = (mask[0] as unknown[]).length;
  mask.forEach((row, i) => {
    if (!Array.isArray(row) || row.length !== classes) {
      throw new LossError(
        'ERR_SHAPE',
        `row ${i} of the mask must be an array of length ${classes}, got ${describe(row)}`,
      );
    }
  });
  return { data: mask.flat(), shape: [mask.length, classes] };
}
