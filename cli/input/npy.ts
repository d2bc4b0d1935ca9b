// NumPy's file format: magic, version, length of a header, the header as a Python dictionary, the elements.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

import { extname } from 'node:path';
import { InputError } from '../errors.js';
import { type Bytes, FileBytes, MemoryBytes, StreamBytes } from './bytes.js';
import { fromHalves } from './elements.js';
import { RandomAccessFile } from './file.js';
import {
  nameOf,
  type Piece,
  type Reader,
  type Reading,
  type RowBatch,
  SCORES_PER_BATCH,
  type Source,
  wholeSource,
} from './input.js';
import { kindOfBytes } from './kinds.js';
import { isStored, openMember } from './npz.js';
import { bytesOf, isSequential } from './streams.js';
import { copyIntegers, type Integers, outOfRange, type RawTargets, TargetsReader } from './targets.js';

/** Makes a view of elements. */
type View<T> = new (buffer: ArrayBuffer, byteOffset: number, length: number) => T;

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

const MAGIC = '\x93NUMPY';
/** Up to the length of the header, in version 2 and later. */
const PREFIX_BYTES = 12;
/** More than any header of an array of numbers has. */
const MOST_HEADER_BYTES = 2 ** 16;
/** Rows of an array in Fortran order are gathered from all columns: about so many bytes at a time. */
const TRANSPOSED_BYTES = 2 ** 24;
/** Arrays in Fortran order whose bytes come in sequence are kept in memory, up to this size. */
const MOST_BYTES_IN_MEMORY = 2 ** 31;

/** An array of one or two dimensions, read row by row. */
class NpyArray {
  /** Rows that #transposed has, if any. */
  #block = { begin: 0, end: 0 };
  #transposed = new ArrayBuffer(0);

  private constructor(
    private readonly bytes: Bytes,
    readonly rows: number,
    readonly columns: number,
    /** Kind and bytes of an element, as in f4. */
    readonly type: string,
    readonly isVector: boolean,
    private readonly isFortran: boolean,
    private readonly isBigEndian: boolean,
    private readonly dataAt: number,
  ) {}

  /** @throws InputError for another file, an array of another type or of other dimensions, and a file that is truncated */
  static async open(bytes: Bytes, what: string, types: readonly string[], mostDimensions: 1 | 2): Promise<NpyArray> {
    try {
      return await NpyArray.#open(bytes, what, types, mostDimensions);
    } catch (error) {
      bytes.close();
      throw error;
    }
  }

