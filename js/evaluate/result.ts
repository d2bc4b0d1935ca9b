import type { Confusion } from './confusions.js';
import type { HighLoss } from './highest-losses.js';
import { type ClassificationJSON, type ClassificationResult, toClassificationResult } from './classification.js';
import { LABEL_MEANS, MARGINS, MEANS, MEANS_AT_K, MISSING, VALUE } from './layout.js';
import { type MarginBin, toMarginBins } from './margins.js';
import { TOP_ONLY } from './top-scores.js';

/**
 * The lowest and the highest value that a metric can have. Average precision needs the order of all scores. Up to 2^20 scores it is
 * exact, and both bounds are its value. Beyond that, an evaluator keeps counts in bins, each as wide as 1/128 of the
 * power of two below the score (or, between 0.5 and 1, below its distance from 1; wider from 2,048 classes on). The value
 * takes the scores in a bin for equal. The bounds are those of the best and the worst order within each bin, and are
 * rounded outwards by less than 1e-10.
 *
 * @example
 * import { type Bounds, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3]]);
 * const bounds: Bounds | null = evaluator.result().microAveragePrecisionBounds;
 * bounds; // => { low: 1, high: 1 }
 */
export interface Bounds {
  /** The metric is at least this. */
  low: number;
  /** The metric is at most this. */
  high: number;
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
  /** Labels of the row among the first k, over the number of labels of the row; 0 without labels. */
  recall: number;
  /** Gain 1 for each label of the row, discount 1/log2(rank + 1): scikit-learn's `ndcg_score(…, k=k)`. */
  ndcg: number;
}

/**
 * The metrics of one label, over all rows.
 *
 * @example
 * import { Evaluator, type LabelResult } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.2, 0.4, 0.8], [0.5, 0.1, 0.2, 0.3]], [[3, 0], [0]]);
 * const label: LabelResult | undefined = evaluator.result().perLabel[0];
 * [label?.support, label?.meanRank]; // => [2, 2.5]
 * label?.averagePrecisionBounds; // => { low: 1, high: 1 }
 */
export interface LabelResult {
  /** The class, from 0. */
  label: number;
  /** Number of rows that have the label. */
  support: number;
  /**
   * Mean rank of the label's score in its row, over the rows that have the label: 1 is the highest score, and equal scores
   * share the mean of their ranks. Weights do not count. Null where no row has the label, and where
   * {@link EvaluationResult.rankingMissing} says why.
   */
  meanRank: number | null;
  /**
   * scikit-learn's `average_precision_score` of the label's column; 0 where no row has the label. Null where
   * {@link EvaluationResult.averagePrecisionMissing} says why.
   */
  averagePrecision: number | null;
  /** The lowest and the highest value that `averagePrecision` can have; null where it is null. */
  averagePrecisionBounds: Bounds | null;
}

/**
 * Counts of rows, and metrics. Most metrics are means over the rows, by the weights of the rows if there are any: the sum
 * of weight * metric over the sum of weights. They are NaN if there are no rows or all weights are 0. A row with unknown
 * classes counts as if it had only the others. For `rankingLoss`, `coverageError`, `labelRankingAveragePrecision`, `ndcg` and
 * the average precisions, the rules are scikit-learn's in every case.
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
  /** Sum of the weights of the rows: their number, if no weights were given. */
  weight: number;
  /** Whether a row, of those skipped too, has another weight than 1. */
  hasWeights: boolean;
  /** Whether a row, of those skipped too, has unknown classes. */
  hasUnknown: boolean;
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
  /** Mean over all C labels of their average precision. Null where `averagePrecisionMissing` says why. */
  macroAveragePrecision: number | null;
  /** The lowest and the highest value that `macroAveragePrecision` can have; null where it is null. */
  macroAveragePrecisionBounds: Bounds | null;
  /** Average precision of all N * C scores together. Null where `averagePrecisionMissing` says why. */
  microAveragePrecision: number | null;
  /** The lowest and the highest value that `microAveragePrecision` can have; null where it is null. */
  microAveragePrecisionBounds: Bounds | null;
  /**
   * Why `loss`, `rankingLoss`, `coverageError`, `labelRankingAveragePrecision` and `meanReciprocalRank` are NaN for rows of
   * {@link Evaluator.updateTopK}, in a sentence; null where they are known. Then average precisions and mean ranks are null too,
   * and `margins` and `highestLosses` empty.
   */
  rankingMissing: string | null;
  /** Why the average precisions are null, in a sentence; null where they are not. */
  averagePrecisionMissing: string | null;
  /** The metrics at k, by k. */
  at: Record<number, MetricsAtK>;
  /** The metrics of each label: [C], in the order of the classes. */
  perLabel: LabelResult[];
  /**
   * Margins of the rows that have one: the lowest score of a label of the row minus the highest score of another class,
   * below 0 where the two are in the wrong order. Counted in bins, 16 to each power of two from 2^-16 to 2^16 on either
   * side of 0, of which the empty ones are left out; ascending.
   */
  margins: MarginBin[];
  /**
   * The 10 pairs of a label and another class that are in the wrong order in the most rows, those of the most rows first; of
   * equal ones, by label and other class. Weights do not count. Null for more than 4096 classes, whose pairs would take too
   * much memory, and where {@link EvaluationResult.rankingMissing} says why.
   */
  confusions: Confusion[] | null;
  /** The 20 rows of the highest loss, the highest first; of equal ones, by source and row. */
  highestLosses: HighLoss[];
  /** The names of the classes, [C]; null without the option `labels`. */
  labels: readonly string[] | null;
  /** The classes that are predicted against the labels of the rows; null without the option `classification`. */
  classification: ClassificationResult | null;
}

