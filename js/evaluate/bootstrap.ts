import type { GroupSums } from './metrics.js';
import { uniform } from './uniform.js';

/**
 * A mean over rows, and the ends of its confidence interval.
 *
 * @example
 * import { type Estimate, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.2, 0.4, 0.8], [0.5, 0.1, 0.2, 0.3]], [[3, 0], [1]]);
 * // Two rows are too few for an interval: see Comparison.intervalsMissing.
 * const { first }: { first: Estimate } = evaluator.compare(evaluator).metrics.labelRankingAveragePrecision;
 * first.value; // => 0.5
 * [first.low, first.high]; // => [null, null]
 */
export interface Estimate {
  /** The mean over all rows. */
  value: number;
  /** The lower end; null where there are too few rows for an interval. */
  low: number | null;
  /** The upper end; null where there are too few rows for an interval. */
  high: number | null;
}

/**
 * One metric of two models.
 *
 * @example
 * import { type ComparedMetric, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const [first, second] = [new Evaluator(), new Evaluator()];
 * first.update([[0.5, 0.25, 0, 1]], [[1]]);
 * second.update([[0.5, 1, 0, 0.75]], [[1]]);
 * const { difference }: ComparedMetric = first.compare(second).metrics.coverageError;
 * difference.value; // => -2
 */
export interface ComparedMetric {
  /** The evaluator whose method was called. */
  first: Estimate;
  /** The other one. */
  second: Estimate;
  /** The second minus the first, row by row. */
  difference: Estimate;
}

/** A model's means over rows, and the sums of groups of rows that they come from. */
export interface Model {
  means: readonly number[];
  groups: GroupSums;
}

/** Where the sums begin of each group that has rows of a weight above 0. */
export function filledGroups({ sums, groups, sumsOfGroup }: GroupSums): number[] {
  return Array.from({ length: groups }, (_, group) => group * sumsOfGroup).filter(
    (at) => (sums[at + WEIGHT] as number) > 0,
  );
}

/** The place of the sum of weights among the sums of a group. Those of the metrics follow. */
const WEIGHT = 1;

/**
 * Percentile intervals of the means of two models over the same rows, from draws of groups with replacement. Each mean is
 * the ratio of a sum to a sum of weights, because groups differ in size.
 *
 * @param options null for no intervals
 */
export function bootstrap(
  models: readonly [first: Model, second: Model],
  options: { level: number; resamples: number; seed: number } | null,
): ComparedMetric[] {
  if (options === null) {
    const none = (value: number): Estimate => ({ value, low: null, high: null });
    return models[0].means.map((mean, i) => {
      const other = models[1].means[i] as number;
      return { first: none(mean), second: none(other), difference: none(other - mean) };
    });
  }
  const { level, resamples, seed } = options;
  const { sumsOfGroup } = models[0].groups;
  // Empty groups would make resamples of another size than the data. Where rows are few, most groups have one row.
  const places = filledGroups(models[0].groups);
  // [means, resamples] of each model
  const drawn = models.map(({ means }) => means.map(() => new Float64Array(resamples)));
  const random = uniform(seed);
  const totals = models.map(() => new Float64Array(sumsOfGroup));
  for (let draw = 0; draw < resamples; draw++) {
    for (const total of totals) total.fill(0);
    for (let count = 0; count < places.length; count++) {
      const at = places[Math.floor(random() * places.length)] as number;
      models.forEach((model, which) => {
        const total = totals[which] as Float64Array;
        for (let i = 0; i < sumsOfGroup; i++) (total[i] as number) += model.groups.sums[at + i] as number;
      });
    }
    totals.forEach((total, which) => {
      drawn[which]?.forEach(
        (means, i) => (means[draw] = (total[WEIGHT + 1 + i] as number) / (total[WEIGHT] as number)),
      );
    });
  }
  return models[0].means.map((mean, i) => {
    const [first, second] = drawn.map((means) => means[i]) as [Float64Array, Float64Array];
    const other = models[1].means[i] as number;
    const differences = second.map((value, draw) => value - (first[draw] as number));
    return {
      first: estimate(mean, first, level),
      second: estimate(other, second, level),
      difference: estimate(other - mean, differences, level),
    };
  });
}

function estimate(value: number, means: Float64Array, level: number): Estimate {
  const sorted = means.slice().sort();
  // Interpolates between the two nearest means, as numpy.quantile does.
  const quantile = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)] as number;
    return below + (place % 1) * ((sorted[Math.ceil(place)] as number) - below);
  };
  return { value, low: quantile((1 - level) / 2), high: quantile((1 + level) / 2) };
}
