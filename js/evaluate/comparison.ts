import type { Complete } from '../options.js';
import { bootstrap, type ComparedMetric, type Draws, type Estimate, type Model, type Quantity } from './bootstrap.js';
import { type ClassificationMetrics, type ClassificationResult, metricsOf } from './classification.js';
import { type ComparedLabel, compareLabels, type LabelGroupsOf } from './compared-labels.js';
import { LABEL_GROUP, MOST_CLASSES_IN_DETAIL } from './layout.js';
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
 * The metrics of predicted labels of two models. Macro and weighted means over the labels are not among them: labels of few
 * rows are in some draws of the bootstrap, and in others not.
 *
 * @example
 * import { type ComparedClassification, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const options = { classification: { thresholds: 0.5 } };
 * const [first, second] = [new Evaluator(options), new Evaluator(options)];
 * first.update([[0.75, 0.25, 0]], [[0, 1]]);
 * second.update([[0.75, 0.5, 0.25]], [[0, 1]]);
 * const compared: ComparedClassification | null = first.compare(second).classification;
 * compared?.micro.recall?.difference.value; // => 0.5
 * compared?.micro.fBeta; // => null
 */
export interface ComparedClassification {
  /** Share of classes that are predicted and no label, or the other way round. */
  hammingLoss: ComparedMetric;
  /** Share of rows whose predicted classes are their labels. */
  subsetAccuracy: ComparedMetric;
  /** The metrics of all classes of all rows together; `fBeta` is null where one evaluator has another `beta`, or none. */
  micro: Record<keyof ClassificationMetrics, ComparedMetric | null>;
  /** Means over the rows; `fBeta` as in `micro`. */
  samples: Record<keyof ClassificationMetrics, ComparedMetric | null>;
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
  /** Why the metrics but one-error and those at k are NaN, in a sentence; null where they are known. */
  rankingMissing: string | null;
  /** The metrics that are means over rows. */
  metrics: Record<
    'loss' | 'rankingLoss' | 'coverageError' | 'labelRankingAveragePrecision' | 'oneError' | 'meanReciprocalRank',
    ComparedMetric
  >;
  /** The metrics at k, by k. */
  at: Record<number, Record<keyof MetricsAtK, ComparedMetric>>;
  /**
   * The metrics of predicted labels. Null where one of the evaluators has none, or another `zeroDivision`. The metrics of
   * `micro` have no interval for rows with weights, nor beyond 4,096 classes.
   */
  classification: ComparedClassification | null;
  /** The names of the classes, [C]; null where neither evaluator has some. */
  labels: readonly string[] | null;
  /** Why there is no interval for any label, in a sentence; null where there are some. */
  labelIntervalsMissing: string | null;
  /**
   * Each label, those that differ most first: by how far the interval of the difference of F1, or without predictions of
   * the mean rank, is from 0; then by that difference. The intervals of a metric hold all at once, as often as `level` says.
   * Labels that rows of fewer than 30 groups have come without an interval, after the others.
   */
  perLabel: ComparedLabel[];
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

const ROW_METRICS = ['precision', 'recall', 'f1', 'fBeta', 'jaccard'] as const;
/** The metrics of predictions that are means over rows, in the order of Classification::RowMetric. */
const ROW_MEANS = [...ROW_METRICS, 'hammingLoss', 'subsetAccuracy'] as const;

/** Places of the numbers of a group: its rows, the sum of their weights, and then the sums of the metrics. */
const [WEIGHT, FIRST_SUM] = [1, 2];

/** The estimate of a metric that is not known. */
const UNKNOWN: Estimate = { value: Number.NaN, low: null, high: null };
const NOT_COMPARED: ComparedMetric = { first: UNKNOWN, second: UNKNOWN, difference: UNKNOWN };

/** Groups of rows that an interval needs at least: percentiles of a bootstrap of fewer are too narrow. */
const LEAST_GROUPS = 30;

/**
 * Compares two models over the same rows: their results, and the sums of the groups of these rows.
 *
 * @param labelGroupsOf null where there are too many classes
 */
export function compareResults(
  results: readonly [first: EvaluationResult, second: EvaluationResult],
  groups: readonly [first: GroupSums, second: GroupSums],
  labelGroupsOf: LabelGroupsOf | null,
  ks: readonly number[],
  options: Complete<CompareOptions>,
): Comparison {
  const [first, second] = results;
  const filled = filledGroups(groups[0]);
  const draws: Draws | null = filled.length < LEAST_GROUPS ? null : { groups: filled, ...options };
  const isClassified =
    first.classification !== null && first.classification.zeroDivision === second.classification?.zeroDivision;
  const meansOf = (result: EvaluationResult): number[] => [
    ...MEANS_OF_ROWS.map((metric) => result[metric]),
    ...ks.flatMap((k) => METRICS_AT_K.map((metric) => (result.at[k] as MetricsAtK)[metric])),
    ...(isClassified ? rowMeansOf(result.classification as ClassificationResult) : []),
  ];
  const toModel = (model: 0 | 1): Model => ({
    sums: groups[model].sums,
    width: groups[model].sumsOfGroup,
    quantities: meansOf(results[model]).map(toMean),
  });
  const compared = bootstrap([toModel(0), toModel(1)], draws);
  const missing = first.rankingMissing ?? second.rankingMissing;
  if (missing !== null) {
    MEANS_OF_ROWS.forEach((metric, i) => {
      if (metric !== 'oneError') compared[i] = NOT_COMPARED;
    });
  }
  const named = <Name extends string>(names: readonly Name[], begin: number): Record<Name, ComparedMetric> =>
    Object.fromEntries(names.map((name, i) => [name, compared[begin + i]])) as Record<Name, ComparedMetric>;
  const intervalsMissing =
    draws === null
      ? `an interval needs rows in at least ${LEAST_GROUPS} of the ${groups[0].groups} groups that rows fall into, and ` +
        `these are in ${filled.length}`
      : null;
  const whyNone = intervalsMissing ?? whyNoLabelIntervals(first, labelGroupsOf);
  const labelDraws = whyNone === null ? draws : null;
  const perLabel = compareLabels(results, isClassified, labelGroupsOf, labelDraws, LEAST_GROUPS);
  const hasIntervals = perLabel.some(({ f1, meanRank }) => (f1 ?? meanRank).low !== null);
  const atK = MEANS_OF_ROWS.length;
  return {
    rows: first.rows,
    level: options.level,
    intervalsMissing,
    rankingMissing: missing,
    metrics: named(MEANS_OF_ROWS, 0),
    at: Object.fromEntries(ks.map((k, i) => [k, named(METRICS_AT_K, atK + i * METRICS_AT_K.length)])),
    classification: isClassified
      ? toComparedClassification(
          results,
          named(ROW_MEANS, atK + ks.length * METRICS_AT_K.length),
          microOf(results, groups[0].groups, labelGroupsOf, labelDraws),
        )
      : null,
    labels: first.labels ?? second.labels,
    labelIntervalsMissing: whyNone ?? (hasIntervals ? null : whyNoLabelHasOne(missing !== null && !isClassified)),
    perLabel,
  };
}

function toMean(value: number, i: number): Quantity {
  return { value, of: (totals) => (totals[FIRST_SUM + i] as number) / (totals[WEIGHT] as number) };
}

/** The F-measure of a result without beta is that for 1, which its sums have. */
function rowMeansOf({ samples, hammingLoss, subsetAccuracy }: ClassificationResult): number[] {
  return [...ROW_METRICS.map((metric) => samples[metric] ?? samples.f1), hammingLoss, subsetAccuracy];
}

/** The groups that have rows of a weight above 0. */
function filledGroups({ sums, groups, sumsOfGroup }: GroupSums): number[] {
  return Array.from({ length: groups }, (_, group) => group).filter(
    (group) => (sums[group * sumsOfGroup + WEIGHT] as number) > 0,
  );
}

function whyNoLabelIntervals({ classes, hasWeights }: EvaluationResult, groupsOf: LabelGroupsOf | null): string | null {
  if (groupsOf === null) {
    return (
      `intervals of labels are for at most ${MOST_CLASSES_IN_DETAIL} classes, and these are ${classes}: the sums of each ` +
      'would take too much memory'
    );
  }
  return hasWeights ? 'intervals of labels are for rows without weights' : null;
}

function whyNoLabelHasOne(isUnknown: boolean): string {
  return isUnknown
    ? 'the ranks of labels are not known, nor which are predicted'
    : `an interval of a label needs rows that have it in at least ${LEAST_GROUPS} groups`;
}

/** The metrics of all classes of all rows together, which are ratios of sums over labels. */
function microOf(
  results: readonly [first: EvaluationResult, second: EvaluationResult],
  groups: number,
  groupsOf: LabelGroupsOf | null,
  draws: Draws | null,
): Record<keyof ClassificationMetrics, ComparedMetric> {
  const { support, predicted, truePositives, size } = LABEL_GROUP;
  const totals = [new Float64Array(groups * size), new Float64Array(groups * size)] as const;
  if (draws !== null && groupsOf !== null) {
    for (const { label } of results[0].perLabel) {
      groupsOf(label).forEach((ofLabel, model) => {
        const total = totals[model as 0 | 1];
        for (let i = 0; i < total.length; i++) (total[i] as number) += ofLabel[i] as number;
      });
    }
  }
  const toModel = (model: 0 | 1): Model => {
    const { micro, beta, zeroDivision } = results[model].classification as ClassificationResult;
    const quantities = ROW_METRICS.map((metric): Quantity => ({
      value: micro[metric] ?? micro.f1,
      of: (drawn) => {
        const counts = {
          support: drawn[support] as number,
          predicted: drawn[predicted] as number,
          truePositives: drawn[truePositives] as number,
        };
        return metricsOf(counts, beta ?? 1, zeroDivision)[metric] as number;
      },
    }));
    return { sums: totals[model], width: size, quantities };
  };
  const compared = bootstrap([toModel(0), toModel(1)], draws);
  return Object.fromEntries(ROW_METRICS.map((metric, i) => [metric, compared[i]])) as ReturnType<typeof microOf>;
}

function toComparedClassification(
  [first, second]: readonly [first: EvaluationResult, second: EvaluationResult],
  { hammingLoss, subsetAccuracy, ...samples }: Record<(typeof ROW_MEANS)[number], ComparedMetric>,
  micro: Record<keyof ClassificationMetrics, ComparedMetric>,
): ComparedClassification {
  const beta = first.classification?.beta ?? null;
  const hasFBeta = beta !== null && beta === second.classification?.beta;
  return {
    hammingLoss,
    subsetAccuracy,
    micro: { ...micro, fBeta: hasFBeta ? micro.fBeta : null },
    samples: { ...samples, fBeta: hasFBeta ? samples.fBeta : null },
  };
}