/** What rows have beside scores and targets. */
export type RowKinds = Pick<EvaluationResult, 'hasWeights' | 'hasUnknown'>;

export const WHY_MISSING: Readonly<Record<number, string>> = {
  [MISSING.memory]:
    'average precision needs more memory than an evaluator takes for it: there are too many classes, or scores of too ' +
    'many sizes',
  [MISSING.weights]: 'average precision with weights is exact or not at all, and is for at most 2^20 scores',
};

/**
 * Names the numbers of a result.
 *
 * @param numbers what WasmMetrics.compute() returned; null if there were no rows
 */
export function toResult(
  numbers: Float64Array | null,
  classes: number,
  ks: readonly number[],
  { hasWeights, hasUnknown }: RowKinds,
  highestLosses: readonly HighLoss[],
  classification: ClassificationJSON | null,
  labels: readonly string[] | null,
  confusions: Confusion[] | null,
  isTopK: boolean,
): EvaluationResult {
  const perLabelAt = MEANS.size + MEANS_AT_K.size * ks.length;
  const values =
    numbers ?? new Float64Array(perLabelAt).fill(Number.NaN, MEANS.loss, MEANS.missing).fill(Number.NaN, MEANS.size);
  const marginsAt = perLabelAt + LABEL_MEANS.size * classes;
  const value = (index: number): number => values[index] as number;
  const mean = (name: keyof typeof MEANS): number => value(MEANS[name]);
  const isMissing = isTopK || value(MEANS.missing) !== MISSING.nothing;
  const ranked = (name: keyof typeof MEANS): number => (isTopK ? Number.NaN : mean(name));
  const averagePrecision = (index: number): number | null => (isMissing ? null : value(index + VALUE.value));
  const boundsOf = (index: number): Bounds | null =>
    isMissing ? null : { low: value(index + VALUE.low), high: value(index + VALUE.high) };
  return {
    rows: mean('rows'),
    classes,
    rowsWithoutLabels: mean('rowsWithoutLabels'),
    rowsWithAllLabels: mean('rowsWithAllLabels'),
    rowsWithTies: mean('rowsWithTies'),
    rowsSkipped: mean('rowsSkipped'),
    weight: mean('weight'),
    hasWeights,
    hasUnknown,
    loss: ranked('loss'),
    rankingLoss: ranked('rankingLoss'),
    coverageError: ranked('coverageError'),
    labelRankingAveragePrecision: ranked('labelRankingAveragePrecision'),
    oneError: mean('oneError'),
    meanReciprocalRank: ranked('meanReciprocalRank'),
    rankingMissing: isTopK ? TOP_ONLY : null,
    macroAveragePrecision: averagePrecision(MEANS.macroAveragePrecision),
    macroAveragePrecisionBounds: boundsOf(MEANS.macroAveragePrecision),
    microAveragePrecision: averagePrecision(MEANS.microAveragePrecision),
    microAveragePrecisionBounds: boundsOf(MEANS.microAveragePrecision),
    averagePrecisionMissing: isTopK ? TOP_ONLY : (WHY_MISSING[value(MEANS.missing)] ?? null),
    at: Object.fromEntries(
      ks.map((k, i): [number, MetricsAtK] => {
        const first = MEANS.size + MEANS_AT_K.size * i;
        return [
          k,
          {
            precision: value(first + MEANS_AT_K.precision),
            recall: value(first + MEANS_AT_K.recall),
            ndcg: value(first + MEANS_AT_K.ndcg),
          },
        ];
      }),
    ),
    perLabel: Array.from({ length: classes }, (_, label): LabelResult => {
      const first = perLabelAt + LABEL_MEANS.size * label;
      const support = value(first + LABEL_MEANS.support);
      return {
        label,
        support,
        meanRank: support === 0 || isTopK ? null : value(first + LABEL_MEANS.meanRank),
        averagePrecision: averagePrecision(first + LABEL_MEANS.averagePrecision),
        averagePrecisionBounds: boundsOf(first + LABEL_MEANS.averagePrecision),
      };
    }),
    margins: isTopK ? [] : toMarginBins(values.subarray(marginsAt, marginsAt + MARGINS.size)),
    confusions: isTopK ? null : confusions,
    highestLosses: [...highestLosses],
    labels,
    classification:
      classification === null
        ? null
        : toClassificationResult(numbers?.subarray(marginsAt + MARGINS.size) ?? null, classes, classification),
  };
}
