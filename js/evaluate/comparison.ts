import type { Complete } from '../options.js';
import { bootstrap, type ComparedMetric, filledGroups } from './bootstrap.js';
import type { GroupSums } from './metrics.js';
import type { EvaluationResult, MetricsAtK } from './result.js';

/**
 * Options of {@link Evaluator.compare}, all of them optional.
 *
 * @example
 * import { type CompareOptions, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const options: CompareOptions = { level: 0.99, resamples: 5000, seed: 7 };
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * evaluator.compare(evaluator, options).level; // => 0.99
 */
export interface CompareOptions {
  /**
   * How often an interval is to hold what it estimates: above 0, below 1.
   * @default 0.95
   */
  level?: number | undefined;
  /**
   * Number of draws of the bootstrap: a whole number from 1 to 100,000.
   * @default 2000
   */
  resamples?: number | undefined;
  /**
   * The seed of the draws: the same one gives the same intervals. A whole number from 0 to 2^32 - 1.
   * @default 1
   */
  seed?: number | undefined;
}

/**
 * Two models over the same rows.
 *
 * @example
 * import { type Comparison, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const [first, second] = [new Evaluator({ k: [1] }), new Evaluator({ k: [1] })];
 * first.update([[0.5, 0.25, 0, 1]], [[1]]);
 * second.update([[0.5, 1, 0, 0.75]], [[1]]);
 * const comparison: Comparison = first.compare(second);
 * comparison.rows; // => 1
 * comparison.metrics.oneError.difference.value; // => -1
 * comparison.intervalsMissing?.includes('at least 30'); // => true
 * comparison.at[1]?.recall.second.value; // => 1
 */
export interface Comparison {
  /** Number of rows. */
  rows: number;
  /** The option `level`. */
  level: number;
  /** Why `low` and `high` of every estimate are null, in a sentence; null where they are not. */
  intervalsMissing: string | null;
  /** The metrics that are means over rows. */
  metrics: Record<
    'loss' | 'rankingLoss' | 'coverageError' | 'labelRankingAveragePrecision' | 'oneError' | 'meanReciprocalRank',
    ComparedMetric
  >;
  /** The metrics at k, by k. */
  at: Record<number, Record<keyof MetricsAtK, ComparedMetric>>;
}

/** In the order of RankingMetrics::groups() in src/metrics/ranking_metrics.h. */
const MEANS_OF_ROWS = [
  'loss',
  'rankingLoss',
  'coverageError',
  'labelRankingAveragePrecision',
  'oneError',
  'meanReciprocalRank',
] as const satisfies readonly (keyof Comparison['metrics'])[];
const METRICS_AT_K = ['precision', 'recall', 'ndcg'] as const;

/** Groups of rows that an interval needs at least: percentiles of a bootstrap of fewer are too narrow. */
const LEAST_GROUPS = 30;

/** Compares two models over the same rows: their results, and the sums of the groups of these rows. */
export function compareResults(
  models: readonly [first: EvaluationResult, second: EvaluationResult],
  groups: readonly [first: GroupSums, second: GroupSums],
  ks: readonly number[],
  options: Complete<CompareOptions>,
): Comparison {
  const meansOf = (result: EvaluationResult): number[] => [
    ...MEANS_OF_ROWS.map((metric) => result[metric]),
    ...ks.flatMap((k) => METRICS_AT_K.map((metric) => (result.at[k] as MetricsAtK)[metric])),
  ];
  const filled = filledGroups(groups[0]).length;
  const compared = bootstrap(
    [
      { means: meansOf(models[0]), groups: groups[0] },
      { means: meansOf(models[1]), groups: groups[1] },
    ],
    filled < LEAST_GROUPS ? null : options,
  );
  const named = <Name extends string>(names: readonly Name[], begin: number): Record<Name, ComparedMetric> =>
    Object.fromEntries(names.map((name, i) => [name, compared[begin + i]])) as Record<Name, ComparedMetric>;
  return {
    rows: models[0].rows,
    level: options.level,
    intervalsMissing:
      filled < LEAST_GROUPS
        ? `an interval needs rows in at least ${LEAST_GROUPS} of the ${groups[0].groups} groups that rows fall into, and ` +
          `these are in ${filled}`
        : null,
    metrics: named(MEANS_OF_ROWS, 0),
    at: Object.fromEntries(ks.map((k, i) => [k, named(METRICS_AT_K, MEANS_OF_ROWS.length + i * METRICS_AT_K.length)])),
  };
}
