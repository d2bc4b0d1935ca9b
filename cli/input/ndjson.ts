// Lines of JSON, each a row: { "scores": [ … ], "targets": [ … ] }.

import { createReadStream } from 'node:fs';
import { InputError, toCommandError } from '../errors.js';
import { nameOf, type Piece, type Reader, type RowBatch, SCORES_PER_BATCH, type Source, sizeOfFile } from './input.js';

const TAB = 9;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const SPACE = 32;

// Ten times those of a stream: to count rows takes half the time.
const CHUNK_BYTES = 2 ** 20;

interface Lines {
  /** Without those that are blank. */
  lines: Buffer[];
  /** Where the next one starts. */
  next: number;
}

/** The lines that start at byte `begin` or later, and before `end`. */
async function* linesOf(file: string, begin: number, end: number): AsyncGenerator<Lines> {
  // What comes before the first line feed after the byte before `begin` is the rest of a line that starts earlier.
  let ofOther = begin > 0;
  let chunkAt = ofOther ? begin - 1 : 0;
  let lineAt = chunkAt;
  let parts: Buffer[] = [];
  const stream = file === '-' ? process.stdin : createReadStream(file, { start: chunkAt, highWaterMark: CHUNK_BYTES });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const lines: Buffer[] = [];
      let from = 0;
      while (lineAt < end) {
        const to = chunk.indexOf(LINE_FEED, from);
        parts.push(chunk.subarray(from, to === -1 ? chunk.length : to));
        if (to === -1) break;
        const line = join(parts);
        if (!ofOther && !isBlank(line)) lines.push(line);
        ofOther = false;
        parts = [];
        from = to + 1;
        lineAt = chunkAt + from;
      }
      chunkAt += chunk.length;
      yield { lines, next: lineAt };
      if (lineAt >= end) return;
    }
  } catch (error) {
    throw toCommandError(error, nameOf(file));
  }
  const line = join(parts);
  if (!ofOther && !isBlank(line)) yield { lines: [line], next: chunkAt };
}

function join(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN);
}

async function cut(source: Source, bytes: number): Promise<Piece[]> {
  const file = source.scoresFile;
  if (file === '-') {
    return [{ ...source, begin: 0, end: Number.MAX_SAFE_INTEGER, bytes: 0, firstRow: 0, classes: null }];
  }
  const size = sizeOfFile(file);
  // Of the first row, so that every piece knows how many scores the others have.
  let classes: number | null = null;
  for await (const { lines } of linesOf(file, 0, size)) {
    if (lines[0] === undefined) continue;
    try {
      classes = parse(lines[0], source).scores.length;
    } catch (error) {
      throw inRow(error, file, 0);
    }
    break;
  }
  const pieces: Piece[] = [];
  for (let begin = 0; begin < size; begin += bytes) {
    const end = Math.min(size, begin + bytes);
    pieces.push({ ...source, begin, end, bytes: end - begin, firstRow: begin === 0 ? 0 : null, classes });
  }
  return pieces;
}

async function* read(piece: Piece): AsyncGenerator<RowBatch> {
  const { scoresFile: file, begin } = piece;
  let { classes, end } = piece;
  let scores: number[] = [];
  let targets: number[][] = [];
  let firstRow = piece.firstRow ?? (await countRows(file, 0, begin));
  let at = begin;

  const batch = (next: number): RowBatch => {
    const shape: [number, number] = [targets.length, classes as number];
    // What JSON says is float64, and float32 would make ties.
    const whole = { scores: { data: Float64Array.from(scores), shape }, targets, firstRow, bytes: next - at };
    at = next;
    firstRow += targets.length;
    scores = [];
    targets = [];
    return whole;
  };

  for await (const { lines, next } of linesOf(file, begin, piece.end)) {
    for (const line of lines) {
      try {
        const row = parse(line, piece);
        classes ??= row.scores.length;
        if (row.scores.length !== classes) {
          throw new InputError(`has ${row.scores.length} ${piece.what}, those before have ${classes}`);
        }
        for (const score of row.scores) scores.push(score);
        targets.push(row.targets);
      } catch (error) {
        throw inRow(error, file, firstRow + targets.length);
      }
      if (scores.length >= SCORES_PER_BATCH) yield batch(next);
    }
    end = next;
  }
  if (targets.length > 0) yield batch(end);
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

/** The rows whose lines start at byte `begin` or later, and before `end`. */
async function countRows(file: string, begin: number, end: number): Promise<number> {
  let rows = 0;
  for await (const { lines } of linesOf(file, begin, end)) rows += lines.length;
  return rows;
}

export const ndjson: Reader = { cut, read, numberRows };

function parse(line: Buffer, { columns }: Source): { scores: number[]; targets: number[] } {
  let value: unknown;
  try {
    value = JSON.parse(line.toString());
  } catch (error) {
    throw new InputError(`is not JSON: ${(error as Error).message}`);
  }
  const row = Object(value) as Record<string, unknown>;
  const scores = row[columns.scores];
  const targets = row[columns.targets];
  if (!isNumbers(scores) || scores.length === 0) {
    throw new InputError(`needs "${columns.scores}", a list of numbers, at least one`);
  }
  if (!isNumbers(targets) || !targets.every(Number.isInteger)) {
    throw new InputError(`needs "${columns.targets}", a list of whole numbers`);
  }
  return { scores, targets };
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'number');
}

function inRow(error: unknown, file: string, row: number): InputError {
  return new InputError(`${nameOf(file)}: row ${row} ${(error as Error).message}`);
}
