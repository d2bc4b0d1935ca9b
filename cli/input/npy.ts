// Arrays of NumPy, in files of their own and in .npz files: scores, and targets beside them.

import { extname } from 'node:path';
import { InputError } from '../errors.js';
import { type Bytes, FileBytes, StreamBytes } from './bytes.js';
import { CsrMatrix, isSparseArchive, SPARSE_MEMBERS } from './csr.js';
import { fromHalves } from './elements.js';
import { RandomAccessFile } from './file.js';
import {
  nameOf,
  NO_TARGETS,
  type Piece,
  type Reader,
  type Reading,
  type RowBatch,
  SCORES_PER_BATCH,
  type Source,
  wholeSource,
} from './input.js';
import { NpyArray, type View } from './npy-array.js';
import { checkStored, isStored, openMember } from './npz.js';
import { bytesOf, isSequential } from './streams.js';
import { copyIntegers, type Integers, outOfRange, type RawTargets, TargetsReader, toUnknown } from './targets.js';

const SCORES: Record<string, View<Float32Array | Float64Array | Uint16Array>> = {
  f2: Uint16Array,
  f4: Float32Array,
  f8: Float64Array,
};
const TARGETS: Record<string, View<Integers>> = {
  b1: Uint8Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
};
/** Weights of rows are numbers of any of these types. */
const WEIGHTS = [...Object.keys(SCORES), ...Object.keys(TARGETS)];
/** The names of types in messages. */
const NAMES: Record<string, string> = {
  b1: 'bool',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
};

/** Opens the array of a file, or the array of an .npz file that has a column's name. */
function bytesOfArray(file: string, member: string, isOnly: boolean): Bytes {
  if (isArchive(file)) return openMember(file, member, isOnly);
  if (isSequential(file)) return new StreamBytes(nameOf(file), bytesOf(file));
  return new FileBytes(new RandomAccessFile(file));
}

function isArchive(file: string): boolean {
  return extname(file).toLowerCase() === '.npz';
}

/** Whether the scores of a source are a sparse matrix. */
function isSparse({ scoresFile, what }: Source): boolean {
  return what === 'features' && isArchive(scoresFile) && isSparseArchive(scoresFile);
}

/** The arrays of a source beside its scores: their files and names. */
function othersOf({
  targetsFile: file,
  columns,
  hasTargets,
}: Source): Record<'targets' | 'unknown' | 'sampleWeight', Member | null> {
  const member = (name: string | null): Member | null => (name === null ? null : { file, name });
  return {
    targets: hasTargets ? member(columns.targets) : null,
    unknown: member(columns.unknown),
    sampleWeight: member(columns.sampleWeight),
  };
}

interface Member {
  file: string;
  name: string;
}

/** Whether nothing but the scores, or nothing but the targets, is read of a file. */
function isOnlyArray({ scoresFile, targetsFile, hasTargets }: Source): boolean {
  return scoresFile !== targetsFile || !hasTargets;
}

/** All arrays of a source. */
function arraysOf(source: Source): Member[] {
  const { scoresFile, columns } = source;
  const scores = isSparse(source) ? SPARSE_MEMBERS : [columns.scores];
  return [
    ...scores.map((name) => ({ file: scoresFile, name })),
    ...Object.values(othersOf(source)).filter((member) => member !== null),
  ];
}

/** Whether each array of a source can be read at any place. */
function isRandomAccess(source: Source): boolean {
  const isOnly = isOnlyArray(source);
  return arraysOf(source).every(({ file, name }) =>
    isArchive(file) ? isStored(file, name, isOnly) : !isSequential(file),
  );
}

/** Scores, and what rows have beside them: arrays of as many rows. */
class Arrays {
  private constructor(
    private readonly source: Source,
    readonly scores: NpyArray | CsrMatrix,
    readonly targets: NpyArray | null,
    readonly unknown: NpyArray | null,
    readonly sampleWeight: NpyArray | null,
  ) {}

