import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import { evaluatePieces } from '../evaluation/evaluate-pieces.js';
import type { Piece } from '../input/input.js';

/** What one job is: to evaluate the rows of a shard, or to merge what came of so many other jobs. Plain data. */
export type Work = { pieces: Piece[]; options: EvaluatorOptions } | { parts: number };

/**
 * The sums, as text: PostgreSQL keeps the parts of an object in an order of its own.
 *
 * @param parts what came of the others, for a job that merges
 */
export async function doWork(work: Work, parts: readonly string[]): Promise<string> {
  if ('pieces' in work) return JSON.stringify(await evaluatePieces(work.pieces, work.options, 1, () => {}));
  // BullMQ keeps them by the ids of jobs: there are never two of a shard.
  if (parts.length !== work.parts) throw new Error(`${work.parts} parts are to be merged, ${parts.length} are there`);
  const [first, ...others] = parts;
  const merged = fromText(first as string);
  for (const other of others) merged.merge(fromText(other));
  return JSON.stringify(merged);
}

/** @param text what doWork() gave */
export function fromText(text: string): Evaluator {
  return Evaluator.fromJSON(JSON.parse(text));
}
