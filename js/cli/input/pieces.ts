// All formats under one roof: sources cut into pieces, and pieces read.

import { InputError } from '../input-error.js';
import { type Format, type Piece, type Reader, type RowBatch, type Source, sizeOfFile } from './input.js';
import { ndjson } from './ndjson.js';
import { npy } from './npy.js';

const READERS: Record<Format, Reader> = { ndjson, npy };

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
  for (const source of sources) {
    const pieces = await READERS[source.format].cut(source, most);
    const known = pieces.find(({ classes }) => classes !== null);
    first ??= known;
    if (first !== undefined && known !== undefined && known.classes !== first.classes) {
      throw new InputError(
        `${known.scoresFile}: scores must have ${first.classes} classes, as those of ${first.scoresFile}, got ${known.classes}`,
      );
    }
    all.push(...pieces);
  }
  return all;
}

export function readPiece(piece: Piece): Iterable<RowBatch> | AsyncIterable<RowBatch> {
  return READERS[piece.format].read(piece);
}

/** See {@link Reader.rowsBefore}. */
export function rowsBefore(piece: Piece): Promise<number> | number {
  return READERS[piece.format].rowsBefore(piece);
}
