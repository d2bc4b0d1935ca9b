// Arrow's format for files and streams: messages, each a prefix, metadata and a body. The first is the schema; record
// batches follow. https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc

import type { Data, DataType, Field, RecordBatch, Schema } from 'apache-arrow';
import { InputError } from '../errors.js';
import { load, require } from '../packages.js';
import { type Columns, type Lists, SCORE_TYPES, TARGET_TYPES, toBatches, toRaw, UNKNOWN } from './columns.js';
import { RandomAccessFile } from './file.js';
import {
  nameOf,
  NO_TARGETS,
  type Piece,
  type Reader,
  type Reading,
  type RowBatch,
  type Source,
  wholeSource,
} from './input.js';
import { HEAD_BYTES, kindOfBytes } from './kinds.js';
import { bytesOf, isSequential } from './streams.js';
import { type Names, TargetsReader, withoutNames } from './targets.js';
import { decodeZstd } from './zstd.js';

type Arrow = typeof import('apache-arrow') & typeof import('apache-arrow/ipc/metadata/file');

const MAGIC = 'ARROW1';
const LABEL_TYPES = [...TARGET_TYPES, 'text'];
/** Before the metadata of each message: -1, and their length. */
const PREFIX_BYTES = 8;

interface Message {
  at: number;
  bytes: number;
  /** Rows of a record batch; null for other messages. */
  rows: number | null;
  /** The id of a dictionary that it begins, or adds to; null for other messages. */
  dictionary: { id: number; isDelta: boolean } | null;
}

