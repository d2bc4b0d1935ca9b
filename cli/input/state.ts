import { readFileSync } from 'node:fs';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { InputError, toCommandError } from '../errors.js';

/** Reads what --out <file.json> wrote: the sums, and all of the JSON, which says of what shards they are. */
export function readState(file: string): { evaluator: Evaluator; json: unknown } {
  try {
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return { evaluator: Evaluator.fromJSON(json), json };
  } catch (error) {
    throw error instanceof SyntaxError ? new InputError(`${file}: ${error.message}`) : toCommandError(error, file);
  }
}
