// The options that say which labels are predicted.

import type { ClassificationOptions } from 'multilabel-margin-loss/evaluate';
import { toCount, toNumber } from './command.js';
import { InputError } from './errors.js';
import type { Piece } from './input/input.js';
import { readThresholds } from './input/labels.js';

export const CLASSIFICATION_ARGUMENTS = {
  threshold: { type: 'string' },
  thresholds: { type: 'string' },
  top: { type: 'string' },
  beta: { type: 'string' },
  'zero-division': { type: 'string' },
} as const;

export const CLASSIFICATION_USAGE = `\
  --threshold <number>    predict labels whose score is at or above it
  --thresholds <file>     predict labels whose score is at or above their own threshold, in JSON as tune writes it
  --top <k>               predict k labels of a row at most, those of the highest scores
  --beta <number>         weight of recall in an F-measure beside F1
  --zero-division <0|1>   value of precision where nothing is predicted, and so on (default: 0)`;

type Values = Partial<Record<keyof typeof CLASSIFICATION_ARGUMENTS, string>>;

/**
 * Reads the options that say which labels are predicted.
 *
 * @param labels names of the labels, or null where they are not known
 * @returns undefined where none is given
 * @throws InputError
 */
export function classificationOf(values: Values, labels: readonly string[] | null): ClassificationOptions | undefined {
  const { threshold, thresholds: file, top, beta, 'zero-division': zeroDivision } = values;
  if (threshold !== undefined && file !== undefined) {
    throw new InputError('--threshold is for all labels, and --thresholds has one for each: give one of them');
  }
  if (threshold === undefined && file === undefined && top === undefined) {
    const alone = (['beta', 'zero-division'] as const).find((option) => values[option] !== undefined);
    if (alone === undefined) return undefined;
    throw new InputError(`--${alone} needs --threshold, --thresholds or --top, which say what is predicted`);
  }
  if (zeroDivision !== undefined && zeroDivision !== '0' && zeroDivision !== '1') {
    throw new InputError(`--zero-division must be 0 or 1, got '${zeroDivision}'`);
  }
  return {
    thresholds: file === undefined ? toFinite('threshold', threshold) : toList(file, labels),
    k: top === undefined ? undefined : toCount('top', top),
    beta: toFinite('beta', beta),
    zeroDivision: zeroDivision === '1' ? 1 : 0,
  };
}

/**
 * Checks that there are as many thresholds as classes, where the input shows these before it is read.
 *
 * @throws InputError that names the file
 */
export function checkThresholds(
  { thresholds: file }: Values,
  options: ClassificationOptions | null | undefined,
  pieces: readonly Piece[],
): void {
  const piece = pieces.find(({ classes }) => classes !== null);
  const thresholds = options?.thresholds;
  if (file === undefined || piece === undefined || typeof thresholds !== 'object') return;
  if (thresholds.length === piece.classes) return;
  throw new InputError(
    `${file}: has ${thresholds.length} thresholds, and ${piece.scoresFile} scores of ${piece.classes} classes`,
  );
}

function toFinite(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = toNumber(text);
  if (Number.isFinite(value)) return value;
  throw new InputError(`--${option} must be a number, got '${text}'`);
}

function toList(file: string, labels: readonly string[] | null): (number | null)[] {
  const thresholds = readThresholds(file);
  if (Array.isArray(thresholds)) return thresholds;
  const given = Object.keys(thresholds);
  const names = labels ?? given.map((_, label) => String(label));
  const known = new Set(names);
  const unknown = given.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new InputError(
      labels === null
        ? `${file}: has a threshold for '${unknown}', which is no number of a class: --labels says which class it is`
        : `${file}: has a threshold for '${unknown}', which is none of the names of --labels`,
    );
  }
  return names.map((name) => {
    const threshold = Object.hasOwn(thresholds, name) ? thresholds[name] : undefined;
    if (threshold !== undefined) return threshold;
    throw new InputError(`${file}: has no threshold for '${name}'; null is for a label that is never predicted`);
  });
}
