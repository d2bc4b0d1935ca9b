// Parquet files, by DuckDB.

import { resolve } from 'node:path';
import type { DuckDBConnection, DuckDBListVector, DuckDBResult } from '@duckdb/node-api';
import { InputError } from '../errors.js';
import { load } from '../packages.js';
import { type Columns, type Lists, toBatches, UNKNOWN } from './columns.js';
import { RandomAccessFile } from './file.js';
import { HEAD_BYTES, kindOfBytes } from './kinds.js';
import type { Piece, Reader, Reading, RowBatch, Source } from './input.js';
import { sizeOfFile } from './sources.js';
import { type Names, TargetsReader, withoutNames } from './targets.js';

/** How a column is read: the type that DuckDB casts its elements to, and the type's name here. */
interface Cast {
  to: string;
  type: string;
}

const TARGETS: Record<string, Cast> = {
  // DuckDB's vectors hold an array of bytes.
  BOOLEAN: { to: 'UTINYINT', type: 'bool' },
  TINYINT: { to: 'TINYINT', type: 'int8' },
  SMALLINT: { to: 'SMALLINT', type: 'int16' },
  INTEGER: { to: 'INTEGER', type: 'int32' },
  BIGINT: { to: 'BIGINT', type: 'int64' },
  UTINYINT: { to: 'UTINYINT', type: 'uint8' },
  USMALLINT: { to: 'USMALLINT', type: 'uint16' },
  UINTEGER: { to: 'UINTEGER', type: 'uint32' },
  UBIGINT: { to: 'UBIGINT', type: 'uint64' },
  VARCHAR: { to: 'VARCHAR', type: 'text' },
};

function scoresCast(element: string): Cast | null {
  if (element === 'FLOAT') return { to: 'FLOAT', type: 'float32' };
  const isInteger = element !== 'BOOLEAN' && element !== 'VARCHAR' && Object.hasOwn(TARGETS, element);
  return element === 'DOUBLE' || element.startsWith('DECIMAL') || isInteger ? { to: 'DOUBLE', type: 'float64' } : null;
}

function targetsCast(element: string): Cast | null {
  return Object.hasOwn(TARGETS, element) ? (TARGETS[element] as Cast) : null;
}

/** The cast of a column that is not read. */
const NONE: Cast = { to: '', type: '' };

/** Types of DuckDB that --row-id takes. */
const ROW_ID_TYPES = Object.keys(TARGETS).filter((type) => type !== 'BOOLEAN');

let connection: Promise<DuckDBConnection> | undefined;

/** One for this thread. */
async function connect(file: string): Promise<DuckDBConnection> {
  const { DuckDBInstance } = await load(() => import('@duckdb/node-api'), `${file}: Parquet`, '@duckdb/node-api');
  // Threads of DuckDB's own would each hold a row group. What was read once is not read again. The memory of row groups that
  // were read goes back to the system: 230 instead of 330 MB, for a tenth more time.
  const options = {
    threads: '1',
    enable_external_file_cache: 'false',
    allocator_bulk_deallocation_flush_threshold: '32MB',
  };
  connection ??= DuckDBInstance.create(':memory:', options).then((instance) => instance.connect());
  return connection;
}

/**
 * A file as an argument of read_parquet(). DuckDB would take *, ?, [ and ] for a pattern, and ~ and s3:// at the beginning
 * for something else than a relative path.
 */
function literal(file: string): string {
  const path = resolve(file);
  const pattern = path.replace(/[*?[\]]/g, '[$&]');
  // In a pattern, a backslash is no character that can be matched.
  if (pattern !== path && path.includes('\\')) throw new InputError(`${file}: DuckDB cannot read a file of this name`);
  return `'${pattern.replaceAll("'", "''")}'`;
}

