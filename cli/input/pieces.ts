// All formats under one roof: sources cut into pieces, and pieces read.

import { arrow } from './arrow.js';
import { InputError } from '../errors.js';
import { type Format, type Piece, type Reader, type RowBatch, type Source, sizeOfFile } from './input.js';
import { ndjson } from './ndjson.js';
import { npy } from './npy.js';
import { parquet } from './parquet.js';

const READERS: Record<Format, Reader> = { arrow, ndjson, npy, parquet };

// Enough for shards to be of about the same size, and for threads to end at about the same time.
const PIECES_PER_SHARD = 16;
// So that progress is seen, and the last piece does not keep one thread busy for long.
const MOST_BYTES = 2 ** 25;

/**
 * All of the sources, in order. The same on every machine for the same sources and number of shards, whatever the number of
 * threads.
 */
export async function piecesOf(sources: readonly Source[], shards = 1): Promise<Piece[]> {
  const bytes = sources.map(({ scoresFile }) => (scoresFile === '-' ? 0 : sizeOfFile(scoresFile)));
  const total = bytes.reduce((a, b) => a + b, 0);
  const most = Math.max(1, Math.min(MOST_BYTES, Math.ceil(total / (PIECES_PER_SHARD * shards))));
  const all: Piece[] = [];
  let first: Piece | undefined;
  for (const each of sources) {
    const source = each.scoresFile === '-' ? { ...each, format: await formatOfStandardInput() } : each;
    const pieces = await READERS[source.format].cut(source, most);
    const known = pieces.find(({ classes }) => classes !== null);
    first ??= known;
    if (first !== undefined && known !== undefined && known.classes !== first.classes) {
      throw new InputError(
        `${known.scoresFile}: ${known.what} must have ${first.classes} ${known.what === 'scores' ? 'classes' : 'columns'}, ` +
          `as those of ${first.scoresFile}, got ${known.classes}`,
      );
    }
    all.push(...pieces);
  }
  return all;
}

export function readPiece(piece: Piece): Iterable<RowBatch> | AsyncIterable<RowBatch> {
  return READERS[piece.format].read(piece);
}

/** By its first bytes, which are left where they were. */
async function formatOfStandardInput(): Promise<Format> {
  const { stdin } = process;
  await new Promise((resolve) => stdin.once('readable', resolve).once('end', resolve).once('error', resolve));
  const head = stdin.read() as Buffer | null;
  if (head === null) return 'ndjson';
  stdin.unshift(head);
  if (head.toString('latin1', 0, 6) === 'ARROW1') {
    throw new InputError('standard input: is an Arrow file, which is not read in sequence: give its name');
  }
  return head.length >= 4 && head.readInt32LE(0) === -1 ? 'arrow' : 'ndjson';
}

/** With those whose first rows have not been counted joined to what is before them: for one reader that is to read all. */
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
 * Pieces in the order of `piecesOf`, each with the number of its first row. Lines of JSON must be counted for it, up to the
 * last piece: who reads one piece needs not call it, who hands many of them out saves that each is counted again.
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
  return a.scoresFile === b.scoresFile && a.targetsFile === b.targetsFile;
}
