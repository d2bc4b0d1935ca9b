// Sparse matrices of scipy.sparse.save_npz: the arrays data, indices, indptr, shape and format of an .npz file.

import { InputError } from '../errors.js';
import { fromHalves } from './elements.js';
import type { SparseRows } from './input.js';
import { NpyArray, type View } from './npy-array.js';
import { memberNames, openMember } from './npz.js';

const DATA: Record<string, View<ArrayLike<number>>> = {
  b1: Uint8Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  f2: Uint16Array,
  f4: Float32Array,
  f8: Float64Array,
};
/** 64-bit integers as pairs of 32 bits. */
const WIDE = ['i8', 'u8'];
const INDEX_TYPES = ['i4', 'i8'];
const MOST_FORMAT_BYTES = 256;
/** The arrays that are read of such a file. */
export const SPARSE_MEMBERS = ['format', 'shape', 'data', 'indices', 'indptr'];

/** Whether an .npz file is of scipy.sparse.save_npz. */
export function isSparseArchive(file: string): boolean {
  const names = memberNames(file);
  return ['data', 'indices', 'indptr', 'shape'].every((name) => names.includes(name));
}

/** Rows of a matrix in CSR, in memory that the next call overwrites. */
export class CsrMatrix {
  /** The place of the first entry of a row: where entries come in sequence, it is read once. */
  #next = { row: -1, at: 0 };

  private constructor(
    readonly name: string,
    readonly rows: number,
    readonly columns: number,
    private readonly data: NpyArray,
    private readonly indices: NpyArray,
    private readonly indptr: NpyArray,
  ) {}

  /** @throws InputError for another format than CSR, and for arrays that do not fit each other */
  static async open(file: string, what: string): Promise<CsrMatrix> {
    const format = openMember(file, 'format', false);
    try {
      // The text lies behind a header, as 'csr' or in four bytes for each character.
      const text = Buffer.from(await format.read(0, MOST_FORMAT_BYTES))
        .toString('latin1')
        .replaceAll('\0', '');
      const [, kind] = /\n\s*([a-z]{3})\s*$/.exec(text) ?? [];
      if (kind !== 'csr') {
        const given = kind === undefined ? 'no format that is known' : kind.toUpperCase();
        throw new InputError(`${file}: ${what} must be a sparse matrix in CSR, got ${given}: save matrix.tocsr()`);
      }
    } finally {
      format.close();
    }
    const opened: NpyArray[] = [];
    const open = async (member: string, types: readonly string[]): Promise<NpyArray> => {
      const array = await NpyArray.open(openMember(file, member, false), `${member} of sparse ${what}`, types, 1);
      opened.push(array);
      return array;
    };
    try {
      const shape = await open('shape', INDEX_TYPES);
      const [rows, columns, ...others] = toNumbers(await shape.rowsOf(0, shape.rows), shape.type);
      await shape.checkEnd();
      const data = await open('data', [...Object.keys(DATA), ...WIDE]);
      const indices = await open('indices', INDEX_TYPES);
      const indptr = await open('indptr', INDEX_TYPES);
      if (rows === undefined || columns === undefined || others.length > 0 || !(rows >= 0 && columns >= 0)) {
        throw new InputError(`${file}: sparse ${what} must have two dimensions`);
      }
      if (indptr.rows !== rows + 1 || indices.rows !== data.rows) throw damaged(file);
      shape.close();
      return new CsrMatrix(file, rows, columns, data, indices, indptr);
    } catch (error) {
      for (const array of opened) array.close();
      throw error;
    }
  }

  /** About the number of bytes of a row. */
  get rowBytes(): number {
    const entryBytes = this.data.elementBytes + this.indices.elementBytes;
    return this.indptr.elementBytes + (this.data.rows * entryBytes) / Math.max(1, this.rows);
  }

  /** The mean number of entries of a row. */
  get entriesPerRow(): number {
    return this.data.rows / Math.max(1, this.rows);
  }

  async rowsOf(begin: number, end: number): Promise<SparseRows> {
    const isKnown = this.#next.row === begin;
    const from = isKnown ? begin + 1 : begin;
    const read = toNumbers(await this.indptr.rowsOf(from, end + 1), this.indptr.type);
    const places = isKnown ? [this.#next.at, ...read] : read;
    const first = places[0] as number;
    const last = places.at(-1) as number;
    const isRising = places.every((at, i) => i === 0 || at >= (places[i - 1] as number));
    if (!isRising || first < 0 || last > this.data.rows || (begin === 0 && first !== 0)) throw damaged(this.name);
    const indices = Int32Array.from(toNumbers(await this.indices.rowsOf(first, last), this.indices.type));
    const bad = indices.findIndex((column) => column < 0 || column >= this.columns);
    if (bad !== -1) throw damaged(this.name);
    const data = toFloats(await this.data.rowsOf(first, last), this.data.type);
    this.#next = { row: end, at: last };
    return {
      data,
      indices,
      indptr: Int32Array.from(places, (at) => at - first),
      shape: [end - begin, this.columns],
    };
  }

  /** @throws InputError where bytes follow the last element of an array whose size was not known at its beginning */
  async checkEnd(): Promise<void> {
    for (const array of [this.data, this.indices, this.indptr]) await array.checkEnd();
  }

  close(): void {
    for (const array of [this.data, this.indices, this.indptr]) array.close();
  }
}

function damaged(file: string): InputError {
  return new InputError(`${file}: is damaged: its arrays are not those of one sparse matrix`);
}

/** Integers of 32 or 64 bits. */
function toNumbers(bytes: Uint8Array<ArrayBuffer>, type: string): number[] {
  return type === 'i8'
    ? Array.from(new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8), Number)
    : Array.from(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
}

function toFloats(bytes: Uint8Array<ArrayBuffer>, type: string): Float32Array | Float64Array {
  if (type === 'i8') return Float64Array.from(toNumbers(bytes, type));
  if (type === 'u8') {
    return Float64Array.from(new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8), Number);
  }
  const Elements = DATA[type] as View<ArrayLike<number>>;
  const elements = new Elements(bytes.buffer, bytes.byteOffset, bytes.length / Number(type.slice(1)));
  if (type === 'f2') return fromHalves(elements as Uint16Array);
  if (elements instanceof Float32Array || elements instanceof Float64Array) return elements;
  return Float64Array.from(elements);
}
