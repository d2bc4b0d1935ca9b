// Columns whose elements are lists of numbers, as Arrow and DuckDB have them in memory, to batches of rows.

import { InputError } from '../errors.js';
import { fromHalves, fromMask } from './elements.js';
import { type RowBatch, SCORES_PER_BATCH, type Source } from './input.js';

/** A list for each row, of elements of one type. */
export interface Lists {
  /** What the elements are, as in messages: float16, int64, bool … */
  type: string;
  /** Of all rows; those of a row are neighbours. Of float16, their bits; of bool, 0 and 1. */
  values: ArrayLike<number> | BigInt64Array | BigUint64Array;
  /** [rows]: where those of a row begin. */
  begins: ArrayLike<number>;
  /** [rows]: how many they are. */
  lengths: ArrayLike<number>;
  /** The first row of which the list, or an element of it, is null; or -1. */
  nullRow: number;
  /** Whether they are masks of 0 and 1 over the classes, or indices of classes. */
  isMask: boolean;
}

export const SCORE_TYPES = ['float16', 'float32', 'float64'];

/** Where rows are, for messages. */
interface Place extends Pick<Source, 'what' | 'columns'> {
  file: string;
  /** The number of the first row of the lists in its file. */
  firstRow: number;
}

/**
 * The rows of two columns in batches.
 *
 * @param classes scores of each row
 * @param bytes that were read for all of them
 */
export function* toBatches(
  scores: Lists,
  targets: Lists,
  classes: number,
  bytes: number,
  at: Place,
): Generator<RowBatch> {
  const { file, columns, firstRow } = at;
  for (const [name, { nullRow }] of [
    [columns.scores, scores],
    [columns.targets, targets],
  ] as const) {
    if (nullRow >= 0) throw new InputError(`${file}: row ${firstRow + nullRow} has null in its ${name}`);
  }
  const rows = scores.begins.length;
  const step = Math.max(1, Math.floor(SCORES_PER_BATCH / classes));
  for (let begin = 0; begin < rows; begin += step) {
    const end = Math.min(rows, begin + step);
    yield {
      scores: { data: toScores(scores, begin, end, classes, at), shape: [end - begin, classes] },
      targets: toTargets(targets, begin, end, classes, at),
      firstRow: firstRow + begin,
      bytes: (bytes * (end - begin)) / rows,
    };
  }
}

type Elements = Float32Array | Float64Array | Uint16Array;

function toScores({ type, values, begins, lengths }: Lists, begin: number, end: number, classes: number, at: Place) {
  const elements = values as Elements;
  const first = begins[begin] as number;
  let areNeighbours = true;
  for (let row = begin; row < end; row++) {
    if (lengths[row] !== classes) {
      throw new InputError(
        `${at.file}: row ${at.firstRow + row} has ${lengths[row]} ${at.what}, those before have ${classes}`,
      );
    }
    areNeighbours &&= begins[row] === first + (row - begin) * classes;
  }
  let data = elements.subarray(first, first + (end - begin) * classes);
  if (!areNeighbours) {
    data = new (elements.constructor as new (length: number) => Elements)((end - begin) * classes);
    for (let row = begin; row < end; row++) {
      const from = begins[row] as number;
      data.set(elements.subarray(from, from + classes), (row - begin) * classes);
    }
  }
  return type === 'float16' ? fromHalves(data as Uint16Array) : (data as Float32Array | Float64Array);
}

function toTargets(lists: Lists, begin: number, end: number, classes: number, at: Place): RowBatch['targets'] {
  const { type, values, begins, lengths, isMask } = lists;
  const rows = end - begin;
  let width = 0;
  for (let row = begin; row < end; row++) width = Math.max(width, lengths[row] as number);
  if (isMask) {
    const masks = values as Uint8Array;
    // Beside features, there is nothing else that says how many classes there are.
    const wanted = at.what === 'scores' ? classes : width;
    return Array.from({ length: rows }, (_, i) => {
      const from = begins[begin + i] as number;
      const row = at.firstRow + begin + i;
      const length = lengths[begin + i] as number;
      if (length !== wanted) {
        throw new InputError(`${at.file}: row ${row} has a mask of ${length}, where ${wanted} are wanted`);
      }
      return fromMask(masks, from, wanted, at.file, row);
    });
  }
  const is64 = type === 'int64' || type === 'uint64';
  const data = is64 ? new BigInt64Array(rows * width).fill(-1n) : new Int32Array(rows * width).fill(-1);
  // Element by element, since views of lists that short take longer to make; of 64 bits as halves, without bigints.
  const unit = is64 ? 2 : 1;
  const source = is64 ? halvesOf(values as BigInt64Array) : (values as ArrayLike<number>);
  const target = is64 ? halvesOf(data as BigInt64Array) : (data as Int32Array);
  for (let row = begin; row < end; row++) {
    const from = (begins[row] as number) * unit;
    const to = (row - begin) * width * unit;
    const size = (lengths[row] as number) * unit;
    for (let i = 0; i < size; i++) target[to + i] = source[from + i] as number;
  }
  if (type === 'uint32' || type === 'uint64') checkSigns(data, width, lists, begin, at);
  return { data, shape: [rows, width] };
}

/** Unsigned targets of 2^31 or 2^63 and more became negative in the copy, which would make them padding. */
function checkSigns(
  copy: Int32Array | BigInt64Array,
  width: number,
  { values, begins, lengths }: Lists,
  begin: number,
  { file, firstRow }: Place,
): void {
  for (let at = 0; at < copy.length; at++) {
    if ((copy[at] as number | bigint) >= 0) continue;
    const row = begin + Math.floor(at / width);
    const column = at % width;
    if (column >= (lengths[row] as number)) continue;
    const value = values[(begins[row] as number) + column];
    throw new InputError(
      `${file}: target ${value} at row ${firstRow + row}, column ${column} is out of range: targets must be class indices`,
    );
  }
}

function halvesOf({ buffer, byteOffset, length }: BigInt64Array | BigUint64Array): Int32Array {
  return new Int32Array(buffer, byteOffset, 2 * length);
}