class ArrowFile {
  /** The position of the first message. */
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
      const kind = kindOfBytes(this.read(0, Math.min(this.#size, HEAD_BYTES)), 'an Arrow file');
      this.close();
      throw new InputError(`${name}: ${kind || 'is not an Arrow file or stream'}`);
    }
    this.start = isFile ? PREFIX_BYTES : 0;
    const tail = this.read(Math.max(0, this.#size - MAGIC.length), Math.min(this.#size, MAGIC.length));
    this.#isWhole = !isFile || (this.#size > 2 * PREFIX_BYTES && tail.toString('latin1') === MAGIC);
  }

  /** The message of the schema. Files have it at their end, and not always at their beginning. */
  schema(): Buffer {
    // For a file without its end, the error of the incomplete record batch says more.
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
        const dictionary = decoded.isDictionaryBatch() ? decoded.header() : null;
        message = {
          at,
          bytes: PREFIX_BYTES + length + decoded.bodyLength,
          rows,
          dictionary: dictionary === null ? null : { id: dictionary.id, isDelta: dictionary.isDelta },
        };
      } catch {
        throw this.damaged(row);
      }
      if (message.bytes < PREFIX_BYTES + length) throw this.damaged(row);
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

/** The dictionaries of the messages so far, where text is wanted: a record batch has keys of them. */
class Dictionaries {
  #messages: { id: number; bytes: Buffer }[] = [];

  readonly areWanted: boolean;

  constructor(
    private readonly file: ArrowFile,
    { columns }: Source,
    names: Names | null,
  ) {
    this.areWanted = names !== null || columns.rowId !== null;
  }

  get messages(): Buffer[] {
    return this.#messages.map(({ bytes }) => bytes);
  }

  add({ at, bytes, dictionary }: Message): void {
    if (dictionary === null || !this.areWanted) return;
    const { id, isDelta } = dictionary;
    if (!isDelta) this.#messages = this.#messages.filter((each) => each.id !== id);
    this.#messages.push({ id, bytes: this.file.read(at, bytes) });
  }
}

async function cut(source: Source, bytes: number, names: Names | null): Promise<Piece[]> {
  const name = source.scoresFile;
  if (isSequential(name)) return [wholeSource(source)];
  const arrow = await loadArrow(name);
  const file = new ArrowFile(arrow, name);
  try {
    const pieces: Piece[] = [];
    let classes: number | null = null;
    let reading: Reading | null = null;
    const schema = file.schema();
    let piece: Piece | undefined;
    let row = 0;
    const dictionaries = new Dictionaries(file, source, names);
    for (const message of file.messages(file.start, Number.MAX_SAFE_INTEGER, 0)) {
      dictionaries.add(message);
      if (message.rows === null) continue;
      if (message.rows > 0 && classes === null) {
        const columns = columnsOf(
          arrow,
          batchOf(arrow, schema, file, message, row, dictionaries.messages),
          source,
          names,
        );
        classes = classesOf(columns, source, row);
        const reader = new TargetsReader(source, name, null);
        if (columns.targets !== null) {
          reader.read(toRaw(columns.targets, 0, 1, { file: name, firstRow: row }), classes, row);
        }
        reading = columns.targets === null ? NO_TARGETS : reader.reading;
      }
      if (piece === undefined || piece.bytes >= bytes) {
        piece = { ...source, begin: message.at, end: 0, bytes: 0, firstRow: row, classes, reading };
        pieces.push(piece);
      }
      piece.end = message.at + message.bytes;
      piece.bytes += message.bytes;
      row += message.rows;
    }
    return pieces.map((each) => ({ ...each, classes, reading }));
  } finally {
    file.close();
  }
}

async function* read(piece: Piece, names: Names | null): AsyncGenerator<RowBatch> {
  const arrow = await loadArrow(nameOf(piece.scoresFile));
  if (isSequential(piece.scoresFile)) {
    yield* readStream(arrow, piece, names);
    return;
  }
  const targets = new TargetsReader(piece, piece.scoresFile, piece.reading);
  const file = new ArrowFile(arrow, piece.scoresFile);
  try {
    let row = piece.firstRow ?? 0;
    const schema = file.schema();
    const dictionaries = new Dictionaries(file, piece, names);
    if (dictionaries.areWanted) {
      for (const message of file.messages(file.start, piece.begin, 0)) dictionaries.add(message);
    }
    for (const message of file.messages(piece.begin, piece.end, row)) {
      dictionaries.add(message);
      if (message.rows === null || message.rows === 0) continue;
      const batch = batchOf(arrow, schema, file, message, row, dictionaries.messages);
      const columns = columnsOf(arrow, batch, piece, names);
      const place = { ...piece, file: file.name, firstRow: row };
      yield* toBatches(columns, targets, piece.classes as number, message.bytes, place);
      row += message.rows;
    }
  } finally {
    file.close();
  }
}

/**
 * One record batch by itself, as a stream of the schema, of dictionaries and of it.
 *
 * @param dictionaries those before it, for text
 */
function batchOf(
  arrow: Arrow,
  schema: Buffer,
  file: ArrowFile,
  message: Message,
  row: number,
  dictionaries: readonly Buffer[],
): RecordBatch {
  if (message.bytes >= 2 ** 31) {
    throw new InputError(`${file.name}: has a record batch of ${message.bytes} bytes: write smaller ones`);
  }
  const bytes = file.readReused(message.at, message.bytes);
  try {
    return arrow.RecordBatchReader.from([schema, ...dictionaries, bytes]).next().value as RecordBatch;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${file.name}: the record batch of row ${row} is damaged: ${(error as Error).message}`);
  }
}

async function* readStream(arrow: Arrow, piece: Piece, names: Names | null): AsyncGenerator<RowBatch> {
  const name = nameOf(piece.scoresFile);
  const targets = new TargetsReader(piece, name, piece.reading);
  let row = 0;
  let { classes } = piece;
  const reader = await arrow.RecordBatchReader.from(checkedStream(name, bytesOf(piece.scoresFile)));
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
    const columns = columnsOf(arrow, batch, piece, names);
    classes ??= classesOf(columns, piece, row);
    yield* toBatches(columns, targets, classes, 0, { ...piece, file: name, firstRow: row });
    row += batch.numRows;
  }
}

/** The bytes of a stream, once they have begun as one. */
async function* checkedStream(name: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | null = Buffer.alloc(0);
  const check = (all: Buffer): void => {
    if (all.toString('latin1', 0, MAGIC.length) === MAGIC) {
      throw new InputError(`${name}: is an Arrow file, which is not read in sequence: give the name of a regular file`);
    }
    if (all.length < PREFIX_BYTES || all.readInt32LE(0) !== -1) {
      throw new InputError(`${name}: ${kindOfBytes(all, 'an Arrow file') || 'is not an Arrow stream'}`);
    }
  };
  for await (const chunk of bytes) {
    if (head === null) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < PREFIX_BYTES) continue;
    check(head);
    yield head;
    head = null;
  }
  if (head !== null) check(head);
}

function classesOf({ scores }: Columns, source: Source, row: number): number {
  const classes = scores.lengths[0] as number;
  if (classes === 0) throw new InputError(`${nameOf(source.scoresFile)}: row ${row} has no ${source.what}`);
  return classes;
}

function columnsOf(arrow: Arrow, batch: RecordBatch, source: Source, names: Names | null): Columns {
  const { columns } = source;
  const file = nameOf(source.scoresFile);
  const needs = (name: string, wanted: string): InputError => {
    const field = batch.schema.fields.find((each) => each.name === name);
    const given =
      field === undefined ? `its columns are ${namesOf(batch.schema)}` : `it is ${String(field.type as unknown)}`;
    return new InputError(`${file}: needs a column ${name} of ${wanted}; ${given}`);
  };
  /** @param types of elements, among which names of labels are text */
  const lists = (name: string, types: readonly string[], wanted: string): Lists => {
    const column = batch.getChild(name)?.data[0] as Data | undefined;
    const found = column === undefined ? null : listsOf(arrow, column, file, types, names);
    if (found === null) throw needs(name, wanted);
    return found;
  };
  try {
    return {
      scores: lists(columns.scores, SCORE_TYPES, `${source.what}, lists of float16, float32 or float64`),
      targets: source.hasTargets
        ? lists(columns.targets, LABEL_TYPES, 'targets, lists of integers, text or bool')
        : null,
      sampleWeight: columns.sampleWeight === null ? null : weightsOf(arrow, batch, columns.sampleWeight, needs),
      unknown:
        columns.unknown === null
          ? null
          : lists(columns.unknown, LABEL_TYPES, 'unknown classes, lists of integers, text or bool'),
      rowIds: columns.rowId === null ? null : rowIdsOf(arrow, batch, columns.rowId, needs),
    };
  } catch (error) {
    if (error instanceof InputError) throw error;
    // Views of text are looked up when they are read, and may lead nowhere.
    throw new InputError(`${file}: is damaged: ${(error as Error).message}`);
  }
}

function rowIdsOf(
  arrow: Arrow,
  batch: RecordBatch,
  name: string,
  needs: (name: string, wanted: string) => InputError,
): Columns['rowIds'] {
  const column = batch.getChild(name);
  const type = column?.type as DataType | undefined;
  if (column === null || !(arrow.DataType.isInt(type) || isText(arrow, column.type as DataType))) {
    throw needs(name, 'ids for --row-id, integers or text');
  }
  return Array.from({ length: batch.numRows }, (_, row) => column.get(row) as string | number | bigint | null);
}

function weightsOf(
  { DataType }: Arrow,
  batch: RecordBatch,
  name: string,
  needs: (name: string, wanted: string) => InputError,
): Columns['sampleWeight'] {
  const column = batch.getChild(name);
  const type = column?.type as DataType | undefined;
  if (column === null || !(DataType.isInt(type) || DataType.isFloat(type))) {
    throw needs(name, 'weights of rows, numbers');
  }
  return Array.from({ length: batch.numRows }, (_, row) => {
    const weight = column.get(row) as number | bigint | null;
    return weight === null ? null : Number(weight);
  });
}

function namesOf(schema: Schema): string {
  return schema.fields.map(({ name }: Field) => name).join(', ');
}

/** A column of lists, or null for a column of something else. */
function listsOf(
  arrow: Arrow,
  column: Data,
  file: string,
  types: readonly string[],
  names: Names | null,
): Lists | null {
  const { DataType } = arrow;
  const { type: listType, length: rows } = column;
  const [child] = column.children;
  const isFixed = DataType.isFixedSizeList(listType);
  if (child === undefined || !(isFixed || DataType.isList(listType) || DataType.isLargeList(listType))) return null;
  const damaged = (): InputError => new InputError(`${file}: is damaged: it has lists that end nowhere`);
  const type = isText(arrow, child.type) ? 'text' : String(child.type as unknown).toLowerCase();
  if (!types.includes(type)) return null;
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
  if (type === 'text' && names === null) throw withoutNames(file);
  const text = type === 'text' ? arrow.makeVector(child) : null;
  const elements =
    text !== null
      ? toClasses(arrow, child, names as Names)
      : DataType.isBool(child.type)
        ? fromBits(child.values as Uint8Array, child.length)
        : (child.values as Lists['values'] | undefined);
  if (elements === undefined || elements.length < child.length) throw damaged();
  return {
    type,
    values: elements,
    begins,
    lengths,
    nullRow: nullRowOf(column, child, begins, lengths),
    isFixed,
    nameAt: text === null ? null : (element) => String(text.get(element)),
  };
}

/** Whether elements are text, also as keys of a dictionary of it. */
function isText({ DataType }: Arrow, type: DataType): boolean {
  const element: DataType = DataType.isDictionary(type) ? (type.dictionary as DataType) : type;
  return DataType.isUtf8(element) || DataType.isLargeUtf8(element) || DataType.isUtf8View(element);
}

/** The classes of names. A dictionary may have names that no row has. */
function toClasses(arrow: Arrow, text: Data, names: Names): Int32Array {
  const { dictionary } = text;
  const strings = (dictionary ?? arrow.makeVector(text)) as { length: number; get: (i: number) => unknown };
  const classes = Int32Array.from({ length: strings.length }, (_, i) => {
    const name = strings.get(i);
    return typeof name === 'string' ? (names.get(name) ?? UNKNOWN) : UNKNOWN;
  });
  if (dictionary === undefined) return classes;
  const keys = text.values as ArrayLike<number | bigint>;
  return Int32Array.from({ length: text.length }, (_, i) => classes[Number(keys[i])] ?? UNKNOWN);
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
    // The other formats with a footer read the whole file.
    ...(await import('apache-arrow/ipc/metadata/file')),
  });
  const arrow = await load(importAll, `${file}: Arrow`, 'apache-arrow');
  const { CompressionType, compressionRegistry } = arrow;
  // Loaded only where a record batch is compressed.
  compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: (bytes) => aligned(decodeLz4(bytes, file)) });
  compressionRegistry.set(CompressionType.ZSTD, {
    decode: (bytes) => aligned(decodeZstd(bytes, `${file}: Arrow compressed by ZSTD`)),
  });
  return arrow;
}

function decodeLz4(bytes: Uint8Array, file: string): Uint8Array {
  const { decompressFrameSync } = require<typeof import('lz4-napi')>(`${file}: Arrow compressed by LZ4`, 'lz4-napi');
  return decompressFrameSync(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

/** Alignment in bytes for elements of up to 8 bytes. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
}

export const arrow: Reader = { cut, read, numberRows: (pieces) => pieces };
