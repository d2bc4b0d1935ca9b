// Targets of rows: class indices, or 0/1 masks over the classes. Rows say themselves which of the two they are.

import { InputError } from '../errors.js';
import type { Reading, RowBatch, Source } from './input.js';

export type TargetsAre = 'mask' | 'indices';

/** The classes of the names of labels. */
export type Names = ReadonlyMap<string, number>;

/**
 * The class of a name.
 *
 * @param row the number of the row in its file
 * @throws InputError for an unknown name, and where there are no names
 */
export function classOf(name: string, names: Names | null, file: string, row: number): number {
  const label = names?.get(name);
  if (label !== undefined) return label;
  throw names === null ? withoutNames(file) : unknownName(name, file, row);
}

/** The error for names where no option says which class is which. */
export function withoutNames(file: string): InputError {
  return new InputError(`${file}: has names of labels: --labels says which class each of them is`);
}

/** The error for a name that is none of the labels. */
export function unknownName(name: string, file: string, row: number): InputError {
  return new InputError(`${file}: row ${row} has '${name}', which is none of the names of --labels`);
}

/** Targets of consecutive rows as a file has them. */
export interface RawTargets {
  /** The type of an element, as in messages: bool, uint8, int64, number …; or text, for classes that were names. */
  type: string;
  /** The elements of all rows, row by row. */
  values: Int32Array;
  /** [rows]: number of elements of each row. */
  lengths: ArrayLike<number>;
  /** How the file has rows: lists of any length, lists of one length, or one class index for each row, without a list. */
  form: 'lists' | 'fixed' | 'single';
  /** [rows]: whether the row had names; null where `type` tells. */
  named: ArrayLike<boolean> | null;
  rows: number;
}

/**
 * Most elements that class indices can have which are only 0 and 1: a third one repeats a label. A longer row of 0 and 1 is
 * a mask.
 */
const MOST_BINARY_INDICES = 2;

const HOW_TO_SAY = '--targets-are mask or --targets-are indices says which';

/** Brings the targets of the rows of one file to class indices. */
export class TargetsReader {
  /** The reading that the first conclusive row decided. */
  reading: Reading | null;

  /** @param reading by the first row of the file, or null for a file that is read from there */
  constructor(
    private readonly source: Pick<Source, 'what' | 'targetsAre' | 'classesOfTargets'>,
    private readonly file: string,
    reading: Reading | null,
  ) {
    this.reading = reading;
  }

  /**
   * @param columns number of scores or features of each row
   * @param firstRow the number of the first row in its file
   * @throws InputError for rows of which some are masks and others indices, for rows that could be either, and for masks of a
   * wrong width or with other values than 0 and 1
   */
  read(raw: RawTargets, columns: number, firstRow: number): RowBatch['targets'] {
    const classes = this.source.what === 'scores' ? columns : this.source.classesOfTargets;
    const { rows, lengths, type } = raw;
    if (rows === 0) return { data: raw.values, shape: [0, 0] };
    if (this.reading === null) {
      const targetsAre = this.source.targetsAre ?? this.#kindOf(raw, 0, 0, classes, firstRow);
      const typeOfFirst = raw.named?.[0] === true ? 'text' : type;
      this.reading = {
        targetsAre,
        type: typeOfFirst,
        classes: targetsAre === 'mask' ? (classes ?? (lengths[0] as number)) : null,
      };
    }
    const { targetsAre } = this.reading;
    if (type === 'bool' && targetsAre === 'indices') {
      throw new InputError(`${this.file}: targets of bool are a mask, and cannot be class indices`);
    }
    if (targetsAre === 'mask') this.#refuseNames(raw, firstRow);
    if (this.source.targetsAre === null) {
      for (let row = 0, at = 0; row < rows; at += lengths[row++] as number) {
        const kind = this.#kindOf(raw, row, at, classes, firstRow);
        if (kind === 'mask' && targetsAre === 'indices') {
          throw new InputError(
            `${this.file}: row ${firstRow + row} is a 0/1 mask, but the first row of the input has class indices: ${HOW_TO_SAY}`,
          );
        }
      }
    }
    return targetsAre === 'mask' ? this.#fromMasks(raw, this.reading.classes as number, firstRow) : toPadded(raw);
  }

