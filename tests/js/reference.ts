// The loss, its gradient and how close a result must come to them, written for reading: a loop over all pairs of every
// row. The conditions are evaluated in the type of the scores, as PyTorch does, and everything else in float64.

import type { MultiLabelMarginLossOptions } from 'multilabel-margin-loss';

export interface ReferenceBatch {
  scores: Float32Array | Float64Array;
  rows: number;
  classes: number;
  /** A list for each row; only what comes before the first negative entry counts. */
  targets: readonly (readonly number[])[];
}

export interface Reference {
  /** Of each row, before any reduction. */
  losses: number[];
  /** By how much a result under 'none' may differ from `losses`. */
  lossBounds: number[];
  /** Reduced by 'sum' or 'mean'; for 'none' the sum. */
  loss: number;
  lossBound: number;
  /** Of the reduced loss; for 'none' of the sum. */
  gradient: Float64Array;
  gradientBounds: Float64Array;
  /** Number of pairs that a score is in and that count, as either one of them; [rows, classes]. */
  pairs: Float64Array;
}

const DOUBLE = 2 ** -53;

/** Largest relative error of one rounding to the type of the scores. */
export const unitRoundoff = (scores: Float32Array | Float64Array): number =>
  scores instanceof Float32Array ? 2 ** -24 : DOUBLE;

/** The entries that count. */
export function activeTargets(row: readonly number[]): readonly number[] {
  const end = row.findIndex((target) => target < 0);
  return end < 0 ? row : row.slice(0, end);
}

export function reference(
  { scores, rows, classes, targets }: ReferenceBatch,
  options: MultiLabelMarginLossOptions = {},
): Reference {
  const { reduction = 'mean', normalization = 'classes', targetOrder = 'ignored', nan = 'ignore' } = options;
  const round = scores instanceof Float32Array ? Math.fround : (value: number) => value;
  const margin = round(options.margin ?? 1);
  const u = unitRoundoff(scores);
  const perRow = reduction === 'mean' ? rows : 1;

  const losses: number[] = [];
  const summingBounds: number[] = [];
  const gradient = new Float64Array(scores.length);
  const gradientBounds = new Float64Array(scores.length);
  const pairs = new Float64Array(scores.length);

  for (let row = 0; row < rows; row++) {
    const x = scores.subarray(row * classes, (row + 1) * classes);
    const Y = activeTargets(targets[row]!);
    const divisor = normalization === 'classes' ? classes : Y.length;
    const counts = new Float64Array(classes); // the gradient, in units of 1/divisor
    const inPairs = pairs.subarray(row * classes, (row + 1) * classes);
    const listings = new Float64Array(classes);
    for (const k of Y) listings[k]!++;
    let sum = 0;
    let sumOfPairs = 0;

    const addPair = (high: number, low: number): void => {
      const difference = round(margin - x[high]!);
      if (!(round(difference + x[low]!) > 0)) return; // 0 and NaN count nothing
      sum += x[low]! - -difference;
      sumOfPairs++;
      counts[low]!++;
      counts[high]!--;
      inPairs[low]!++;
      inPairs[high]!++;
    };

    for (const k of Y) {
      for (let j = 0; j < classes; j++) if (listings[j] === 0) addPair(k, j);
    }
    if (targetOrder === 'ranked') {
      for (let i = 0; i < Y.length; i++) {
        for (let j = i + 1; j < Y.length; j++) addPair(Y[i]!, Y[j]!);
      }
    }

    const isNaNRow = nan === 'propagate' && x.some(Number.isNaN);
    const loss = isNaNRow ? Number.NaN : Y.length === 0 ? 0 : sum / divisor;
    losses.push(loss);

    // Scores and thresholds are at most `largest`, and so are twice over their differences from any of them. A sum of
    // those over all pairs, two terms for each, grouped by score and by threshold into `terms` products, is off by
    // the roundings that a term meets times the sum of the terms' sizes. The sum above has one term for each pair.
    let largest = Math.abs(margin);
    for (const score of x) if (Number.isFinite(score)) largest = Math.max(largest, Math.abs(score) + Math.abs(margin));
    const terms = classes + Y.length + 8;
    // float32: the terms of a loss without its gradient, none of which is negative, meet five roundings to float32: the
    // subtraction and four additions.
    const inFloat = u === DOUBLE ? 0 : 5.01 * u * loss;
    summingBounds.push(
      sumOfPairs === 0
        ? 0
        : DOUBLE * ((terms * 4 * largest * sumOfPairs) / divisor + (sumOfPairs + 4) * loss) + inFloat,
    );

    for (let j = 0; j < classes; j++) {
      const at = row * classes + j;
      gradient[at] = isNaNRow ? Number.NaN : Y.length === 0 ? 0 : counts[j]! / divisor / perRow;
      // float32: the factor and its product with the count are rounded. float64: 1/N and 1/divisor too, and `gradient`
      // twice. A target that is listed several times is the sum of as many products. All of second order goes to .01.
      const roundings = (u === DOUBLE ? 5.01 : 2.01) + Math.max(0, listings[j]! - 1);
      gradientBounds[at] = Y.length === 0 ? 0 : (roundings * u * inPairs[j]!) / divisor / perRow;
    }
  }

  const sum = losses.reduce((total, loss) => total + loss, 0);
  const loss = reduction === 'mean' ? sum / rows : sum;
  const summingBound = summingBounds.reduce((total, bound) => total + bound, 0) / perRow;
  return {
    losses,
    lossBounds: losses.map((rowLoss, row) => summingBounds[row]! + u * Math.abs(rowLoss)),
    loss,
    // Twice the sum over the rows, here and in the package, and the rounding to the type of the scores.
    lossBound: summingBound + ((2 * rows + 2) * DOUBLE + u) * Math.abs(loss),
    gradient,
    gradientBounds,
    pairs,
  };
}
