import { readdirSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { FloatArray } from '../../backend.js';
import { InputError } from '../input-error.js';

/** Rows of one input that follow each other. */
export interface RowBatch {
  /** [rows, classes] */
  scores: { data: FloatArray; shape: [rows: number, classes: number] };
  targets: number[][] | { data: Int32Array | BigInt64Array; shape: [rows: number, width: number] };
  /** Number of its first row, from 0, and the files they are in: for messages. */
  firstRow: number;
  scoresFile: string;
  targetsFile: string;
  /** Read so far of this input. */
  bytes: number;
}

/** About as many scores as pass through linear memory at a time, so that memory stays small and batches are not tiny. */
export const SCORES_PER_BATCH = 2 ** 18;

/** The files of patterns, in which * stands for any characters of a file's name, and ? for one: in order of their names. */
export function expand(patterns: readonly string[]): string[] {
  return patterns.flatMap((pattern) => {
    if (!/[*?]/.test(pattern)) return [pattern];
    const folder = dirname(pattern);
    const name = new RegExp(
      `^${basename(pattern)
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
    );
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch (error) {
      throw new InputError(`${pattern}: ${(error as Error).message}`);
    }
    const found = names.filter((each) => name.test(each)).sort();
    if (found.length === 0) throw new InputError(`${pattern}: no such file`);
    return found.map((each) => (folder === '.' && !pattern.startsWith('.') ? each : join(folder, each)));
  });
}

export function sizeOfFile(file: string): number {
  let stats: Stats | undefined;
  try {
    stats = statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    throw new InputError(`${file}: ${(error as Error).message}`);
  }
  if (stats === undefined) throw new InputError(`${file}: no such file`);
  if (stats.isDirectory()) throw new InputError(`${file}: is a folder, not a file`);
  return stats.size;
}
