// Arrow's format for files and streams: messages, each a prefix, metadata and a body. The first is the schema; record
// batches follow. https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc

import * as zlib from 'node:zlib';
import type { Data, Field, RecordBatch, Schema } from 'apache-arrow';
import { InputError } from '../errors.js';
import { load, require } from '../packages.js';
import { type Lists, SCORE_TYPES, toBatches } from './columns.js';
import { RandomAccessFile } from './file.js';
import { nameOf, type Piece, type Reader, type RowBatch, type Source } from './input.js';

type Arrow = typeof import('apache-arrow') & typeof import('apache-arrow/ipc/metadata/file');

const MAGIC = 'ARROW1';
/** Before the metadata of each message: -1, and their length. */
const PREFIX_BYTES = 8;

interface Message {
  at: number;
  bytes: number;
  /** Of a record batch; null of others. */
  rows: number | null;
}

class ArrowFile {
  /** Where the messages begin. */
  readonly start: number;
  readonly #file: RandomAccessFile;
  readonly #size: number;
  /** Whether the end of a file is there; a stream may end after any message. */
  readonly #isWhole: boolean;

  constructor(
    private readonly arrow: Arrow,
    readonly name: string,
  ) {
    this.#file = new RandomAccessFile(name);
    this.#size = this.#file.size;
    const head = this.read(0, Math.min(this.#size, PREFIX_BYTES));
    const isFile = head.toString('latin1', 0, MAGIC.length) === MAGIC;
    if (!isFile && (head.length < PREFIX_BYTES || head.readInt32LE(0) !== -1)) {
      this.close();
      throw new InputError(`${name}: is not an Arrow file or stream`);
    }
    this.start = isFile ? PREFIX_BYTES : 0;
    const tail = this.read(Math.max(0, this.#size - MAGIC.length), Math.min(this.#size, MAGIC.length));
    this.#isWhole = !isFile || (this.#size > 2 * PREFIX_BYTES && tail.toString('latin1') === MAGIC);
  }

  /** The message of the schema. Files have it at their end, and not always at their beginning. */
  schema(): Buffer {
    // Of a file whose end is missing, a record batch will be named.
    if (!this.#isWhole) Array.from(this.messages(this.start, this.#size, 0));
    try {
      if (this.start === 0) {
        const [first] = this.messages(0, 1, 0);
        if (first !== undefined && first.rows === null) return this.read(0, first.bytes);
      } else {
        const lengthAt = this.#size - MAGIC.length - 4;
        const length = this.read(lengthAt, 4).readInt32LE();
        const { schema } = this.arrow.Footer.decode(this.read(lengthAt - length, length));
        const metadata = this.arrow.Message.encode(this.arrow.Message.from(schema));
        const message = Buffer.alloc(PREFIX_BYTES + 8 * Math.ceil(metadata.length / 8));
        message.writeInt32LE(-1);
        message.writeInt32LE(message.length - PREFIX_BYTES, 4);
        message.set(metadata, PREFIX_BYTES);
        return message;
      }
    } catch (error) {
      if (error instanceof InputError) throw error;
    }
    throw new InputError(`${this.name}: has no schema that can be read`);
  }

  /** The messages that start at byte `begin` or later, and before `end`; the first of them is number `firstRow`. */
  *messages(begin: number, end: number, firstRow: number): Generator<Message> {
    let row = firstRow;
    for (let at = begin; at < end;) {
      const truncated = new InputError(`${this.name}: is truncated in the record batch that begins at row ${row}`);
      if (at + PREFIX_BYTES > this.#size) {
        if (at === this.#size && this.#isWhole) return;
        throw truncated;
      }
      const prefix = this.read(at, PREFIX_BYTES);
      const length = prefix.readInt32LE(4);
      if (prefix.readInt32LE(0) !== -1 || length < 0) throw this.damaged(row);
      if (length === 0) {
        if (!this.#isWhole) throw truncated;
        return;
      }
      if (at + PREFIX_BYTES + length > this.#size) throw truncated;
      let message: Message;
      try {
        const decoded = this.arrow.Message.decode(this.read(at + PREFIX_BYTES, length));
        const rows = decoded.isRecordBatch() ? decoded.header().length : null;
        message = { at, bytes: PREFIX_BYTES + length + decoded.bodyLength, rows };
      } catch {
        throw this.damaged(row);
      }
      if (at + message.bytes > this.#size) throw truncated;
      yield message;
      row += message.rows ?? 0;
      at += message.bytes;
    }
  }

  damaged(row: number): InputError {
    return new InputError(`${this.name}: is damaged where the record batch of row ${row} should begin`);
  }

  /** `length` bytes from byte `at`, in memory of their own. */
  read(at: number, length: number): Buffer {
    return this.#file.read(at, length);
  }

  /** `length` bytes from byte `at`, in memory that the next call overwrites. */
  readReused(at: number, length: number): Uint8Array {
    return this.#file.readReused(at, length);
  }

  close(): void {
    this.#file.close();
  }
}

async function cut(source: Source, bytes: number): Promise<Piece[]> {
  const name = source.scoresFile;
  if (name === '-') {
    return [{ ...source, begin: 0, end: Number.MAX_SAFE_INTEGER, bytes: 0, firstRow: 0, classes: null }];
  }
  const arrow = await loadArrow(name);
  const file = new ArrowFile(arrow, name);
  try {
    const pieces: Piece[] = [];
    let classes: number | null = null;
    const schema = file.schema();
    let piece: Piece | undefined;
    let row = 0;
    for (const message of file.messages(file.start, Number.MAX_SAFE_INTEGER, 0)) {
      if (message.rows === null) continue;
      if (message.rows > 0 && classes === null) {
        const { scores } = columnsOf(arrow, batchOf(arrow, schema, file, message, row), source);
        classes = scores.lengths[0] as number;
        if (classes === 0) throw new InputError(`${name}: row ${row} has no ${source.what}`);
      }
      if (piece === undefined || piece.bytes >= bytes) {
        piece = { ...source, begin: message.at, end: 0, bytes: 0, firstRow: row, classes };
        pieces.push(piece);
      }
      piece.end = message.at + message.bytes;
      piece.bytes += message.bytes;
      row += message.rows;
    }
    return pieces.map((each) => ({ ...each, classes }));
  } finally {
    file.close();
  }
}

async function* read(piece: Piece): AsyncGenerator<RowBatch> {
  const arrow = await loadArrow(nameOf(piece.scoresFile));
  if (piece.scoresFile === '-') {
    yield* readStandardInput(arrow, piece);
    return;
  }
  const file = new ArrowFile(arrow, piece.scoresFile);
  try {
    let row = piece.firstRow ?? 0;
    const schema = file.schema();
    for (const message of file.messages(piece.begin, piece.end, row)) {
      if (message.rows === null || message.rows === 0) continue;
      const batch = batchOf(arrow, schema, file, message, row);
      yield* rowsOf(arrow, batch, piece, piece.classes as number, message.bytes, row);
      row += message.rows;
    }
  } finally {
    file.close();
  }
}

/** One record batch by itself, as a stream of the schema and of it. */
function batchOf(arrow: Arrow, schema: Buffer, file: ArrowFile, message: Message, row: number): RecordBatch {
  if (message.bytes >= 2 ** 31) {
    throw new InputError(`${file.name}: has a record batch of ${message.bytes} bytes: write smaller ones`);
  }
  const bytes = file.readReused(message.at, message.bytes);
  try {
    return arrow.RecordBatchReader.from([schema, bytes]).next().value as RecordBatch;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${file.name}: the record batch of row ${row} is damaged: ${(error as Error).message}`);
  }
}

async function* readStandardInput(arrow: Arrow, piece: Piece): AsyncGenerator<RowBatch> {
  const name = nameOf(piece.scoresFile);
  let row = 0;
  let { classes } = piece;
  const reader = await arrow.RecordBatchReader.from(process.stdin);
  for (;;) {
    let batch: RecordBatch;
    try {
      const next = await reader.next();
      if (next.done === true) return;
      batch = next.value;
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`${name}: is broken after row ${row}: ${(error as Error).message}`);
    }
    if (batch.numRows === 0) continue;
    classes ??= columnsOf(arrow, batch, piece).scores.lengths[0] as number;
    if (classes === 0) throw new InputError(`${name}: row ${row} has no ${piece.what}`);
    yield* rowsOf(arrow, batch, piece, classes, 0, row);
    row += batch.numRows;
  }
}

function rowsOf(arrow: Arrow, batch: RecordBatch, source: Source, classes: number, bytes: number, firstRow: number) {
  const { scores, targets } = columnsOf(arrow, batch, source);
  return toBatches(scores, targets, classes, bytes, { ...source, file: nameOf(source.scoresFile), firstRow });
}

function columnsOf(arrow: Arrow, batch: RecordBatch, source: Source): { scores: Lists; targets: Lists } {
  const { columns } = source;
  const lists = (name: string, what: string, isWanted: (type: string) => boolean, wanted: string): Lists => {
    const column = batch.getChild(name)?.data[0] as Data | undefined;
    const found = column === undefined ? null : listsOf(arrow, column, nameOf(source.scoresFile));
    if (column === undefined || found === null || !isWanted(found.type)) {
      const given =
        column === undefined ? `its columns are ${namesOf(batch.schema)}` : `it is ${String(column.type as unknown)}`;
      throw new InputError(`${nameOf(source.scoresFile)}: needs a column ${name} of ${what}, ${wanted}; ${given}`);
    }
    return found;
  };
  return {
    scores: lists(
      columns.scores,
      source.what,
      (type) => SCORE_TYPES.includes(type),
      'lists of float16, float32 or float64',
    ),
    targets: lists(columns.targets, 'targets', (type) => !SCORE_TYPES.includes(type), 'lists of integers or bool'),
  };
}

function namesOf(schema: Schema): string {
  return schema.fields.map(({ name }: Field) => name).join(', ');
}

/** A column of lists, or null for one of something else. */
function listsOf({ DataType }: Arrow, column: Data, file: string): Lists | null {
  const { type: listType, length: rows } = column;
  const [child] = column.children;
  const isFixed = DataType.isFixedSizeList(listType);
  if (child === undefined || !(isFixed || DataType.isList(listType) || DataType.isLargeList(listType))) return null;
  const damaged = (): InputError => new InputError(`${file}: is damaged: it has lists that end nowhere`);
  const type = String(child.type as unknown).toLowerCase();
  const begins = new Float64Array(rows);
  const lengths = new Int32Array(rows);
  // [rows + 1]
  const offsets = column.valueOffsets as ArrayLike<number | bigint>;
  for (let row = 0; row < rows; row++) {
    const begin = isFixed ? row * listType.listSize : Number(offsets[row]);
    const end = isFixed ? begin + listType.listSize : Number(offsets[row + 1]);
    if (!(begin >= 0 && begin <= end && end <= child.length)) throw damaged();
    begins[row] = begin;
    lengths[row] = end - begin;
  }
  const elements = DataType.isBool(child.type)
    ? fromBits(child.values as Uint8Array, child.length)
    : (child.values as Lists['values'] | undefined);
  if (elements === undefined || elements.length < child.length) throw damaged();
  return {
    type,
    values: elements,
    begins,
    lengths,
    nullRow: nullRowOf(column, child, begins, lengths),
    isMask: DataType.isBool(child.type) || (isFixed && type === 'uint8'),
  };
}

function nullRowOf(column: Data, child: Data, begins: ArrayLike<number>, lengths: ArrayLike<number>): number {
  if (column.nullCount === 0 && child.nullCount === 0) return -1;
  for (let row = 0; row < column.length; row++) {
    if (!column.getValid(row)) return row;
    const begin = begins[row] as number;
    for (let i = begin; i < begin + (lengths[row] as number); i++) if (!child.getValid(i)) return row;
  }
  return -1;
}

function fromBits(bits: Uint8Array, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((bits[i >> 3] as number) >> (i & 7)) & 1);
}

async function loadArrow(file: string): Promise<Arrow> {
  const importAll = async (): Promise<Arrow> => ({
    ...(await import('apache-arrow')),
    // What else reads a footer, reads all of the file.
    ...(await import('apache-arrow/ipc/metadata/file')),
  });
  const arrow = await load(importAll, `${file}: Arrow`, 'apache-arrow');
  const { CompressionType, compressionRegistry } = arrow;
  // Loaded only where a record batch is compressed.
  compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: (bytes) => aligned(decodeLz4(bytes, file)) });
  compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => aligned(decodeZstd(bytes, file)) });
  return arrow;
}

function decodeLz4(bytes: Uint8Array, file: string): Uint8Array {
  const { decompressFrameSync } = require<typeof import('lz4-napi')>(`${file}: Arrow compressed by LZ4`, 'lz4-napi');
  return decompressFrameSync(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

function decodeZstd(bytes: Uint8Array, file: string): Uint8Array {
  // Node's own, from 22.15 on.
  const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (bytes: Uint8Array) => Buffer };
  if (zstdDecompressSync !== undefined) return zstdDecompressSync(bytes);
  return require<typeof import('fzstd')>(`${file}: Arrow compressed by ZSTD`, 'fzstd').decompress(bytes);
}

/** For views of elements of up to 8 bytes. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
}

export const arrow: Reader = { cut, read, numberRows: (pieces) => pieces };
