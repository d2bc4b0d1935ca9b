import { describe, LossError } from '../errors.js';
import { checkOptions } from '../options.js';
import { LABEL_COUNTS, ROW_METRICS } from './layout.js';

/**
 * Which classes of a row are predicted, for {@link EvaluationResult.classification}: those that `Tagger.predict` lists with
 * the same `thresholds` and `k`, at least one of which is to be given.
 *
 * A class is predicted if its score is at or above its threshold, `scores >= threshold`. Scores of float32 are compared with the
 * threshold rounded to float32, so that a score that was written as 0.7 reaches the threshold 0.7 in either type.
 *
 * @example
 * import { type ClassificationOptions, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const classification: ClassificationOptions = { thresholds: [0.5, 0.25, null], beta: 2 };
 * const evaluator = new Evaluator({ classification });
 * evaluator.update([[0.5, 0.2, 0.9], [0.1, 0.3, 0.8]], [[0], [0, 1]]);
 * const result = evaluator.result().classification;
 * result?.micro.recall.toFixed(4); // => '0.6667'
 * result?.perLabel[2]?.predicted; // => 0
 */
export interface ClassificationOptions {
  /**
   * The number that a score must reach: one for all classes, or a list [C] with one for each, in which null stands for a class
   * that is never predicted.
   * @default none: all classes reach it
   */
  thresholds?: number | ArrayLike<number | null> | undefined;
  /**
   * How many classes of a row at most: only those of the highest scores are predicted, if they reach their thresholds. Of
   * equal scores it is those of the lowest index.
   * @default any number
   */
  k?: number | undefined;
  /**
   * The weight of recall beside precision in the F-measure `fBeta`: finite and above 0.
   * @default none: `fBeta` is null
   */
  beta?: number | undefined;
  /**
   * The value of metrics that are 0 / 0: precision where nothing is predicted, recall where there are no labels, the
   * F-measures and Jaccard where neither is.
   * @default 0
   */
  zeroDivision?: 0 | 1 | undefined;
}

/**
 * The option `classification` as results and states have it: null for what was not given.
 *
 * @example
 * import { type ClassificationJSON, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const json: ClassificationJSON | null = new Evaluator({ classification: { k: 3 } }).toJSON().classification;
 * json; // => { thresholds: null, k: 3, beta: null, zeroDivision: 0 }
 */
export interface ClassificationJSON {
  /** The option `thresholds`, or null. */
  thresholds: number | (number | null)[] | null;
  /** The option `k`, or null. */
  k: number | null;
  /** The option `beta`, or null. */
  beta: number | null;
  /** The option `zeroDivision`. */
  zeroDivision: 0 | 1;
}

/**
 * Metrics of predicted classes, each in [0, 1].
 *
 * @example
 * import { type ClassificationMetrics, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator({ classification: { thresholds: 0.5 } });
 * evaluator.update([[0.5, 0.2, 0.9]], [[0]]);
 * const micro: ClassificationMetrics | undefined = evaluator.result().classification?.micro;
 * [micro?.precision, micro?.recall, micro?.jaccard]; // => [0.5, 1, 0.5]
 */
export interface ClassificationMetrics {
  /** Predicted labels over predicted classes. */
  precision: number;
  /** Predicted labels over labels. */
  recall: number;
  /** The harmonic mean of precision and recall. */
  f1: number;
  /** (1 + beta^2) * precision * recall / (beta^2 * precision + recall); null without the option `beta`. */
  fBeta: number | null;
  /** Predicted labels over classes that are predicted or labels. */
  jaccard: number;
}

/**
 * The metrics of the predictions of one label. Counts are sums of the weights of rows, if there are any.
 *
 * @example
 * import { Evaluator, type LabelClassification } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator({ classification: { k: 1 } });
 * evaluator.update([[0.5, 0.2], [0.4, 0.1]], [[0], [1]]);
 * const label: LabelClassification | undefined = evaluator.result().classification?.perLabel[0];
 * [label?.support, label?.predicted, label?.truePositives]; // => [1, 2, 1]
 */
export interface LabelClassification extends ClassificationMetrics {
  /** Index of the class. */
  label: number;
  /** Rows that have the label. */
  support: number;
  /** Rows for which it is predicted. */
  predicted: number;
  /** Rows that have it and for which it is predicted. */
  truePositives: number;
}

