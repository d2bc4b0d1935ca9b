// For users whose `lib` has no Disposable.
/// <reference lib="esnext.disposable" preserve="true" />
import { allocate } from '../dtypes.js';
import { describe, LossError } from '../errors.js';
import { checkLabels } from '../labels.js';
import { checkOptions } from '../options.js';
import { Tensor } from '../tensor.js';
import { topk } from '../topk.js';
import { no_grad } from '../training/no-grad.js';
import { checkFinite, type Features, type FeatureRows, sliceRows, toFeatureRows } from './features.js';
import { decodeHead, encodeHead, type Head } from './head.js';
import { type Model, newModel, transposeFirst } from './model.js';
import { scoreRows, rowsPerBatch } from './score.js';
import type { TrainingSummary } from './summary.js';

/**
 * A label that a {@link Tagger} predicts for a row.
 *
 * @example
 * import { type Prediction, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const features = [[1, 0], [0, 1]];
 * const tagger = await trainTagger({ features, targets: [[0], [1]], labels: ['jazz', 'rock'], validation: 0 });
 * const [best]: Prediction[] = tagger.predict([0, 1]);
 * best?.name; // => 'rock'
 */
export interface Prediction {
  /** The class index. */
  label: number;
  /** Its name; the class index as text for a tagger without names. */
  name: string;
  /** Its score. Scores rank the labels of one row; they are no probabilities. */
  score: number;
}

/**
 * Options of {@link Tagger.predict}.
 *
 * @example
 * import { type PredictOptions, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const options: PredictOptions = { thresholds: 0 };
 * const tagger = await trainTagger({ features: [[1, 0], [0, 1]], targets: [[0], [1]], validation: 0 });
 * tagger.predict([1, 0], options).map(({ label }) => label); // => [0]
 */
export interface PredictOptions {
  /**
   * How many labels of a row at most: those of the highest scores.
   * @default 5, or all that reach their threshold where there are thresholds
   */
  k?: number | undefined;
  /**
   * What a score must reach for its label to be predicted: a number for all labels, a list with one for each, or numbers by
   * the names of all labels; null stands for a label that is never predicted. They are rounded to float32, as scores are.
   * @default none
   */
  thresholds?: number | ArrayLike<number | null> | Readonly<Record<string, number | null>> | undefined;
}

const DEFAULT_K = 5;

/**
 * A trained model that tells the labels of a row of features: what {@link trainTagger} gives, or a file.
 *
 * @example
 * import { Tagger, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const features = [[1, 0], [0, 1], [1, 1]];
 * const labels = ['jazz', 'rock'];
 * const file = (await trainTagger({ features, targets: [[0], [1], [0, 1]], labels, validation: 0 })).save();
 * const tagger = Tagger.load(file);
 * tagger.predict([1, 0], { k: 1 })[0]?.name; // => 'jazz'
 */
export class Tagger implements Disposable {
  readonly #head: Head;
  /** For dense rows and for sparse ones, made when they are first used. */
  readonly #models = new Map<boolean, Model>();
  /** How it was trained; null for a tagger of a file. */
  readonly training: TrainingSummary | null;

  /** @internal */
  constructor(head: Head, training: TrainingSummary | null) {
    this.#head = head;
    this.training = training;
  }

  /**
   * The tagger of a file.
   *
   * @param bytes of safetensors: what {@link Tagger.save} gives; what 0.1.0 wrote; or the `state_dict()` of PyTorch's
   * `nn.Linear`, or of `nn.Sequential(nn.Linear, nn.ReLU, nn.Linear)`, float32, float16 or bfloat16. Names of labels are in
   * the metadata, as `labels`, a list in JSON
   * @param options `labels`: the names of the labels, in place of those of the file
   * @returns a tagger of its own memory
   * @throws LossError ERR_STATE for another file; ERR_OPTION for labels that are not as many as classes; ERR_DTYPE,
   * ERR_OUT_OF_MEMORY
   * @example
   * import { nn, saveSafetensors } from 'multilabel-margin-loss';
   * import { Tagger } from 'multilabel-margin-loss/train';
   *
   * Tagger.load(saveSafetensors(new nn.Linear(256, 10).state_dict())).classes; // => 10
   */
  static load(
    bytes: Uint8Array,
    options: {
      /** Different strings, as many as classes. */
      labels?: readonly string[] | undefined;
    } = {},
  ): Tagger {
    const { labels } = checkOptions(options, ['labels'], 'load()');
    const head = decodeHead(bytes);
    return new Tagger(labels === undefined ? head : { ...head, labels: checkLabels(labels, head.shape.classes) }, null);
  }

  /** Number of features of a row. */
  get features(): number {
    return this.#head.shape.features;
  }

  /** Number of classes. */
  get classes(): number {
    return this.#head.shape.classes;
  }

  /** The names of the labels, C of them, or null. */
  get labels(): readonly string[] | null {
    return this.#head.labels;
  }

