import {
  allocate,
  arrayName,
  dtypeOf,
  type HasOnly,
  type IntegerArray,
  isTypedArray,
  type TypedArray,
} from './dtypes.js';
import { describe, LossError } from './errors.js';
import { isList } from './nested.js';
import { checkOptions } from './options.js';
import { checkShape, formatShape, isShape, sameShape, type Shape, sizeOf } from './shapes.js';
import { isTensor, Tensor, toTensor } from './tensor.js';

/** Anything with integers as `data`, and a shape; which of its types a Tensor has, its own type may not say. */
interface IndicesLike {
  readonly data: IntegerArray | TypedArray;
  readonly shape: Shape;
}

type IndexList = readonly (number | bigint)[] | IntegerArray;

/**
 * Targets in any of the forms that the loss takes: a tensor of integers, padded at the end of each row with -1 to any width,
 * nested arrays of such rows, or lists of different lengths without padding. Integers of other types than int32 and int64
 * are converted.
 */
export type Targets = IndicesLike | IndexList | readonly IndexList[] | number | bigint;

/** Refuses, when compiled, targets of type T that can only be floating-point. */
export type NoFloats<T> = HasOnly<T, Float32Array | Float64Array> extends true ? 'targets must be integers' : unknown;

type MaskElement = number | bigint | boolean;

/** A mask of 0 and 1, or false and true: of shape [C] or [N, C], of any dtype. */
export type MultiHotMask =
  | { readonly data: ArrayLike<MaskElement>; readonly shape: readonly number[] }
  | ArrayLike<MaskElement>
  | readonly ArrayLike<MaskElement>[];

/**
 * Options of {@link fromMultiHot}.
 *
 * @example
 * import { fromMultiHot, type MultiHotOptions } from 'multilabel-margin-loss';
 *
 * const options: MultiHotOptions = { shape: [2, 3] };
 * fromMultiHot(Uint8Array.of(0, 1, 0, 1, 0, 1), options).tolist(); // => [[1, -1], [0, 2]]
 */
export interface MultiHotOptions {
  /**
   * [C] or [N, C], for a mask that is a list or a typed array.
   * @default that of the mask: [C] for a list or a typed array
   */
  shape?: Shape | undefined;
}

/**
 * Target lists of a multi-hot mask.
 *
 * @param mask 1 (or true) where the class is a target, 0 elsewhere; [C] or [N, C], of any dtype
 * @param options `shape`, for a mask without one
 * @returns int32, [K] or [N, K], K being the largest number of targets in a row: the classes in ascending order, padded
 * with -1
 * @throws LossError ERR_SHAPE for other shapes; ERR_DTYPE for values other than 0 and 1, naming row, column and value
 * @example
 * import { fromMultiHot } from 'multilabel-margin-loss';
 *
 * fromMultiHot([[0, 1, 0, 1], [1, 0, 0, 0]]).tolist(); // => [[1, 3], [0, -1]]
 * fromMultiHot(Uint8Array.of(0, 1, 0, 1, 1, 0, 0, 0), { shape: [2, 4] }).tolist(); // => [[1, 3], [0, -1]]
 */
