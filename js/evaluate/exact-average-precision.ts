import type { FloatArray } from '../backend.js';
import { LossError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { Scores } from '../scores.js';
import type { Targets } from '../targets.js';
import { Counts, LabelScores } from './label-scores.js';
import type { EvaluationResult } from './result.js';
import { checkNonFinite } from './non-finite.js';

/**
 * Options of {@link ExactAveragePrecision}.
 *
 * @example
 * import { ExactAveragePrecision, type ExactAveragePrecisionOptions } from 'multilabel-margin-loss/evaluate';
 *
 * const options: ExactAveragePrecisionOptions = { nonFinite: 'skip' };
 * const exact = new ExactAveragePrecision(options);
 * exact.collect([[0.5, NaN]], [[0]]);
 * exact.labels; // => 0
 */
export interface ExactAveragePrecisionOptions {
  /**
   * How a score that is NaN or infinite is treated: 'error' throws ERR_NON_FINITE, 'skip' leaves its row out.
   * @default 'error'
   */
  nonFinite?: 'error' | 'skip' | undefined;
}

/** Scores that are sorted at a time: 8 MB. */
const SORTED = 2 ** 20;

/**
 * The exact average precisions of data of any size, in two passes over the same rows: the first collects the scores of the
 * rows' labels, and the second counts how many scores are at or above each of them. Memory grows with the number of labels
 * of all rows, at most {@link ExactAveragePrecision.BYTES_PER_LABEL} for each, and not with the number of scores. It knows
 * neither weights of rows nor unknown classes: up to 2^20 scores, an {@link Evaluator} is exact with both.
 *
 * Formula: scikit-learn, sklearn.metrics.average_precision_score with average=None, 'macro' and 'micro'. Counts are exact;
 * the sums of the formula lose less than 1e-12.
 *
 * @example
 * import { Evaluator, ExactAveragePrecision } from 'multilabel-margin-loss/evaluate';
 *
 * const batches = [{ scores: [[0.1, 0.2], [0.5, 0.4]], targets: [[0], [0, 1]] }] as const;
 * const [evaluator, exact] = [new Evaluator(), new ExactAveragePrecision()];
 * for (const { scores, targets } of batches) {
 *   evaluator.update(scores, targets);
 *   exact.collect(scores, targets);
 * }
 * for (const { scores } of batches) exact.count(scores);
 * exact.amend(evaluator.result()).macroAveragePrecision; // => 1
 */
export class ExactAveragePrecision {
  /** Bytes of memory per label of a row, at most. */
  static readonly BYTES_PER_LABEL = 40;

  readonly #scores: LabelScores;
  #ofAll: SortedCounts | null = null;

  /**
   * @param options `nonFinite`
   * @throws LossError ERR_OPTION for an unknown option or value
   * @example
   * import { ExactAveragePrecision } from 'multilabel-margin-loss/evaluate';
   *
   * new ExactAveragePrecision().labels; // => 0
   */
  constructor(options: ExactAveragePrecisionOptions = {}) {
    const { nonFinite = 'error' } = checkOptions(options, ['nonFinite'], 'ExactAveragePrecision()');
    checkNonFinite(nonFinite);
    this.#scores = new LabelScores(nonFinite);
  }

  /**
   * Labels of the rows that were collected: the number by which memory grows.
   *
   * @example
   * import { ExactAveragePrecision } from 'multilabel-margin-loss/evaluate';
   *
   * const exact = new ExactAveragePrecision();
   * exact.collect([[0.1, 0.2], [0.5, 0.4]], [[0], [0, 1]]);
   * exact.labels * ExactAveragePrecision.BYTES_PER_LABEL; // => 120
   */
  get labels(): number {
    return this.#scores.labels;
  }

  /**
   * The first pass: takes rows, as {@link Evaluator.update} does.
   *
   * @param scores float32 or float64, [N, C] or [C]
   * @param targets as for {@link Evaluator.update}; a label listed twice is one label
   * @throws LossError ERR_NON_FINITE under `nonFinite: 'error'`; ERR_SHAPE for another number of classes than before;
   * ERR_TARGET_RANGE; ERR_STATE once rows have been counted
   * @example
   * import { ExactAveragePrecision } from 'multilabel-margin-loss/evaluate';
   *
   * const exact = new ExactAveragePrecision();
   * exact.collect([0.1, 0.2, 0.4], [2, 0]);
   * exact.labels; // => 2
   */
  collect(scores: Scores, targets: Targets): void {
    this.#scores.collect(scores, targets);
  }

  /**
   * The second pass: takes the same rows again, in any order and in any batches.
   *
   * @param scores float32 or float64, [N, C] or [C]
   * @throws LossError as {@link ExactAveragePrecision.collect}
   * @example
   * import { ExactAveragePrecision } from 'multilabel-margin-loss/evaluate';
   *
   * const exact = new ExactAveragePrecision();
   * exact.collect([0.1, 0.2, 0.4], [2, 0]);
   * exact.count([0.1, 0.2, 0.4]);
   */
  count(scores: Scores): void {
    const ofAll = this.#all();
    const { data, kept, classes } = this.#scores.count(scores);
    for (const row of kept) ofAll.add(data, row * classes, (row + 1) * classes);
  }

  /**
   * The result of an evaluator for the same rows, with exact average precisions in place of its own.
   *
   * @param result what {@link Evaluator.result} returned, of rows without weights and unknown classes
   * @returns a copy, whose bounds are the values
   * @throws LossError ERR_STATE for a result of other rows, or of rows with weights or unknown classes
   * @example
   * import { Evaluator, ExactAveragePrecision } from 'multilabel-margin-loss/evaluate';
   *
   * const [evaluator, exact] = [new Evaluator(), new ExactAveragePrecision()];
   * evaluator.update([0.1, 0.2, 0.4], [2, 0]);
   * exact.collect([0.1, 0.2, 0.4], [2, 0]);
   * exact.count([0.1, 0.2, 0.4]);
   * exact.amend(evaluator.result()).microAveragePrecisionBounds?.low.toFixed(4); // => '0.8333'
   */
  amend(result: EvaluationResult): EvaluationResult {
    const support = result.perLabel.reduce((sum, label) => sum + label.support, 0);
    const { classes, labels } = this.#scores;
    if (result.classes !== classes || support !== labels) {
      throw new LossError(
        'ERR_STATE',
        `a result of the same rows must have ${labels} labels of ${classes} classes, got ${support} of ${result.classes}`,
      );
    }
    if (result.hasWeights || result.hasUnknown) {
      throw new LossError(
        'ERR_STATE',
        'exact average precisions are those of rows without weights and unknown classes, got a result of rows with ' +
          (result.hasWeights ? 'weights' : 'unknown classes'),
      );
    }
    if (result.rows === 0) return result;
    const ofAll = this.#all();
    const counted = ofAll.counts.total;
    if (counted !== result.rows * classes) {
      throw new LossError(
        'ERR_STATE',
        `the same rows must be collected and counted: ${result.rows * classes} scores were collected, ${counted} counted`,
      );
    }
    const values = this.#scores.ofLabels.map((counts) => counts.averagePrecision());
    const macro = values.reduce((sum, value) => sum + value, 0) / values.length;
    const micro = ofAll.counts.averagePrecision();
    return {
      ...result,
      macroAveragePrecision: macro,
      macroAveragePrecisionBounds: { low: macro, high: macro },
      microAveragePrecision: micro,
      microAveragePrecisionBounds: { low: micro, high: micro },
      averagePrecisionMissing: null,
      perLabel: result.perLabel.map((label) => {
        const value = values[label.label] as number;
        return { ...label, averagePrecision: value, averagePrecisionBounds: { low: value, high: value } };
      }),
    };
  }

  #all(): SortedCounts {
    return (this.#ofAll ??= new SortedCounts(new Counts(this.#scores.sorted())));
  }
}

/**
 * Sorts many scores before it counts them. The thresholds of all labels together do not fit in the cache, and a search for
 * each score among four million took five times as long.
 */
class SortedCounts {
  readonly #scores = new Float64Array(SORTED);
  #size = 0;

  constructor(private readonly unsorted: Counts) {}

  /** Adds the scores from `begin` to before `end`. */
  add(scores: FloatArray, begin: number, end: number): void {
    while (begin < end) {
      const part = scores.subarray(begin, Math.min(end, begin + SORTED - this.#size));
      this.#scores.set(part, this.#size);
      this.#size += part.length;
      begin += part.length;
      if (this.#size === SORTED) this.#count();
    }
  }

  /** The counts of all scores so far. */
  get counts(): Counts {
    this.#count();
    return this.unsorted;
  }

  #count(): void {
    this.unsorted.addSorted(this.#scores.subarray(0, this.#size).sort());
    this.#size = 0;
  }
}
