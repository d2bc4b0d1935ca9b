// Parts of the work for machines that know nothing of each other: each derives its own from the names and sizes of files.

import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Evaluator } from 'multilabel-margin-loss/evaluate';
import { nameOf, type Piece, type Source } from '../input/input.js';
import { sizeOfFile } from '../input/sources.js';
import { InputError } from '../errors.js';

/** The shards that a state is the sum of. Plain data, in the file of the state. */
export interface Shards {
  /** Number of shards that the input was cut into. */
  of: number;
  /** Numbers from 1, in ascending order. */
  indices: number[];
  /** A digest of the files' names and sizes, of what is where in them, and of the options. */
  inputs: string;
}

/** Reads the value of --shard, i/n. */
export function parseShard(text: string): { index: number; of: number } {
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

/** @param pieces of all shards; the folders that files are in may differ from machine to machine */
export function describeShard(pieces: readonly Piece[], evaluator: Evaluator, index: number, of: number): Shards {
  const { k, loss, nonFinite, classification, labels } = evaluator.toJSON();
  const sizes = new Map<string, number>();
  for (const { scoresFile, targetsFile, isPipe } of pieces) {
    for (const file of [scoresFile, targetsFile]) {
      if (!sizes.has(file)) sizes.set(file, isPipe ? 0 : sizeOfFile(file));
    }
  }
  const input = {
    options: { k, loss, nonFinite, classification, labels },
    files: [...sizes].map(([file, size]) => [basename(file), size]),
    pieces: pieces.map(({ format, columns, begin, end, classes, reading }) => [
      format,
      columns,
      begin,
      end,
      classes,
      reading,
    ]),
  };
  return { of, indices: [index], inputs: createHash('sha256').update(JSON.stringify(input)).digest('hex') };
}

/**
 * The shards that a state says it is of; null stays null.
 *
 * @throws InputError for anything that describeShard() and joinShards() do not give
 */
export function toShards(value: unknown): Shards | null {
  if (value === null) return null;
  const { of, indices, inputs } = Object(value) as Partial<Shards>;
  const isCount = (count: unknown): count is number => Number.isSafeInteger(count) && (count as number) >= 1;
  const isRight =
    isCount(of) &&
    Array.isArray(indices) &&
    indices.length > 0 &&
    indices.every((index, i) => isCount(index) && index <= of && (i === 0 || index > (indices[i - 1] as number))) &&
    typeof inputs === 'string';
  if (!isRight) throw new InputError('is damaged: it does not say of what shards it is');
  return { of, indices, inputs };
}

/**
 * The shards of both.
 *
 * @throws InputError where a shard is in both, or they are not of the same input
 */
export function joinShards(a: Shards, b: Shards): Shards {
  if (a.of !== b.of) throw new InputError(`is of ${b.of} shards, those before are of ${a.of}`);
  if (a.inputs !== b.inputs) throw new InputError('is of other files or options than those before');
  const there = new Set(a.indices);
  const twice = b.indices.find((index) => there.has(index));
  if (twice !== undefined) throw new InputError(`shard ${twice} of ${b.of} is there already`);
  return { ...a, indices: [...a.indices, ...b.indices].sort((i, j) => i - j) };
}

/** The shards that are not there, as text for a person: 3, 5-8. */
export function missingShards({ of, indices }: Shards): string {
  const gaps: string[] = [];
  let next = 1;
  for (const index of [...indices, of + 1]) {
    if (index === next + 1) gaps.push(String(next));
    if (index > next + 1) gaps.push(`${next}-${index - 1}`);
    next = index + 1;
  }
  return gaps.join(', ');
}