/**
 * The predicted classes against the labels of the rows. The rules are those of scikit-learn's
 * `precision_recall_fscore_support`, `fbeta_score`, `jaccard_score`, `hamming_loss` and `accuracy_score`, with
 * `sample_weight` and `zero_division`. A row with unknown classes counts as if it had only the others.
 *
 * Sums are exact: rows in any order, and parts that are merged in any order, give the same bits.
 *
 * @example
 * import { type ClassificationResult, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator({ classification: { thresholds: 0.5 } });
 * evaluator.update([[0.5, 0.2, 0.9, 0.1], [0.1, 0.3, 0.8, 0]], [[0], [2]]);
 * const result: ClassificationResult | null = evaluator.result().classification;
 * [result?.hammingLoss, result?.subsetAccuracy]; // => [0.125, 0.5]
 * [result?.macro.precision, result?.weighted.precision, result?.samples.precision]; // => [0.375, 0.75, 0.75]
 */
export interface ClassificationResult extends ClassificationJSON {
  /** Share of classes that are predicted and no label, or the other way round; a mean over the rows. */
  hammingLoss: number;
  /** Share of rows whose predicted classes are their labels. */
  subsetAccuracy: number;
  /** The metrics of all classes of all rows together. */
  micro: ClassificationMetrics;
  /** Means over the labels. */
  macro: ClassificationMetrics;
  /** Means over the labels by their support. Without any support, Jaccard is the mean over the labels. */
  weighted: ClassificationMetrics;
  /** Means over the rows. */
  samples: ClassificationMetrics;
  /** The metrics of each label: [C], in the order of the classes. */
  perLabel: LabelClassification[];
}

/**
 * Checks the options, but for the number of the thresholds.
 *
 * @throws LossError ERR_OPTION
 */
export function toClassification(options: unknown): ClassificationJSON | null {
  if (options === undefined || options === null) return null;
  const { thresholds, k, beta, zeroDivision } = checkOptions(
    options as ClassificationOptions,
    ['thresholds', 'k', 'beta', 'zeroDivision'],
    "Evaluator()'s classification",
  );
  const json: ClassificationJSON = {
    thresholds: thresholds === undefined || thresholds === null ? null : toThresholds(thresholds),
    k: k ?? null,
    beta: beta ?? null,
    zeroDivision: zeroDivision ?? 0,
  };
  if (json.thresholds === null && json.k === null) {
    throw new LossError('ERR_OPTION', 'classification must have thresholds or k, which say what is predicted');
  }
  if (json.k !== null && !(Number.isInteger(json.k) && json.k >= 1 && json.k < 2 ** 31)) {
    throw new LossError(
      'ERR_OPTION',
      `classification's k must be a whole number from 1 to 2^31 - 1, got ${describe(k)}`,
    );
  }
  if (json.beta !== null && !(typeof json.beta === 'number' && json.beta > 0 && json.beta < Infinity)) {
    throw new LossError('ERR_OPTION', `classification's beta must be a finite number above 0, got ${describe(beta)}`);
  }
  if (json.zeroDivision !== 0 && json.zeroDivision !== 1) {
    throw new LossError('ERR_OPTION', `classification's zeroDivision must be 0 or 1, got ${describe(zeroDivision)}`);
  }
  return json;
}

function toThresholds(given: number | ArrayLike<number | null>): number | (number | null)[] {
  if (typeof given === 'number') {
    if (Number.isFinite(given)) return given;
    throw new LossError('ERR_OPTION', `classification's thresholds must be finite, got ${describe(given)}`);
  }
  if (!Array.isArray(given) && !(ArrayBuffer.isView(given) && 'length' in given)) {
    throw new LossError(
      'ERR_OPTION',
      `classification's thresholds must be a number or a list of numbers, got ${describe(given)}`,
    );
  }
  // By index: the iteration methods of arrays leave holes out.
  return Array.from({ length: given.length }, (_, label) => {
    const threshold: unknown = given[label];
    if (threshold === null || Number.isFinite(threshold)) return threshold as number | null;
    throw new LossError(
      'ERR_OPTION',
      `classification's thresholds must be finite numbers or null, got ${describe(threshold)} for label ${label}`,
    );
  });
}

/**
 * The thresholds of so many classes, +Infinity for null.
 *
 * @throws LossError ERR_SHAPE for a list of another length
 */
