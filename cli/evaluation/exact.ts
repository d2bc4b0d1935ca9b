import { ExactAveragePrecision, type Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import type { Piece } from '../input/input.js';
import { namesOf } from '../input/labels.js';
import { readPiece } from '../input/pieces.js';
import { addPiece, type OnBatch } from './add-piece.js';
import type { Evaluated } from './evaluate-pieces.js';

/**
 * The sums of pieces, and exact average precisions of them: files are read twice, by this thread.
 *
 * @param evaluator takes the sums
 * @param onMemory is called with the bytes that the second pass takes, before it begins
 * @throws InputError for a fault of the files, in one line that names file and row
 */
export async function evaluateExactly(
  evaluator: Evaluator,
  pieces: readonly Piece[],
  { nonFinite = 'error', labels }: EvaluatorOptions,
  onBatch: OnBatch,
  onMemory: (labels: number, bytes: number) => void,
): Promise<Evaluated & { exact: ExactAveragePrecision }> {
  const exact = new ExactAveragePrecision({ nonFinite });
  const names = namesOf(labels);
  let reading: Evaluated['reading'] = null;
  for (const piece of pieces) {
    reading =
      (await addPiece(evaluator, piece, names, onBatch, (batch) => exact.collect(batch.scores, batch.targets))) ??
      reading;
  }
  onMemory(exact.labels, exact.labels * ExactAveragePrecision.BYTES_PER_LABEL);
  for (const piece of pieces) {
    for await (const { scores, bytes } of readPiece(piece, names)) {
      exact.count(scores);
      onBatch(bytes, scores.shape[0]);
    }
  }
  return { evaluator, reading, exact };
}
