import { uniform } from './uniform.js';

/**
 * A mean over rows, or a ratio of two, and the ends of its confidence interval.
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
  /** The estimate from all rows. */
  value: number;
  /** The lower end; null where there are too few rows for an interval, or the value is not finite. */
  low: number | null;
  /** The upper end; null where there are too few rows for an interval, or the value is not finite. */
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

/** A metric of a model: its value, and what it is for the totals of groups that were drawn. */
export interface Quantity {
  value: number;
  of: (totals: Float64Array) => number;
}

/** A model's sums over rows, group by group, and the metrics that follow from them. */
export interface Model {
  /** [groups, width], row-major */
  sums: Float64Array;
  width: number;
  quantities: readonly Quantity[];
}

export interface Draws {
  /** The groups that are drawn from, with replacement as many as there are. */
  groups: readonly number[];
  level: number;
  resamples: number;
  seed: number;
}

/**
 * Calls use(places) for each draw, where places are those of the drawn groups among `groups`; they are overwritten by the
 * next draw.
 */
export function forEachDraw(
  { groups, resamples, seed }: Draws,
  use: (places: Uint16Array, draw: number) => void,
): void {
  const random = uniform(seed);
  const places = new Uint16Array(groups.length);
  for (let draw = 0; draw < resamples; draw++) {
    for (let i = 0; i < places.length; i++) places[i] = Math.floor(random() * groups.length);
    use(places, draw);
  }
}

/**
 * Percentile intervals of the metrics of two models over the same rows, from draws of groups with replacement.
 *
 * @param draws null for no intervals
 */
export function bootstrap(models: readonly [first: Model, second: Model], draws: Draws | null): ComparedMetric[] {
  const [first, second] = models;
  if (draws === null) {
    const none = (value: number): Estimate => ({ value, low: null, high: null });
    return first.quantities.map(({ value }, i) => {
      const other = (second.quantities[i] as Quantity).value;
      return { first: none(value), second: none(other), difference: none(other - value) };
    });
  }
  // [quantities, resamples] of each model
  const drawn = models.map(({ quantities }) => quantities.map(() => new Float64Array(draws.resamples)));
  const totals = models.map(({ width }) => new Float64Array(width));
  forEachDraw(draws, (places, draw) => {
    models.forEach(({ sums, width, quantities }, which) => {
      const total = (totals[which] as Float64Array).fill(0);
      for (let i = 0; i < places.length; i++) {
        const at = (draws.groups[places[i] as number] as number) * width;
        for (let sum = 0; sum < width; sum++) (total[sum] as number) += sums[at + sum] as number;
      }
      drawn[which]?.forEach((values, i) => (values[draw] = (quantities[i] as Quantity).of(total)));
    });
  });
  return first.quantities.map(({ value }, i) => {
    const [own, others] = drawn.map((values) => values[i]) as [Float64Array, Float64Array];
    const other = (second.quantities[i] as Quantity).value;
    const differences = others.map((drawnValue, draw) => drawnValue - (own[draw] as number));
    return {
      first: estimate(value, own, draws.level),
      second: estimate(other, others, draws.level),
      difference: estimate(other - value, differences, draws.level),
    };
  });
}

function estimate(value: number, drawn: Float64Array, level: number): Estimate {
  const sorted = drawn.slice().sort();
  const [low, high] = [quantile(sorted, (1 - level) / 2), quantile(sorted, (1 + level) / 2)];
  // A loss that is infinite, of scores at the ends of float64, has no interval.
  return Number.isFinite(low + value + high) ? { value, low, high } : { value, low: null, high: null };
}

/** Interpolates between the two nearest values, as numpy.quantile does. */
export function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] as number;
  return below + (place % 1) * ((sorted[Math.ceil(place)] as number) - below);
}
