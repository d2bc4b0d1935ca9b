// Columns whose elements are lists of numbers, as Arrow and DuckDB have them in memory, to batches of rows.

import { InputError } from '../errors.js';
import { fromHalves } from './elements.js';
import { NO_TARGETS, type Reading, type RowBatch, SCORES_PER_BATCH, type Source } from './input.js';
import {
  copyIntegers,
  type Integers,
  outOfRange,
  type RawTargets,
  type TargetsReader,
  toUnknown,
  unknownName,
} from './targets.js';

/** A list for each row, of elements of one type. */
export interface Lists {
  /** The type of an element, as in messages: float16, int64, bool … */
  type: string;
  /** The elements of all rows; those of a row are neighbours. float16 as bits; bool as 0 and 1; names as classes, or UNKNOWN. */
  values: ArrayLike<number> | BigInt64Array | BigUint64Array;
  /** [rows]: where the list of each row begins. */
  begins: ArrayLike<number>;
  /** [rows]: the length of each list. */
  lengths: ArrayLike<number>;
  /** The first row that is null, or has a null in its list; or -1. */
  nullRow: number;
  /** Whether the type says that all lists have one length. */
  isFixed: boolean;
  /** The name that an element was; null where elements are none. */
  nameAt: ((element: number) => string) | null;
}

/** In place of the class of a name that is none of the labels. */
export const UNKNOWN = -2;

export const SCORE_TYPES = ['float16', 'float32', 'float64'];
export const TARGET_TYPES = ['bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'];

/** The position of rows in their file, for messages. */
interface Place extends Pick<Source, 'what' | 'columns' | 'classesOfTargets'> {
  file: string;
  /** The number of the first row of the lists in its file. */
  firstRow: number;
}

/** The columns of a source, for the same rows. */
export interface Columns {
  scores: Lists;
  /** Null where they are not read. */
  targets: Lists | null;
  /** [rows], or null without the column. */
  sampleWeight: readonly (number | null)[] | null;
  /** Null without the column. */
  unknown: Lists | null;
  /** [rows], or null without --row-id. */
  rowIds: readonly (string | number | bigint | null)[] | null;
}

/**
 * The rows of columns in batches.
 *
 * @param classes scores of each row
 * @param bytes number of bytes that were read for all of them
 */
export function* toBatches(
  { scores, targets, sampleWeight, unknown, rowIds }: Columns,
  reader: TargetsReader,
  classes: number,
  bytes: number,
  at: Place,
): Generator<RowBatch> {
  const { file, columns, firstRow, classesOfTargets } = at;
  for (const [name, nullRow] of [
    [columns.scores, scores.nullRow],
    [columns.targets, targets?.nullRow ?? -1],
    [columns.unknown, unknown?.nullRow ?? -1],
    [columns.sampleWeight, sampleWeight?.findIndex((weight) => weight === null) ?? -1],
    [columns.rowId, rowIds?.findIndex((id) => id === null) ?? -1],
  ] as const) {
    if (nullRow >= 0) throw new InputError(`${file}: row ${firstRow + nullRow} has null in its ${name}`);
  }
  const rows = scores.begins.length;
  const step = Math.max(1, Math.floor(SCORES_PER_BATCH / classes));
  for (let begin = 0; begin < rows; begin += step) {
    const end = Math.min(rows, begin + step);
    yield {
      scores: { data: toScores(scores, begin, end, classes, at), shape: [end - begin, classes] },
      sparse: null,
      pairs: null,
      targets:
        targets === null
          ? { data: new Int32Array(0), shape: [end - begin, 0] }
          : reader.read(toRaw(targets, begin, end, at), classes, firstRow + begin),
      reading: targets === null ? NO_TARGETS : (reader.reading as Reading),
      sampleWeight: sampleWeight === null ? null : Float64Array.from(sampleWeight.slice(begin, end) as number[]),
      unknown:
        unknown === null
          ? null
          : toUnknown(
              toRaw(unknown, begin, end, at),
              () => unknown.type === 'bool',
              classesOfTargets,
              file,
              firstRow + begin,
            ),
      rowIds: (rowIds as (string | number | bigint)[] | null)?.slice(begin, end) ?? null,
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

/** The targets of rows `begin` to before `end`, one list after the other. */
export function toRaw(lists: Lists, begin: number, end: number, { file, firstRow }: Pick<Place, 'file' | 'firstRow'>) {
  const { type, values, begins, lengths, isFixed, nameAt } = lists;
  const rows = end - begin;
  const own = new Int32Array(rows);
  let size = 0;
  for (let row = 0; row < rows; row++) size += own[row] = lengths[begin + row] as number;
  const copy = new Int32Array(size);
  for (let row = 0, to = 0; row < rows; to += own[row++] as number) {
    const from = begins[begin + row] as number;
    const bad = copyIntegers(values as Integers, from, own[row] as number, copy, to);
    if (bad !== -1) throw outOfRange(file, values[from + bad] as number | bigint, firstRow + begin + row, bad);
    if (nameAt === null) continue;
    const unknown = copy.subarray(to, to + (own[row] as number)).indexOf(UNKNOWN);
    if (unknown !== -1) throw unknownName(nameAt(from + unknown), file, firstRow + begin + row);
  }
  return {
    type,
    values: copy,
    lengths: own,
    form: isFixed ? 'fixed' : 'lists',
    named: null,
    rows,
  } satisfies RawTargets;
}
