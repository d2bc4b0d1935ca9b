import { type Backend, type FloatArray, refuseAsyncBackend } from '../backend.js';
import { describe, LossError } from '../errors.js';
import { MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from '../loss.js';
import type { Scores } from '../scores.js';
import { type Targets, toTargets } from '../targets.js';
import type { FloatDType } from '../dtypes.js';
import { checkOptions } from '../options.js';
import { Tensor, toTensor } from '../tensor.js';
import { fromBase64, toBase64 } from './base64.js';
import { bootstrap, type ComparedMetric } from './bootstrap.js';
import { HighestLosses, type HighLoss, toHighLosses } from './highest-losses.js';
import { type MarginBin, toMarginBins } from './margins.js';
import { RankingMetrics } from './metrics.js';

/**
 * Options of {@link Evaluator}, all of them optional.
 *
 * @example
 * import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
 *
 * const options: EvaluatorOptions = { k: [1, 10], loss: { normalization: 'targets' }, nonFinite: 'skip' };
 * const evaluator = new Evaluator(options);
 * evaluator.update([[0.1, 0.2, 0.4, 0.8], [0.5, NaN, 0.2, 0.3]], [[3, 0], [1]]);
 * const { rows, rowsSkipped, loss } = evaluator.result();
 * [rows, rowsSkipped, loss]; // => [1, 1, 1.7]
 */
export interface EvaluatorOptions {
  /**
   * For precision, recall and nDCG among the first k labels: whole numbers from 1, in any order.
   * @default [1, 3, 5]
   */
  k?: readonly number[];
  /**
   * Of the loss, whose mean over the rows is among the results: `margin`, `normalization`, `targetOrder` and `backend` as
   * for {@link MultiLabelMarginLoss}.
   * @default those of the class
   */
  loss?: Pick<MultiLabelMarginLossOptions<Backend>, 'margin' | 'normalization' | 'targetOrder' | 'backend'>;
  /**
   * What a score that is NaN or infinite does: 'error' throws ERR_NON_FINITE and adds nothing; 'skip' leaves its row out,
   * and counts it in `rowsSkipped`.
   * @default 'error'
   */
  nonFinite?: 'error' | 'skip';
}

/**
 * What rows are known by: optional, as the third argument of {@link Evaluator.update}.
 *
 * @example
 * import { Evaluator, type RowOrigin } from 'multilabel-margin-loss/evaluate';
 *
 * const origin: RowOrigin = { source: 'scores-7.npy', firstRow: 4096 };
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]], origin);
 * const [highest] = evaluator.result().highestLosses;
 * [highest?.source, highest?.row]; // => ['scores-7.npy', 4096]
 */
export interface RowOrigin {
  /**
   * The number of the first row in its source. Rows that are evaluated apart need it for results of the same bits in
   * `highestLosses` and {@link Evaluator.compare}.
   * @default the number of rows before
   */
  firstRow?: number;
  /**
   * The name of a file, say: it is among the results.
   * @default ''
   */
  source?: string;
}

/**
 * Metrics of the first k labels of the ranking, each in [0, 1] and a mean over the rows. Where scores are equal, these are
 * means over the orders they could be in.
 *
 * @example
 * import { Evaluator, type MetricsAtK } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator({ k: [1] });
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * const first: MetricsAtK | undefined = evaluator.result().at[1];
 * first; // => { precision: 1, recall: 0.5, ndcg: 1 }
 */
export interface MetricsAtK {
  /** Labels of the row among the first k, over k. */
  precision: number;
  /** The same over the number of labels of the row; 0 without labels. */
  recall: number;
  /** Gain 1 for each label of the row, discount 1/log2(rank + 1): scikit-learn's `ndcg_score(…, k=k)`. */
  ndcg: number;
}

/**
 * What is known of one label, over all rows.
 *
 * @example
 * import { Evaluator, type LabelResult } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.2, 0.4, 0.8], [0.5, 0.1, 0.2, 0.3]], [[3, 0], [0]]);
 * const label: LabelResult | undefined = evaluator.result().perLabel[0];
 * label; // => { label: 0, support: 2, meanRank: 2.5, averagePrecision: 1 }
 */
export interface LabelResult {
  /** The class, from 0. */
  label: number;
  /** Rows that have it. */
  support: number;
  /**
   * Of its score among those of the row, from 1 for the highest, over the rows that have it; equal scores share their mean
   * rank. Null where no row has it.
   */
  meanRank: number | null;
  /** scikit-learn's `average_precision_score` of its column; 0 where no row has it. */
  averagePrecision: number;
}

/**
 * Counts of rows, and metrics, most of them means over the rows: NaN for no rows at all. For `rankingLoss`, `coverageError`,
 * `labelRankingAveragePrecision`, `ndcg` and the average precisions, the rules are scikit-learn's in every case.
 *
 * @example
 * import { type EvaluationResult, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * const result: EvaluationResult = evaluator.result();
 * result.loss; // => 0.85
 * result.rankingLoss; // => 0.5
 * result.coverageError; // => 4
 */
export interface EvaluationResult {
  /** Number of rows, without those skipped. */
  rows: number;
  /** Number of labels C; 0 before the first row. */
  classes: number;
  /** Number of rows that have no label. */
  rowsWithoutLabels: number;
  /** Number of rows that have all labels. */
  rowsWithAllLabels: number;
  /** Number of rows in which one of the row's labels and one of the others have the same score. */
  rowsWithTies: number;
  /** Number of rows left out for a NaN or infinite score, under `nonFinite: 'skip'`. */
  rowsSkipped: number;
  /** The multi-label margin loss, under the options `loss`. */
  loss: number;
  /** Share of the pairs of a label and another class that are in the wrong order; equal scores are. 0 where there is no pair. */
  rankingLoss: number;
  /** How far down the ranking the last label of the row is; 0 without labels. */
  coverageError: number;
  /** LRAP; 1 for rows that have no label or all. */
  labelRankingAveragePrecision: number;
  /** Share of rows whose first class is not a label of theirs: 1 - precision at 1. */
  oneError: number;
  /** 1 / rank of the first label of the row, behind others of the same score; 0 without labels. */
  meanReciprocalRank: number;
  /** Mean over all C labels of their average precision. */
  macroAveragePrecision: number;
  /** Average precision of all N * C scores together. */
  microAveragePrecision: number;
  /**
   * 0 if the average precisions are exact, as they are for up to 2^20 scores. Beyond, memory is bounded by taking scores of
   * one label for equal where they differ by less than this, relative to the power of two below them.
   */
  averagePrecisionResolution: number;
  /** The metrics at k, by k. */
  at: Record<number, MetricsAtK>;
  /** What is known of each label: [C], in the order of the classes. */
  perLabel: LabelResult[];
  /**
   * Margins of the rows that have one: the lowest score of a label of the row minus the highest score of another class,
   * below 0 where the two are in the wrong order. Counted in bins, 16 to each power of two from 2^-16 to 2^16 on either
   * side of 0, of which the empty ones are left out; ascending.
   */
  margins: MarginBin[];
  /** The 20 rows of the highest loss, the highest first; of equal ones, by source and row. */
  highestLosses: HighLoss[];
}

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
  level?: number;
  /**
   * Number of draws of the bootstrap: a whole number from 1 to 100,000.
   * @default 2000
   */
  resamples?: number;
  /**
   * Of the draws: the same seed gives the same intervals. A whole number from 0 to 2^32 - 1.
   * @default 1
   */
  seed?: number;
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
 * comparison.metrics.oneError.difference; // => { value: -1, low: -1, high: -1 }
 * comparison.at[1]?.recall.second.value; // => 1
 */
export interface Comparison {
  /** Number of rows. */
  rows: number;
  /** The option `level`. */
  level: number;
  /** The metrics that are means over rows. */
  metrics: Record<
    'loss' | 'rankingLoss' | 'coverageError' | 'labelRankingAveragePrecision' | 'oneError' | 'meanReciprocalRank',
    ComparedMetric
  >;
  /** The metrics at k, by k. */
  at: Record<number, Record<keyof MetricsAtK, ComparedMetric>>;
}

/** In the order of the sums of groups in src/ranking_metrics.h. */
const MEANS_OF_ROWS = [
  'loss',
  'rankingLoss',
  'coverageError',
  'labelRankingAveragePrecision',
  'oneError',
  'meanReciprocalRank',
] as const satisfies readonly (keyof Comparison['metrics'])[];
const METRICS_AT_K = ['precision', 'recall', 'ndcg'] as const;

/**
 * What {@link Evaluator.toJSON} returns: plain data.
 *
 * @example
 * import { Evaluator, type EvaluatorJSON } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator({ k: [5, 1] });
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * const { format, k, classes }: EvaluatorJSON = evaluator.toJSON();
 * format; // => 'multilabel-margin-loss/evaluator'
 * [k, classes]; // => [[1, 5], 4]
 */
export interface EvaluatorJSON {
  /** Tells it from other JSON. */
  format: typeof FORMAT;
  /** The version of the format. */
  version: 1;
  /** The option `k`, in ascending order. */
  k: number[];
  /** The options of the loss but its backend. */
  loss: {
    /** The option `margin`. */
    margin: number;
    /** The option `normalization`. */
    normalization: 'classes' | 'targets';
    /** The option `targetOrder`. */
    targetOrder: 'ignored' | 'ranked';
  };
  /** The option `nonFinite`. */
  nonFinite: 'error' | 'skip';
  /** Number of labels C; 0 before the first row. */
  classes: number;
  /** The exact sums, in base64; empty before the first row. */
  state: string;
  /** Number of rows, those skipped included. */
  rows: number;
  /** As in the results; null for an infinite loss once JSON.parse() gave it back. */
  highestLosses: readonly HighLoss[];
}

const FORMAT = 'multilabel-margin-loss/evaluator';
// In RankingMetrics::Means, MeansAtK and OfLabel of src/ranking_metrics.h.
const MEANS = 14;
const MEANS_AT_K = 3;
const OF_LABEL = 3;

/**
 * Loss and ranking metrics of multi-label classification, over any number of batches: see {@link EvaluationResult}.
 *
 * Memory does not grow with the number of rows. Sums are exact, so that batches may come in any order, in parts that are
 * evaluated apart and merged in any order, and the results have the same bits.
 *
 * @example
 * import { Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator({ k: [1, 3] });
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * evaluator.result().labelRankingAveragePrecision; // => 0.75
 */
export class Evaluator {
  readonly #k: readonly number[];
  readonly #lossFn: MultiLabelMarginLoss;
  readonly #nonFinite: 'error' | 'skip';
  #metrics: RankingMetrics | null = null;
  /** Those skipped included. */
  #rows = 0;
  readonly #highestLosses = new HighestLosses();

  /**
   * @param options `k`, `loss` and `nonFinite`
   * @throws LossError ERR_OPTION for an unknown option or value
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator({ k: [1, 10], loss: { margin: 0.5 } });
   * Object.keys(evaluator.result().at); // => ['1', '10']
   */
  constructor(options: EvaluatorOptions = {}) {
    const {
      k = [1, 3, 5],
      loss = {},
      nonFinite = 'error',
    } = checkOptions(options, ['k', 'loss', 'nonFinite'], 'Evaluator()');
    if (nonFinite !== 'error' && nonFinite !== 'skip') {
      throw new LossError('ERR_OPTION', `nonFinite must be one of 'error', 'skip', got ${describe(nonFinite)}`);
    }
    this.#k = checkK(k);
    const lossOptions = checkOptions(loss, ['margin', 'normalization', 'targetOrder', 'backend'], "Evaluator()'s loss");
    this.#lossFn = new MultiLabelMarginLoss({ ...lossOptions, reduction: 'none' });
    refuseAsyncBackend(lossOptions.backend, 'Evaluator');
    this.#nonFinite = nonFinite;
  }

  /**
   * Adds rows; where it throws, none of them.
   *
   * @param scores float32 or float64, [N, C] or [C]; C is that of the first call
   * @param targets int32 or int64, [N, K] or [K], or lists of different lengths: as for {@link MultiLabelMarginLoss.forward}.
   * A label listed twice is one label for the metrics.
   * @param origin what the rows are known by among the results: `firstRow` and `source`
   * @throws LossError ERR_NON_FINITE under `nonFinite: 'error'`; ERR_SHAPE for another number of classes than before;
   * ERR_OPTION for an `origin` that is none; and what MultiLabelMarginLoss.forward throws
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator();
   * const scores = { data: Float32Array.of(0.1, 0.2, 0.4, 0.8, 0.5, 0.1, 0.2, 0.3), shape: [2, 4] };
   * evaluator.update(scores, [[3, 0], [1]]);
   * evaluator.update([0.5, 0.1, 0.2, 0.3], [0]);
   * evaluator.result().rows; // => 3
   */
  update(scores: Scores, targets: Targets, origin: RowOrigin = {}): void {
    const { firstRow = this.#rows, source = '' } = checkOptions(origin, ['firstRow', 'source'], 'update()');
    checkWhole(firstRow, 'firstRow', 0, Number.MAX_SAFE_INTEGER);
    if (typeof source !== 'string')
      throw new LossError('ERR_OPTION', `source must be a string, got ${describe(source)}`);
    const given = toTensor(scores, 'float32', 'scores');
    // Without requires_grad: the gradient is not wanted.
    const plain = new Tensor<FloatDType>(given.data as FloatArray, given.shape);
    const indices = toTargets(targets, plain.shape);
    const losses = this.#lossFn.forward(plain, indices).data;
    const classes = plain.shape.at(-1) ?? 1;
    if (this.#metrics !== null && this.#metrics.classes !== classes) {
      throw new LossError(
        'ERR_SHAPE',
        `scores must have ${this.#metrics.classes} classes, as those before, got ${classes} (shape [${plain.shape.join(', ')}])`,
      );
    }
    const metrics = this.#metrics ?? new RankingMetrics(classes, this.#k);
    const width = indices.shape.at(-1) ?? 1;
    const batch = { scores: plain.data, targets: indices.data, losses, rows: losses.length, width, firstRow };
    metrics.update(batch, this.#nonFinite === 'skip');
    this.#metrics = metrics;
    this.#rows += losses.length;
    this.#highestLosses.add({ ...batch, source });
  }

  /**
   * Adds the rows of another evaluator, which stays as it is. In whatever order parts are merged, the result is that of
   * one evaluator for all rows, to the bit.
   *
   * @param other one with the same `k`, options of the loss and number of classes
   * @throws LossError ERR_STATE if these are others, or it is no evaluator; where it throws, nothing is added
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const [evaluator, other] = [new Evaluator(), new Evaluator()];
   * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
   * other.update([[0.5, 0.1, 0.2, 0.3]], [[1]]);
   * evaluator.merge(other);
   * evaluator.result().loss; // => 0.8875
   */
  merge(other: Evaluator): void {
    this.#checkAlike(other, 'merge');
    const theirs = other.#metrics;
    if (theirs === null) return;
    const metrics = this.#metrics ?? new RankingMetrics(theirs.classes, this.#k);
    if (metrics.classes !== theirs.classes) {
      throw new LossError(
        'ERR_STATE',
        `evaluators to be merged must have the same classes, got ${metrics.classes} and ${theirs.classes}`,
      );
    }
    metrics.merge(theirs.write());
    this.#metrics = metrics;
    this.#rows += other.#rows;
    this.#highestLosses.merge(other.#highestLosses.rows);
  }

  /**
   * This model beside another one, evaluated over the same rows: the metrics that are means over rows, their differences,
   * and confidence intervals. The average precisions are no means over rows, and are left out.
   *
   * The intervals are percentiles of a bootstrap. What it draws are not rows, which an evaluator does not keep, but 256
   * groups that rows fall into by a hash of their number; where rows are few, most are a group each. Formula: Efron and
   * Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; groups: Wolter, Introduction to Variance Estimation
   * (2007), chapter 2.
   *
   * @param other one with the same `k` and options of the loss, of the same rows: their numbers, see {@link RowOrigin}, and
   * their labels
   * @param options `level`, `resamples` and `seed`
   * @returns each metric of both, and the second minus the first: paired, so that its interval is the narrower the more
   * alike the models are
   * @throws LossError ERR_STATE for an evaluator of other rows, or for none; ERR_OPTION for an unknown option or value;
   * ERR_OUT_OF_MEMORY
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const [first, second] = [new Evaluator(), new Evaluator()];
   * first.update([[0.1, 0.2, 0.4, 0.8], [0.5, 0.1, 0.2, 0.3]], [[3, 0], [1]]);
   * second.update([[0.6, 0.2, 0.4, 0.8], [0.5, 0.75, 0.2, 0.3]], [[3, 0], [1]]);
   * const { coverageError } = first.compare(second).metrics;
   * coverageError.first.value; // => 4
   * coverageError.second.value; // => 1.5
   * coverageError.difference; // => { value: -2.5, low: -3, high: -2 }
   */
  compare(other: Evaluator, options: CompareOptions = {}): Comparison {
    const {
      level = 0.95,
      resamples = 2000,
      seed = 1,
    } = checkOptions(options, ['level', 'resamples', 'seed'], 'compare()');
    if (typeof level !== 'number' || !(level > 0 && level < 1)) {
      throw new LossError('ERR_OPTION', `level must be a number above 0 and below 1, got ${describe(level)}`);
    }
    checkWhole(resamples, 'resamples', 1, 100_000);
    checkWhole(seed, 'seed', 0, 2 ** 32 - 1);
    this.#checkAlike(other, 'compare');
    const [own, others] = [this.#metrics, other.#metrics];
    const [first, second] = [this.result(), other.result()];
    if (own === null || others === null || first.rows === 0 || second.rows === 0) {
      throw new LossError('ERR_STATE', 'evaluators to be compared must have rows');
    }
    if (first.rows !== second.rows || own.fingerprint() !== others.fingerprint()) {
      const given = first.rows === second.rows ? 'others' : `${first.rows} and ${second.rows} rows`;
      throw new LossError(
        'ERR_STATE',
        `evaluators to be compared must be of the same rows, with the same numbers and labels, got ${given}`,
      );
    }
    const meansOf = (result: EvaluationResult): number[] => [
      ...MEANS_OF_ROWS.map((metric) => result[metric]),
      ...this.#k.flatMap((k) => METRICS_AT_K.map((metric) => (result.at[k] as MetricsAtK)[metric])),
    ];
    const compared = bootstrap(
      [
        { means: meansOf(first), groups: own.groupSums() },
        { means: meansOf(second), groups: others.groupSums() },
      ],
      { level, resamples, seed },
    );
    const named = <Name extends string>(names: readonly Name[], begin: number): Record<Name, ComparedMetric> =>
      Object.fromEntries(names.map((name, i) => [name, compared[begin + i]])) as Record<Name, ComparedMetric>;
    return {
      rows: first.rows,
      level,
      metrics: named(MEANS_OF_ROWS, 0),
      at: Object.fromEntries(
        this.#k.map((k, i) => [k, named(METRICS_AT_K, MEANS_OF_ROWS.length + i * METRICS_AT_K.length)]),
      ),
    };
  }

  /**
   * The metrics of all rows so far. More may follow.
   *
   * @returns counts, means and what is known of each label; NaN where there are no rows
   * @throws LossError ERR_OUT_OF_MEMORY
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator();
   * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
   * const { loss, oneError, meanReciprocalRank } = evaluator.result();
   * [loss, oneError, meanReciprocalRank]; // => [0.85, 0, 1]
   */
  result(): EvaluationResult {
    const classes = this.#metrics?.classes ?? 0;
    const values =
      this.#metrics?.compute() ?? new Float64Array(MEANS + MEANS_AT_K * this.#k.length).fill(Number.NaN, 5);
    const value = (index: number): number => values[index] as number;
    const at: Record<number, MetricsAtK> = {};
    this.#k.forEach((k, i) => {
      const first = MEANS + MEANS_AT_K * i;
      at[k] = { precision: value(first), recall: value(first + 1), ndcg: value(first + 2) };
    });
    const perLabel: LabelResult[] = [];
    for (let label = 0; label < classes; label++) {
      const first = MEANS + MEANS_AT_K * this.#k.length + OF_LABEL * label;
      const support = value(first);
      perLabel.push({
        label,
        support,
        meanRank: support === 0 ? null : value(first + 1),
        averagePrecision: value(first + 2),
      });
    }
    const margins = values.subarray(MEANS + MEANS_AT_K * this.#k.length + OF_LABEL * classes);
    return {
      rows: value(0),
      classes,
      rowsWithoutLabels: value(1),
      rowsWithAllLabels: value(2),
      rowsWithTies: value(3),
      rowsSkipped: value(4),
      loss: value(5),
      rankingLoss: value(6),
      coverageError: value(7),
      labelRankingAveragePrecision: value(8),
      oneError: value(9),
      meanReciprocalRank: value(10),
      macroAveragePrecision: value(11),
      microAveragePrecision: value(12),
      averagePrecisionResolution: classes === 0 ? 0 : value(13),
      at,
      perLabel,
      margins: toMarginBins(margins),
      highestLosses: [...this.#highestLosses.rows],
    };
  }

  /**
   * All that it is, for `JSON.stringify()` and {@link Evaluator.fromJSON}.
   *
   * @returns the options, but the backend of the loss, and the exact sums
   * @throws LossError ERR_OUT_OF_MEMORY
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator();
   * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
   * const text = JSON.stringify(evaluator);
   * Evaluator.fromJSON(JSON.parse(text)).result().loss; // => 0.85
   */
  toJSON(): EvaluatorJSON {
    return {
      format: FORMAT,
      version: 1,
      k: [...this.#k],
      loss: this.#lossOptions(),
      nonFinite: this.#nonFinite,
      classes: this.#metrics?.classes ?? 0,
      state: this.#metrics === null ? '' : toBase64(this.#metrics.write()),
      rows: this.#rows,
      highestLosses: this.#highestLosses.rows,
    };
  }

  /**
   * An evaluator as it was when `toJSON()` was called. Its loss is computed by one thread.
   *
   * @param json what toJSON() returned, or JSON.parse() of what JSON.stringify() made of it
   * @returns an evaluator that can be updated and merged
   * @throws LossError ERR_STATE for anything else
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator({ k: [1] });
   * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
   * const copy = Evaluator.fromJSON(evaluator.toJSON());
   * copy.update([[0.5, 0.1, 0.2, 0.3]], [[1]]);
   * [evaluator.result().rows, copy.result().rows]; // => [1, 2]
   */
  static fromJSON(json: unknown): Evaluator {
    const { format, version, k, loss, nonFinite, classes, state, rows, highestLosses } = Object(
      json,
    ) as Partial<EvaluatorJSON>;
    if (format !== FORMAT) {
      throw new LossError('ERR_STATE', `an evaluator's JSON has format '${FORMAT}', got ${describe(format)}`);
    }
    if (version !== 1) {
      throw new LossError('ERR_STATE', `an evaluator's JSON must be of version 1, got ${describe(version)}`);
    }
    const damaged = (what: string, cause?: unknown): LossError =>
      new LossError('ERR_STATE', `the JSON of an evaluator is damaged: ${what}`, { cause });
    let evaluator: Evaluator;
    try {
      evaluator = new Evaluator({ k: k as number[], loss: loss as object, nonFinite: nonFinite as 'error' });
    } catch (cause) {
      throw damaged((cause as Error).message, cause);
    }
    if (!Number.isInteger(classes) || (classes as number) < 0 || (classes as number) >= 2 ** 31) {
      throw damaged(`its classes are ${describe(classes)}`);
    }
    if (typeof state !== 'string' || (classes === 0) !== (state === '')) {
      throw damaged(`its state is ${typeof state === 'string' ? `${state.length} characters` : describe(state)}`);
    }
    if (!Number.isSafeInteger(rows) || (rows as number) < 0) throw damaged(`its rows are ${describe(rows)}`);
    const highest = toHighLosses(highestLosses);
    if (highest === null) throw damaged('its highestLosses are not what its toJSON() gave');
    if (classes === 0) return evaluator;
    let bytes: Uint8Array;
    try {
      bytes = fromBase64(state);
    } catch (cause) {
      throw damaged('its state is not base64', cause);
    }
    evaluator.#metrics = new RankingMetrics(classes as number, evaluator.#k);
    evaluator.#metrics.merge(bytes);
    evaluator.#rows = rows as number;
    evaluator.#highestLosses.merge(highest);
    return evaluator;
  }

  /** That another one is an evaluator with the same options. */
  #checkAlike(other: Evaluator, method: 'merge' | 'compare'): void {
    if (!(other instanceof Evaluator)) {
      throw new LossError(
        'ERR_STATE',
        `${method}() needs an Evaluator, got ${describe(other)}; Evaluator.fromJSON() makes one`,
      );
    }
    for (const [name, own, others] of [
      ['k', this.#k, other.#k],
      ['options of the loss', this.#lossOptions(), other.#lossOptions()],
    ] as const) {
      if (JSON.stringify(own) !== JSON.stringify(others)) {
        throw new LossError(
          'ERR_STATE',
          `evaluators to be ${method}d must have the same ${name}, got ${JSON.stringify(own)} and ${JSON.stringify(others)}`,
        );
      }
    }
  }

  #lossOptions(): EvaluatorJSON['loss'] {
    const { margin, normalization, targetOrder } = this.#lossFn.options;
    return { margin, normalization, targetOrder };
  }
}

function checkWhole(value: unknown, name: string, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw new LossError('ERR_OPTION', `${name} must be a whole number from ${least} to ${most}, got ${describe(value)}`);
}

/** In ascending order, without doubles. */
function checkK(k: unknown): readonly number[] {
  if (!Array.isArray(k)) throw new LossError('ERR_OPTION', `k must be a list of whole numbers, got ${describe(k)}`);
  // By index: the iteration methods of arrays leave holes out.
  for (let i = 0; i < k.length; i++) {
    const value: unknown = k[i];
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) >= 2 ** 31) {
      throw new LossError('ERR_OPTION', `k must hold whole numbers from 1 to 2^31 - 1, got ${describe(value)}`);
    }
  }
  return [...new Set(k as number[])].sort((a, b) => a - b);
}
