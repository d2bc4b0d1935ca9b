// Lines of JSON, each a row: { "scores": [ … ], "targets": [ … ] }.

import { InputError } from '../errors.js';
import { RandomAccessFile } from './file.js';
import {
  nameOf,
  NO_TARGETS,
  type Pairs,
  type Piece,
  type Reader,
  type Reading,
  type RowBatch,
  SCORES_PER_BATCH,
  type Source,
  wholeSource,
} from './input.js';
import { kindOfBytes } from './kinds.js';
import { bytesOf, isCompressed, isPipe } from './streams.js';
import { classOf, type Names, outOfRange, TargetsReader, toUnknown } from './targets.js';

const TAB = 9;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** The tokens that Python's json module writes for numbers that JSON does not have, and text, which may have the same words. */
const PYTHON_NUMBERS_AND_TEXT = /"(?:[^"\\]|\\.)*"|(?<=[[,:\s])(?:NaN|-?Infinity)(?=[\],}\s])/g;
/** Their counterparts in JSON: null, which becomes NaN, and numbers beyond float64. */
const IN_JSON: Record<string, string> = { NaN: 'null', Infinity: '1e999', '-Infinity': '-1e999' };

interface Lines {
  /** The lines that are not blank. */
  lines: Buffer[];
  /** The position of the next line. */
  next: number;
}

/** The lines that start at byte `begin` or later, and before `end`. */
async function* linesOf(file: string, begin: number, end: number): AsyncGenerator<Lines> {
  // A line that starts before `begin` belongs to the piece before. Reading starts one byte earlier to find its end.
  let isRest = begin > 0;
  let chunkAt = isRest ? begin - 1 : 0;
  let lineAt = chunkAt;
  let parts: Buffer[] = [];
  for await (const chunk of bytesOf(file, chunkAt)) {
    const lines: Buffer[] = [];
    let from = 0;
    while (lineAt < end) {
      const to = chunk.indexOf(LINE_FEED, from);
      parts.push(chunk.subarray(from, to === -1 ? chunk.length : to));
      if (to === -1) break;
      const line = joined(parts, lineAt);
      if (!isRest && !isBlank(line)) lines.push(line);
      isRest = false;
      parts = [];
      from = to + 1;
      lineAt = chunkAt + from;
    }
    chunkAt += chunk.length;
    yield { lines, next: lineAt };
    if (lineAt >= end) return;
  }
  const line = joined(parts, lineAt);
  if (!isRest && !isBlank(line)) yield { lines: [line], next: chunkAt };
}

/** A line, without the byte order mark that a file may begin with. */
function joined(parts: readonly Buffer[], at: number): Buffer {
  const line = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  return at === 0 && line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
    ? line.subarray(BYTE_ORDER_MARK.length)
    : line;
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN);
}

/** Rows of lines, in columns. */
class Rows {
  readonly scores: number[] = [];
  readonly targets: number[] = [];
  readonly lengths: number[] = [];
  readonly named: boolean[] = [];
  /** The columns of sparse features, or the classes of pairs, and where the columns of each row end. */
  readonly indices: number[] = [];
  readonly ends: number[] = [];
  readonly weights: number[] = [];
  readonly unknown: number[] = [];
  readonly unknownLengths: number[] = [];
  /** Whether the unknown classes of each row are a mask of booleans. */
  readonly unknownMasks: boolean[] = [];
  readonly ids: (string | number)[] = [];
}

async function cut(source: Source, bytes: number, names: Names | null): Promise<Piece[]> {
  const file = source.scoresFile;
  if (isPipe(file)) return [wholeSource(source)];
  const found = await firstOf(source, names);
  if (isCompressed(file)) return [{ ...wholeSource(source), ...found }];
  const opened = new RandomAccessFile(file);
  const { size } = opened;
  opened.close();
  const pieces: Piece[] = [];
  for (let begin = 0; begin < size; begin += bytes) {
    const end = Math.min(size, begin + bytes);
    pieces.push({ ...source, begin, end, bytes: end - begin, firstRow: begin === 0 ? 0 : null, ...found });
  }
  return pieces;
}

/** How the first row says that targets are read, and how many scores the others have. */
async function firstOf(source: Source, names: Names | null): Promise<Pick<Piece, 'classes' | 'reading'>> {
  let classes: number | null = null;
  let reading: Reading | null = source.hasTargets ? null : NO_TARGETS;
  let row = 0;
  for await (const { lines } of linesOf(source.scoresFile, 0, Number.MAX_SAFE_INTEGER)) {
    for (const line of lines) {
      const parser = new RowParser(source, names, null, null);
      const rows = new Rows();
      parser.add(line, rows, row);
      if (reading === null) {
        parser.targetsOf(rows, row);
        ({ reading } = parser);
      }
      ({ classes } = parser);
      // An empty list of features is a row of zeros among sparse rows, and nothing among others.
      if (source.what !== 'features' || rows.scores.length > 0) return { classes, reading };
      row++;
    }
  }
  return { classes, reading };
}

