// Rows of features, for the commands that train and predict.

import type { Features } from 'multilabel-margin-loss/train';
import type { RowBatch, Source } from './input.js';
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
