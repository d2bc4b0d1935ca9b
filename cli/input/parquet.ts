// Parquet files, by DuckDB.

import type { DuckDBConnection, DuckDBListVector, DuckDBResult } from '@duckdb/node-api';
import { InputError } from '../errors.js';
import { load } from '../packages.js';
import { type Lists, toBatches } from './columns.js';
import { type Piece, type Reader, type RowBatch, type Source, sizeOfFile } from './input.js';

const INTEGERS = ['TINYINT', 'SMALLINT', 'INTEGER', 'UTINYINT', 'USMALLINT'];
const LARGE_INTEGERS = ['BIGINT', 'UINTEGER'];

/** How a column is read: the type that DuckDB is to make of it, and what that is here. */
interface Cast {
  to: string;
  type: string;
  isMask: boolean;
}

function scoresCast(element: string): Cast | null {
  if (element === 'FLOAT') return { to: 'FLOAT[]', type: 'float32', isMask: false };
  const isNumber = element === 'DOUBLE' || element.startsWith('DECIMAL') || isInteger(element);
  return isNumber ? { to: 'DOUBLE[]', type: 'float64', isMask: false } : null;
}

function targetsCast(element: string): Cast | null {
  if (element === 'BOOLEAN') return { to: 'UTINYINT[]', type: 'bool', isMask: true };
  if (LARGE_INTEGERS.includes(element)) return { to: 'BIGINT[]', type: 'int64', isMask: false };
  return isInteger(element) ? { to: 'INTEGER[]', type: 'int32', isMask: false } : null;
}

function isInteger(type: string): boolean {
  return INTEGERS.includes(type) || LARGE_INTEGERS.includes(type);
}

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

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** What DuckDB says, in one line, without its name for the kind of error. */
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

async function castsOf(database: DuckDBConnection, source: Source): Promise<{ scores: Cast; targets: Cast }> {
  const { scoresFile: file, columns } = source;
  const all = await rowsOf(database, file, `DESCRIBE SELECT * FROM read_parquet(${literal(file)})`);
  const types = new Map(all.map(({ column_name, column_type }) => [String(column_name), String(column_type)]));
  const cast = (name: string, what: string, castOf: (element: string) => Cast | null, wanted: string): Cast => {
    const type = types.get(name);
    const element = /^(.*)\[\d*\]$/.exec(type ?? '')?.[1];
    const found = element === undefined ? null : castOf(element);
    if (found !== null) return found;
    const given = type === undefined ? `its columns are ${[...types.keys()].join(', ')}` : `it is ${type}`;
    throw new InputError(`${file}: needs a column ${name} of ${what}, ${wanted}; ${given}`);
  };
  return {
    scores: cast(columns.scores, source.what, scoresCast, 'lists of numbers'),
    targets: cast(columns.targets, 'targets', targetsCast, 'lists of integers or booleans'),
  };
}

async function cut(source: Source, bytes: number): Promise<Piece[]> {
  const { scoresFile: file, columns } = source;
  sizeOfFile(file);
  const database = await connect(file);
  await castsOf(database, source);
  const groups = await rowsOf(
    database,
    file,
    `SELECT any_value(row_group_num_rows) AS num_rows, sum(total_compressed_size) AS num_bytes
     FROM parquet_metadata(${literal(file)}) GROUP BY row_group_id ORDER BY row_group_id`,
  );
  const scores = identifier(columns.scores);
  const [first] = await rowsOf(
    database,
    file,
    `SELECT len(${scores}) AS n FROM read_parquet(${literal(file)}) LIMIT 1`,
  );
  if (first !== undefined && Number(first['n']) === 0) throw new InputError(`${file}: row 0 has no ${source.what}`);
  const classes = first === undefined ? null : Number(first['n']);
  const pieces: Piece[] = [];
  let row = 0;
  for (const group of groups) {
    let piece = pieces.at(-1);
    // To read a part of a row group takes as long as all of it.
    if (piece === undefined || piece.bytes >= bytes) {
      piece = { ...source, begin: row, end: row, bytes: 0, firstRow: row, classes };
      pieces.push(piece);
    }
    row += Number(group['num_rows']);
    piece.end = row;
    piece.bytes += Number(group['num_bytes']);
  }
  return pieces;
}

async function* read(piece: Piece): AsyncGenerator<RowBatch> {
  const { scoresFile: file, columns, begin, end } = piece;
  const database = await connect(file);
  const casts = await castsOf(database, piece);
  const column = (name: string, { to }: Cast): string => `${identifier(name)}::${to}`;
  // file_row_number is added to the columns, and row groups outside of its range are not read.
  const sql = `SELECT ${column(columns.scores, casts.scores)}, ${column(columns.targets, casts.targets)}
    FROM read_parquet(${literal(file)}, file_row_number = true)
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
    const scores = listsOf(chunk.getColumnVector(0) as DuckDBListVector, casts.scores, file);
    const targets = listsOf(chunk.getColumnVector(1) as DuckDBListVector, casts.targets, file);
    const bytes = (piece.bytes * rows) / (end - begin);
    yield* toBatches(scores, targets, piece.classes as number, bytes, { ...piece, file, firstRow: row });
    row += rows;
  }
}

/** What a vector has beside its methods, each of which would make an object for each row. */
interface Memory {
  items?: Lists['values'];
  /** Of null data if all are. */
  validity?: { data: BigUint64Array | null; itemValid: (index: number) => boolean };
}

function listsOf(column: DuckDBListVector, { type, isMask }: Cast, file: string): Lists {
  const rows = column.itemCount;
  const { items, validity: ofItems } = column.childVector as unknown as Memory;
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
  return { type, values: items, begins, lengths, nullRow, isMask };
}

export const parquet: Reader = { cut, read, numberRows: (pieces) => pieces };
