import { describe, LossError } from '../errors.js';
import { fromBase64 } from './base64.js';
import { Hash } from './hash.js';
import { type HighLoss, toHighLosses } from './highest-losses.js';
import type { ClassificationJSON } from './classification.js';
import type { RowKinds } from './result.js';

export const FORMAT = 'multilabel-margin-loss/evaluator';
export const VERSION = 2;

/**
 * The plain data that {@link Evaluator.toJSON} returns.
 *
 * @example
 * import { Evaluator, type EvaluatorJSON } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator({ k: [5, 1] });
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * const { format, k, classes }: EvaluatorJSON = evaluator.toJSON();
 * format; // => 'multilabel-margin-loss/evaluator'
 * [k, classes]; // => [[1, 5], 4]
 */
export interface EvaluatorJSON {
  /** Marks the JSON of an evaluator. */
  format: typeof FORMAT;
  /** The version of the format. */
  version: typeof VERSION;
  /** The option `k`, in ascending order. */
  k: number[];
  /** The options of the loss, without its backend. */
  loss: {
    /** The option `margin`. */
    margin: number;
    /** The option `normalization`. */
    normalization: 'classes' | 'targets';
    /** The option `targetOrder`. */
    targetOrder: 'ignored' | 'ranked';
  };
  /** The option `nonFinite`. */
  nonFinite: 'error' | 'skip';
  /** The option `classification`, or null. */
  classification: ClassificationJSON | null;
  /** The option `labels`, or null. */
  labels: readonly string[] | null;
  /** Number of labels C; 0 before the first row. */
  classes: number;
  /** The exact sums, in base64; empty before the first row. */
  state: string;
  /** Number of rows, those skipped included. */
  rows: number;
  /** Whether a row, of those skipped too, has another weight than 1. */
  hasWeights: boolean;
  /** Whether a row, of those skipped too, has unknown classes. */
  hasUnknown: boolean;
  /** Whether rows have their highest scores alone, as of {@link Evaluator.updateTopK}. */
  isTopK: boolean;
  /** The rows of the highest loss, as in the results. After JSON.parse(), an infinite loss is null. */
  highestLosses: readonly HighLoss[];
  /** A digest of all else, which finds damage. */
  digest: string;
}

/** Lists and objects inside one another that a state may have; it has three. */
const MOST_LEVELS = 20;
/** The properties that the digest covers: all but itself. */
const DIGESTED = [
  ...(['format', 'version', 'k', 'loss', 'nonFinite', 'classification', 'labels', 'classes', 'state'] as const),
  ...(['rows', 'hasWeights', 'hasUnknown', 'isTopK', 'highestLosses'] as const),
];

/**
 * The digest of an evaluator's JSON: 16 hexadecimal digits that differ, but for a chance of 2^-64, if the data do. It finds
 * damage, and is no protection against forgery. Other properties than those of an evaluator do not count, nor does what
 * JSON does not keep.
 */
export function digestOf(json: Partial<Record<keyof EvaluatorJSON, unknown>>): string {
  const hash = new Hash();
  const add = (value: unknown, level: number): void => {
    if (level > MOST_LEVELS)
      throw new LossError('ERR_STATE', `the JSON of an evaluator is nested more than ${MOST_LEVELS} deep`);
    if (typeof value === 'string') {
      hash.add(`"${value.length}:`);
      hash.add(value);
    } else if (Array.isArray(value)) {
      hash.add(`[${value.length}:`);
      for (const element of value) add(element, level + 1);
    } else if (typeof value === 'object' && value !== null) {
      const properties = Object.entries(value as Record<string, unknown>)
        .filter(([, property]) => property !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      hash.add(`{${properties.length}:`);
      for (const [name, property] of properties) {
        add(name, level + 1);
        add(property, level + 1);
      }
    } else {
      // JSON has null for numbers that are not finite.
      hash.add(`${typeof value === 'number' && !Number.isFinite(value) ? null : String(value)};`);
    }
  };
  add(Object.fromEntries(DIGESTED.map((name) => [name, json[name]])), 0);
  return hash
    .halves()
    .map((half) => (half >>> 0).toString(16).padStart(8, '0'))
    .join('');
}

/** The parts of an evaluator's JSON whose types and ranges are right. The options are yet to be checked. */
export interface State {
  options: { k: unknown; loss: unknown; nonFinite: unknown; classification: unknown; labels: unknown };
  classes: number;
  /** Empty without rows. */
  sums: Uint8Array;
  rows: number;
  kinds: RowKinds;
  isTopK: boolean;
  highestLosses: HighLoss[];
}

/** An error that says what is wrong with a state. */
export function damaged(what: string, cause?: unknown): LossError {
  return new LossError('ERR_STATE', `the JSON of an evaluator is damaged: ${what}`, { cause });
}

/**
 * Checks the JSON of an evaluator.
 *
 * @throws LossError ERR_STATE
 */
export function toState(json: unknown): State {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new LossError('ERR_STATE', `an evaluator's JSON has format '${FORMAT}', got ${describe(json)}`);
  }
  const given = json as Partial<Record<keyof EvaluatorJSON, unknown>>;
  const { format, version, k, loss, nonFinite, classification, labels, classes, state, rows } = given;
  const { hasWeights, hasUnknown, isTopK, highestLosses, digest } = given;
  if (format !== FORMAT) {
    throw new LossError('ERR_STATE', `an evaluator's JSON has format '${FORMAT}', got ${describe(format)}`);
  }
  if (version === 1) {
    throw new LossError(
      'ERR_STATE',
      "an evaluator's JSON of multilabel-margin-loss 0.1 cannot be read by this version: evaluate the data again",
    );
  }
  if (version !== VERSION) {
    throw new LossError('ERR_STATE', `an evaluator's JSON must be of version ${VERSION}, got ${describe(version)}`);
  }
  const expected = digestOf(json);
  if (digest !== expected) throw damaged(`its digest is ${describe(digest)}, and that of its content '${expected}'`);
  if (!isWhole(classes, 2 ** 31 - 1)) throw damaged(`its classes are ${describe(classes)}`);
  if (!isWhole(rows, 2 ** 32 - 1)) throw damaged(`its rows are ${describe(rows)}`);
  if (typeof state !== 'string' || (classes === 0) !== (state === '')) {
    throw damaged(`its state is ${typeof state === 'string' ? `${state.length} characters` : describe(state)}`);
  }
  if (typeof hasWeights !== 'boolean' || typeof hasUnknown !== 'boolean') {
    throw damaged(`its hasWeights is ${describe(hasWeights)}, and its hasUnknown ${describe(hasUnknown)}`);
  }
  if (typeof isTopK !== 'boolean') throw damaged(`its isTopK is ${describe(isTopK)}`);
  if (classes === 0 && rows > 0) throw damaged(`its rows are ${rows} of no classes`);
  const highest = toHighLosses(highestLosses, classes);
  if (highest === null || highest.length > rows) throw damaged('its highestLosses are not what its toJSON() gave');
  let sums: Uint8Array;
  try {
    sums = fromBase64(state);
  } catch (cause) {
    throw damaged('its state is not base64', cause);
  }
  // Two sums of each class take a byte each at least. This comes before memory is reserved for the classes.
  if (sums.length < 2 * classes) throw damaged(`its state is ${sums.length} bytes for ${classes} classes`);
  return {
    options: { k, loss, nonFinite, classification, labels },
    classes,
    sums,
    rows,
    kinds: { hasWeights, hasUnknown },
    isTopK,
    highestLosses: highest,
  };
}

function isWhole(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}
