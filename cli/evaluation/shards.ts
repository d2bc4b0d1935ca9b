// Parts of the work for machines that know nothing of each other: each reckons its own from the same files.

import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Evaluator } from 'multilabel-margin-loss/evaluate';
import { sizeOfFile, type Piece } from '../input/input.js';
import { InputError } from '../errors.js';

/** Which shards of which input a state is the sum of. Plain data, in the file of the state. */
export interface Shards {
  /** Into so many the input was cut. */
  of: number;
  /** From 1, ascending. */
  indices: number[];
  /** A digest of the files' names and sizes, of what is where in them, and of the options. */
  inputs: string;
}

/** Of i/n. */
export function parseShard(text: string): { index: number; of: number } {
  const [, index, of] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (index === undefined || of === undefined || index < 1 || index > of) {
    throw new InputError(`--shard must be i/n, with i from 1 to n, got '${text}'`);
  }
  return { index, of };
}

/** The pieces of one shard, from 1: neighbours, about as many bytes as those of each other. */
export function shardOf(pieces: readonly Piece[], index: number, of: number): Piece[] {
  const whole = pieces.find(({ scoresFile }) => scoresFile === '-');
  if (whole !== undefined && of > 1) throw new InputError('standard input cannot be read in shards: give files');
  const total = pieces.reduce((sum, { bytes }) => sum + bytes, 0);
  let before = 0;
  return pieces.filter(({ bytes }) => {
    const middle = before + bytes / 2;
    before += bytes;
    return Math.min(of, 1 + Math.floor((middle / total) * of)) === index;
  });
}

/** @param pieces of all shards; the folders that files are in may differ from machine to machine */
export function describeShard(pieces: readonly Piece[], evaluator: Evaluator, index: number, of: number): Shards {
  const { k, loss, nonFinite } = evaluator.toJSON();
  const sizes = new Map<string, number>();
  for (const { scoresFile, targetsFile } of pieces) {
    for (const file of [scoresFile, targetsFile]) {
      if (!sizes.has(file)) sizes.set(file, file === '-' ? 0 : sizeOfFile(file));
    }
  }
  const input = {
    options: { k, loss, nonFinite },
    files: [...sizes].map(([file, size]) => [basename(file), size]),
    pieces: pieces.map(({ format, columns, begin, end, classes }) => [format, columns, begin, end, classes]),
  };
  return { of, indices: [index], inputs: createHash('sha256').update(JSON.stringify(input)).digest('hex') };
}

/** What a state says of itself, or null where it is not of a shard. */
export function shardsIn(json: unknown): Shards | null {
  const { shards } = Object(json) as { shards?: unknown };
  if (shards === undefined) return null;
  const { of, indices, inputs } = Object(shards) as Partial<Shards>;
  const isShard = (index: unknown): boolean => Number.isInteger(index) && (index as number) >= 1;
  if (!isShard(of) || !Array.isArray(indices) || !indices.every(isShard) || typeof inputs !== 'string') {
    throw new InputError('what it says of its shards is damaged');
  }
  return { of: of as number, indices: indices, inputs };
}

/**
 * Those of both.
 *
 * @throws InputError where a shard is in both, or they are not of the same input
 */
export function joinShards(a: Shards, b: Shards): Shards {
  if (a.of !== b.of) throw new InputError(`is of ${b.of} shards, those before are of ${a.of}`);
  if (a.inputs !== b.inputs) throw new InputError('is of other files or options than those before');
  const twice = b.indices.find((index) => a.indices.includes(index));
  if (twice !== undefined) throw new InputError(`shard ${twice} of ${b.of} is there already`);
  return { ...a, indices: [...a.indices, ...b.indices].sort((i, j) => i - j) };
}

/** The shards that are not there, as for a person: 3, 5-8. */
export function missingShards({ of, indices }: Shards): string {
  const there = new Set(indices);
  const gaps: [first: number, last: number][] = [];
  for (let index = 1; index <= of; index++) {
    if (there.has(index)) continue;
    const gap = gaps.at(-1);
    if (gap?.[1] === index - 1) gap[1] = index;
    else gaps.push([index, index]);
  }
  return gaps.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(', ');
}
