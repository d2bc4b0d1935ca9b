import { availableParallelism } from 'node:os';
import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import type { Piece, Reading } from '../input/input.js';
import { namesOf } from '../input/labels.js';
import { checkReading, joinPieces } from '../input/pieces.js';
import { addPiece, type OnBatch } from './add-piece.js';
import { evaluateInThreads } from './pool.js';

/** A thread takes about a tenth of a second to start, in which another reads about as much. */
const BYTES_PER_THREAD = 2 ** 24;

/** The number of threads that the machine runs at a time, or fewer where there is little to do. */
export function defaultThreads(pieces: readonly Piece[]): number {
  const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  return Math.max(1, Math.min(availableParallelism(), Math.floor(bytes / BYTES_PER_THREAD)));
}

export interface Evaluated {
  evaluator: Evaluator;
  /** How targets were read, or null for no rows. */
  reading: Reading | null;
}

/**
 * The sums of pieces: the same bits for any number of threads.
 *
 * @param threads 1 is this one
 * @throws InputError for a fault of the files, in one line that names file and row
 * @throws RunError for a thread that did not start, or died
 */
export async function evaluatePieces(
  pieces: readonly Piece[],
  options: EvaluatorOptions,
  threads: number,
  onBatch: OnBatch,
): Promise<Evaluated> {
  let first = pieces.find(({ reading }) => reading !== null);
  // Other threads cannot go on with a pipe that this one has begun.
  if (threads > 1 && pieces.length > 1 && !pieces.some(({ isPipe }) => isPipe)) {
    const evaluator = await evaluateInThreads(pieces, options, Math.min(threads, pieces.length), onBatch);
    return { evaluator, reading: first?.reading ?? null };
  }
  const evaluator = new Evaluator(options);
  const names = namesOf(options.labels);
  for (const piece of joinPieces(pieces)) {
    const reading = await addPiece(evaluator, piece, names, onBatch);
    if (reading === null) continue;
    const read = { ...piece, reading };
    checkReading(read, (first ??= read));
  }
  return { evaluator, reading: first?.reading ?? null };
}
