// Rows of features, for the commands that train and predict.

import type { Features } from 'multilabel-margin-loss/train';
import { InputError } from '../errors.js';
import { nameOf, type Piece, type RowBatch, type Source } from './input.js';
import { type SourceValues, sourcesOf } from './sources.js';

/** The options that features are read by. */
export const FEATURE_OPTIONS = {
  features: { type: 'string', multiple: true },
  'features-column': { type: 'string' },
  'row-id': { type: 'string' },
} as const;

export const FEATURE_USAGE = `\
  .arrow .feather .parquet  columns of lists of numbers
  .npz                      arrays of NumPy
  any other name            lines of JSON: "features" is a list of numbers or, of rows that are mostly zeros, of [index, value]
or files of features alone: .npy [N, F], or .npz of scipy.sparse.save_npz (CSR).
Files may be compressed as for evaluate, and * and ? in a name match several.`;

/** The sources that the options and the names of files say to read features from. */
export function featureSources(
  values: SourceValues & { features?: string[] | undefined; 'features-column'?: string | undefined },
  names: readonly string[],
  what: 'features' | 'unlabelled features',
  classesOfTargets: number | null = null,
): Source[] {
  const { features, 'features-column': column } = values;
  return sourcesOf({ ...values, scores: features, 'scores-column': column }, names, what, classesOfTargets);
}

export function featuresOf({ scores, sparse }: RowBatch): Features {
  return sparse ?? scores;
}

/**
 * @param features that the head takes
 * @throws InputError that names the row, for rows that it does not take
 */
export function checkFeatures(piece: Piece, { scores, sparse, firstRow }: RowBatch, features: number): void {
  const file = nameOf(piece.scoresFile);
  const columns = scores.shape[1];
  if (sparse === null && columns !== features) {
    throw new InputError(`${file}: has ${columns} features, and the head takes ${features}`);
  }
  const data = sparse?.data ?? scores.data;
  const bad = data.findIndex((value) => !Number.isFinite(Math.fround(value)));
  const far = sparse === null || columns <= features ? -1 : sparse.indices.findIndex((j) => j >= features);
  if (bad === -1 && far === -1) return;
  const rowOf = (at: number): number =>
    firstRow + (sparse === null ? Math.floor(at / columns) : sparse.indptr.findIndex((end) => end > at) - 1);
  if (bad !== -1) {
    const column = sparse === null ? bad % columns : sparse.indices[bad];
    throw new InputError(
      `${file}: feature at row ${rowOf(bad)}, column ${column} is ${data[bad]}: features must be finite, also as float32`,
    );
  }
  throw new InputError(
    `${file}: row ${rowOf(far)} has feature ${sparse?.indices[far]}, and the head takes ${features}`,
  );
}
