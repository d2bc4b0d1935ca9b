import { statSync } from 'node:fs';
import type { Names, TargetsAre } from './targets.js';

export type Format = 'npy' | 'ndjson' | 'arrow' | 'parquet';

/** An input of the command: rows in one file, or their scores and targets in two. Plain data. */
export interface Source {
  format: Format;
  /** Differs from `targetsFile` in the format npy alone. '-' is standard input. */
  scoresFile: string;
  /** The file of the targets; the file of the scores where rows have no targets. */
  targetsFile: string;
  /** Whether targets are read. */
  hasTargets: boolean;
  /**
   * A row has these numbers beside its targets. Pairs are [label, score] of the highest scores. Features and pairs do not say how many
   * classes there are.
   */
  what: 'scores' | 'features' | 'pairs';
  /** Names of columns, of members of .npz and of keys of lines of JSON. */
  columns: {
    scores: string;
    targets: string;
    rowId: string | null;
    sampleWeight: string | null;
    unknown: string | null;
  };
  /** The option --targets-are, or null: each row decides. */
  targetsAre: TargetsAre | null;
  /** Number of classes beside features and pairs, or null if it is unknown. Scores say it themselves. */
  classesOfTargets: number | null;
  /** Whether a file of it can be read only once. */
  isPipe: boolean;
  /** Position of the source among all sources, from 0. */
  ordinal: number;
}

/** How the targets of a file are read, by its first row. */
export interface Reading {
  targetsAre: TargetsAre;
  /** The type of an element, as in messages. */
  type: string;
  /** Number of classes of a mask; null for class indices. */
  classes: number | null;
}

/**
 * A part of a source that any thread reads by itself, on any machine that has the files. Plain data, which can be sent as
 * JSON.
 */
export interface Piece extends Source {
  /**
   * From here to before there: rows of arrays and Parquet; bytes of lines of JSON, and of messages of Arrow, where those
   * count that start there.
   */
  begin: number;
  end: number;
  /** About the number of bytes to read; 0 if it is unknown. */
  bytes: number;
  /** The number of its first row in its file, from 0, or null if rows have not been counted: see `numberRows`. */
  firstRow: number | null;
  /** Scores of each row; 0 for sparse rows that do not say it; null if it is unknown until they are read. */
  classes: number | null;
  /** How the first row says that targets are read, or null if the file must be read to know it. */
  reading: Reading | null;
}

/** Consecutive rows of a piece. The next batch may be in the same memory: use a batch at once, or copy it. */
export interface RowBatch {
  /** [rows, classes] */
  scores: { data: Float32Array | Float64Array; shape: [rows: number, classes: number] };
  /** Class indices, padded with -1: [rows, width] */
  targets: { data: Int32Array; shape: [rows: number, width: number] };
  reading: Reading;
  /** Features of rows that are mostly zeros: `scores` has their shape then, and no data. */
  sparse: SparseRows | null;
  /** The highest scores of each row: `scores` has the shape of all then, and no data. */
  pairs: Pairs | null;
  /** [rows], or null without the column. */
  sampleWeight: Float64Array | null;
  /** Unknown classes in the form of `targets`; null without the column. */
  unknown: { data: Int32Array; shape: [rows: number, width: number] } | null;
  /** [rows]: what --row-id names, or null without it. */
  rowIds: readonly (string | number | bigint)[] | null;
  /** The number of its first row in its file, from 0. */
  firstRow: number;
  /** Number of bytes of its piece that were read for it. */
  bytes: number;
}

/** The highest scores of rows and their classes, which are -1 behind the last one of a row. */
export interface Pairs {
  values: Float64Array;
  indices: Int32Array;
  shape: [rows: number, width: number];
}

/** Rows of numbers that are mostly zeros, as scipy.sparse.csr_matrix has them. */
export interface SparseRows {
  data: Float32Array | Float64Array;
  indices: Int32Array;
  /** [rows + 1] */
  indptr: Int32Array;
  shape: [rows: number, columns: number];
}

/** The reading of rows whose targets are not read. */
export const NO_TARGETS: Reading = { targetsAre: 'indices', type: 'none', classes: null };

/** Knows a format. All pieces of a call are of one source; `names` is null where names of labels are not known. */
export interface Reader {
  /** A source in pieces of about so many bytes. */
  cut: (source: Source, bytes: number, names: Names | null) => Promise<Piece[]> | Piece[];
  read: (piece: Piece, names: Names | null) => AsyncIterable<RowBatch>;
  /** Pieces in the order of `cut`, each with the number of its first row. */
  numberRows: (pieces: readonly Piece[]) => Promise<Piece[]> | readonly Piece[];
}

/** About the number of scores that pass through linear memory at a time: memory stays small, and batches are not tiny. */
export const SCORES_PER_BATCH = 2 ** 18;

export function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file;
}

/** A whole source as one piece, for files that are read from beginning to end. */
export function wholeSource(source: Source): Piece {
  const bytes = source.isPipe ? 0 : statSync(source.scoresFile).size;
  return { ...source, begin: 0, end: Number.MAX_SAFE_INTEGER, bytes, firstRow: 0, classes: null, reading: null };
}
