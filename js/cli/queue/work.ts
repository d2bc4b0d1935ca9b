import { Evaluator, type EvaluatorJSON, type EvaluatorOptions } from '../../evaluate/index.js';
import { evaluatePieces } from '../evaluation/evaluate-pieces.js';
import type { Piece } from '../input/input.js';

/** What one job is: to evaluate the rows of a shard, or to merge what came of so many other jobs. Plain data. */
export type Work = { pieces: Piece[]; options: EvaluatorOptions } | { parts: number };

/** @param parts what came of the others, for a job that merges */
export async function doWork(work: Work, parts: readonly EvaluatorJSON[]): Promise<EvaluatorJSON> {
  if ('pieces' in work) return (await evaluatePieces(work.pieces, work.options, 1, () => {})).toJSON();
  const [first, ...others] = parts;
  // BullMQ keeps them by the ids of jobs: there are never two of a shard.
  if (parts.length !== work.parts) throw new Error(`${work.parts} parts are to be merged, ${parts.length} are there`);
  const merged = Evaluator.fromJSON(first);
  for (const part of others) merged.merge(Evaluator.fromJSON(part));
  return merged.toJSON();
}
