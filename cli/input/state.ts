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
  /**
   * The evaluations that it was merged from, each by the digest of its file, in ascending order; null for one evaluation. A
   * state without rows has none.
   */
  parts: readonly string[] | null;
  /** The name of the model that the scores are of, or null. */
  model: string | null;
  /** The files of scores that were read, in ascending order. */
  files: readonly string[];
}

export interface State extends Origin {
  evaluator: Evaluator;
  parts: readonly string[];
}

/** The text of a file of sums. */
export function toState(evaluator: Evaluator, { shards, targetsAre, parts, model, files }: Origin): string {
  const content = { ...evaluator.toJSON(), shards, targetsAre, parts, model, files };
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
    const { shards, targetsAre, parts, model, files } = content;
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
      shards: toShards(shards),
      targetsAre,
      parts: toParts(parts) ?? (content['rows'] === 0 ? [] : [fileDigest]),
    };
  } catch (error) {
    throw error instanceof SyntaxError ? new InputError(`${file}: ${error.message}`) : toCommandError(error, file);
  }
}

/** @throws InputError for what is neither null nor a list of digests */
function toParts(value: unknown): string[] | null {
  if (value === null) return null;
  const isDigest = (part: unknown): boolean => typeof part === 'string' && /^[0-9a-f]{64}$/.test(part);
  if (!Array.isArray(value) || !value.every(isDigest) || new Set(value).size < value.length) {
    throw new InputError('is damaged: it does not say what it was merged from');
  }
  return value as string[];
}

/** The digest of the JSON of a value, whose members are in the order in which they were written. */
function digestOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