  static async open(source: Source): Promise<Arrays> {
    const { scoresFile, columns, what } = source;
    const isOnly = isOnlyArray(source);
    const opened: { close: () => void }[] = [];
    const kept = <T extends { close: () => void }>(array: T): T => {
      opened.push(array);
      return array;
    };
    try {
      const scores = kept(
        isSparse(source)
          ? await CsrMatrix.open(scoresFile, what)
          : await NpyArray.open(bytesOfArray(scoresFile, columns.scores, isOnly), what, Object.keys(SCORES), 2),
      );
      const others = othersOf(source);
      const open = async (member: Member | null, name: string, types: readonly string[]): Promise<NpyArray | null> =>
        member === null
          ? null
          : kept(
              await NpyArray.open(bytesOfArray(member.file, member.name, isOnly && name === 'targets'), name, types, 1),
            );
      const targets = await open(others.targets, 'targets', Object.keys(TARGETS));
      const unknown = await open(others.unknown, 'unknown classes', Object.keys(TARGETS));
      const sampleWeight = await open(others.sampleWeight, 'weights of rows', WEIGHTS);
      const arrays = new Arrays(source, scores, targets, unknown, sampleWeight);
      arrays.#check();
      return arrays;
    } catch (error) {
      for (const array of opened) array.close();
      throw error;
    }
  }

  #check(): void {
    const { scores, targets, source } = this;
    for (const other of [targets, this.unknown, this.sampleWeight]) {
      if (other !== null && other.rows !== scores.rows) {
        throw new InputError(`${other.name}: has ${other.rows} rows, but ${scores.name} has ${scores.rows}`);
      }
    }
    if (this.sampleWeight !== null && this.sampleWeight.columns !== 1) {
      throw new InputError(`${this.sampleWeight.name}: has ${this.sampleWeight.columns} weights for each row`);
    }
    if (source.what === 'scores' && targets?.type === 'b1' && targets.columns !== scores.columns) {
      throw new InputError(
        `${targets.name}: is a mask of ${targets.columns} columns, but ${scores.name} has ${scores.columns}`,
      );
    }
    if (scores.columns === 0) throw new InputError(`${scores.name}: has no columns`);
  }

  /** Rows that are read at a time. */
  get step(): number {
    const { scores } = this;
    return Math.max(
      1,
      Math.floor(SCORES_PER_BATCH / (scores instanceof CsrMatrix ? Math.max(1, scores.entriesPerRow) : scores.columns)),
    );
  }

  /** The scores of rows, or their features where these are sparse. */
  async scoresOf(begin: number, end: number): Promise<Pick<RowBatch, 'scores' | 'sparse'>> {
    const { scores } = this;
    const shape: [number, number] = [end - begin, scores.columns];
    if (scores instanceof CsrMatrix) {
      return { scores: { data: new Float32Array(0), shape }, sparse: await scores.rowsOf(begin, end) };
    }
    return { scores: { data: toFloats(await scores.rowsOf(begin, end), scores), shape }, sparse: null };
  }

  async weightsOf(begin: number, end: number): Promise<Float64Array | null> {
    const array = this.sampleWeight;
    if (array === null) return null;
    const bytes = await array.rowsOf(begin, end);
    if (Object.hasOwn(SCORES, array.type)) return Float64Array.from(toFloats(bytes, array));
    const Elements = TARGETS[array.type] as View<Integers>;
    return Float64Array.from(
      new Elements(bytes.buffer, bytes.byteOffset, end - begin) as ArrayLike<number | bigint>,
      Number,
    );
  }

  async unknownOf(begin: number, end: number): Promise<RowBatch['unknown']> {
    const array = this.unknown;
    if (array === null) return null;
    const isBool = array.type === 'b1';
    const raw = await this.#classesOf(array, begin, end);
    return toUnknown(raw, () => isBool, this.source.classesOfTargets, array.name, begin);
  }

  /** @returns null where they are not read */
  async targetsOf(begin: number, end: number): Promise<RawTargets | null> {
    return this.targets === null ? null : this.#classesOf(this.targets, begin, end);
  }

  async #classesOf(array: NpyArray, begin: number, end: number): Promise<RawTargets> {
    const { columns, type, name } = array;
    const bytes = await array.rowsOf(begin, end);
    const Elements = TARGETS[type] as View<Integers>;
    const elements = new Elements(bytes.buffer, bytes.byteOffset, bytes.length / array.elementBytes);
    let values: Int32Array;
    if (elements instanceof Int32Array) {
      values = elements;
    } else {
      values = new Int32Array(elements.length);
      const bad = copyIntegers(elements, 0, elements.length, values, 0);
      if (bad !== -1) {
        throw outOfRange(name, elements[bad] as number | bigint, begin + Math.floor(bad / columns), bad % columns);
      }
    }
    const rows = end - begin;
    const lengths = new Int32Array(rows).fill(columns);
    return {
      type: NAMES[type] as string,
      values,
      lengths,
      form: array.isVector ? 'single' : 'fixed',
      named: null,
      rows,
    };
  }

  async checkEnd(): Promise<void> {
    for (const array of [this.scores, this.targets, this.unknown, this.sampleWeight]) await array?.checkEnd();
  }

  close(): void {
    for (const array of [this.scores, this.targets, this.unknown, this.sampleWeight]) array?.close();
  }
}

