import { checkListShape } from '../arguments.js';
import type { FloatArray } from '../backend.js';
import type { FloatDType } from '../dtypes.js';
import { LossError } from '../errors.js';
import { type Scores, toScores } from '../scores.js';
import { type Targets, targetOutOfRange, toTargets } from '../targets.js';
import type { Tensor } from '../tensor.js';

/** Scores that are collected in one array, before another one is begun. */
const CHUNK = 2 ** 16;
/** Scores of a label in a batch that are worth sorting. */
const LEAST_SORTED = 64;

/**
 * For each label, the scores of the rows that have it, and how many scores of all rows lie between these: all that the exact
 * curve of precision and recall needs. Rows are read twice: collected, and then counted.
 */
export class LabelScores {
  #classes = 0;
  #labels = 0;
  /** Collected scores and their classes, in the order in which they came. */
  #chunks: { scores: Float64Array; classes: Int32Array }[] = [];
  /** The collected scores label by label, from the first count on. */
  #grouped: { scores: Float64Array; ofLabels: Counts[] } | null = null;
  #rowsCollected = 0;
  #rowsCounted = 0;

  /** @param nonFinite whether a row with a score that is NaN or infinite is refused, or left out */
  constructor(private readonly nonFinite: 'error' | 'skip') {}

  /** Number of classes C; 0 before the first row. */
  get classes(): number {
    return this.#classes;
  }

  /** Labels of the rows that were collected. */
  get labels(): number {
    return this.#labels;
  }

  /** Rows that were collected, and rows that were counted, without those skipped. */
  get rows(): { collected: number; counted: number } {
    return { collected: this.#rowsCollected, counted: this.#rowsCounted };
  }

  /** @throws LossError, and collects nothing */
  collect(scores: Scores, targets: Targets): void {
    if (this.#grouped !== null)
      throw new LossError('ERR_STATE', 'all rows must be collected before the first is counted');
    const { data, rows, classes, shape } = this.#rowsOf(scores);
    const indices = toTargets(targets, shape);
    checkListShape(indices.shape, shape, 'targets');
    const width = indices.shape.at(-1) ?? 1;
    const kept = this.#keptRows(data, rows, classes);
    for (const row of kept) {
      for (let i = row * width; i < (row + 1) * width; i++) {
        const label = Number(indices.data[i]);
        if (label < -1 || label >= classes) throw targetOutOfRange(label, row, i - row * width, classes);
      }
    }
    this.#classes = classes;
    this.#rowsCollected += kept.length;
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

  /** @returns the scores, and which rows of them were counted */
  count(scores: Scores): { data: FloatArray; kept: readonly number[]; classes: number } {
    const { data, rows, classes } = this.#rowsOf(scores);
    const kept = this.#keptRows(data, rows, classes);
    if (this.#classes === 0) throw new LossError('ERR_STATE', 'rows must be collected before they are counted');
    const { ofLabels } = this;
    // Label by label, so that the thresholds of one stay in the cache. Sorted scores are found in a third of the time, and
    // a few are not worth it.
    const column = new Float64Array(kept.length);
    for (let label = 0; label < classes; label++) {
      const counts = ofLabels[label] as Counts;
      for (let i = 0; i < kept.length; i++) column[i] = data[(kept[i] as number) * classes + label] as number;
      if (kept.length >= LEAST_SORTED) counts.addSorted(column.sort());
      else for (const score of column) counts.add(score);
    }
    this.#rowsCounted += kept.length;
    return { data, kept, classes };
  }

  /** The counts of each label so far: [C] */
  get ofLabels(): readonly Counts[] {
    return (this.#grouped ??= this.#group()).ofLabels;
  }

  /** The collected scores of all labels, ascending. */
  sorted(): Float64Array {
    return (this.#grouped ??= this.#group()).scores.slice().sort();
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
      } else if (this.nonFinite === 'error') {
        throw new LossError(
          'ERR_NON_FINITE',
          `score at row ${row}, column ${i - begin} is ${scores[i]}: scores must be finite, unless nonFinite is 'skip'`,
        );
      }
    }
    return kept;
  }

  /** Sorts what was collected, label by label. */
  #group(): { scores: Float64Array; ofLabels: Counts[] } {
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
    const ofLabels = Array.from(
      { length: this.#classes },
      (_, label) => new Counts(grouped.subarray(begins[label], begins[label + 1]).sort()),
    );
    return { scores: grouped, ofLabels };
  }
}

/** The scores of rows that have a label, and how many scores of all rows lie between one of them and the next. */
export class Counts {
  /** [thresholds + 1]: below the lowest, and from each threshold on to before the next. */
  readonly #between: Float64Array;

  /** @param thresholds ascending; equal ones count at the last of them */
  constructor(private readonly thresholds: Float64Array) {
    this.#between = new Float64Array(thresholds.length + 1);
  }

  /** Number of rows that have the label. */
  get length(): number {
    return this.thresholds.length;
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
    const { length } = this.thresholds;
    let sum = 0;
    this.forEachThreshold((_, begin, end, all) => (sum += ((end - begin) / length) * ((length - begin) / all)));
    return sum;
  }

  /**
   * Calls `use` for each distinct threshold, from the highest down, with its places among all thresholds and the number of
   * scores at or above it.
   */
  forEachThreshold(use: (threshold: number, begin: number, end: number, all: number) => void): void {
    const { thresholds } = this;
    let all = 0;
    for (let begin = thresholds.length; begin > 0;) {
      const threshold = thresholds[begin - 1] as number;
      const end = begin;
      while (begin > 0 && thresholds[begin - 1] === threshold) begin--;
      // Scores of equal thresholds are at the last of them.
      all += this.#between[end] as number;
      use(threshold, begin, end, all);
    }
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
