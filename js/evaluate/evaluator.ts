import type { ForwardOptions } from '../arguments.js';
import { type Backend, type IndexArray, refuseAsyncBackend } from '../backend.js';
import type { FloatDType } from '../dtypes.js';
import { describe, LossError } from '../errors.js';
import { MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from '../loss.js';
import { checkLabels } from '../labels.js';
import { checkOptions } from '../options.js';
import { checkModule, type WasmModule } from '../wasm/instantiate.js';
import { checkSampleWeight } from '../sample-weight.js';
import { type Scores, toScores } from '../scores.js';
import { type Targets, targetOutOfRange, toTargets, toUnknown } from '../targets.js';
import { Tensor } from '../tensor.js';
import { toBase64 } from './base64.js';
import { type ClassificationJSON, type ClassificationOptions, toClassification } from './classification.js';
import { CONFUSIONS, toConfusions } from './confusions.js';
import { type CompareOptions, compareResults, type Comparison } from './comparison.js';
import { type PrecisionRecallCurve, toCurve } from './curve.js';
import { HighestLosses } from './highest-losses.js';
import { WasmMetrics } from './metrics.js';
import { type EvaluationResult, type RowKinds, toResult, WHY_MISSING } from './result.js';
import { checkLength, checkWhole, hashOfRow } from './row-lists.js';
import { damaged, digestOf, type EvaluatorJSON, FORMAT, toState, VERSION } from './state.js';
import { checkNonFinite } from './non-finite.js';
import { checkClasses, type Lists, TOP_ONLY, toAllScores, type TopScores, toTopRows } from './top-scores.js';

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
  k?: readonly number[] | undefined;
  /**
   * Options of the loss, whose mean over the rows is among the results: `margin`, `normalization`, `targetOrder` and `backend` as
   * for {@link MultiLabelMarginLoss}.
   * @default those of the class
   */
  loss?: Pick<MultiLabelMarginLossOptions<Backend>, 'margin' | 'normalization' | 'targetOrder' | 'backend'> | undefined;
  /**
   * How a score that is NaN or infinite is treated: 'error' throws ERR_NON_FINITE and adds nothing; 'skip' leaves its row out,
   * and counts it in `rowsSkipped`.
   * @default 'error'
   */
  nonFinite?: 'error' | 'skip' | undefined;
  /**
   * The compiled `multilabel-margin-loss/ranking_metrics.wasm` of this version of the package, for environments that refuse
   * to compile WebAssembly from bytes. There the loss needs one too: `loss: { backend: createWasmBackend({ module }) }`.
   * @default one that the evaluator compiles
   */
  module?: WasmModule | undefined;
  /**
   * Which classes of a row are predicted, for precision, recall, F1 and other metrics of predictions in
   * {@link EvaluationResult.classification}.
   * @default none: these metrics are left out
   */
  classification?: ClassificationOptions | null | undefined;
  /**
   * The names of the classes, [C]: different strings, of which none is empty. Results and states have them.
   * @default none: classes are known by their numbers
   */
  labels?: readonly string[] | null | undefined;
}

/**
 * Options of {@link Evaluator.update}, all of them optional: facts about rows beside their scores and targets.
 *
 * {@link Evaluator.compare} needs two models' rows to be known by the same: by `rowIds` if given, or else by `sourceIndex`
 * and the number of the row in its source.
 *
 * @example
 * import { Evaluator, type UpdateOptions } from 'multilabel-margin-loss/evaluate';
 *
 * const options: UpdateOptions = { source: 'scores-7.npy', sourceIndex: 7, firstRow: 4096 };
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]], options);
 * const [highest] = evaluator.result().highestLosses;
 * [highest?.source, highest?.row]; // => ['scores-7.npy', 4096]
 */