async function* read(piece: Piece, names: Names | null): AsyncGenerator<RowBatch> {
  const { scoresFile: file, begin } = piece;
  let { end } = piece;
  const parser = new RowParser(piece, names, piece.classes, piece.reading);
  let rows = new Rows();
  let firstRow = piece.firstRow ?? (await countRows(file, 0, begin));
  let at = begin;

  const batch = (next: number): RowBatch => {
    const size = rows.lengths.length;
    const whole: RowBatch = {
      ...parser.scoresOf(rows),
      targets: piece.hasTargets ? parser.targetsOf(rows, firstRow) : { data: new Int32Array(0), shape: [size, 0] },
      reading: piece.hasTargets ? (parser.reading as Reading) : NO_TARGETS,
      sampleWeight: piece.columns.sampleWeight === null ? null : Float64Array.from(rows.weights),
      unknown: piece.columns.unknown === null ? null : parser.unknownOf(rows, firstRow),
      rowIds: piece.columns.rowId === null ? null : rows.ids,
      firstRow,
      bytes: next - at,
    };
    at = next;
    firstRow += size;
    rows = new Rows();
    return whole;
  };

  for await (const { lines, next } of linesOf(file, begin, piece.end)) {
    for (const line of lines) {
      parser.add(line, rows, firstRow + rows.lengths.length);
      // The scores of all classes follow from pairs.
      const scores = piece.what === 'pairs' ? rows.lengths.length * (parser.classes as number) : rows.scores.length;
      if (scores + rows.lengths.length >= SCORES_PER_BATCH) yield batch(next);
    }
    end = next;
  }
  if (rows.lengths.length > 0) yield batch(end);
}

async function numberRows(pieces: readonly Piece[]): Promise<Piece[]> {
  const numbered: Piece[] = [];
  let at = 0;
  let firstRow = 0;
  for (const piece of pieces) {
    firstRow = piece.firstRow ?? firstRow + (await countRows(piece.scoresFile, at, piece.begin));
    at = piece.begin;
    numbered.push({ ...piece, firstRow });
  }
  return numbered;
}

/** Number of rows whose lines start at byte `begin` or later, and before `end`. */
async function countRows(file: string, begin: number, end: number): Promise<number> {
  let rows = 0;
  for await (const { lines } of linesOf(file, begin, end)) rows += lines.length;
  return rows;
}

export const ndjson: Reader = { cut, read, numberRows };

/** In place of a number of features, for rows that are lists of [index, value]. */
const SPARSE = 0;

/** Parses the rows of one file, which have to be alike. */
class RowParser {
  readonly #targets: TargetsReader;
  readonly #file: string;
  /** Whether targets are booleans, by the first row that has any. */
  #isBool: boolean | null;

  constructor(
    private readonly source: Source,
    private readonly names: Names | null,
    /** The scores of each row; SPARSE for features in lists of [index, value]; null before the first row. */
    public classes: number | null,
    reading: Reading | null,
  ) {
    this.#file = nameOf(source.scoresFile);
    this.#targets = new TargetsReader(source, this.#file, reading);
    this.#isBool = reading === null ? null : reading.type === 'bool';
  }

  get reading(): Reading | null {
    return this.#targets.reading;
  }

