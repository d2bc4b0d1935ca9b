import type { FloatArray } from '../backend.js';
import type { FloatDType } from '../dtypes.js';
import { describe, LossError } from '../errors.js';
import { checkOptions } from '../options.js';
import { type Scores, toScores } from '../scores.js';
import { type Targets, toTargets } from '../targets.js';
import type { Tensor } from '../tensor.js';
import type { EvaluationResult } from './result.js';

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

/** Scores that are collected in one array, before another one is begun. */
const CHUNK = 2 ** 16;
/** Scores that are sorted at a time: 8 MB. */
const SORTED = 2 ** 20;
/** Scores of a label in a batch that are worth sorting. */
const LEAST_SORTED = 64;

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

  readonly #nonFinite: 'error' | 'skip';
  #classes = 0;
  #labels = 0;
  /** Collected scores and their classes, in the order in which they came. */
  #chunks: { scores: Float64Array; classes: Int32Array }[] = [];
  #counts: { ofLabels: Counts[]; ofAll: SortedCounts } | null = null;

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
    if (nonFinite !== 'error' && nonFinite !== 'skip') {
      throw new LossError('ERR_OPTION', `nonFinite must be one of 'error', 'skip', got ${describe(nonFinite)}`);
    }
    this.#nonFinite = nonFinite;
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
    return this.#labels;
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
    if (this.#counts !== null)
      throw new LossError('ERR_STATE', 'all rows must be collected before the first is counted');
    const { data, rows, classes, shape } = this.#rowsOf(scores);
    const indices = toTargets(targets, shape);
    const width = indices.shape.at(-1) ?? 1;
    if (indices.data.length !== rows * width) {
      throw new LossError('ERR_SHAPE', `targets must have ${rows} rows, got shape [${indices.shape.join(', ')}]`);
    }
    const kept = this.#keptRows(data, rows, classes);
    for (const row of kept) {
      for (let i = row * width; i < (row + 1) * width; i++) {
        const label = Number(indices.data[i]);
        if (label < -1 || label >= classes) {
          throw new LossError('ERR_TARGET_RANGE', `target ${label} at row ${row} is not in [-1, ${classes})`);
        }
        if (label < 0) break;
      }
    }
    this.#classes = classes;
    const labels = new Set<number>();
    for (const row of kept) {
      labels.clear();
      for (let i = row * width; i < (row + 1) * width; i++) {
        const label = Number(indices.data[i]);
        if (label < 0) break;
        if (labels.has(label)) continue;
        labels.add(label);
        this.#collectOne(data[row * classes + label] as number, label);
      }
    }
  }

  #collectOne(score: number, label: number): void {
    const at = this.#labels % CHUNK;
    if (at === 0) this.#chunks.push({ scores: new Float64Array(CHUNK), classes: new Int32Array(CHUNK) });
    const chunk = this.#chunks.at(-1) as { scores: Float64Array; classes: Int32Array };
    chunk.scores[at] = score + 0; // -0 + 0 = 0: sort() tells the zeros apart.
    chunk.classes[at] = label;
    this.#labels++;
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
    const { data, rows, classes } = this.#rowsOf(scores);
    const kept = this.#keptRows(data, rows, classes);
    const { ofLabels, ofAll } = (this.#counts ??= this.#sort());
    // Label by label, so that the thresholds of one stay in the cache. Sorted scores are found in a third of the time, and
    // a few are not worth it.
    const column = new Float64Array(kept.length);
    for (let label = 0; label < classes; label++) {
      const counts = ofLabels[label] as Counts;
      for (let i = 0; i < kept.length; i++) column[i] = data[(kept[i] as number) * classes + label] as number;
      if (kept.length >= LEAST_SORTED) counts.addSorted(column.sort());
      else for (const score of column) counts.add(score);
    }
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
    if (result.classes !== this.#classes || support !== this.#labels) {
      throw new LossError(
        'ERR_STATE',
        `a result of the same rows must have ${this.#labels} labels of ${this.#classes} classes, got ${support} of ${result.classes}`,
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
    const { ofLabels, ofAll } = (this.#counts ??= this.#sort());
    const counted = ofAll.counts.total;
    if (counted !== result.rows * this.#classes) {
      throw new LossError(
        'ERR_STATE',
        `the same rows must be collected and counted: ${result.rows * this.#classes} scores were collected, ${counted} counted`,
      );
    }
    const values = ofLabels.map((counts) => counts.averagePrecision());
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

  #rowsOf(scores: Scores) {
    const { data, shape } = toScores(scores) as Tensor<FloatDType>;
    const classes = shape.at(-1) ?? 1;
    if (this.#classes !== 0 && classes !== this.#classes) {
      throw new LossError('ERR_SHAPE', `scores must have ${this.#classes} classes, as those before, got ${classes}`);
    }
    return { data, shape, classes, rows: shape.length === 2 ? (shape[0] as number) : 1 };
  }

  /** The rows of finite scores. */
  #keptRows(scores: FloatArray, rows: number, classes: number): number[] {
    const kept: number[] = [];
    for (let row = 0; row < rows; row++) {
      const begin = row * classes;
      let i = begin;
      while (i < begin + classes && Number.isFinite(scores[i])) i++;
      if (i === begin + classes) {
        kept.push(row);
      } else if (this.#nonFinite === 'error') {
        throw new LossError(
          'ERR_NON_FINITE',
          `score at row ${row}, column ${i - begin} is ${scores[i]}: scores must be finite, unless nonFinite is 'skip'`,
        );
      }
    }
    return kept;
  }

  /** Sorts what was collected, label by label and all together. */
  #sort(): { ofLabels: Counts[]; ofAll: SortedCounts } {
    const begins = new Uint32Array(this.#classes + 1);
    const forEach = (use: (score: number, label: number) => void): void => {
      for (let i = 0; i < this.#labels; i++) {
        const { scores, classes } = this.#chunks[Math.floor(i / CHUNK)] as {
          scores: Float64Array;
          classes: Int32Array;
        };
        use(scores[i % CHUNK] as number, classes[i % CHUNK] as number);
      }
    };
    forEach((_, label) => ((begins[label + 1] as number) += 1));
    for (let label = 0; label < this.#classes; label++) (begins[label + 1] as number) += begins[label] as number;
    const next = begins.slice();
    const grouped = new Float64Array(this.#labels);
    forEach((score, label) => (grouped[(next[label] as number)++] = score));
    this.#chunks = [];
    const ofAll = new SortedCounts(new Counts(grouped.slice().sort()));
    const ofLabels = Array.from(
      { length: this.#classes },
      (_, label) => new Counts(grouped.subarray(begins[label], begins[label + 1]).sort()),
    );
    return { ofLabels, ofAll };
  }
}

/** The scores of rows that have a label, and how many scores of all rows lie between one of them and the next. */
class Counts {
  /** [thresholds + 1]: below the lowest, and from each threshold on to before the next. */
  readonly #between: Float64Array;

  /** @param thresholds ascending; equal ones count at the last of them */
  constructor(private readonly thresholds: Float64Array) {
    this.#between = new Float64Array(thresholds.length + 1);
  }

  add(score: number): void {
    (this.#between[this.#atOrBelow(score, 0, this.thresholds.length)] as number) += 1;
  }

  /** @param scores ascending */
  addSorted(scores: Float64Array): void {
    const { thresholds } = this;
    const { length } = thresholds;
    let place = 0;
    for (const score of scores) {
      // Neighbours among the scores are neighbours among the thresholds: looks nearby first, twice as far each time.
      let step = 1;
      let end = place;
      while (end < length && (thresholds[end] as number) <= score) {
        place = end + 1;
        end += step;
        step *= 2;
      }
      place = this.#atOrBelow(score, place, Math.min(end, length));
      (this.#between[place] as number) += 1;
    }
  }

  get total(): number {
    return this.#between.reduce((sum, count) => sum + count, 0);
  }

  averagePrecision(): number {
    const { thresholds } = this;
    let sum = 0;
    let all = 0;
    for (let i = thresholds.length; i > 0;) {
      const score = thresholds[i - 1];
      const end = i;
      while (i > 0 && thresholds[i - 1] === score) i--;
      // Counts of equal thresholds are at the last of them.
      all += this.#between[end] as number;
      sum += ((end - i) / thresholds.length) * ((thresholds.length - i) / all);
    }
    return sum;
  }

  /** The number of thresholds at or below a score, which is from `begin` to `end`. */
  #atOrBelow(score: number, begin: number, end: number): number {
    const { thresholds } = this;
    while (begin < end) {
      const middle = (begin + end) >>> 1;
      if ((thresholds[middle] as number) <= score) begin = middle + 1;
      else end = middle;
    }
    return begin;
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