  /** The strings of its file, by name. */
  get metadata(): Readonly<Record<string, string>> {
    return this.#head.metadata;
  }

  /**
   * The scores of all classes.
   *
   * @param features [N, F] or [F], float32 or float64, or sparse rows
   * @returns float32, [N, C] or [C]
   * @throws LossError ERR_SHAPE, ERR_DTYPE, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE; ERR_NON_FINITE for features
   * that are not finite, or so large that a score exceeds float32
   * @example
   * import { nn, saveSafetensors } from 'multilabel-margin-loss';
   * import { Tagger } from 'multilabel-margin-loss/train';
   *
   * const layer = new nn.Linear(2, 3);
   * layer.weight.data.set([1, 0, 0, 1, 1, 1]);
   * layer.bias?.data.fill(0.5);
   * const tagger = Tagger.load(saveSafetensors(layer.state_dict()));
   * tagger.scores([2, 3]).tolist(); // => [2.5, 3.5, 5.5]
   */
  scores(features: Features): Tensor<'float32'> {
    const rows = toFeatureRows(features);
    const scores = this.#scores(rows);
    const isVector = isOneRow(features) || (features as { shape?: readonly number[] }).shape?.length === 1;
    return new Tensor<'float32'>(scores, isVector ? [this.classes] : [rows.rows, this.classes]);
  }

  /**
   * The labels of the highest scores, in descending order.
   *
   * @param features [N, F] or [F], float32 or float64, or sparse rows
   * @param options `k` and `thresholds`
   * @returns the labels of the row for a list or typed array of F numbers, else a list of them for each row, also where a
   * tensor has shape [F]
   * @throws LossError as {@link Tagger.scores}; ERR_OPTION for wrong options
   * @example
   * import { nn, saveSafetensors } from 'multilabel-margin-loss';
   * import { Tagger } from 'multilabel-margin-loss/train';
   *
   * const layer = new nn.Linear(2, 3);
   * layer.weight.data.set([1, 0, 0, 1, 1, 1]);
   * layer.bias?.data.fill(0);
   * const tagger = Tagger.load(saveSafetensors(layer.state_dict(), { labels: '["jazz","rock","pop"]' }));
   * tagger.predict([2, 3], { k: 2 }).map(({ name, score }) => `${name} ${score}`); // => ['pop 5', 'rock 3']
   */
  predict(features: OneRow, options?: PredictOptions): Prediction[];
  /** The labels of each of several rows. */
  predict(features: Features, options?: PredictOptions): Prediction[][];
  predict(features: Features, options: PredictOptions = {}): Prediction[] | Prediction[][] {
    const given = checkOptions(options, ['k', 'thresholds'], 'predict()');
    const { classes } = this;
    const thresholds = given.thresholds === undefined ? null : this.#thresholds(given.thresholds);
    const { k = thresholds === null ? Math.min(DEFAULT_K, classes) : classes } = given;
    if (!Number.isInteger(k) || k < 1) {
      throw new LossError('ERR_OPTION', `k must be a whole number from 1, got ${describe(k)}`);
    }
    const rows = toFeatureRows(features);
    const data = this.#scores(rows);
    const most = Math.min(k, classes);
    const best = topk({ data, shape: [rows.rows, classes] }, most);
    const predictions = Array.from({ length: rows.rows }, (_, row) => {
      const found: Prediction[] = [];
      for (let at = row * most; at < (row + 1) * most; at++) {
        const label = best.indices.data[at] as number;
        const score = best.values.data[at] as number;
        if (thresholds !== null && score < (thresholds[label] as number)) continue;
        found.push({ label, name: this.labels?.[label] ?? String(label), score });
      }
      return found;
    });
    return isOneRow(features) ? predictions[0]! : predictions;
  }