export function thresholdsOf({ thresholds }: ClassificationJSON, classes: number): Float64Array | null {
  if (thresholds === null) return null;
  if (typeof thresholds === 'number') return new Float64Array(classes).fill(thresholds);
  if (thresholds.length !== classes) {
    throw new LossError(
      'ERR_SHAPE',
      `classification's thresholds must be as many as classes, got ${thresholds.length} for ${classes} classes`,
    );
  }
  return Float64Array.from(thresholds, (threshold) => threshold ?? Infinity);
}

/** @param numbers what WasmMetrics.compute() returned, from ROW_METRICS on; null if there were no rows */
export function toClassificationResult(
  numbers: Float64Array | null,
  classes: number,
  options: ClassificationJSON,
): ClassificationResult {
  const values = numbers ?? new Float64Array(ROW_METRICS.size).fill(Number.NaN);
  const value = (at: number): number => values[at] as number;
  const { beta, zeroDivision } = options;
  const perLabel = Array.from({ length: classes }, (_, label): LabelClassification => {
    const at = ROW_METRICS.size + LABEL_COUNTS.size * label;
    const counts = {
      support: value(at + LABEL_COUNTS.support),
      predicted: value(at + LABEL_COUNTS.predicted),
      truePositives: value(at + LABEL_COUNTS.truePositives),
    };
    return { label, ...counts, ...metricsOf(counts, beta, zeroDivision) };
  });
  const total = (count: keyof Counts): number => perLabel.reduce((sum, label) => sum + label[count], 0);
  const totals = {
    support: total('support'),
    predicted: total('predicted'),
    truePositives: total('truePositives'),
  };
  // Without rows, or where all weights are 0, there is nothing of which it could be a mean.
  const isEmpty = Number.isNaN(value(ROW_METRICS.hammingLoss));
  const meanOf = (weightOf: (label: LabelClassification) => number, sum: number): ClassificationMetrics =>
    averageOf((metric) => {
      if (isEmpty) return Number.NaN;
      return perLabel.reduce((mean, label) => mean + weightOf(label) * (label[metric] ?? 0), 0) / sum;
    }, beta);
  const macro = meanOf(() => 1, classes);
  return {
    ...options,
    hammingLoss: value(ROW_METRICS.hammingLoss),
    subsetAccuracy: value(ROW_METRICS.subsetAccuracy),
    micro: isEmpty ? averageOf(() => Number.NaN, beta) : metricsOf(totals, beta, zeroDivision),
    macro,
    weighted:
      totals.support > 0 || isEmpty
        ? meanOf(({ support }) => support, totals.support)
        : { ...withoutSupport(totals.predicted, zeroDivision, beta), jaccard: macro.jaccard },
    samples: averageOf((metric) => value(ROW_METRICS[metric]), beta),
    perLabel,
  };
}

export type Counts = Pick<LabelClassification, 'support' | 'predicted' | 'truePositives'>;

/** The metrics that follow from counts. */
export function metricsOf(
  { truePositives: tp, predicted, support }: Counts,
  beta: number | null,
  zeroDivision: 0 | 1,
): ClassificationMetrics {
  const ratio = (part: number, whole: number): number => (whole === 0 ? zeroDivision : part / whole);
  return {
    precision: ratio(tp, predicted),
    recall: ratio(tp, support),
    f1: ratio(2 * tp, predicted + support),
    fBeta: beta === null ? null : tp === 0 ? ratio(0, predicted + support) : fBeta(tp, predicted, support, beta),
    jaccard: ratio(tp, predicted + support - tp),
  };
}

function fBeta(tp: number, predicted: number, support: number, beta: number): number {
  // One quotient, so that equal F-measures have equal bits where beta is a power of 2. The share at most 1 does not overflow,
  // and may underflow.
  if (beta <= 1) return ((1 + beta * beta) * tp) / (beta * beta * support + predicted);
  const share = 1 / (beta * beta);
  return ((1 + share) * tp) / (support + share * predicted);
}

function averageOf(metric: (name: keyof ClassificationMetrics) => number, beta: number | null): ClassificationMetrics {
  return {
    precision: metric('precision'),
    recall: metric('recall'),
    f1: metric('f1'),
    fBeta: beta === null ? null : metric('fBeta'),
    jaccard: metric('jaccard'),
  };
}

/** scikit-learn's average='weighted' where all weights are 0. */
function withoutSupport(
  predicted: number,
  zeroDivision: 0 | 1,
  beta: number | null,
): Omit<ClassificationMetrics, 'jaccard'> {
  const both = predicted === 0 ? zeroDivision : 0;
  return { precision: both, recall: zeroDivision, f1: both, fBeta: beta === null ? null : both };
}
