// Cuts sources of all formats into pieces, and reads pieces.

import { setImmediate as immediate } from 'node:timers/promises';
import { arrow } from './arrow.js';
import { InputError } from '../errors.js';
import { type Format, nameOf, type Piece, type Reader, type RowBatch, type Source } from './input.js';
import { ndjson } from './ndjson.js';
import { npy } from './npy.js';
import { parquet } from './parquet.js';
import { sizeOfFile } from './sources.js';
import { peek } from './streams.js';
import type { Names } from './targets.js';

const READERS: Record<Format, Reader> = { arrow, ndjson, npy, parquet };

/** Enough for shards to be of about the same size, and for threads to end at about the same time. */
const PIECES_PER_SHARD = 16;
/** Few enough for progress to be seen, and for the last piece to keep one thread busy for a short time only. */
const MOST_BYTES = 2 ** 25;
const MILLISECONDS_PER_TURN = 50;
/** First bytes of an Arrow stream, and of an Arrow file. */
const HEAD_BYTES = 6;

/**
 * The pieces of all sources, in order. They are the same on every machine for the same sources and number of shards, for any number of
 * threads.
 *
 * @param names of labels, or null where they are not known
 */
export async function piecesOf(sources: readonly Source[], names: Names | null, shards = 1): Promise<Piece[]> {
  const bytes = sources.map(({ scoresFile, isPipe }) => (isPipe ? 0 : sizeOfFile(scoresFile)));
  const total = bytes.reduce((a, b) => a + b, 0);
  const most = Math.max(1, Math.min(MOST_BYTES, Math.ceil(total / (PIECES_PER_SHARD * shards))));
  const all: Piece[] = [];
  let first: Piece | undefined;
  for (const source of sources) {
    const pieces = await cut(source, most, names);
    const known = pieces.find(({ classes }) => classes !== null);
    if (known !== undefined) checkAlike(known, (first ??= known));
    all.push(...pieces);
  }
  return all;
}

async function cut(given: Source, bytes: number, names: Names | null): Promise<Piece[]> {
  // Pipes have no names that tell.
  const format = given.isPipe && given.format === 'ndjson' ? await formatOfPipe(given.scoresFile) : given.format;
  const source = { ...given, format };
  if (source.what === 'pairs' && format !== 'ndjson') {
    throw new InputError(`${nameOf(source.scoresFile)}: --pairs reads lists of [label, score] in lines of JSON alone`);
  }
  const { cut: cutSource, read } = READERS[format];
  const pieces = await cutSource(source, bytes, names);
  const [piece] = pieces;
  if (pieces.length !== 1 || piece === undefined || piece.isPipe || piece.classes !== null) return pieces;
  // A compressed file: what other readers find by the first row.
  for await (const { scores, reading } of read(piece, names)) return [{ ...piece, classes: scores.shape[1], reading }];
  return pieces;
}

/** Refuses a source of another number of classes, or whose targets are read in another way. */
function checkAlike(piece: Piece, first: Piece): void {
  if (piece.classes !== first.classes && piece.classes !== 0 && first.classes !== 0) {
    throw new InputError(
      `${piece.scoresFile}: ${piece.what} must have ${first.classes} ${piece.what === 'scores' ? 'classes' : 'columns'}, ` +
        `as those of ${first.scoresFile}, got ${piece.classes}`,
    );
  }
  checkReading(piece, first);
}

/**
 * Refuses masks beside class indices.
 *
 * @throws InputError with both files
 */
export function checkReading(
  piece: Pick<Piece, 'targetsFile' | 'reading'>,
  first: Pick<Piece, 'targetsFile' | 'reading'>,
): void {
  if (piece.reading?.targetsAre === first.reading?.targetsAre) {
    if (piece.reading?.classes === first.reading?.classes) return;
    throw new InputError(
      `${nameOf(piece.targetsFile)}: has masks of ${piece.reading?.classes} classes, but ${nameOf(first.targetsFile)} has ` +
        `masks of ${first.reading?.classes}`,
    );
  }
  const kind = ({ reading }: typeof first): string =>
    reading?.targetsAre === 'mask' ? 'is read as 0/1 masks' : 'is read as class indices';
  throw new InputError(
    `${nameOf(piece.targetsFile)}: ${kind(piece)}, but ${nameOf(first.targetsFile)} ${kind(first)}: ` +
      '--targets-are mask or --targets-are indices says which',
  );
}

/** The rows of a piece. Signals and timers have their turn while it is read. */
export async function* readPiece(piece: Piece, names: Names | null): AsyncGenerator<RowBatch> {
  let paused = performance.now();
  for await (const batch of READERS[piece.format].read(piece, names)) {
    yield batch;
    // A reader of a regular file never waits, and Node sees signals only where something waits.
    if (performance.now() - paused < MILLISECONDS_PER_TURN) continue;
    await immediate();
    paused = performance.now();
  }
}

async function formatOfPipe(file: string): Promise<Format> {
  const head = await peek(file, HEAD_BYTES);
  if (head.toString('latin1', 0, HEAD_BYTES) === 'ARROW1') return 'arrow';
  return head.length >= 4 && head.readInt32LE(0) === -1 ? 'arrow' : 'ndjson';
}

/**
 * Pieces for one reader that reads all: those whose first rows have not been counted are joined to the piece before.
 */
export function joinPieces(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (last !== undefined && piece.firstRow === null && isSameSource(last, piece) && last.end === piece.begin) {
      joined[joined.length - 1] = { ...last, end: piece.end, bytes: last.bytes + piece.bytes };
    } else {
      joined.push(piece);
    }
  }
  return joined;
}

/**
 * Pieces in the order of `piecesOf`, each with the number of its first row. Lines of JSON are counted for it, up to the last
 * piece: a reader of one piece can do without, and who hands many of them out saves that each reader counts again.
 */
export async function numberRows(pieces: readonly Piece[]): Promise<Piece[]> {
  const numbered: Piece[] = [];
  for (let begin = 0, end = 0; begin < pieces.length; begin = end) {
    const first = pieces[begin] as Piece;
    while (end < pieces.length && isSameSource(pieces[end] as Piece, first)) end++;
    numbered.push(...(await READERS[first.format].numberRows(pieces.slice(begin, end))));
  }
  return numbered;
}

function isSameSource(a: Source, b: Source): boolean {
  return a.ordinal === b.ordinal;
}