export interface UpdateOptions {
  /**
   * The number of the first row in its source, from 0. Rows that are evaluated apart need it for results of the same bits in
   * `highestLosses` and {@link Evaluator.compare}.
   * @default the number of rows before
   */
  firstRow?: number | undefined;
  /**
   * The name of a file, say: it is among the results.
   * @default ''
   */
  source?: string | undefined;
  /**
   * The number of the source among all, from 0. Two models' sources may have different names, and one number.
   * @default 0
   */
  sourceIndex?: number | undefined;
  /**
   * The ids of the rows, shape [N], each a string or a whole number; 7 and '7' are the same. Rows that share an id, say the
   * sentences of one document, are drawn together by the bootstrap of {@link Evaluator.compare}.
   * @default the number of the row in its source
   */
  rowIds?: ArrayLike<string | number | bigint> | undefined;
  /**
   * The weights of the rows, shape [N], numbers from 0 on, by which rows count in the means and the average precisions, as
   * `sample_weight` of scikit-learn: a mean is divided by the sum of the weights. The average precisions then are for at
   * most 2^20 scores.
   * @default 1 for each row
   */
  sampleWeight?: ArrayLike<number> | undefined;
  /**
   * Classes of each row that may or may not be labels of it, in the forms of {@link ForwardOptions.unknown}. The metrics are those of the other classes: as if the row had no unknown ones. The
   * loss is {@link MultiLabelMarginLoss}'s, whose divisor stays the number of all classes. A class that is also a target
   * of the row is refused.
   * @default none
   */
  unknown?: ForwardOptions['unknown'];
}

/**
 * Options of {@link Evaluator.updateTopK}: those of {@link UpdateOptions}, and the number of classes.
 *
 * @example
 * import { Evaluator, type UpdateTopKOptions } from 'multilabel-margin-loss/evaluate';
 *
 * const options: UpdateTopKOptions = { classes: 10, source: 'top.ndjson' };
 * const evaluator = new Evaluator({ k: [1] });
 * evaluator.updateTopK({ values: [0.9], indices: [3] }, [3], options);
 * evaluator.result().classes; // => 10
 */
