import { describe, LossError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { Scores } from '../scores.js';
import type { Targets } from '../targets.js';
import { type Counts, type LabelClassification, metricsOf } from './classification.js';
import { type Counts as ScoreCounts, LabelScores } from './label-scores.js';
import { checkNonFinite } from './non-finite.js';

/**
 * Options of {@link ThresholdTuner}: what to look for, which is the best F1 unless one of `beta`, `precision` and `recall`
 * says otherwise.
 *
 * @example
 * import { ThresholdTuner, type ThresholdTunerOptions } from 'multilabel-margin-loss/evaluate';
 *
 * const options: ThresholdTunerOptions = { precision: 0.75 };
 * const tuner = new ThresholdTuner(options);
 * const scores = [[0.9], [0.8], [0.7], [0.6], [0.5]];
 * tuner.collect(scores, [[0], [0], [], [0], []]);
 * tuner.count(scores);
 * tuner.result().perLabel[0]?.recall; // => 1
 */
export interface ThresholdTunerOptions {
  /**
   * The best F-measure with this weight of recall beside precision: finite and above 0.
   * @default 1
   */
  beta?: number | undefined;
  /** The highest recall at a precision of at least this, above 0 and at most 1. */
  precision?: number | undefined;
  /** The highest precision at a recall of at least this, above 0 and at most 1; of equal ones, that with the highest recall. */
  recall?: number | undefined;
  /**
   * How a score that is NaN or infinite is treated: 'error' throws ERR_NON_FINITE, 'skip' leaves its row out.
   * @default 'error'
   */
  nonFinite?: 'error' | 'skip' | undefined;
}

/**
 * The threshold of a label, and its metrics on the rows that the threshold was chosen on.
 *
 * @example
 * import { ThresholdTuner, type TunedLabel } from 'multilabel-margin-loss/evaluate';
 *
 * const tuner = new ThresholdTuner();
 * tuner.collect([[0.75, 0.5], [0.25, 0.125]], [[0], []]);
 * tuner.count([[0.75, 0.5], [0.25, 0.125]]);
 * const [first, second]: TunedLabel[] = tuner.result().perLabel;
 * [first?.threshold, first?.f1]; // => [0.75, 1]
 * [second?.threshold, second?.support]; // => [null, 0]
 */
export interface TunedLabel extends LabelClassification {
  /**
   * The lowest score that is predicted. Null, for never, where no row has the label, and where no threshold has the wanted
   * precision.
   */
  threshold: number | null;
}

/**
 * The result of {@link ThresholdTuner.result}.
 *
 * @example
 * import { Evaluator, ThresholdTuner, type TunedThresholds } from 'multilabel-margin-loss/evaluate';
 *
 * const tuner = new ThresholdTuner();
 * tuner.collect([[0.75, 0.5], [0.25, 0.125]], [[0], []]);
 * tuner.count([[0.75, 0.5], [0.25, 0.125]]);
 * const { thresholds }: TunedThresholds = tuner.result();
 * thresholds; // => [0.75, null]
 * const evaluator = new Evaluator({ classification: { thresholds } });
 */
export interface TunedThresholds {
  /** [C], for `thresholds` of {@link ClassificationOptions} and of `Tagger.predict`. */
  thresholds: (number | null)[];
  /** [C] */
  perLabel: TunedLabel[];
}

/**
 * Finds a threshold for each label, in two passes over the same rows: the first collects the scores of the rows' labels, and
 * the second counts how many scores are at or above each of them. Memory grows with the number of labels of all rows, at
 * most {@link ThresholdTuner.BYTES_PER_LABEL} for each, and not with the number of scores.
 *
 * The threshold is the best one, whatever the number of scores. It is a score of a row that has the label: between two of
 * these, a lower threshold only adds rows without it. If several thresholds have the same F-measure, it is the highest of them.
 *
 * On the rows that thresholds were chosen on, they look better than they are: choose and evaluate on different rows.
 *
 * @example
 * import { Evaluator, ThresholdTuner } from 'multilabel-margin-loss/evaluate';
 *
 * const [validation, test] = [
 *   { scores: [[0.5, 0.25], [0.125, 0.75], [0.5, 0.5]], targets: [[0], [1], [0, 1]] },
 *   { scores: [[0.75, 0.5], [0.25, 0.5]], targets: [[0, 1], [1]] },
 * ] as const;
 * const tuner = new ThresholdTuner();
 * tuner.collect(validation.scores, validation.targets);
 * tuner.count(validation.scores);
 * const { thresholds } = tuner.result();
 * thresholds; // => [0.5, 0.5]
 * const evaluator = new Evaluator({ classification: { thresholds } });
 * evaluator.update(test.scores, test.targets);
 * evaluator.result().classification?.macro.f1; // => 1
 */
export class ThresholdTuner {
  /** Bytes of memory per label of a row, at most. */
  static readonly BYTES_PER_LABEL = 40;

  readonly #goal: Goal;
  readonly #beta: number | null;
  readonly #scores: LabelScores;

  /**
   * @param options `beta`, `precision` or `recall`, and `nonFinite`
   * @throws LossError ERR_OPTION for an unknown option or value, and for two goals
   * @example
   * import { ThresholdTuner } from 'multilabel-margin-loss/evaluate';
   *
   * new ThresholdTuner({ beta: 2 }).labels; // => 0
   */
  constructor(options: ThresholdTunerOptions = {}) {
    const {
      beta,
      precision,
      recall,
      nonFinite = 'error',
    } = checkOptions(options, ['beta', 'precision', 'recall', 'nonFinite'], 'ThresholdTuner()');
    checkNonFinite(nonFinite);
    const given = Object.entries({ beta, precision, recall }).filter(([, value]) => value !== undefined);
    if (given.length > 1) {
      throw new LossError(
        'ERR_OPTION',
        `give one of beta, precision and recall, got ${given.map(([name]) => name).join(' and ')}`,
      );
    }
    for (const [name, value] of given) {
      const most = name === 'beta' ? Number.MAX_VALUE : 1;
      if (typeof value === 'number' && value > 0 && value <= most) continue;
      const range = name === 'beta' ? 'finite and above 0' : 'above 0 and at most 1';
      throw new LossError('ERR_OPTION', `${name} must be ${range}, got ${describe(value)}`);
    }
    this.#beta = beta ?? null;
    this.#goal =
      precision !== undefined
        ? // The lower one of two thresholds has the higher recall.
          (best, next) => (next.precision >= precision && next.recall > (best?.recall ?? 0) ? next : best)
        : recall !== undefined
          ? (best, next) => (next.recall >= recall && next.precision >= (best?.precision ?? 0) ? next : best)
          : (best, next) => ((next.fBeta ?? next.f1) > (best?.fBeta ?? best?.f1 ?? 0) ? next : best);
    this.#scores = new LabelScores(nonFinite);
  }

  /**
   * Labels of the rows that were collected: the number by which memory grows.
   *
   * @example
   * import { ThresholdTuner } from 'multilabel-margin-loss/evaluate';
   *
   * const tuner = new ThresholdTuner();
   * tuner.collect([[0.1, 0.2], [0.5, 0.4]], [[0], [0, 1]]);
   * tuner.labels * ThresholdTuner.BYTES_PER_LABEL; // => 120
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
   * import { ThresholdTuner } from 'multilabel-margin-loss/evaluate';
   *
   * const tuner = new ThresholdTuner();
   * tuner.collect([0.1, 0.2, 0.4], [2, 0]);
   * tuner.labels; // => 2
   */
  collect(scores: Scores, targets: Targets): void {
    this.#scores.collect(scores, targets);
  }

  /**
   * The second pass: takes the same rows again, in any order and in any batches.
   *
   * @param scores float32 or float64, [N, C] or [C]
   * @throws LossError as {@link ThresholdTuner.collect}; ERR_STATE before rows have been collected
   * @example
   * import { ThresholdTuner } from 'multilabel-margin-loss/evaluate';
   *
   * const tuner = new ThresholdTuner();
   * tuner.collect([0.25, 0.5, 0.75], [2, 0]);
   * tuner.count([0.25, 0.5, 0.75]);
   * tuner.result().thresholds; // => [0.25, null, 0.75]
   */
  count(scores: Scores): void {
    this.#scores.count(scores);
  }

  /**
   * The thresholds, after both passes.
   *
   * @returns the thresholds, and the metrics of each label at its own on these rows, where 0 / 0 is 0
   * @throws LossError ERR_STATE where other rows were counted than collected
   * @example
   * import { ThresholdTuner } from 'multilabel-margin-loss/evaluate';
   *
   * const tuner = new ThresholdTuner({ recall: 1 });
   * const scores = [[0.9], [0.8], [0.5]];
   * tuner.collect(scores, [[0], [], [0]]);
   * tuner.count(scores);
   * const [label] = tuner.result().perLabel;
   * [label?.truePositives, label?.predicted]; // => [2, 3]
   */
  result(): TunedThresholds {
    const { collected, counted } = this.#scores.rows;
    if (collected !== counted) {
      throw new LossError('ERR_STATE', `the same rows must be collected and counted, got ${collected} and ${counted}`);
    }
    const perLabel = this.#scores.ofLabels.map((counts, label) => this.#tune(counts, label));
    return { thresholds: perLabel.map(({ threshold }) => threshold), perLabel };
  }

  #tune(scores: ScoreCounts, label: number): TunedLabel {
    const support = scores.length;
    const metricsAt = (counts: Counts, threshold: number | null): TunedLabel => ({
      label,
      threshold,
      ...counts,
      ...metricsOf(counts, this.#beta, 0),
    });
    let best: TunedLabel | null = null;
    scores.forEachThreshold((threshold, begin, _end, predicted) => {
      best = this.#goal(best, metricsAt({ support, predicted, truePositives: support - begin }, threshold));
    });
    return best ?? metricsAt({ support, predicted: 0, truePositives: 0 }, null);
  }
}

/** The better of two: thresholds come from the highest down. */
type Goal = (best: TunedLabel | null, next: TunedLabel) => TunedLabel | null;