  #refuseNames({ type, named, rows }: RawTargets, firstRow: number): void {
    for (let row = 0; row < rows; row++) {
      if (type !== 'text' && named?.[row] !== true) continue;
      const why =
        this.source.targetsAre === null ? 'the first row of the input is a 0/1 mask' : '--targets-are is mask';
      throw new InputError(`${this.file}: row ${firstRow + row} has names of labels, but ${why}`);
    }
  }

  /** The reading that the row at `at` would have by itself. */
  #kindOf(
    { type, values, lengths, form, named }: RawTargets,
    row: number,
    at: number,
    classes: number | null,
    firstRow: number,
  ): TargetsAre {
    if (type === 'bool') return 'mask';
    const width = lengths[row] as number;
    if (width === 0 || form === 'single' || type === 'text' || named?.[row] === true) return 'indices';
    const isOfClasses = classes === null ? width > MOST_BINARY_INDICES : width === classes;
    const place = `${this.file}: row ${firstRow + row}`;
    if (!isOfClasses && width <= MOST_BINARY_INDICES) {
      if (classes === null && this.#mayBeMaskOfTwo(values.subarray(at, at + width), form)) {
        throw new InputError(
          `${place} has targets of only 0 and 1, which are a mask of 2 classes or class indices: ${HOW_TO_SAY}, or ` +
            '--classes how many there are',
        );
      }
      return 'indices';
    }
    const end = at + width;
    let other = at;
    while (other < end && (values[other] === 0 || values[other] === 1)) other++;
    if (other < end) {
      const isUnclear = isOfClasses && width > MOST_BINARY_INDICES && isMaskButForPadding(values.subarray(at, end));
      if (!isUnclear) return 'indices';
      // #fromMasks() refuses the -1, and names its column.
      if (this.reading?.targetsAre === 'mask') return 'mask';
      throw new InputError(
        `${place} has -1 among 0 and 1: a mask holds 0 and 1 alone, and class indices end at the first -1 (--targets-are ` +
          'indices reads it as such)',
      );
    }
    if (!isOfClasses) {
      throw new InputError(
        `${place} has a mask of ${width}, where ${classes} are wanted (as class indices it would repeat labels: ` +
          '--targets-are indices reads it as such)',
      );
    }
    if (width > MOST_BINARY_INDICES || (form === 'fixed' && type === 'uint8')) return 'mask';
    throw new InputError(
      `${place} has targets of only 0 and 1, which are a mask of ${width} ${width === 1 ? 'class' : 'classes'} or class ` +
        `indices: ${HOW_TO_SAY}`,
    );
  }

  /**
   * Whether a row may be a mask where the number of classes is not known. Pairs of 0 and 1 that differ are not rare among lists
   * of class indices: in lists of any length, only those that would repeat a label are none.
   */
  #mayBeMaskOfTwo(row: Int32Array, form: RawTargets['form']): boolean {
    if (row.length !== 2 || !row.every((value) => value === 0 || value === 1)) return false;
    return form === 'fixed' ? this.reading === null : row[0] === row[1] && this.reading?.targetsAre !== 'mask';
  }

  #fromMasks({ type, values, lengths, rows }: RawTargets, wanted: number, firstRow: number): RowBatch['targets'] {
    const isGiven = this.source.targetsAre !== null;
    let most = 0;
    for (let row = 0, at = 0; row < rows; row++) {
      if (lengths[row] !== wanted) {
        throw new InputError(
          `${this.file}: row ${firstRow + row} has a mask of ${lengths[row]}, where ${wanted} are wanted` +
            (isGiven || type === 'bool' ? '' : `; the first row of the input is a mask: ${HOW_TO_SAY}`),
        );
      }
      let count = 0;
      for (const end = at + wanted; at < end; at++) {
        const value = values[at] as number;
        if (value === 1) {
          count++;
        } else if (value !== 0) {
          const column = at - end + wanted;
          throw new InputError(
            `${this.file}: a mask holds 0 and 1, got ${value} at row ${firstRow + row}, column ${column}` +
              (isGiven ? '' : `; the first row of the input is a mask: ${HOW_TO_SAY}`),
          );
        }
      }
      most = Math.max(most, count);
    }
    const data = new Int32Array(rows * most).fill(-1);
    for (let row = 0, at = 0; row < rows; row++) {
      let to = row * most;
      for (let column = 0; column < wanted; column++, at++) if (values[at] === 1) data[to++] = column;
    }
    return { data, shape: [rows, most] };
  }
}