  static async #open(given: Bytes, what: string, types: readonly string[], leastDimensions: 1 | 2): Promise<NpyArray> {
    const { name } = given;
    const start = Buffer.from(await given.read(0, PREFIX_BYTES));
    if (start.toString('latin1', 0, MAGIC.length) !== MAGIC) {
      throw new InputError(`${name}: ${kindOfBytes(start, 'an .npy file') || 'is not an .npy file'}`);
    }
    const isFirstVersion = start[6] === 1;
    const headerAt = isFirstVersion ? 10 : 12;
    if (start.length < headerAt) throw new InputError(`${name}: is truncated in its header`);
    const headerLength = isFirstVersion ? start.readUInt16LE(8) : start.readUInt32LE(8);
    if (headerLength > MOST_HEADER_BYTES) throw new InputError(`${name}: has a header of ${headerLength} bytes`);
    // Two bytes of the header may have been read: version 1 has the shorter prefix.
    const rest = headerAt + headerLength - start.length;
    const more = Buffer.from(await given.read(start.length, rest));
    if (more.length < rest) throw new InputError(`${name}: is truncated in its header`);
    const header = Buffer.concat([start.subarray(headerAt), more]).toString('utf8');
    const descr = /'descr': *'([<>|=]?)([a-z]\d+)'/.exec(header);
    const order = /'fortran_order': *(True|False)/.exec(header);
    const shape = /'shape': *\(([\d, ]*)\)/.exec(header);
    const [, endian, type] = descr ?? [];
    if (type === undefined || order === null || shape === null || !types.includes(type)) {
      const shown = /'descr': *(.*?), *'fortran/.exec(header)?.[1] ?? 'no type that is known';
      throw new InputError(`${name}: ${what} must be of type ${types.join(', ')}, got ${shown}`);
    }
    const text = (shape[1] as string).trim();
    const lengths = text
      .split(',')
      .filter((length) => length.trim() !== '')
      .map(Number);
    if (lengths.length > 2 || lengths.length < leastDimensions) {
      const wanted = leastDimensions === 2 ? 'two dimensions' : 'one or two dimensions';
      throw new InputError(`${name}: ${what} must have ${wanted}, got shape (${text})`);
    }
    const [rows, columns = 1] = lengths as [number, number?];
    const rowBytes = columns * Number(type.slice(1));
    const dataAt = headerAt + headerLength;
    const wanted = dataAt + rows * rowBytes;
    if (!Number.isSafeInteger(wanted)) throw new InputError(`${name}: has a shape that no file has: (${text})`);
    if (given.size !== null) {
      if (given.size < wanted) throw truncated(name, given.size - dataAt, rowBytes, rows);
      if (given.size > wanted) {
        throw new InputError(`${name}: has ${given.size - wanted} bytes after its ${rows} rows`);
      }
    }
    const isFortran = order[1] === 'True' && Math.min(rows, columns) > 1;
    let bytes = given;
    let at = dataAt;
    if (isFortran && given.size === null) {
      bytes = await MemoryBytes.of(given, dataAt, MOST_BYTES_IN_MEMORY);
      at = 0;
      if ((bytes.size as number) < rows * rowBytes) throw truncated(name, bytes.size as number, rowBytes, rows);
    }
    return new NpyArray(bytes, rows, columns, type, lengths.length === 1, isFortran, endian === '>', at);
  }

  get elementBytes(): number {
    return Number(this.type.slice(1));
  }

  get rowBytes(): number {
    return this.columns * this.elementBytes;
  }

  /** The elements from row `begin` to before `end`, row by row and little-endian, in memory that the next call overwrites. */
  async rowsOf(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.isFortran) return this.#transposedRows(begin, end);
    const length = (end - begin) * this.rowBytes;
    const at = this.dataAt + begin * this.rowBytes;
    const read = this.bytes.read(at, length);
    const bytes = read instanceof Uint8Array ? read : await read;
    if (bytes.length < length) {
      throw truncated(this.bytes.name, begin * this.rowBytes + bytes.length, this.rowBytes, this.rows);
    }
    if (this.isBigEndian) swap(bytes, this.elementBytes);
    return bytes;
  }

  async #transposedRows(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const { elementBytes, rowBytes, columns, rows } = this;
    if (begin < this.#block.begin || end > this.#block.end) {
      const size = Math.max(end - begin, Math.floor(TRANSPOSED_BYTES / rowBytes));
      const block = { begin, end: Math.min(rows, begin + size) };
      const count = block.end - begin;
      if (this.#transposed.byteLength < count * rowBytes) this.#transposed = new ArrayBuffer(count * rowBytes);
      for (let column = 0; column < columns; column++) {
        const part = await this.bytes.read(this.dataAt + (column * rows + begin) * elementBytes, count * elementBytes);
        if (part.length < count * elementBytes) throw new InputError(`${this.bytes.name}: ended while it was read`);
        scatter(part, elementBytes, this.#transposed, column, columns);
      }
      if (this.isBigEndian) swap(new Uint8Array(this.#transposed, 0, count * rowBytes), elementBytes);
      this.#block = block;
    }
    return new Uint8Array(this.#transposed, (begin - this.#block.begin) * rowBytes, (end - begin) * rowBytes);
  }

  /** @throws InputError where bytes follow the last row, for a file whose size was not known at its beginning */
  async checkEnd(): Promise<void> {
    if (this.bytes.size !== null) return;
    const more = await this.bytes.read(this.dataAt + this.rows * this.rowBytes, 1);
    if (more.length > 0) throw new InputError(`${this.bytes.name}: has bytes after its ${this.rows} rows`);
  }

  get name(): string {
    return this.bytes.name;
  }

  close(): void {
    this.bytes.close();
  }
}

function truncated(name: string, dataBytes: number, rowBytes: number, rows: number): InputError {
  const whole = rowBytes === 0 ? 0 : Math.max(0, Math.floor(dataBytes / rowBytes));
  return new InputError(`${name}: is truncated at row ${whole} of ${rows}`);
}

/** Reverses the bytes of each element. */
function swap(bytes: Uint8Array<ArrayBuffer>, elementBytes: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (elementBytes === 2) buffer.swap16();
  if (elementBytes === 4) buffer.swap32();
  if (elementBytes === 8) buffer.swap64();
}

/** Puts the elements of a column in their places in rows. */
function scatter(
  part: Uint8Array<ArrayBuffer>,
  elementBytes: number,
  to: ArrayBuffer,
  column: number,
  columns: number,
) {
  const Elements = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: Float64Array }[elementBytes] as View<Uint8Array>;
  const from = new Elements(part.buffer, part.byteOffset, part.length / elementBytes);
  const target = new Elements(to, 0, Math.floor(to.byteLength / elementBytes));
  for (let row = 0, at = column; row < from.length; row++, at += columns) target[at] = from[row] as number;
}

/** Opens the array of a file, or the array of an .npz file that has a column's name. */
function bytesOfArray(file: string, member: string, isOnly: boolean): Bytes {
  if (isArchive(file)) return openMember(file, member, isOnly);
  if (isSequential(file)) return new StreamBytes(nameOf(file), bytesOf(file));
  return new FileBytes(new RandomAccessFile(file));
}

function isArchive(file: string): boolean {
  return extname(file).toLowerCase() === '.npz';
}

/** Whether each array of a source can be read at any place. */
function isRandomAccess({ scoresFile, targetsFile, columns }: Source): boolean {
  const isOnly = scoresFile !== targetsFile;
  return (
    [
      [scoresFile, columns.scores],
      [targetsFile, columns.targets],
    ] as const
  ).every(([file, column]) => (isArchive(file) ? isStored(file, column, isOnly) : !isSequential(file)));
}

/** A file of scores and the file of their targets: class indices padded with -1, or a 0/1 mask. */
class NpyPair {
  private constructor(
    private readonly source: Source,
    readonly scores: NpyArray,
    readonly targets: NpyArray,
  ) {}

  static async open(source: Source): Promise<NpyPair> {
    const { scoresFile, targetsFile, columns, what } = source;
    const isOnly = scoresFile !== targetsFile;
    const scores = await NpyArray.open(bytesOfArray(scoresFile, columns.scores, isOnly), what, Object.keys(SCORES), 2);
    try {
      const bytes = bytesOfArray(targetsFile, columns.targets, isOnly);
      const targets = await NpyArray.open(bytes, 'targets', Object.keys(TARGETS), 1);
      const pair = new NpyPair(source, scores, targets);
      try {
        pair.#check();
      } catch (error) {
        targets.close();
        throw error;
      }
      return pair;
    } catch (error) {
      scores.close();
      throw error;
    }
  }

  #check(): void {
    const { scores, targets, source } = this;
    if (targets.rows !== scores.rows) {
      throw new InputError(`${targets.name}: has ${targets.rows} rows, but ${scores.name} has ${scores.rows}`);
    }
    if (source.what === 'scores' && targets.type === 'b1' && targets.columns !== scores.columns) {
      throw new InputError(
        `${targets.name}: is a mask of ${targets.columns} columns, but ${scores.name} has ${scores.columns}`,
      );
    }
    if (scores.columns === 0) throw new InputError(`${scores.name}: has no columns`);
  }

  async targetsOf(begin: number, end: number): Promise<RawTargets> {
    const { targets } = this;
    const { columns, type, name } = targets;
    const bytes = await targets.rowsOf(begin, end);
    const Elements = TARGETS[type] as View<Integers>;
    const elements = new Elements(bytes.buffer, bytes.byteOffset, bytes.length / targets.elementBytes);
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
    return { type: NAMES[type] as string, values, lengths, form: targets.isVector ? 'single' : 'fixed', rows };
  }

  close(): void {
    this.scores.close();
    this.targets.close();
  }
}

async function cut(source: Source, bytes: number): Promise<Piece[]> {
  if (!isRandomAccess(source)) {
    return [wholeSource(source)];
  }
  const pair = await NpyPair.open(source);
  try {
    const { rows, columns: classes, rowBytes } = pair.scores;
    let reading: Reading | null = null;
    if (rows > 0) {
      const reader = new TargetsReader(source, pair.targets.name, null);
      reader.read(await pair.targetsOf(0, 1), classes, 0);
      reading = reader.reading;
    }
    const step = Math.max(1, Math.floor(bytes / rowBytes));
    const pieces: Piece[] = [];
    for (let begin = 0; begin < rows; begin += step) {
      const end = Math.min(rows, begin + step);
      pieces.push({ ...source, begin, end, bytes: (end - begin) * rowBytes, firstRow: begin, classes, reading });
    }
    return pieces;
  } finally {
    pair.close();
  }
}

async function* read(piece: Piece): AsyncGenerator<RowBatch> {
  const pair = await NpyPair.open(piece);
  const { scores, targets } = pair;
  const reader = new TargetsReader(piece, targets.name, piece.reading);
  const isWhole = piece.end === Number.MAX_SAFE_INTEGER;
  const last = isWhole ? scores.rows : piece.end;
  try {
    if (last > scores.rows) throw new InputError(`${scores.name}: has changed: it has ${scores.rows} rows now`);
    const step = Math.max(1, Math.floor(SCORES_PER_BATCH / scores.columns));
    for (let row = piece.begin; row < last; row += step) {
      const end = Math.min(last, row + step);
      const rows = end - row;
      const bytes = await scores.rowsOf(row, end);
      const raw = await pair.targetsOf(row, end);
      yield {
        scores: { data: toFloats(bytes, scores), shape: [rows, scores.columns] },
        targets: reader.read(raw, scores.columns, row),
        reading: reader.reading as Reading,
        rowIds: null,
        firstRow: row,
        bytes: isWhole ? (piece.bytes * rows) / scores.rows : rows * scores.rowBytes,
      };
    }
    if (isWhole) {
      await scores.checkEnd();
      await targets.checkEnd();
    }
  } finally {
    pair.close();
  }
}

export const npy: Reader = { cut, read, numberRows: (pieces) => pieces };

function toFloats(bytes: Uint8Array<ArrayBuffer>, { type, elementBytes }: NpyArray): Float32Array | Float64Array {
  const Elements = SCORES[type] as View<Float32Array | Float64Array | Uint16Array>;
  const elements = new Elements(bytes.buffer, bytes.byteOffset, bytes.length / elementBytes);
  return elements instanceof Uint16Array ? fromHalves(elements) : elements;
}