  /** Parses a line and adds its row. */
  add(line: Buffer, rows: Rows, row: number): void {
    const { columns, what } = this.source;
    const wrong = (message: string): InputError => new InputError(`${this.#file}: row ${row} ${message}`);
    const parsed = this.#parse(line, row, wrong);
    if (row === 0 && Array.isArray(parsed)) throw this.#notInLines('a list');
    const value = Object(parsed) as Record<string, unknown>;
    // Own members alone: "__proto__" and "constructor" are names like others.
    const member = (name: string): unknown => (Object.hasOwn(value, name) ? value[name] : undefined);
    const scores = member(columns.scores);
    const targets = member(columns.targets);
    if (what === 'pairs') {
      this.#addPairs(scores, rows, row, wrong);
    } else if (what === 'features' && isSparseList(scores)) {
      this.#addSparse(scores, rows, wrong);
    } else {
      if (what === 'scores' && Array.isArray(scores) && typeof scores[0] === 'object' && scores[0] !== null) {
        throw wrong(`has lists in "${columns.scores}": evaluate --pairs reads [label, score] of the highest scores`);
      }
      if (!isListOf(scores, 'number') || scores.length === 0) {
        const or = what === 'features' ? ', or of [index, value]' : '';
        throw wrong(`needs "${columns.scores}", a list of numbers, at least one${or}`);
      }
      this.classes ??= scores.length;
      if (scores.length !== this.classes) {
        throw wrong(
          `has ${scores.length} ${what}, those before have ${this.classes === SPARSE ? 'lists of [index, value]' : this.classes}`,
        );
      }
      for (const score of scores as number[]) rows.scores.push(score);
    }
    if (this.source.hasTargets) this.#addTargets(targets, rows, row, wrong);
    else rows.lengths.push(0);
    if (columns.sampleWeight !== null) {
      const weight = member(columns.sampleWeight);
      if (typeof weight !== 'number') throw wrong(`needs "${columns.sampleWeight}", a number`);
      rows.weights.push(weight);
    }
    if (columns.unknown !== null) this.#addUnknown(member(columns.unknown), columns.unknown, rows, row, wrong);
    if (columns.rowId === null) return;
    const id = member(columns.rowId);
    if (typeof id !== 'string' && !Number.isSafeInteger(id)) {
      throw wrong(`needs "${columns.rowId}", text or a whole number below 2^53, for --row-id`);
    }
    rows.ids.push(id as string | number);
  }