export interface UpdateTopKOptions extends UpdateOptions {
  /**
   * Number of classes C.
   * @default that of `labels`, or of the rows before
   */
  classes?: number | undefined;
}

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
  readonly #module: WasmModule | null;
  readonly #classification: ClassificationJSON | null;
  readonly #labels: readonly string[] | null;
  #metrics: WasmMetrics | null = null;
  readonly #highestLosses = new HighestLosses();
  #kinds: RowKinds = { hasWeights: false, hasUnknown: false };
  /** Whether the highest scores of rows alone are known; not decided before the first rows. */
  #isTopK = false;

  /**
   * @param options `k`, `loss`, `nonFinite`, `classification`, `labels` and `module`
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
      classification,
      labels,
      module,
    } = checkOptions(options, ['k', 'loss', 'nonFinite', 'classification', 'labels', 'module'], 'Evaluator()');
    checkNonFinite(nonFinite);
    this.#k = checkK(k);
    const lossOptions = checkOptions(loss, ['margin', 'normalization', 'targetOrder', 'backend'], "Evaluator()'s loss");
    this.#lossFn = new MultiLabelMarginLoss({ ...lossOptions, reduction: 'none' });
    refuseAsyncBackend(lossOptions.backend, 'Evaluator');
    this.#nonFinite = nonFinite;
    if (module !== undefined) checkModule(module, 'ranking_metrics.wasm', 'groupSums');
    this.#module = module ?? null;
    this.#classification = toClassification(classification);
    this.#labels = labels === undefined || labels === null ? null : checkLabels(labels, null);
  }

  /**
   * Adds rows; where it throws, none of them.
   *
   * @param scores float32 or float64, [N, C] or [C]; C is that of the first call
   * @param targets int32 or int64, [N, K] or [K], or lists of different lengths: as for {@link MultiLabelMarginLoss.forward}.
   * A label listed twice is one label for the metrics.
   * @param options what the rows are known by, their weights, and their unknown classes: see {@link UpdateOptions}
   * @throws LossError ERR_NON_FINITE under `nonFinite: 'error'`; ERR_SHAPE for another number of classes than before, or
   * lists of other lengths than N, thresholds or names that are not as many as classes; ERR_OPTION for an unknown option or value; and what MultiLabelMarginLoss.forward throws
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator();
   * const scores = { data: Float32Array.of(0.1, 0.2, 0.4, 0.8, 0.5, 0.1, 0.2, 0.3), shape: [2, 4] };
   * evaluator.update(scores, [[3, 0], [1]]);
   * evaluator.update([0.5, 0.1, 0.2, 0.3], [0]);
   * evaluator.result().rows; // => 3
   */
  update(scores: Scores, targets: Targets, options?: UpdateOptions): void {
    this.#checkKind(false);
    this.#add(scores, targets, options);
  }

  #add(scores: Scores, targets: Targets, options: UpdateOptions | undefined, isTopK = false): void {
    const {
      firstRow = this.#rows,
      source = '',
      sourceIndex = 0,
      rowIds,
      sampleWeight,
      unknown,
    } = checkOptions(options, UPDATE_OPTIONS, 'update()');
    checkWhole(firstRow, 'firstRow');
    checkWhole(sourceIndex, 'sourceIndex');
    if (typeof source !== 'string')
      throw new LossError('ERR_OPTION', `source must be a string, got ${describe(source)}`);
    const given = toScores(scores) as Tensor<FloatDType>;
    // Without requires_grad: the gradient is not wanted.
    const plain = new Tensor<FloatDType>(given.data, given.shape);
    const indices = toTargets(targets, plain.shape);
    const hasUnknown = unknown !== undefined && unknown !== null;
    // Without an object of options for the usual batch: for batches of a few rows, it took a tenth of the time.
    const losses = (
      hasUnknown ? this.#lossFn.forward(plain, indices, { unknown }) : this.#lossFn.forward(plain, indices)
    ).data;
    const unknownClasses = hasUnknown ? toUnknown(unknown, plain.shape) : null;
    const classes = plain.shape.at(-1) ?? 1;
    if (this.#metrics !== null && this.#metrics.classes !== classes) {
      throw new LossError(
        'ERR_SHAPE',
        `scores must have ${this.#metrics.classes} classes, as those before, got ${classes} (shape [${plain.shape.join(', ')}])`,
      );
    }
    const metrics = this.#metrics ?? this.#begin(classes);
    const batch = {
      scores: plain.data,
      targets: indices.data,
      losses,
      rows: losses.length,
      width: indices.shape.at(-1) ?? 1,
      sampleWeight: sampleWeight === undefined ? null : toSampleWeight(sampleWeight, losses.length),
      unknown: unknownClasses?.data ?? null,
      unknownWidth: unknownClasses === null ? 0 : (unknownClasses.shape.at(-1) ?? 1),
      ids: rowIds === undefined ? null : toHashes(rowIds, losses.length),
      firstRow,
      file: sourceIndex,
    };
    if (isTopK) batch.losses = new Float64Array(batch.rows);
    metrics.update(batch, this.#nonFinite === 'skip');
    this.#metrics = metrics;
    this.#isTopK = isTopK;
    if (!isTopK) this.#highestLosses.add({ ...batch, source });
    if (batch.sampleWeight !== null || batch.unknown !== null) {
      this.#addKinds({
        hasWeights: batch.sampleWeight?.some((weight) => weight !== 1) ?? false,
        hasUnknown: batch.unknown === null ? false : hasAny(batch.unknown, batch.unknownWidth),
      });
    }
  }

  /**
   * Adds rows of which only the highest scores are known; where it throws, none of them. Precision, recall and nDCG at k and
   * one-error are exact, and so are the metrics of predicted classes; all others are left out, see
   * {@link EvaluationResult.rankingMissing}. Memory is that of the scores of all classes while it runs: give rows in batches.
   *
   * @param top `values` and `indices`, as `topk()` returns them: at least as many of each row as the largest k
   * @param targets as for {@link Evaluator.update}
   * @param options `classes`, and those of {@link Evaluator.update}
   * @throws LossError ERR_SHAPE for a row of too few scores: for k, or for what reaches a threshold; ERR_OPTION for a class that
   * a row lists twice; ERR_STATE after rows of all scores; and what {@link Evaluator.update} throws
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator({ k: [1, 2] });
   * evaluator.updateTopK({ values: [[0.9, 0.5], [0.8, 0.1]], indices: [[3, 0], [1, 2]] }, [[0, 3, 7], [2]], { classes: 10 });
   * const { at, oneError, loss } = evaluator.result();
   * at[2]; // => { precision: 0.75, recall: 0.8333333333333333, ndcg: 0.8154648767857287 }
   * [oneError, loss]; // => [0.5, NaN]
   */
  updateTopK(top: TopScores, targets: Targets, options: UpdateTopKOptions = {}): void {
    const { classes: given, ...others } = checkOptions(options, ['classes', ...UPDATE_OPTIONS], 'updateTopK()');
    this.#checkKind(true);
    const { values, indices } = checkOptions(top, ['values', 'indices'], "updateTopK()'s scores");
    const classes = checkClasses(given ?? this.#labels?.length ?? this.#metrics?.classes);
    const rows = toTopRows({ values, indices }, classes);
    const lists = toLists(toTargets(targets, rows.shape), rows.rows, classes, 'targets');
    const { unknown: unknownClasses } = others;
    const unknown =
      unknownClasses === undefined || unknownClasses === null
        ? null
        : toLists(toUnknown(unknownClasses, rows.shape), rows.rows, classes, 'unknown');
    const all = toAllScores(rows, lists, unknown, {
      k: this.#k,
      classification: this.#classification,
      nonFinite: this.#nonFinite,
    });
    this.#add({ data: all, shape: rows.shape }, targets, others, true);
  }

  /**
   * Adds the rows of another evaluator, which stays as it is. In whatever order parts are merged, the result is that of
   * one evaluator for all rows, to the bit.
   *
   * @param other one with the same `k`, `classification`, `labels`, options of the loss and number of classes
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
    this.#checkKind(other.#isTopK);
    const metrics = this.#metrics ?? this.#begin(theirs.classes);
    if (metrics.classes !== theirs.classes) {
      throw new LossError(
        'ERR_STATE',
        `evaluators to be merged must have the same classes, got ${metrics.classes} and ${theirs.classes}`,
      );
    }
    metrics.merge(theirs.write());
    this.#metrics = metrics;
    this.#isTopK = other.#isTopK;
    this.#highestLosses.merge(other.#highestLosses.rows);
    this.#addKinds(other.#kinds);
  }

  /**
   * This model beside another one, evaluated over the same rows: the metrics that are means over rows, those of predicted
   * labels, their differences, and confidence intervals; and the same for each label. Average precisions are not means
   * over rows, and have no intervals.
   *
   * The intervals are percentiles of a bootstrap. An evaluator does not keep rows, so the bootstrap draws from 256 groups,
   * which rows fall into by a hash of what they are known by. With rows in fewer than 30 groups there are no intervals.
   * Formula: Efron and
   * Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; groups: Wolter, Introduction to Variance Estimation
   * (2007), chapter 2.
   *
   * Among many labels, some differ by chance. The intervals of the labels are therefore simultaneous: all of those of a metric
   * hold what they estimate at once as often as `level` says. Each is as many standard errors wide as the largest
   * deviation among all labels was, in that share of the draws. Source: Westfall and Young, Resampling-Based Multiple Testing
   * (1993), chapter 2; Romano and Wolf, Exact and approximate stepdown methods for multiple hypothesis testing (2005).
   *
   * @param other one with the same `k` and options of the loss, and with the same names of the classes if both have
   * some, of the same rows: with the same labels, and known by the same, see {@link UpdateOptions}
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
   * coverageError.difference; // => { value: -2.5, low: null, high: null }
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
    if (own.classes !== others.classes) {
      throw new LossError(
        'ERR_STATE',
        `evaluators to be compared must have the same number of classes, got ${own.classes} and ${others.classes}`,
      );
    }
    if (first.rows !== second.rows || own.labelsFingerprint() !== others.labelsFingerprint()) {
      const given =
        first.rows === second.rows
          ? 'other labels, unknown classes or weights'
          : `${first.rows} and ${second.rows} rows`;
      throw new LossError('ERR_STATE', `evaluators to be compared must be of the same rows and labels, got ${given}`);
    }
    if (own.fingerprint() !== others.fingerprint()) {
      throw new LossError(
        'ERR_STATE',
        'evaluators to be compared must know their rows by the same: these have the same labels under other numbers, as if ' +
          'they were cut into files differently or came in another order. Evaluate both with ids of the rows (rowIds)',
      );
    }
    return compareResults(
      [first, second],
      [own.groupSums(), others.groupSums()],
      own.isDetailed ? (label) => [own.labelGroups(label), others.labelGroups(label)] : null,
      this.#k,
      { level, resamples, seed },
    );
  }

  /**
   * The metrics of all rows so far. More may follow.
   *
   * @returns counts, means and the metrics of each label; NaN where there are no rows
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
    const numbers = this.#metrics?.compute() ?? null;
    const hasConfusions = this.#metrics?.isDetailed ?? true;
    return toResult(
      numbers,
      classes,
      this.#k,
      this.#kinds,
      this.#highestLosses.rows,
      this.#classification,
      this.#labels,
      hasConfusions ? toConfusions(this.#metrics?.confusions(CONFUSIONS) ?? new Float64Array(0)) : null,
      this.#isTopK,
    );
  }

  /**
   * Precision, recall and F1 at every threshold. They are exact: up to 2^20 scores, there is a threshold for each distinct
   * score; of more, one for each bin that scores were counted in.
   *
   * @param label that of one label; all scores together, if it is not given
   * @returns a point for each threshold; none if no row has the label
   * @throws LossError ERR_OPTION for a label out of range; ERR_STATE where the sums do not tell, as
   * {@link EvaluationResult.averagePrecisionMissing} says
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator();
   * evaluator.update([[0.125, 0.75], [0.5, 0.25]], [[1], [0, 1]]);
   * const { thresholds, precision } = evaluator.precisionRecallCurve();
   * [...thresholds]; // => [0.125, 0.25, 0.5, 0.75]
   * [...precision]; // => [0.75, 1, 1, 1]
   */
  precisionRecallCurve(label?: number): PrecisionRecallCurve {
    if (label !== undefined) checkWhole(label, 'label', 0, (this.#metrics?.classes ?? 2 ** 31) - 1);
    if (this.#metrics === null) return toCurve(new Float64Array(0));
    if (this.#isTopK) throw new LossError('ERR_STATE', `there is no curve of precision and recall: ${TOP_ONLY}`);
    const points = this.#metrics.curve(label ?? null);
    if (typeof points !== 'number') return toCurve(points);
    throw new LossError('ERR_STATE', `there is no curve of precision and recall: ${WHY_MISSING[points]}`);
  }

  /**
   * The whole state, for `JSON.stringify()` and {@link Evaluator.fromJSON}.
   *
   * @returns the options, without the backend of the loss, and the exact sums
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
    const json: Omit<EvaluatorJSON, 'digest'> = {
      format: FORMAT,
      version: VERSION,
      k: [...this.#k],
      loss: this.#lossOptions(),
      nonFinite: this.#nonFinite,
      classification: this.#classification,
      labels: this.#labels,
      classes: this.#metrics?.classes ?? 0,
      state: this.#metrics === null ? '' : toBase64(this.#metrics.write()),
      rows: this.#rows,
      ...this.#kinds,
      isTopK: this.#isTopK,
      highestLosses: this.#highestLosses.rows,
    };
    return { ...json, digest: digestOf(json) };
  }

  /**
   * An evaluator as it was when `toJSON()` was called. Without a backend its loss is computed by one thread.
   *
   * @param json what toJSON() returned, or JSON.parse() of what JSON.stringify() made of it
   * @param options what JSON does not hold: `module` and `loss: { backend }`, as for the constructor
   * @returns an evaluator that can be updated and merged
   * @throws LossError ERR_STATE for anything else, be it damaged or of version 0.1; ERR_OUT_OF_MEMORY
   * @example
   * import { Evaluator } from 'multilabel-margin-loss/evaluate';
   *
   * const evaluator = new Evaluator({ k: [1] });
   * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
   * const copy = Evaluator.fromJSON(evaluator.toJSON());
   * copy.update([[0.5, 0.1, 0.2, 0.3]], [[1]]);
   * [evaluator.result().rows, copy.result().rows]; // => [1, 2]
   */
  static fromJSON(
    json: unknown,
    options: Pick<EvaluatorOptions, 'module'> & { loss?: Pick<MultiLabelMarginLossOptions<Backend>, 'backend'> } = {},
  ): Evaluator {
    const { module, loss } = checkOptions(options, ['module', 'loss'], 'Evaluator.fromJSON()');
    const { backend } = checkOptions(loss, ['backend'], "Evaluator.fromJSON()'s loss");
    const { options: saved, classes, sums, rows, kinds, isTopK, highestLosses } = toState(json);
    try {
      new Evaluator(saved as EvaluatorOptions);
    } catch (cause) {
      throw damaged((cause as Error).message, cause);
    }
    const evaluator = new Evaluator({
      ...(saved as EvaluatorOptions),
      module,
      loss: { ...(saved.loss as object), backend },
    });
    if (classes === 0) return evaluator;
    try {
      evaluator.#metrics = evaluator.#begin(classes);
    } catch (cause) {
      throw cause instanceof LossError && cause.code === 'ERR_SHAPE' ? damaged(cause.message, cause) : cause;
    }
    evaluator.#metrics.merge(sums);
    if (evaluator.#rows !== rows) throw damaged(`its rows are ${rows}, and its sums are of ${evaluator.#rows}`);
    evaluator.#highestLosses.merge(highestLosses);
    evaluator.#addKinds(kinds);
    evaluator.#isTopK = isTopK;
    return evaluator;
  }

  #addKinds({ hasWeights, hasUnknown }: RowKinds): void {
    this.#kinds = {
      hasWeights: this.#kinds.hasWeights || hasWeights,
      hasUnknown: this.#kinds.hasUnknown || hasUnknown,
    };
  }

  /** @throws LossError ERR_STATE for rows of the highest scores beside rows of all */
  #checkKind(isTopK: boolean): void {
    if (this.#metrics === null || this.#isTopK === isTopK) return;
    const [given, before] = isTopK ? ['their highest scores', 'all scores'] : ['all scores', 'their highest scores'];
    throw new LossError('ERR_STATE', `rows of ${given} cannot be added to rows of ${before}: take another evaluator`);
  }

  /** @throws LossError ERR_SHAPE for thresholds or names that are not as many as classes */
  #begin(classes: number): WasmMetrics {
    const names = this.#labels?.length ?? classes;
    if (names !== classes) {
      throw new LossError('ERR_SHAPE', `labels must be as many as classes, got ${names} names for ${classes} classes`);
    }
    return new WasmMetrics(classes, this.#k, this.#classification, this.#module);
  }

  /** Rows so far, those skipped included. */
  get #rows(): number {
    return this.#metrics?.rows ?? 0;
  }

  /** Checks that another one is an evaluator with the same options. */
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
      ...(method === 'merge' ? [['classification', this.#classification, other.#classification] as const] : []),
    ] as const) {
      if (JSON.stringify(own) !== JSON.stringify(others)) {
        throw new LossError(
          'ERR_STATE',
          `evaluators to be ${method}d must have the same ${name}, got ${JSON.stringify(own)} and ${JSON.stringify(others)}`,
        );
      }
    }
    this.#checkSameLabels(other, method);
  }

  /** Models can be compared where one of them has no names. */
  #checkSameLabels(other: Evaluator, method: 'merge' | 'compare'): void {
    const [own, others] = [this.#labels, other.#labels];
    if (own === null || others === null) {
      if (own === others || method === 'compare') return;
      const given = own === null ? 'none and names' : 'names and none';
      throw new LossError('ERR_STATE', `evaluators to be merged must have the same labels, got ${given}`);
    }
    const place = own.findIndex((name, label) => name !== others[label]);
    if (place === -1 && own.length === others.length) return;
    const given =
      own.length === others.length
        ? `${describe(own[place])} and ${describe(others[place])} for class ${place}`
        : `${own.length} and ${others.length} names`;
    throw new LossError('ERR_STATE', `evaluators to be ${method}d must have the same labels, got ${given}`);
  }

  #lossOptions(): EvaluatorJSON['loss'] {
    const { margin, normalization, targetOrder } = this.#lossFn.options;
    return { margin, normalization, targetOrder };
  }
}

/** Classes of rows, whose values are checked. */
function toLists(
  { data, shape }: Tensor<'int32'> | Tensor<'int64'>,
  rows: number,
  classes: number,
  list: 'targets' | 'unknown',
): Lists {
  const width = shape.at(-1) ?? 1;
  if (data.length !== rows * width || (shape.length === 2 && shape[0] !== rows)) {
    throw new LossError('ERR_SHAPE', `${list} must have ${rows} rows, got shape [${shape.join(', ')}]`);
  }
  for (let i = 0; i < data.length; i++) {
    const label = data[i] as number | bigint;
    if (label >= -1 && label < classes) continue;
    throw targetOutOfRange(label, Math.floor(i / width), i % width, classes, list);
  }
  return { data, width };
}

/** Whether a row has an index: the first of a row is -1 where it has none. */
function hasAny(indices: IndexArray, width: number): boolean {
  for (let at = 0; at < indices.length; at += width) if (indices[at] !== -1 && indices[at] !== -1n) return true;
  return false;
}

const UPDATE_OPTIONS = [
  'firstRow',
  'source',
  'sourceIndex',
  'rowIds',
  'sampleWeight',
  'unknown',
] as const satisfies readonly (keyof UpdateOptions)[];

function toSampleWeight(given: ArrayLike<number>, rows: number): Float64Array {
  checkLength(given, rows, 'sampleWeight');
  checkSampleWeight(given, 'float64');
  // -0 + 0 = 0: rows are told apart by the bits of their weights.
  return Float64Array.from(given, (weight) => weight + 0);
}

/** The lower and the upper half of a hash of each id: [rows, 2]. */
function toHashes(ids: ArrayLike<string | number | bigint>, rows: number): Int32Array {
  checkLength(ids, rows, 'rowIds');
  const hashes = new Int32Array(2 * rows);
  for (let row = 0; row < rows; row++) hashes.set(hashOfRow(ids[row], row), 2 * row);
  return hashes;
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
