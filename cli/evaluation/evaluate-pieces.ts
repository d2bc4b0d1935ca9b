import { availableParallelism } from 'node:os';
import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import type { Piece } from '../input/input.js';
import { joinPieces } from '../input/pieces.js';
import { addPiece, type OnBatch } from './add-piece.js';
import { evaluateInThreads } from './pool.js';

/** A thread takes about a tenth of a second to start, in which another reads about as much. */
const BYTES_PER_THREAD = 2 ** 24;

/** As many as the machine can run at a time, or fewer where there is little to do. */
export function defaultThreads(pieces: readonly Piece[]): number {
  const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  return Math.max(1, Math.min(availableParallelism(), Math.floor(bytes / BYTES_PER_THREAD)));
}

/**
 * The sums of pieces: the same bits for any number of threads.
 *
 * @param threads 1 is this one
 * @throws InputError for a fault of the files, in one line that names file and row
 * @throws RunError for a thread that died
 */
export async function evaluatePieces(
  pieces: readonly Piece[],
  options: EvaluatorOptions,
  threads: number,
  onBatch: OnBatch,
): Promise<Evaluator> {
  // Standard input can be read by this thread alone.
  if (threads > 1 && pieces.length > 1 && !pieces.some(({ scoresFile }) => scoresFile === '-')) {
    return evaluateInThreads(pieces, options, Math.min(threads, pieces.length), onBatch);
  }
  const evaluator = new Evaluator(options);
  for (const piece of joinPieces(pieces)) await addPiece(evaluator, piece, onBatch);
  return evaluator;
}
