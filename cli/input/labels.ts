import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { InputError, toCommandError } from '../errors.js';

/** The threshold of each label, by its index or name; null for a label that is never predicted. */
export type Thresholds = (number | null)[] | Record<string, number | null>;

/**
 * The names of labels: a list in JSON in a file whose name ends in .json, one name on each line in another.
 *
 * @throws InputError for a file that cannot be read, or holds something else
 */
export function readLabels(file: string): string[] {
  const text = readText(file);
  if (extname(file).toLowerCase() !== '.json') return text.replace(/\r?\n$/, '').split(/\r?\n/);
  const labels = parseJson(file, text);
  if (!Array.isArray(labels) || !labels.every((label) => typeof label === 'string')) {
    throw new InputError(`${file}: must be a list of names, ["…", …]`);
  }
  return labels;
}

/**
 * Thresholds: a list in JSON with a number for each label, or an object of numbers by the names of labels. Null stands for
 * a label that is never predicted.
 *
 * @throws InputError for a file that cannot be read, or holds something else
 */
export function readThresholds(file: string): Thresholds {
  const thresholds = parseJson(file, readText(file));
  const isRight =
    typeof thresholds === 'object' &&
    thresholds !== null &&
    Object.values(thresholds).every((threshold) => threshold === null || typeof threshold === 'number');
  if (!isRight) throw new InputError(`${file}: must be a list of numbers, or an object of numbers by label`);
  return thresholds as Thresholds;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\ufeff/, '');
  } catch (error) {
    throw toCommandError(error, file);
  }
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file}: is not JSON: ${(error as Error).message}`);
  }
}
