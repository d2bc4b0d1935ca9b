// Parts of the work for machines that know nothing of each other: each derives its own from the names and sizes of files.

import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { EvaluationResult, Evaluator } from 'multilabel-margin-loss/evaluate';
import { nameOf, type Piece, type Source } from '../input/input.js';
import { sizeOfFile } from '../input/sources.js';
import { InputError } from '../errors.js';

/**
 * An evaluation that a state is the sum of: shards of an input, or a whole input, which is shard 1 of 1. Plain data, in the
 * file of the state.
 */
export interface Part {
  /** Number of shards that the input was cut into. */
  of: number;
  /** Numbers from 1, in ascending order. */
  indices: number[];
  /** A digest of the names and sizes of the files. */
  inputs: string;
  /** A digest of how they are read: in what order, cut where, and under which options. */
  cut: string;
  /** A digest of the results of a whole input, which tells files of the same names and sizes apart; null without rows. */
  results: string | null;
}

/** The shard of an evaluation without --shard. */
export const WHOLE = { index: 1, of: 1 };

/** Reads the value of --shard, i/n. */
export function parseShard(text: string): typeof WHOLE {
  const [, index, of] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (index === undefined || of === undefined || index < 1 || index > of) {
    throw new InputError(`--shard must be i/n, with i from 1 to n, got '${text}'`);
  }
  return { index, of };
}

/** Refuses shards of what can be read only once, before any of it is read. */
export function checkShards(sources: readonly Source[], of: number): void {
  const pipe = sources.find(({ isPipe }) => isPipe);
  if (pipe !== undefined && of > 1) {
    throw new InputError(`${nameOf(pipe.scoresFile)} cannot be read in shards: give regular files`);
  }
}

/** The pieces of one shard, from 1: neighbours, about as many bytes as those of each other. */
export function shardOf(pieces: readonly Piece[], index: number, of: number): Piece[] {
  const total = pieces.reduce((sum, { bytes }) => sum + bytes, 0);
  let before = 0;
  return pieces.filter(({ bytes }) => {
    const middle = before + bytes / 2;
    before += bytes;
    if (total === 0) return index === 1;
    return Math.min(of, 1 + Math.floor((middle / total) * of)) === index;
  });
}

/**
 * @param pieces of all shards; the folders that files are in may differ from machine to machine
 * @param evaluator for its options
 */
export function describeShard(pieces: readonly Piece[], evaluator: Evaluator, index: number, of: number): Part {
  const { k, loss, nonFinite, classification, labels } = evaluator.toJSON();
  const sizes = new Map<string, number>();
  for (const { scoresFile, targetsFile, isPipe } of pieces) {
    for (const file of [scoresFile, targetsFile]) {
      if (!sizes.has(file)) sizes.set(file, isPipe ? 0 : sizeOfFile(file));
    }
  }
  const files = [...sizes].map(([file, size]) => JSON.stringify([basename(file), size]));
  const cut = {
    options: { k, loss, nonFinite, classification, labels },
    files,
    pieces: pieces.map(({ format, columns, begin, end, classes, reading }) => [
      format,
      columns,
      begin,
      end,
      classes,
      reading,
    ]),
  };
  return { of, indices: [index], inputs: digestOf([...files].sort()), cut: digestOf(cut), results: null };
}

/**
 * The evaluations that a state is the sum of, where these are given. All shards of one input are that input as a whole, and a
 * whole input is known by its results, too: neither the model, nor options that leave rows as they are, nor threads change these.
 */
export function partsOf(parts: readonly Part[], result: EvaluationResult): readonly Part[] {
  const [part] = parts;
  if (part === undefined || parts.length > 1 || !isWhole(part)) return parts;
  return [{ ...part, of: 1, indices: [1], results: resultsOf(result) }];
}

function resultsOf({ perLabel, highestLosses, ...result }: EvaluationResult): string | null {
  if (result.rows === 0) return null;
  const hash = createHash('sha256');
  const add = (value: unknown): void => void hash.update(JSON.stringify(value));
  add({ ...result, labels: null, classification: null });
  // One by one: millions of labels are too long for one text.
  perLabel.forEach(add);
  highestLosses.forEach((row) => add({ ...row, source: basename(row.source) }));
  return hash.digest('hex');
}

/** The digest of the JSON of a value, whose members are in the order in which they were written. */
export function digestOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

/**
 * The parts that a state says it is the sum of.
 *
 * @throws InputError for anything that partsOf() and addPart() do not give
 */
export function toParts(value: unknown): Part[] {
  if (!Array.isArray(value)) throw new InputError('is damaged: it does not say of what evaluations it is');
  return value.map(toPart);
}

function toPart(value: unknown): Part {
  const { of, indices, inputs, cut, results } = Object(value) as Partial<Part>;
  const isCount = (count: unknown): count is number => Number.isSafeInteger(count) && (count as number) >= 1;
  const isRight =
    isCount(of) &&
    Array.isArray(indices) &&
    indices.length > 0 &&
    indices.every((index, i) => isCount(index) && index <= of && (i === 0 || index > (indices[i - 1] as number))) &&
    typeof inputs === 'string' &&
    typeof cut === 'string' &&
    (results === null || typeof results === 'string');
  if (!isRight) throw new InputError('is damaged: it does not say of what shards it is');
  return { of, indices, inputs, cut, results };
}

/**
 * Adds a part to those before: whole inputs beside one another, and shards to the shards of the same input.
 *
 * @param parts each with the file that it was first read from
 * @param isOfOne whether all are to be shards of one input
 * @throws InputError for rows that would count twice, and for shards of another input
 */
export function addPart(parts: { part: Part; file: string }[], part: Part, file: string, isOfOne: boolean): void {
  const shards = parts.find(({ part: { of } }) => isOfOne || (of > 1 && part.of > 1));
  if (shards !== undefined) {
    shards.part = joinShards(shards.part, part);
    return;
  }
  const double = parts.find((other) => isDouble(other.part, part));
  if (double !== undefined) {
    throw new InputError(`has an evaluation that ${double.file} has too: its rows would count twice`);
  }
  parts.push({ part, file });
}

/** Whether a whole input has the rows of another one, or of shards. */
function isDouble(a: Part, b: Part): boolean {
  return a.inputs === b.inputs && (a.of !== b.of || (a.results !== null && a.results === b.results));
}

/**
 * The shards of both.
 *
 * @throws InputError where a shard is in both, or they are not of the same input
 */
function joinShards(a: Part, b: Part): Part {
  if (a.of !== b.of) throw new InputError(`is of ${b.of} shards, those before are of ${a.of}`);
  if (a.inputs !== b.inputs || a.cut !== b.cut) throw new InputError('is of other files or options than those before');
  const there = new Set(a.indices);
  const twice = b.indices.find((index) => there.has(index));
  if (twice !== undefined) throw new InputError(`shard ${twice} of ${b.of} is there already`);
  return { ...a, indices: [...a.indices, ...b.indices].sort((i, j) => i - j) };
}

/** Whether all shards of an input are there. */
export function isWhole({ of, indices }: Part): boolean {
  return indices.length === of;
}

/** The shards that are not there, as text for a person: 3, 5-8. */
export function missingShards({ of, indices }: Part): string {
  const gaps: string[] = [];
  let next = 1;
  for (const index of [...indices, of + 1]) {
    if (index === next + 1) gaps.push(String(next));
    if (index > next + 1) gaps.push(`${next}-${index - 1}`);
    next = index + 1;
  }
  return gaps.join(', ');
}
