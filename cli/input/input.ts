import { readdirSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError, toCommandError } from '../errors.js';

export type Format = 'npy' | 'ndjson' | 'arrow' | 'parquet';

/** What the user named: rows in one file, or their scores and their targets in two. Plain data. */
export interface Source {
  format: Format;
  /** The same, unless the format is npy. '-' is standard input. */
  scoresFile: string;
  targetsFile: string;
  /** What a row has beside its targets, which next to features may be a mask of another width. */
  what: 'scores' | 'features';
  /** Where a row has names for what is in it. */
  columns: { scores: string; targets: string };
}

/**
 * A part of a source that can be read by itself, by any thread, and on any machine that has the files. Plain data: to be
 * sent as JSON.
 */
export interface Piece extends Source {
  /**
   * From here to before there: rows of .npy and Parquet; bytes of lines of JSON, and of messages of
   * Arrow, of which those count that start there.
   */
  begin: number;
  end: number;
  /** About as many are to be read; 0 if that is unknown. */
  bytes: number;
  /** The number of its first row in its file, from 0, or null if that has not been counted: see `numberRows`. */
  firstRow: number | null;
  /** Scores of each row, or null if that is unknown until they are read. */
  classes: number | null;
}

/** Rows of a piece that follow each other. The next batch may be in the same memory: it is to be used at once, or copied. */
export interface RowBatch {
  /** [rows, classes] */
  scores: { data: Float32Array | Float64Array; shape: [rows: number, classes: number] };
  targets: number[][] | { data: Int32Array | BigInt64Array; shape: [rows: number, width: number] };
  /** The number of its first row in its file, from 0. */
  firstRow: number;
  /** Of its piece, that were read for it. */
  bytes: number;
}

/** What knows a format. Pieces that it is given are all of one source. */
export interface Reader {
  /** A source in pieces of about so many bytes. */
  cut: (source: Source, bytes: number) => Promise<Piece[]> | Piece[];
  read: (piece: Piece) => Iterable<RowBatch> | AsyncIterable<RowBatch>;
  /** Pieces in the order of `cut`, each with the number of its first row. */
  numberRows: (pieces: readonly Piece[]) => Promise<Piece[]> | readonly Piece[];
}

/** About as many scores as pass through linear memory at a time, so that memory stays small and batches are not tiny. */
export const SCORES_PER_BATCH = 2 ** 18;

export function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file;
}

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
      throw toCommandError(error, pattern);
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
    throw toCommandError(error, file);
  }
  if (stats === undefined) throw new InputError(`${file}: no such file`);
  if (stats.isDirectory()) throw new InputError(`${file}: is a folder, not a file`);
  return stats.size;
}