export function fromMultiHot(mask: MultiHotMask, options: MultiHotOptions = {}): Tensor<'int32'> {
  const { shape: wanted } = checkOptions(options, ['shape'], 'fromMultiHot()');
  const { data, shape } = readMask(Array.isArray(mask) ? flattenMask(mask) : mask, wanted);
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

/** What a list of classes is for. */
export type ClassList = 'targets' | 'unknown';

/**
 * A tensor of class indices in any form, for scores of a shape. Lists of different lengths are padded. Values are checked
 * here only as far as the tensor could not hold them; the backend checks the rest.
 */
export function toTargets(
  value: unknown,
  scores: Shape,
  name: ClassList = 'targets',
): Tensor<'int32'> | Tensor<'int64'> {
  if (isTensor(value)) return checkedIndices(toTensor(value, 'int32', name), name);
  const classes = scores.at(-1) ?? 1;
  if (typeof value === 'number' || typeof value === 'bigint') {
    return new Tensor<'int32'>(padLists([[value]], classes, name).data, []);
  }
  if (Array.isArray(value)) {
    // An empty list is an empty batch's where the scores are that, and no targets where they are one row.
    if (value.some(isList) || (value.length === 0 && scores.length === 2 && scores[0] === 0)) {
      return padLists(value, classes, name);
    }
    // For scores [N, C], the shape will be refused; but a list of something else than numbers is named as such.
    const flat = padLists([value], classes, name);
    return new Tensor<'int32'>(flat.data, [value.length]);
  }
  const { data = value, shape } = Object(value) as { data?: unknown; shape?: unknown };
  const arrayOf = arrayName(data);
  if (arrayOf === undefined && isList(data)) throw notIndices(`data that is ${describe(data)}`, name);
  if (arrayOf !== undefined && dtypeOf(data) === null && !arrayOf.startsWith('Float')) {
    checkShape(shape ?? [(data as Uint8Array).length], data as Int32Array, name);
    const given = (shape ?? [(data as Uint8Array).length]) as Shape;
    const widened = toInt32(data as Uint8Array, given.at(-1) ?? 1, classes, name);
    return new Tensor<'int32'>(widened, given);
  }
  if (arrayOf === 'Float16Array') throw notIndices('float16', name);
  return checkedIndices(toTensor(value, 'int32', name), name);
}

function checkedIndices(indices: Tensor, name: ClassList): Tensor<'int32'> | Tensor<'int64'> {
  if (indices.dtype !== 'int32' && indices.dtype !== 'int64') throw notIndices(indices.dtype, name);
  return indices as Tensor<'int32'> | Tensor<'int64'>;
}

/** Integers of another type as int32. */
function toInt32(data: ArrayLike<number | bigint>, width: number, classes: number, name: ClassList): Int32Array {
  const result = allocate('int32', data.length);
  for (let i = 0; i < data.length; i++) {
    const target = data[i] as number | bigint;
    result[i] = Number(target);
    if (result[i] !== Number(target)) {
      throw targetOutOfRange(target, Math.floor(i / width), i % width, classes, name);
    }
  }
  return result;
}

const MAKING_INDICES = 'make them with { dtype: int64 }, or with fromMultiHot(mask) from a mask';

function notIndices(given: string, name: ClassList): LossError {
  return new LossError(
    'ERR_DTYPE',
    `${name} must be class indices of int32, int64 or another integer type, got ${given}; ${MAKING_INDICES}`,
  );
}

/**
 * Unknown classes, in the forms of targets, or as a mask: [C] or [N, C] of booleans, or of 0 and 1 throughout. Such a mask
 * of more than two classes cannot be class indices, which would name a class twice; of fewer it could, and is refused.
 */
export function toUnknown(value: unknown, scores: Shape): Tensor<'int32'> | Tensor<'int64'> {
  const classes = scores.at(-1) ?? 1;
  if (isBooleans(value)) {
    const mask = flattenMask(value as unknown[]);
    const width = mask.shape.at(-1);
    if (width !== classes) {
      throw new LossError(
        'ERR_SHAPE',
        `a mask of unknown classes must have a column for each of the ${classes} classes, got ${width}`,
      );
    }
    return fromMultiHot(mask as MultiHotMask);
  }
  const unknown = toTargets(value, scores, 'unknown');
  if (unknown.shape.at(-1) !== classes || unknown.data.length === 0) return unknown;
  for (const one of unknown.data) if (Number(one) !== 0 && Number(one) !== 1) return unknown;
  if (classes > 2) return fromMultiHot(unknown);
  throw new LossError(
    'ERR_DTYPE',
    `unknown of 0 and 1 only for ${classes} classes could be a mask or class indices: give a mask as booleans, and pad ` +
      'class indices with -1',
  );
}

/** Whether the first element of nested arrays is a boolean. */
export function isBooleans(value: unknown): boolean {
  let first: unknown = value;
  while (Array.isArray(first)) first = first.find((one) => !Array.isArray(one) || one.length > 0) as unknown;
  return typeof first === 'boolean';
}

/** The error for an entry of a list that no class has. */
export function targetOutOfRange(
  target: number | bigint,
  row: number,
  column: number,
  classes: number,
  list: ClassList = 'targets',
): LossError {
  const [entry, entries] = list === 'targets' ? ['target', 'targets'] : ['unknown class', 'unknown classes'];
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

function padLists(lists: readonly unknown[], classes: number, name: ClassList = 'targets'): Tensor<'int32'> {
  let width = 0;
  // By index throughout: the iteration methods of arrays leave holes out.
  for (let row = 0; row < lists.length; row++) {
    const list = lists[row];
    if (!isList(list)) {
      throw new LossError('ERR_SHAPE', `${name}[${row}] must be an array of class indices, got ${describe(list)}`);
    }
    if (arrayName(list)?.startsWith('Float')) throw notIndices(`${arrayName(list)} at row ${row}`, name);
    width = Math.max(width, list.length);
  }
  const data = allocate('int32', lists.length * width).fill(-1);
  for (let row = 0; row < lists.length; row++) {
    const list = lists[row] as ArrayLike<unknown>;
    for (let column = 0; column < list.length; column++) {
      const target = list[column];
      if (typeof target !== 'bigint' && !Number.isInteger(target)) {
        const hint = typeof target === 'boolean' ? '; fromMultiHot(mask) makes class indices of a mask' : '';
        throw new LossError(
          'ERR_DTYPE',
          `${name} must be integers, got ${describe(target)} at row ${row}, column ${column}${hint}`,
        );
      }
      const number = Number(target);
      if (number !== (number | 0)) throw targetOutOfRange(target as number | bigint, row, column, classes, name);
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
  const first: unknown = mask.find(isList);
  if (!isList(first)) return { data: mask, shape: [mask.length] };
  const classes = first.length;
  const data: unknown[] = [];
  for (let row = 0; row < mask.length; row++) {
    const list = mask[row];
    if (!isList(list) || list.length !== classes) {
      throw new LossError(
        'ERR_SHAPE',
        `row ${row} of the mask must be an array of length ${classes}, got ${describe(list)}`,
      );
    }
    for (let column = 0; column < classes; column++) data.push(list[column]);
  }
  return { data, shape: [mask.length, classes] };
}

function readMask(mask: unknown, wanted: unknown): FlatMask {
  const { data, shape = wanted } = (
    isTypedArray(mask) ? { data: mask, shape: wanted ?? [mask.length] } : Object(mask)
  ) as {
    data?: ArrayLike<unknown>;
    shape?: unknown;
  };
  const given = wanted ?? shape;
  if (isTypedArray(data)) checkShape(given, data, 'a mask');
  if (!isShape(given) || (given.length !== 1 && given.length !== 2)) {
    const what = given === undefined ? describe(mask) : `one of shape ${formatShape(given)}`;
    throw new LossError('ERR_SHAPE', `a multi-hot mask must have shape [C] or [N, C], got ${what}`);
  }
  // A flat list takes any shape of its size; what has a shape of its own keeps it.
  if (isShape(shape) && shape.length === 2 && !sameShape(shape, given)) {
    throw new LossError('ERR_SHAPE', `a mask of shape ${formatShape(shape)} cannot have shape ${formatShape(given)}`);
  }
  if (data?.length !== sizeOf(given)) {
    throw new LossError(
      'ERR_SHAPE',
      `a mask of shape ${formatShape(given)} needs ${sizeOf(given)} elements, its data has ${data?.length ?? 'none'}`,
    );
  }
  return { data, shape: given };
}