/** Whether a row of 0, 1 and -1 is no list of class indices, which has no index twice, and nothing behind its first -1. */
function isMaskButForPadding(row: Int32Array): boolean {
  if (!row.every((value) => value >= -1 && value <= 1)) return false;
  const list = row.subarray(0, row.indexOf(-1));
  return new Set(list).size < list.length || row.subarray(list.length).some((value) => value !== -1);
}

/** Lists of any length, padded with -1. */
export function toPadded({ values, lengths, rows, form }: RawTargets): RowBatch['targets'] {
  if (form !== 'lists') return { data: values, shape: [rows, lengths[0] as number] };
  let width = 0;
  for (let row = 0; row < rows; row++) width = Math.max(width, lengths[row] as number);
  const data = new Int32Array(rows * width).fill(-1);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let i = 0; i < (lengths[row] as number); i++) data[row * width + i] = values[at++] as number;
  }
  return { data, shape: [rows, width] };
}

/**
 * Unknown classes of rows as lists, padded with -1. Each row is a list or a mask, whatever the others are: a mask of bool, or
 * of more than two 0 and 1, which as class indices would repeat a class.
 *
 * @param isBool whether a row is a mask of bool
 * @param classes null if it is not known
 */
export function toUnknown(
  raw: RawTargets,
  isBool: (row: number) => boolean,
  classes: number | null,
  file: string,
  firstRow: number,
): RowBatch['targets'] {
  const { values, lengths, rows } = raw;
  const isMask: boolean[] = [];
  for (let row = 0, at = 0; row < rows; row++) {
    const width = lengths[row] as number;
    const elements = values.subarray(at, (at += width));
    isMask[row] = isBool(row) || (width > MOST_BINARY_INDICES && elements.every((value) => value === 0 || value === 1));
    if (isMask[row] && classes !== null && width !== classes) {
      throw new InputError(
        `${file}: row ${firstRow + row} has a mask of ${width} unknown classes, where ${classes} are wanted`,
      );
    }
  }
  if (!isMask.includes(true)) return toPadded(raw);
  // Every list gets a -1 at its end, so that none can be taken for a mask again.
  const lists: number[] = [];
  const listLengths: number[] = [];
  for (let row = 0, at = 0; row < rows; row++) {
    const begin = lists.length;
    for (let column = 0; column < (lengths[row] as number); column++) {
      const value = values[at++] as number;
      if (!isMask[row]) lists.push(value);
      else if (value === 1) lists.push(column);
    }
    lists.push(-1);
    listLengths.push(lists.length - begin);
  }
  return toPadded({ ...raw, values: Int32Array.from(lists), lengths: listLengths, form: 'lists' });
}

/** Elements of integers of any type as int32, which holds all class indices. */
export type Integers =
  Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array | BigInt64Array | BigUint64Array;

/**
 * Copies elements `from` to before `from + size` to `to`, starting at `at`.
 *
 * @returns the position of the first element that int32 does not hold, relative to `from`, or -1
 */
export function copyIntegers(elements: Integers, from: number, size: number, to: Int32Array, at: number): number {
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) {
    // Halves of 32 bits, because each bigint would be an object.
    const halves = new Int32Array(elements.buffer, elements.byteOffset + 8 * from, 2 * size);
    const isSigned = elements instanceof BigInt64Array;
    for (let i = 0; i < size; i++) {
      const low = halves[2 * i] as number;
      if (halves[2 * i + 1] !== (isSigned ? low >> 31 : 0) || (!isSigned && low < 0)) return i;
      to[at + i] = low;
    }
    return -1;
  }
  if (elements instanceof Uint32Array) {
    for (let i = 0; i < size; i++) {
      const value = elements[from + i] as number;
      if (value > 2 ** 31 - 1) return i;
      to[at + i] = value;
    }
    return -1;
  }
  for (let i = 0; i < size; i++) to[at + i] = elements[from + i] as number;
  return -1;
}

/** The error for a target that no class can have. */
export function outOfRange(file: string, value: number | bigint, row: number, column: number): InputError {
  return new InputError(
    `${file}: target ${value} at row ${row}, column ${column} is out of range: targets must be class indices, or -1 for padding`,
  );
}
