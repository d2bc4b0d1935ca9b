import type { FloatArray } from '../backend.js';
import { describe, LossError } from '../errors.js';
import { MultiLabelMarginLoss, type MultiLabelMarginLossOptions, type Scores } from '../loss.js';
import { type Targets, toTargets } from '../targets.js';
import { checkOptions, type FloatDType, Tensor, toTensor } from '../tensor.js';
import { fromBase64, toBase64 } from './base64.js';
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
  loss?: Pick<MultiLabelMarginLossOptions, 'margin' | 'normalization' | 'targetOrder' | 'backend'>;
  /**
   * What a score that is NaN or infinite does: 'error' throws ERR_NON_FINITE and adds nothing; 'skip' leaves its row out,
   * and counts it in `rowsSkipped`.
   * @default 'error'
   */
  nonFinite?: 'error' | 'skip';
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
}

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
    this.#nonFinite = nonFinite;
  }

  /**
   * Adds rows; where it throws, none of them.
   *
   * @param scores float32 or float64, [N, C] or [C]; C is that of the first call
   * @param targets int32 or int64, [N, K] or [K], or lists of different lengths: as for {@link MultiLabelMarginLoss.forward}.
   * A label listed twice is one label for the metrics.
   * @throws LossError ERR_NON_FINITE under `nonFinite: 'error'`; ERR_SHAPE for another number of classes than before; and
   * what MultiLabelMarginLoss.forward throws
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator();
   * const scores = { data: Float32Array.of(0.1, 0.2, 0.4, 0.8, 0.5, 0.1, 0.2, 0.3), shape: [2, 4] };
   * evaluator.update(scores, [[3, 0], [1]]);
   * evaluator.update([0.5, 0.1, 0.2, 0.3], [0]);
   * evaluator.result().rows; // => 3
   */
  update(scores: Scores, targets: Targets): void {
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
    const batch = { scores: plain.data, targets: indices.data, losses, rows: losses.length, width };
    metrics.update(batch, this.#nonFinite === 'skip');
    this.#metrics = metrics;
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
    if (!(other instanceof Evaluator)) {
      throw new LossError(
        'ERR_STATE',
        `merge() needs an Evaluator, got ${describe(other)}; Evaluator.fromJSON() makes one`,
      );
    }
    for (const [name, own, others] of [
      ['k', this.#k, other.#k],
      ['options of the loss', this.#lossOptions(), other.#lossOptions()],
    ] as const) {
      if (JSON.stringify(own) !== JSON.stringify(others)) {
        throw new LossError(
          'ERR_STATE',
          `evaluators to be merged must have the same ${name}, got ${JSON.stringify(own)} and ${JSON.stringify(others)}`,
        );
      }
    }
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
    const { format, version, k, loss, nonFinite, classes, state } = Object(json) as Partial<EvaluatorJSON>;
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
    if (classes === 0) return evaluator;
    let bytes: Uint8Array;
    try {
      bytes = fromBase64(state);
    } catch (cause) {
      throw damaged('its state is not base64', cause);
    }
    evaluator.#metrics = new RankingMetrics(classes as number, evaluator.#k);
    evaluator.#metrics.merge(bytes);
    return evaluator;
  }

  #lossOptions(): EvaluatorJSON['loss'] {
    const { margin, normalization, targetOrder } = this.#lossFn.options;
    return { margin, normalization, targetOrder };
  }
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