async function cut(source: Source, bytes: number): Promise<Piece[]> {
  if (!isRandomAccess(source)) {
    return [wholeSource(source)];
  }
  const arrays = await Arrays.open(source);
  try {
    const { rows, columns: classes, rowBytes } = arrays.scores;
    let reading: Reading | null = null;
    if (rows > 0) {
      const reader = new TargetsReader(source, source.targetsFile, null);
      const first = await arrays.targetsOf(0, 1);
      if (first !== null) reader.read(first, classes, 0);
      reading = first === null ? NO_TARGETS : reader.reading;
    }
    const step = Math.max(1, Math.floor(bytes / rowBytes));
    const pieces: Piece[] = [];
    for (let begin = 0; begin < rows; begin += step) {
      const end = Math.min(rows, begin + step);
      pieces.push({ ...source, begin, end, bytes: (end - begin) * rowBytes, firstRow: begin, classes, reading });
    }
    return pieces;
  } finally {
    arrays.close();
  }
}

async function* read(piece: Piece): AsyncGenerator<RowBatch> {
  // One thread of one machine reads the first piece, and checks once what has to be read as a whole for it.
  if (piece.begin === 0) {
    for (const { file, name } of arraysOf(piece))
      if (isArchive(file)) await checkStored(file, name, isOnlyArray(piece));
  }
  const arrays = await Arrays.open(piece);
  const { scores } = arrays;
  const reader = new TargetsReader(piece, arrays.targets?.name ?? '', piece.reading);
  const isWhole = piece.end === Number.MAX_SAFE_INTEGER;
  const last = isWhole ? scores.rows : piece.end;
  try {
    if (last > scores.rows) throw new InputError(`${scores.name}: has changed: it has ${scores.rows} rows now`);
    const { step } = arrays;
    for (let row = piece.begin; row < last; row += step) {
      const end = Math.min(last, row + step);
      const rows = end - row;
      const read = await arrays.scoresOf(row, end);
      const raw = await arrays.targetsOf(row, end);
      yield {
        ...read,
        pairs: null,
        targets: raw === null ? { data: new Int32Array(0), shape: [rows, 0] } : reader.read(raw, scores.columns, row),
        reading: raw === null ? NO_TARGETS : (reader.reading as Reading),
        sampleWeight: await arrays.weightsOf(row, end),
        unknown: await arrays.unknownOf(row, end),
        rowIds: null,
        firstRow: row,
        bytes: isWhole ? (piece.bytes * rows) / scores.rows : rows * scores.rowBytes,
      };
    }
    if (isWhole) await arrays.checkEnd();
  } finally {
    arrays.close();
  }
}

export const npy: Reader = { cut, read, numberRows: (pieces) => pieces };

function toFloats(bytes: Uint8Array<ArrayBuffer>, { type, elementBytes }: NpyArray): Float32Array | Float64Array {
  const Elements = SCORES[type] as View<Float32Array | Float64Array | Uint16Array>;
  const elements = new Elements(bytes.buffer, bytes.byteOffset, bytes.length / elementBytes);
  return elements instanceof Uint16Array ? fromHalves(elements) : elements;
}
