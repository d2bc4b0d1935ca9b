import { describe, LossError } from './errors.js';
import { allocate } from './dtypes.js';
import type { NestedArray } from './nested.js';
import { formatShape, isShape, type Shape, sizeOf } from './shapes.js';
import { Tensor, type TensorLike, toTensor } from './tensor.js';

/**
 * Targets in any of the forms that the loss takes: a tensor of int32 or int64, padded at the end of each row with -1 to
 * any width, nested arrays of such rows, or lists of different lengths without padding.
 */
export type Targets = TensorLike | Int32Array | BigInt64Array | NestedArray;

/** A mask of 0 and 1, or false and true: of shape [C] or [N, C], of any dtype. */
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
 * @example
 * import { fromMultiHot } from 'multilabel-margin-loss';
 *
 * fromMultiHot([[0, 1, 0, 1], [1, 0, 0, 0]]).tolist(); // => [[1, 3], [0, -1]]
 */
export function fromMultiHot(mask: MultiHotMask): Tensor<'int32'> {
  const { data, shape } = Array.isArray(mask) ? flattenMask(mask) : readMask(mask);
  const classes = shape[shape.length - 1] as number;
  const rows = shape.length === 2 ? (shape[0] as number) : 1;
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
  const padded = padLists(lists, classes);
  return shape.length === 2 ? padded : new Tensor<'int32'>(padded.data, [padded.data.length]);
}

/**
 * A tensor of any form of targets, for scores of a shape. Lists of different lengths are padded. Values are checked here
 * only as far as the tensor could not hold them; the rest is the backend's.
 */
export function toTargets(value: unknown, scores: Shape): Tensor<'int32'> | Tensor<'int64'> {
  const classes = scores.at(-1) ?? 1;
  if (typeof value === 'number' || typeof value === 'bigint') {
    return new Tensor<'int32'>(padLists([[value]], classes).data, []);
  }
  if (Array.isArray(value)) {
    // An empty list is an empty batch's where the scores are that, and no targets where they are one row.
    if (value.some(Array.isArray) || (value.length === 0 && scores.length === 2 && scores[0] === 0)) {
      return padLists(value, classes);
    }
    // For scores [N, C], the shape will be refused; but a list of something else than numbers is named as such.
    const flat = padLists([value], classes);
    return new Tensor<'int32'>(flat.data, [value.length]);
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

/** The error for an entry of a list that no class has. */
export function targetOutOfRange(
  target: number | bigint,
  row: number,
  column: number,
  classes: number,
  list: 'target' | 'unknown' = 'target',
): LossError {
  const [entry, entries] = list === 'target' ? ['target', 'targets'] : ['unknown class', 'unknown classes'];
  return new LossError(
    'ERR_TARGET_RANGE',
    `${entry} ${target} at row ${row}, column ${column} is out of range: ${entries} must be class indices in ` +
      `[0, ${classes}), or -1 for padding`,
  );
}

/** The error for a class that is both a target and unknown. */
export function unknownTarget(unknown: number | bigint, row: number, column: number): LossError {
  return new LossError(
    'ERR_TARGET_RANGE',
    `unknown class ${unknown} at row ${row}, column ${column} is also a target of that row: it can only be one of the two`,
  );
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

function padLists(lists: readonly unknown[], classes: number): Tensor<'int32'> {
  let width = 0;
  // By index throughout: the iteration methods of arrays leave holes out.
  for (let row = 0; row < lists.length; row++) {
    const list = lists[row];
    if (!Array.isArray(list)) {
      throw new LossError('ERR_SHAPE', `targets[${row}] must be an array of class indices, got ${describe(list)}`);
    }
    width = Math.max(width, list.length);
  }
  const data = allocate('int32', lists.length * width).fill(-1);
  for (let row = 0; row < lists.length; row++) {
    const list = lists[row] as unknown[];
    for (let column = 0; column < list.length; column++) {
      const target = list[column];
      if (typeof target !== 'bigint' && !Number.isInteger(target)) {
        throw new LossError(
          'ERR_DTYPE',
          `targets must be integers, got ${describe(target)} at row ${row}, column ${column}`,
        );
      }
      const number = Number(target);
      if (number !== (number | 0)) throw targetOutOfRange(target as number | bigint, row, column, classes);
      data[row * width + column] = number;
    }
  }
  return new Tensor<'int32'>(data, [lists.length, width]);
}

interface FlatMask {
  data: ArrayLike<unknown>;
  /** [C] or [N, C] */
  shape: Shape;
}

function flattenMask(mask: readonly unknown[]): FlatMask {
  const first: unknown = mask.find(Array.isArray);
  if (!Array.isArray(first)) return { data: mask, shape: [mask.length] };
  const classes = first.length;
  const data: unknown[] = [];
  for (let row = 0; row < mask.length; row++) {
    const list = mask[row];
    if (!Array.isArray(list) || list.length !== classes) {
      throw new LossError(
        'ERR_SHAPE',
        `row ${row} of the mask must be an array of length ${classes}, got ${describe(list)}`,
      );
    }
    for (let column = 0; column < classes; column++) data.push(list[column]);
  }
  return { data, shape: [mask.length, classes] };
}

function readMask(mask: unknown): FlatMask {
  const { data, shape } = Object(mask) as { data?: ArrayLike<unknown>; shape?: unknown };
  if (!isShape(shape) || (shape.length !== 1 && shape.length !== 2)) {
    const given = shape === undefined ? describe(mask) : `one of shape ${formatShape(shape)}`;
    throw new LossError('ERR_SHAPE', `a multi-hot mask must have shape [C] or [N, C], got ${given}`);
  }
  if (data?.length !== sizeOf(shape)) {
    throw new LossError(
      'ERR_SHAPE',
      `a mask of shape ${formatShape(shape)} needs ${sizeOf(shape)} elements, its data has ${data?.length ?? 'none'}`,
    );
  }
  return { data, shape };
}
