import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { InputError, toCommandError } from '../errors.js';
import { nameOf, type Piece } from './input.js';
import type { Names } from './targets.js';

export const LABELS_USAGE = `\
  --labels <file>         names of the labels, a list in .json, one on each line, or those of a head in .safetensors:
                          the results have them, and targets may be names`;

/** The threshold of each label, by its index or name; null for a label that is never predicted. */
export type Thresholds = (number | null)[] | Record<string, number | null>;

/**
 * The names of labels: a list in JSON in a file whose name ends in .json, those of a head in .safetensors, one name on each
 * line in another.
 *
 * @throws InputError for a file that cannot be read, or holds something else than different names that are not empty
 */
export async function readLabels(file: string): Promise<string[]> {
  const end = extname(file).toLowerCase();
  if (end === '.safetensors') return readHeadLabels(file);
  const text = readText(file);
  const isJson = end === '.json';
  const labels = isJson ? parseJson(file, text) : text.replace(/\r?\n$/, '').split(/\r?\n/);
  if (!isNames(labels) || labels.length === 0) {
    throw new InputError(`${file}: must be a list of names, ["…", …]`);
  }
  const place = (i: number): string => (isJson ? `element ${i}` : `line ${i + 1}`);
  const known = new Map<string, number>();
  labels.forEach((label, i) => {
    if (label.trim() === '') throw new InputError(`${file}: ${place(i)} is an empty name`);
    const before = known.get(label);
    if (before !== undefined) {
      throw new InputError(`${file}: '${label}' is there twice, ${place(before)} and ${place(i)}: names must differ`);
    }
    known.set(label, i);
  });
  return labels;
}

/** To look classes up by their names. */
export function namesOf(labels: readonly string[] | null | undefined): Names | null {
  return labels === null || labels === undefined ? null : new Map(labels.map((label, i) => [label, i]));
}

/**
 * Checks that there are as many names as classes, where the input shows these before it is read.
 *
 * @param file of the names, for the message
 * @throws InputError that names both files
 */
export function checkLabelCount(file: string, labels: readonly string[], pieces: readonly Piece[]): void {
  const piece = pieces.find(({ classes }) => classes !== null);
  if (piece === undefined || piece.classes === labels.length) return;
  throw new InputError(
    `${file}: has ${labels.length} names, and ${nameOf(piece.scoresFile)} scores of ${piece.classes} classes`,
  );
}

async function readHeadLabels(file: string): Promise<string[]> {
  // Training takes long to load, and few evaluations need it.
  const { Tagger } = await import('multilabel-margin-loss/train');
  let labels: readonly string[] | null;
  try {
    ({ labels } = Tagger.load(readFileSync(file)));
  } catch (error) {
    throw toCommandError(error, file);
  }
  if (labels === null) throw new InputError(`${file}: is a head without names of labels`);
  return [...labels];
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((label) => typeof label === 'string');
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
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw toCommandError(error, file);
  }
  try {
    // Leaves a byte order mark out.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${file}: is not text in UTF-8`);
  }
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file}: is not JSON: ${(error as Error).message}`);
  }
}
