// An array in NumPy's file format: magic, version, length of a header, the header as a Python dictionary, the elements.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

import { InputError } from '../errors.js';
import { type Bytes, MemoryBytes } from './bytes.js';
import { kindOfBytes } from './kinds.js';

/** Makes a view of elements. */
export type View<T> = new (buffer: ArrayBuffer, byteOffset: number, length: number) => T;

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
export class NpyArray {
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
  static async open(bytes: Bytes, what: string, types: readonly string[], leastDimensions: 1 | 2): Promise<NpyArray> {
    try {
      return await NpyArray.#open(bytes, what, types, leastDimensions);
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
    // Python 2 wrote long integers as 5L.
    const shape = /'shape': *\(([\dL, ]*)\)/.exec(header);
    const [, endian, type] = descr ?? [];
    if (type === undefined || !types.includes(type)) {
      const shown = /'descr': *(.*?), *'fortran/.exec(header)?.[1] ?? 'no type that is known';
      throw new InputError(`${name}: ${what} must be of type ${types.join(', ')}, got ${shown}`);
    }
    if (order === null || shape === null) {
      throw new InputError(`${name}: has a header without ${shape === null ? 'a shape' : 'an order'} that can be read`);
    }
    const text = (shape[1] as string).replaceAll('L', '').trim();
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

/**
 * Puts the elements of a column in their places in rows. One of 8 bytes is moved as two halves: the bits of many integers are a
 * NaN of float64, and an engine may write another NaN than it has read.
 */
function scatter(
  part: Uint8Array<ArrayBuffer>,
  elementBytes: number,
  to: ArrayBuffer,
  column: number,
  columns: number,
) {
  const unit = Math.min(4, elementBytes);
  const Units = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[unit] as View<Uint8Array>;
  const from = new Units(part.buffer, part.byteOffset, part.length / unit);
  const target = new Units(to, 0, Math.floor(to.byteLength / unit));
  if (elementBytes === unit) {
    for (let i = 0, at = column; i < from.length; i++, at += columns) target[at] = from[i] as number;
    return;
  }
  for (let i = 0, at = 2 * column; i < from.length; i += 2, at += 2 * columns) {
    target[at] = from[i] as number;
    target[at + 1] = from[i + 1] as number;
  }
}
