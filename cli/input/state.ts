// Files of sums, which evaluate and merge write by --out, and merge and compare read.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { type Shards, toShards } from '../evaluation/shards.js';
import { InputError, toCommandError } from '../errors.js';
import type { TargetsAre } from './targets.js';

/** The content of a state file. */
export interface Origin {
  /** The shards that it is the sum of, or null for whole inputs. */
  shards: Shards | null;
  /** How targets were read, or null for no rows. */
  targetsAre: TargetsAre | null;
}

export interface State extends Origin {
  evaluator: Evaluator;
}

/** The text of a file of sums. */
export function toState(evaluator: Evaluator, { shards, targetsAre }: Origin): string {
  const content = { ...evaluator.toJSON(), shards, targetsAre };
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
    const { shards, targetsAre } = content;
    if (targetsAre !== null && targetsAre !== 'mask' && targetsAre !== 'indices') {
      throw new InputError('is damaged: it does not say how targets were read');
    }
    return { evaluator, shards: toShards(shards), targetsAre };
  } catch (error) {
    throw error instanceof SyntaxError ? new InputError(`${file}: ${error.message}`) : toCommandError(error, file);
  }
}

/** The digest of the JSON of a value, whose members are in the order in which they were written. */
function digestOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