/** The table of a file. Parts of its path, such as "targets=x", are no columns. */
function tableOf(file: string, options = ''): string {
  return `read_parquet(${literal(file)}, hive_partitioning = false${options})`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** DuckDB's message in one line, without its name for the kind of error. */
function reasonOf(error: unknown): string {
  return (error as Error).message
    .split('\n')[0]!
    .replace(/^[A-Z]\w+(?: [A-Z]\w+)* Error: /, '')
    .trim();
}

async function rowsOf(database: DuckDBConnection, file: string, sql: string): Promise<Record<string, unknown>[]> {
  try {
    return (await database.runAndReadAll(sql)).getRowObjects();
  } catch (error) {
    throw new InputError(`${file}: ${reasonOf(error)}`);
  }
}

/** Names what is no Parquet file. DuckDB says what is wrong with one. */
function checkKind(name: string): void {
  const file = new RandomAccessFile(name);
  try {
    const kind = kindOfBytes(file.read(0, Math.min(file.size, HEAD_BYTES)), 'a Parquet file');
    if (kind !== '') throw new InputError(`${name}: ${kind}`);
  } finally {
    file.close();
  }
}

async function castsOf(
  database: DuckDBConnection,
  source: Source,
): Promise<{ scores: Cast; targets: Cast; unknown: Cast; isFixed: boolean }> {
  const { scoresFile: file, columns } = source;
  const all = await rowsOf(database, file, `DESCRIBE SELECT * FROM ${tableOf(file)}`);
  const types = new Map(all.map(({ column_name, column_type }) => [String(column_name), String(column_type)]));
  const cast = (name: string, what: string, castOf: (element: string) => Cast | null, wanted: string): Cast => {
    const type = types.get(name);
    const element = /^(.*)\[\d*\]$/.exec(type ?? '')?.[1];
    const found = element === undefined ? null : castOf(element);
    if (found !== null) return found;
    const given = type === undefined ? `its columns are ${[...types.keys()].join(', ')}` : `it is ${type}`;
    throw new InputError(`${file}: needs a column ${name} of ${what}, ${wanted}; ${given}`);
  };
  const rowId = columns.rowId === null ? null : (types.get(columns.rowId) ?? '');
  if (rowId !== null && !ROW_ID_TYPES.includes(rowId)) {
    const given = rowId === '' ? `its columns are ${[...types.keys()].join(', ')}` : `it is ${rowId}`;
    throw new InputError(`${file}: needs a column ${columns.rowId} of ids for --row-id, integers or text; ${given}`);
  }
  const isNumber = (type: string): boolean => scoresCast(type) !== null;
  if (columns.sampleWeight !== null && !isNumber(types.get(columns.sampleWeight) ?? '')) {
    const type = types.get(columns.sampleWeight);
    const given = type === undefined ? `its columns are ${[...types.keys()].join(', ')}` : `it is ${type}`;
    throw new InputError(`${file}: needs a column ${columns.sampleWeight} of weights of rows, numbers; ${given}`);
  }
  const wanted = 'lists of integers, text or booleans';
  return {
    scores: cast(columns.scores, source.what, scoresCast, 'lists of numbers'),
    targets: source.hasTargets ? cast(columns.targets, 'targets', targetsCast, wanted) : NONE,
    unknown: columns.unknown === null ? NONE : cast(columns.unknown, 'unknown classes', targetsCast, wanted),
    isFixed: types.get(columns.targets)?.endsWith('[]') === false,
  };
}

async function cut(source: Source, bytes: number, names: Names | null): Promise<Piece[]> {
  const { scoresFile: file } = source;
  if (source.isPipe) throw new InputError(`${file}: is not a regular file, which Parquet needs`);
  sizeOfFile(file);
  checkKind(file);
  const database = await connect(file);
  const groups = await rowsOf(
    database,
    file,
    `SELECT any_value(row_group_num_rows) AS num_rows, sum(total_compressed_size) AS num_bytes
     FROM parquet_metadata(${literal(file)}) GROUP BY row_group_id ORDER BY row_group_id`,
  );
  let classes: number | null = null;
  let reading: Reading | null = null;
  // A piece of the first row tells how all others are read.
  if (groups.some((group) => Number(group['num_rows']) > 0)) {
    const first: Piece = { ...source, begin: 0, end: 1, bytes: 0, firstRow: 0, classes, reading };
    for await (const batch of read(first, names)) {
      classes = batch.scores.shape[1];
      ({ reading } = batch);
      break;
    }
  }
  const pieces: Piece[] = [];
  let row = 0;
  for (const group of groups) {
    let piece = pieces.at(-1);
    // Reading a part of a row group takes as long as reading all of it.
    if (piece === undefined || piece.bytes >= bytes) {
      piece = { ...source, begin: row, end: row, bytes: 0, firstRow: row, classes, reading };
      pieces.push(piece);
    }
    row += Number(group['num_rows']);
    piece.end = row;
    piece.bytes += Number(group['num_bytes']);
  }
  return pieces;
}

async function* read(piece: Piece, names: Names | null): AsyncGenerator<RowBatch> {
  const { scoresFile: file, columns, begin, end } = piece;
  const database = await connect(file);
  const casts = await castsOf(database, piece);
  const reader = new TargetsReader(piece, file, piece.reading);
  let { classes } = piece;
  const column = (name: string, { to }: Cast): string => `${identifier(name)}::${to}[]`;
  // The columns to read beside the scores, each as SQL, in the order of the result.
  const others = {
    targets: piece.hasTargets ? column(columns.targets, casts.targets) : null,
    unknown: columns.unknown === null ? null : column(columns.unknown, casts.unknown),
    sampleWeight: columns.sampleWeight === null ? null : `${identifier(columns.sampleWeight)}::DOUBLE`,
    rowId: columns.rowId === null ? null : identifier(columns.rowId),
  };
  const parts = Object.entries(others).filter(([, expression]) => expression !== null);
  const placeOf = (name: keyof typeof others): number => parts.findIndex(([each]) => each === name) + 1;
  const selected = [column(columns.scores, casts.scores), ...parts.map(([, expression]) => expression)].join(', ');
  // file_row_number is added to the columns, and row groups outside of its range are not read.
  const sql = `SELECT ${selected}
    FROM ${tableOf(file, ', file_row_number = true')}
    WHERE file_row_number >= ${begin} AND file_row_number < ${end}`;
  let row = begin;
  let result: DuckDBResult | undefined;
  while (row < end) {
    let chunk;
    try {
      result ??= await database.stream(sql);
      chunk = await result.fetchChunk();
    } catch (error) {
      throw new InputError(`${file}: rows ${row} to ${end - 1} cannot be read: ${reasonOf(error)}`);
    }
    const rows = chunk?.rowCount ?? 0;
    if (chunk === null || rows === 0) throw new InputError(`${file}: ended at row ${row} of ${end}`);
    const lists = (name: 'targets' | 'unknown', cast: Cast, isFixed: boolean): Lists =>
      listsOf(chunk.getColumnVector(placeOf(name)) as DuckDBListVector, cast, isFixed, file, names);
    const values = (name: 'sampleWeight' | 'rowId'): unknown[] => chunk.getColumnValues(placeOf(name));
    const batch: Columns = {
      scores: listsOf(chunk.getColumnVector(0) as DuckDBListVector, casts.scores, false, file, names),
      targets: others.targets === null ? null : lists('targets', casts.targets, casts.isFixed),
      unknown: others.unknown === null ? null : lists('unknown', casts.unknown, false),
      sampleWeight: others.sampleWeight === null ? null : (values('sampleWeight') as (number | null)[]),
      rowIds: others.rowId === null ? null : (values('rowId') as (string | number | bigint | null)[]),
    };
    if (batch.scores.nullRow !== 0) {
      classes ??= batch.scores.lengths[0] as number;
      if (classes === 0) throw new InputError(`${file}: row ${row} has no ${piece.what}`);
    }
    const bytes = (piece.bytes * rows) / (end - begin);
    yield* toBatches(batch, reader, classes ?? 0, bytes, { ...piece, file, firstRow: row });
    row += rows;
  }
}

/** The fields of a vector. Its methods would make an object for each row. */
interface Memory {
  items?: Lists['values'];
  /** The bits of null values; its data is null where no value is. */
  validity?: { data: BigUint64Array | null; itemValid: (index: number) => boolean };
}

function listsOf(column: DuckDBListVector, { type }: Cast, isFixed: boolean, file: string, names: Names | null): Lists {
  const rows = column.itemCount;
  if (type === 'text' && names === null) throw withoutNames(file);
  const { items: numbers, validity: ofItems } = column.childVector as unknown as Memory;
  const nameAt = type === 'text' ? (i: number): string => String(column.childVector.getItem(i)) : null;
  const items =
    nameAt === null
      ? numbers
      : Int32Array.from({ length: column.childVector.itemCount }, (_, i) => names?.get(nameAt(i)) ?? UNKNOWN);
  const { validity: ofLists } = column as unknown as Memory;
  if (items === undefined || ofItems === undefined || ofLists === undefined) {
    throw new InputError(`${file}: this version of @duckdb/node-api is not known here: npm install @duckdb/node-api`);
  }
  const begins = new Float64Array(rows);
  const lengths = new Int32Array(rows);
  let nullRow = -1;
  for (let row = rows - 1; row >= 0; row--) {
    begins[row] = column.getEntryOffset(row);
    lengths[row] = column.getEntryLength(row);
    if (ofLists.data !== null && !ofLists.itemValid(row)) nullRow = row;
    const end = (begins[row] as number) + (lengths[row] as number);
    if (ofItems.data === null || nullRow === row) continue;
    for (let i = begins[row] as number; i < end; i++) if (!ofItems.itemValid(i)) nullRow = row;
  }
  return { type, values: items, begins, lengths, nullRow, isFixed, nameAt };
}

export const parquet: Reader = { cut, read, numberRows: (pieces) => pieces };