  /**
   * The bytes of a file of safetensors: `weight` [C, F] and `bias` [C], which PyTorch's `nn.Linear` loads; with a hidden
   * layer of H units, `0.weight` [H, F], `0.bias` [H], `2.weight` [C, H] and `2.bias` [C], which
   * `nn.Sequential(nn.Linear, nn.ReLU, nn.Linear)` loads. The metadata holds the version of this package, the names of the
   * labels, the options of the training and the metrics.
   *
   * @returns the whole file
   * @throws LossError ERR_OUT_OF_MEMORY
   * @example
   * import { loadSafetensors } from 'multilabel-margin-loss';
   * import { trainTagger } from 'multilabel-margin-loss/train';
   *
   * const tagger = await trainTagger({ features: [[1, 0], [0, 1]], targets: [[0], [1]], validation: 0 });
   * const { tensors, metadata } = loadSafetensors(tagger.save());
   * Object.keys(tensors); // => ['weight', 'bias']
   * metadata['version']; // => '0.2.0'
   */
  save(): ReturnType<typeof encodeHead> {
    return encodeHead(this.#head);
  }

  /**
   * Gives the memory of its weights outside of JavaScript's back. It can be used after that, and then takes it again.
   *
   * @example
   * import { nn, saveSafetensors } from 'multilabel-margin-loss';
   * import { Tagger } from 'multilabel-margin-loss/train';
   *
   * const tagger = Tagger.load(saveSafetensors(new nn.Linear(256, 10).state_dict()));
   * tagger.dispose();
   */
  dispose(): void {
    for (const model of this.#models.values()) model.dispose();
    this.#models.clear();
  }

  /**
   * Calls {@link dispose} at the end of a `using` block.
   *
   * @example
   * import { nn, saveSafetensors } from 'multilabel-margin-loss';
   * import { Tagger } from 'multilabel-margin-loss/train';
   *
   * using tagger = Tagger.load(saveSafetensors(new nn.Linear(256, 10).state_dict()));
   * tagger.features; // => 256
   */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #scores(features: FeatureRows): Float32Array {
    const { rows, columns, isSparse } = features;
    const { shape } = this.#head;
    // Sparse rows may leave the last columns out: these are zeros.
    if (isSparse ? columns > shape.features : columns !== shape.features) {
      throw new LossError(
        'ERR_SHAPE',
        `features must have ${shape.features} columns, as the tagger has, got ${columns}`,
      );
    }
    checkFinite(features);
    const model = this.#model(isSparse);
    const scores = allocate('float32', rows * shape.classes);
    const step = rowsPerBatch(shape, isSparse);
    for (let begin = 0; begin < rows; begin += step) {
      const end = Math.min(rows, begin + step);
      const part = no_grad(() => scoreRows(model, sliceRows(features, begin, end)));
      checkScores(part.data, begin, shape.classes);
      scores.set(part.data, begin * shape.classes);
    }
    return scores;
  }

  #model(isSparse: boolean): Model {
    let model = this.#models.get(isSparse);
    if (model === undefined) {
      const { shape, state } = this.#head;
      model = newModel(shape, isSparse, null);
      model.load_state_dict(isSparse ? transposeFirst(state, shape) : state);
      model.eval();
      this.#models.set(isSparse, model);
    }
    return model;
  }

  /** [C] */
  #thresholds(given: NonNullable<PredictOptions['thresholds']>): Float64Array {
    const { classes, labels } = this;
    const thresholds = new Float64Array(classes);
    const set = (label: number, threshold: unknown): void => {
      const value = threshold === null ? Infinity : threshold;
      if (typeof value !== 'number' || Number.isNaN(value)) {
        const name = labels?.[label] ?? label;
        throw new LossError('ERR_OPTION', `thresholds must be numbers, got ${describe(value)} for label ${name}`);
      }
      thresholds[label] = Math.fround(value);
    };
    if (typeof given === 'number') {
      for (let label = 0; label < classes; label++) set(label, given);
      return thresholds;
    }
    const length: unknown = (Object(given) as { length?: unknown }).length;
    if (Array.isArray(given) || ArrayBuffer.isView(given)) {
      if (length !== classes) {
        throw new LossError(
          'ERR_OPTION',
          `thresholds must be as many as classes, got ${String(length)} for ${classes} classes`,
        );
      }
      for (let label = 0; label < classes; label++) set(label, (given as ArrayLike<unknown>)[label]);
      return thresholds;
    }
    if (typeof given !== 'object' || given === null) {
      throw new LossError('ERR_OPTION', `thresholds must be a number, a list or an object, got ${describe(given)}`);
    }
    const names = labels ?? Array.from({ length: classes }, (_, label) => String(label));
    const known = new Set(names);
    const unknown = Object.keys(given).find((name) => !known.has(name));
    if (unknown !== undefined)
      throw new LossError('ERR_OPTION', `thresholds name ${describe(unknown)}, which is no label`);
    names.forEach((name, label) => {
      if (!Object.hasOwn(given, name)) throw new LossError('ERR_OPTION', `thresholds lack the label ${describe(name)}`);
      set(label, (given as Record<string, unknown>)[name]);
    });
    return thresholds;
  }
}

/** The features of one row. */
export type OneRow = readonly number[] | Float32Array | Float64Array;

function isOneRow(features: Features): features is OneRow {
  return Array.isArray(features) ? typeof features[0] !== 'object' : ArrayBuffer.isView(features);
}

/** @throws LossError ERR_NON_FINITE */
function checkScores(scores: Float32Array, firstRow: number, classes: number): void {
  for (let at = 0; at < scores.length; at++) {
    const score = scores[at] as number;
    if (Number.isFinite(score)) continue;
    throw new LossError(
      'ERR_NON_FINITE',
      `the score of row ${firstRow + Math.floor(at / classes)}, class ${at % classes} is ${score}: the features of the ` +
        'row are too large for the weights of the tagger',
    );
  }
}
