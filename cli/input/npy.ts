// NumPy's file format: magic, version, length of a header, the header as a Python dictionary, the elements.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

import { InputError } from '../errors.js';
import { fromHalves, fromMask } from './elements.js';
import { RandomAccessFile } from './file.js';
import { type Piece, type Reader, type RowBatch, SCORES_PER_BATCH, type Source } from './input.js';

const BYTES: Record<string, number> = { f2: 2, f4: 4, f8: 8, i4: 4, i8: 8, b1: 1, u1: 1, i1: 1 };
const SCORES = ['f2', 'f4', 'f8'];
const INDICES = ['i4', 'i8'];
const MASKS = ['b1', 'u1', 'i1'];

/** A file of an array of two dimensions, to be read row by row. */
class NpyFile {
  readonly rows: number;
  readonly columns: number;
  /** As f4: kind and bytes of an element. */
  readonly type: string;
  readonly #file: RandomAccessFile;
  readonly #dataAt: number;

  constructor(
    readonly name: string,
    what: string,
    types: readonly string[],
  ) {
    this.#file = new RandomAccessFile(name);
    const { size } = this.#file;
    try {
      const start = this.#file.read(0, Math.min(size, 12));
      if (start.length < 12 || start.toString('latin1', 0, 6) !== '\x93NUMPY') {
        throw new InputError(`${name}: is not an .npy file`);
      }
      const version = start[6] as number;
      const lengthBytes = version === 1 ? 2 : 4;
      const headerAt = 8 + lengthBytes;
      const headerLength = version === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
      if (headerAt + headerLength > size) throw new InputError(`${name}: is truncated in its header`);
      const header = this.#file.read(headerAt, headerLength).toString('utf8');
      const descr = /'descr': *'([<>|=])([a-z]\d+)'/.exec(header);
      const order = /'fortran_order': *(True|False)/.exec(header);
      const shape = /'shape': *\(([\d, ]*)\)/.exec(header);
      if (descr === null || order === null || shape === null || !types.includes(descr[2] as string)) {
        const given = /'descr': *(.*?), *'fortran/.exec(header)?.[1] ?? 'no type that is known';
        throw new InputError(`${name}: ${what} must be of type ${types.join(', ')}, got ${given}`);
      }
      if (descr[1] === '>') throw new InputError(`${name}: is big-endian; little-endian is wanted`);
      const lengths = (shape[1] as string)
        .split(',')
        .filter((length) => length.trim() !== '')
        .map(Number);
      if (lengths.length !== 2) {
        throw new InputError(`${name}: ${what} must have two dimensions, got shape (${(shape[1] as string).trim()})`);
      }
      if (order[1] === 'True' && Math.min(...lengths) > 1) {
        throw new InputError(`${name}: is in Fortran order; save np.ascontiguousarray(array)`);
      }
      this.type = descr[2] as string;
      [this.rows, this.columns] = lengths as [number, number];
      this.#dataAt = headerAt + headerLength;
      const wanted = this.#dataAt + this.rows * this.rowBytes;
      if (size < wanted) {
        const whole = this.rowBytes === 0 ? 0 : Math.floor((size - this.#dataAt) / this.rowBytes);
        throw new InputError(`${name}: is truncated at row ${whole} of ${this.rows}`);
      }
      if (size > wanted) throw new InputError(`${name}: has ${size - wanted} bytes after its ${this.rows} rows`);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get rowBytes(): number {
    return this.columns * (BYTES[this.type] as number);
  }

  /** The elements from row `begin` to before `end`, where those of the next call will be too. */
  rowsOf(begin: number, end: number): Uint8Array<ArrayBuffer> {
    return this.#file.readReused(this.#dataAt + begin * this.rowBytes, (end - begin) * this.rowBytes);
  }

  close(): void {
    this.#file.close();
  }
}

/** A file of scores and the file of their targets: class indices padded with -1, or a 0/1 mask. */
class NpyPair {
  readonly scores: NpyFile;
  readonly targets: NpyFile;
  readonly isMask: boolean;

  constructor({ scoresFile, targetsFile, what }: Source) {
    this.scores = new NpyFile(scoresFile, what, SCORES);
    try {
      this.targets = new NpyFile(targetsFile, 'targets', [...INDICES, ...MASKS]);
    } catch (error) {
      this.scores.close();
      throw error;
    }
    this.isMask = MASKS.includes(this.targets.type);
    try {
      this.#check(what);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #check(what: Source['what']): void {
    const { scores, targets } = this;
    if (targets.rows !== scores.rows) {
      throw new InputError(`${targets.name}: has ${targets.rows} rows, but ${scores.name} has ${scores.rows}`);
    }
    if (what === 'scores' && this.isMask && targets.columns !== scores.columns) {
      throw new InputError(
        `${targets.name}: is a mask of ${targets.columns} columns, but ${scores.name} has ${scores.columns}`,
      );
    }
    if (scores.columns === 0) throw new InputError(`${scores.name}: has no columns`);
  }

  close(): void {
    this.scores.close();
    this.targets.close();
  }
}

function cut(source: Source, bytes: number): Piece[] {
  const pair = new NpyPair(source);
  const { rows, columns: classes, rowBytes } = pair.scores;
  pair.close();
  const step = Math.max(1, Math.floor(bytes / rowBytes));
  const pieces: Piece[] = [];
  for (let begin = 0; begin < rows; begin += step) {
    const end = Math.min(rows, begin + step);
    pieces.push({ ...source, begin, end, bytes: (end - begin) * rowBytes, firstRow: begin, classes });
  }
  return pieces;
}

function* read(piece: Piece): Generator<RowBatch> {
  const pair = new NpyPair(piece);
  const { scores, targets, isMask } = pair;
  try {
    if (piece.end > scores.rows) throw new InputError(`${scores.name}: has changed: it has ${scores.rows} rows now`);
    const step = Math.max(1, Math.floor(SCORES_PER_BATCH / scores.columns));
    for (let row = piece.begin; row < piece.end; row += step) {
      const end = Math.min(piece.end, row + step);
      const elements = targets.rowsOf(row, end);
      yield {
        scores: { data: toFloats(scores.rowsOf(row, end), scores.type), shape: [end - row, scores.columns] },
        targets: isMask
          ? fromMasks(elements, targets, row, end)
          : {
              data: toIndices(elements, targets.type),
              shape: [end - row, targets.columns],
            },
        firstRow: row,
        bytes: (end - row) * scores.rowBytes,
      };
    }
  } finally {
    pair.close();
  }
}

export const npy: Reader = { cut, read, numberRows: (pieces) => pieces };

function fromMasks(masks: Uint8Array, { columns, name }: NpyFile, begin: number, end: number): number[][] {
  return Array.from({ length: end - begin }, (_, i) => fromMask(masks, i * columns, columns, name, begin + i));
}

function toIndices({ buffer, length }: Uint8Array<ArrayBuffer>, type: string): Int32Array | BigInt64Array {
  return type === 'i8' ? new BigInt64Array(buffer, 0, length / 8) : new Int32Array(buffer, 0, length / 4);
}

function toFloats({ buffer, length }: Uint8Array<ArrayBuffer>, type: string): Float32Array | Float64Array {
  if (type === 'f8') return new Float64Array(buffer, 0, length / 8);
  if (type === 'f4') return new Float32Array(buffer, 0, length / 4);
  return fromHalves(new Uint16Array(buffer, 0, length / 2));
}
