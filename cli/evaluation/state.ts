// Files of sums, which evaluate and merge write by --out, and merge and compare read.

import { readFileSync } from 'node:fs';
import { type EvaluationResult, Evaluator } from 'multilabel-margin-loss/evaluate';
import { InputError, toCommandError } from '../errors.js';
import type { TargetsAre } from '../input/targets.js';
import { digestOf, type Part, partsOf, toParts } from './shards.js';

/** The content of a state file. */
export interface Origin {
  /** The evaluations that it is the sum of. */
  parts: readonly Part[];
  /** How targets were read, or null for no rows. */
  targetsAre: TargetsAre | null;
  /** The name of the model that the scores are of, or null. */
  model: string | null;
  /** The files of scores that were read, in ascending order. */
  files: readonly string[];
}

export interface State extends Origin {
  evaluator: Evaluator;
}

/**
 * The text of a file of sums.
 *
 * @param result that of the evaluator
 */
export function toState(
  evaluator: Evaluator,
  result: EvaluationResult,
  { parts, targetsAre, model, files }: Origin,
): string {
  const content = { ...evaluator.toJSON(), parts: partsOf(parts, result), targetsAre, model, files };
  // The evaluator's own digest does not cover what is added.
  return JSON.stringify({ ...content, fileDigest: digestOf(content) });
}

/**
 * @throws InputError for a file that is not what toState() gave, with the name of the file
 * @throws CommandError with exit code 1 where memory does not suffice
 */
export function readState(file: string): State {
  try {
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
    // First: it names what is no state, and states of other versions.
    const evaluator = Evaluator.fromJSON(json);
    const { fileDigest, ...content } = json as Record<string, unknown>;
    if (fileDigest !== digestOf(content)) throw new InputError('is damaged: its digest is not that of its content');
    const { parts, targetsAre, model, files } = content;
    if (targetsAre !== null && targetsAre !== 'mask' && targetsAre !== 'indices') {
      throw new InputError('is damaged: it does not say how targets were read');
    }
    const isName = (name: unknown): boolean => typeof name === 'string';
    if (!(model === null || isName(model)) || !Array.isArray(files) || !files.every(isName)) {
      throw new InputError('is damaged: it does not say of what model and files it is');
    }
    return {
      evaluator,
      model: model as string | null,
      files: files as string[],
      parts: toParts(parts),
      targetsAre,
    };
  } catch (error) {
    throw error instanceof SyntaxError ? new InputError(`${file}: ${error.message}`) : toCommandError(error, file);
  }
}
