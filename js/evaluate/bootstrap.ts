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
 * const { first }: { first: Estimate } = evaluator.compare(evaluator).metrics.labelRankingAveragePrecision;
 * first.value; // => 0.5
 * first.low <= first.value && first.value <= first.high; // => true
 */
export interface Estimate {
  /** The mean over all rows. */
  value: number;
  /** The lower end. */
  low: number;
  /** The upper end. */
  high: number;
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
 * difference; // => { value: -2, low: -2, high: -2 }
 */
export interface ComparedMetric {
  /** Of the evaluator whose method was called. */
  first: Estimate;
  /** Of the other. */
  second: Estimate;
  /** Of the second minus the first, row by row. */
  difference: Estimate;
}

/** A model's means over rows, and the sums of groups of rows that they come from. */
export interface Model {
  means: readonly number[];
  groups: GroupSums;
}

/**
 * Percentile intervals of the means of two models over the same rows, from draws of groups with replacement. A mean is a
 * ratio, of a sum to a number of rows, for groups are not of one size.
 */
export function bootstrap(
  models: readonly [first: Model, second: Model],
  { level, resamples, seed }: { level: number; resamples: number; seed: number },
): ComparedMetric[] {
  const { sumsOfGroup, sums, groups } = models[0].groups;
  // Empty ones would make resamples of another size than the data. Where rows are few, most are a group each.
  const places = Array.from({ length: groups }, (_, group) => group * sumsOfGroup).filter((at) => sums[at] !== 0);
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
      drawn[which]?.forEach((means, i) => (means[draw] = (total[i + 1] as number) / (total[0] as number)));
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
  // Between the two that are nearest, as numpy.quantile does.
  const quantile = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)] as number;
    return below + (place % 1) * ((sorted[Math.ceil(place)] as number) - below);
  };
  return { value, low: quantile((1 - level) / 2), high: quantile((1 + level) / 2) };
}