  /** Features as lists of [index, value], where the others are 0. */
  #addSparse(entries: readonly (readonly unknown[])[], rows: Rows, wrong: (message: string) => InputError): void {
    this.classes ??= SPARSE;
    if (this.classes !== SPARSE) {
      throw wrong(
        entries.length === 0
          ? `has no features, and others have ${this.classes}`
          : `has lists of [index, value], those before have ${this.classes} features`,
      );
    }
    for (const entry of entries) {
      const [index, value] = entry;
      const isRight =
        entry.length === 2 && Number.isInteger(index) && (index as number) >= 0 && typeof value === 'number';
      if (!isRight || (index as number) > MOST_INDEX) {
        throw wrong(`needs entries [index, value] with an index from 0 to 2^31 - 2, got ${JSON.stringify(entry)}`);
      }
      rows.indices.push(index as number);
      rows.scores.push(value);
    }
    rows.ends.push(rows.scores.length);
  }

  /** The highest scores, with the numbers or the names of their labels. */
  #addPairs(given: unknown, rows: Rows, row: number, wrong: (message: string) => InputError): void {
    const { scores: name } = this.source.columns;
    if (!Array.isArray(given)) throw wrong(`needs "${name}", a list of [label, score]`);
    this.classes = this.source.classesOfTargets;
    for (const entry of given as unknown[]) {
      const isPair = Array.isArray(entry) && entry.length === 2;
      const { label, score } = Object(isPair ? { label: entry[0] as unknown, score: entry[1] as unknown } : entry) as {
        label?: unknown;
        score?: unknown;
      };
      const index = typeof label === 'string' ? classOf(label, this.names, this.#file, row) : label;
      if (!Number.isInteger(index) || typeof score !== 'number') {
        throw wrong(
          `needs entries [label, score], a whole number or a name and a number, got ${JSON.stringify(entry)}`,
        );
      }
      if (!((index as number) >= 0 && (index as number) < (this.classes as number))) {
        throw wrong(`has the score of class ${index as number}, which is not one of ${this.classes}`);
      }
      rows.indices.push(index as number);
      rows.scores.push(score);
    }
    rows.ends.push(rows.scores.length);
  }

  #addUnknown(given: unknown, name: string, rows: Rows, row: number, wrong: (message: string) => InputError): void {
    if (!isListOf(given, 'boolean') && !isListOfLabels(given)) {
      throw wrong(`needs "${name}", a list of whole numbers, of names of labels, or of true and false`);
    }
    for (const each of given as (number | boolean | string)[]) {
      const value = typeof each === 'string' ? classOf(each, this.names, this.#file, row) : Number(each);
      if (value !== (value | 0)) throw outOfRange(this.#file, value, row, given.indexOf(each));
      rows.unknown.push(value);
    }
    rows.unknownLengths.push(given.length);
    rows.unknownMasks.push(typeof given[0] === 'boolean');
  }

  #addTargets(targets: unknown, rows: Rows, row: number, wrong: (message: string) => InputError): void {
    const { targets: name } = this.source.columns;
    const isBool = isListOf(targets, 'boolean') && targets.length > 0;
    if (!isBool && !isListOfLabels(targets)) {
      throw wrong(`needs "${name}", a list of whole numbers, of names of labels, or of true and false`);
    }
    if (targets.length > 0) {
      this.#isBool ??= isBool;
      if (isBool !== this.#isBool) throw wrong(`has "${name}" of another type than the rows before`);
    }
    let isNamed = false;
    for (const target of targets as (number | boolean | string)[]) {
      isNamed ||= typeof target === 'string';
      const value = typeof target === 'string' ? classOf(target, this.names, this.#file, row) : Number(target);
      if (value !== (value | 0)) throw outOfRange(this.#file, value, row, targets.indexOf(target));
      rows.targets.push(value);
    }
    rows.lengths.push(targets.length);
    rows.named.push(isNamed);
  }

  #parse(line: Buffer, row: number, wrong: (message: string) => InputError): unknown {
    const text = line.toString();
    try {
      return JSON.parse(text);
    } catch (error) {
      const plain = text.replace(PYTHON_NUMBERS_AND_TEXT, (token) => IN_JSON[token] ?? token);
      if (plain !== text) {
        try {
          return JSON.parse(plain, (_, value: unknown) => (value === null ? Number.NaN : value));
        } catch {
          // The first error tells more.
        }
      }
      const kind = row === 0 ? kindOfBytes(line, 'lines of JSON') : '';
      if (kind !== '') throw new InputError(`${this.#file}: ${kind}`);
      if (row === 0 && text.trimStart().startsWith('[')) throw this.#notInLines('a list');
      if (row === 0 && text.trim() === '{') throw this.#notInLines('an object over several lines');
      throw wrong(`is not JSON: ${(error as Error).message}`);
    }
  }

  /** The error for a file of JSON as a whole. */
  #notInLines(kind: string): InputError {
    return new InputError(
      `${this.#file}: is not lines of JSON, but ${kind}: write each row in a line of its own, { "${this.source.columns.scores}": … }`,
    );
  }

  /** The scores, or features, of rows. */
  scoresOf({ scores, lengths, indices, ends }: Rows): Pick<RowBatch, 'scores' | 'sparse' | 'pairs'> {
    const rows = lengths.length;
    // Numbers in JSON are float64. As float32, different scores could tie.
    const data = Float64Array.from(scores);
    const shape: [number, number] = [rows, this.classes as number];
    if (ends.length === 0) return { scores: { data, shape }, sparse: null, pairs: null };
    if (this.source.what === 'pairs') {
      return { scores: { data: new Float64Array(0), shape }, sparse: null, pairs: toPairs(scores, indices, ends) };
    }
    let columns = 1;
    for (const index of indices) columns = Math.max(columns, index + 1);
    const sparse = { data, indices: Int32Array.from(indices), indptr: Int32Array.from([0, ...ends]) };
    return {
      scores: { data: new Float64Array(0), shape: [rows, columns] },
      sparse: { ...sparse, shape: [rows, columns] },
      pairs: null,
    };
  }

  unknownOf({ unknown, unknownLengths, unknownMasks }: Rows, firstRow: number): RowBatch['unknown'] {
    const values = Int32Array.from(unknown);
    const rows = unknownLengths.length;
    const raw = { type: 'number', values, lengths: unknownLengths, form: 'lists', named: null, rows } as const;
    return toUnknown(raw, (row) => unknownMasks[row] === true, this.source.classesOfTargets, this.#file, firstRow);
  }

  targetsOf({ targets, lengths, named }: Rows, firstRow: number): RowBatch['targets'] {
    const type = this.#isBool === true ? 'bool' : 'number';
    const values = Int32Array.from(targets);
    const raw = { type, values, lengths, form: 'lists', named, rows: lengths.length } as const;
    return this.#targets.read(raw, this.classes as number, firstRow);
  }
}

/** @param ends where the pairs of each row end */
function toPairs(scores: readonly number[], indices: readonly number[], ends: readonly number[]): Pairs {
  const beginOf = (row: number): number => (row === 0 ? 0 : (ends[row - 1] as number));
  const width = ends.reduce((most, end, row) => Math.max(most, end - beginOf(row)), 1);
  const values = new Float64Array(ends.length * width);
  const classes = new Int32Array(ends.length * width).fill(-1);
  ends.forEach((end, row) => {
    for (let i = beginOf(row), to = row * width; i < end; i++, to++) {
      values[to] = scores[i] as number;
      classes[to] = indices[i] as number;
    }
  });
  return { values, indices: classes, shape: [ends.length, width] };
}

/** The columns of int32 indices. */
const MOST_INDEX = 2 ** 31 - 2;

function isSparseList(value: unknown): value is readonly unknown[][] {
  return Array.isArray(value) && value.every(Array.isArray);
}

/** Class indices and names. */
function isListOfLabels(value: unknown): value is (number | string)[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'string' || Number.isInteger(element));
}

function isListOf(value: unknown, type: 'number' | 'boolean'): value is unknown[] {
  return Array.isArray(value) && value.every((element) => typeof element === type);
}
