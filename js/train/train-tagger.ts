import { describe, LossError } from '../errors.js';
import { Evaluator } from '../evaluate/evaluator.js';
import type { EvaluationResult } from '../evaluate/result.js';
import { checkLabels } from '../labels.js';
import { MultiLabelMarginLoss } from '../loss.js';
import { checkOptions } from '../options.js';
import { Generator, randperm, withGenerator } from '../random.js';
import type { StateDict } from '../training/nn-module.js';
import { no_grad } from '../training/no-grad.js';
import type { Optimizer } from '../training/optimizer.js';
import { type Batch, Batcher, selectRows } from './batches.js';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type RowsOfTraining } from './checkpoint.js';
import { foldScaler, type HeadShape, type Model, newModel, transposeFirst } from './model.js';
import { type ReadRows, ROW_OPTIONS, RowStore, type Size, type Survey, type TaggerRows } from './rows.js';
import type { Scaler } from './scales.js';
import { rowsPerBatch } from './score.js';
import { newOptimizer, readSettings, SETTING_NAMES, type Settings, type TrainingSettings } from './settings.js';
import { TEST, TRAINING, VALIDATION } from './split.js';
import type { EpochSummary, TrainingSummary, ValidationMetrics } from './summary.js';
import { Tagger } from './tagger.js';

/**
 * What is known once all rows have been looked at, before training begins.
 *
 * @example
 * import { trainTagger, type TrainingStart } from 'multilabel-margin-loss/train';
 *
 * let start: TrainingStart | undefined;
 * const features = [[1, 0], [0, 1]];
 * await trainTagger({ features, targets: [[0], [1]], validation: 0, onStart: (given) => void (start = given) });
 * [start?.features, start?.classes]; // => [2, 2]
 */
export interface TrainingStart {
  /** All rows. */
  rows: number;
  /** Rows to train on. */
  training: number;
  /** Rows for validation. */
  validation: number;
  /** Rows for test. */
  test: number;
  /** Features of a row. */
  features: number;
  /** Classes. */
  classes: number;
  /** The epochs of the checkpoint that the training goes on from, or 0. */
  resumed: number;
}

/**
 * How far a training is.
 *
 * @example
 * import { trainTagger, type TrainingProgress } from 'multilabel-margin-loss/train';
 *
 * const phases = new Set<string>();
 * const onProgress = ({ phase }: TrainingProgress) => void phases.add(phase);
 * await trainTagger({ features: [[1, 0], [0, 1]], targets: [[0], [1]], validation: 0, onProgress });
 * [...phases]; // => ['reading', 'training']
 */
export interface TrainingProgress {
  /** What is done: rows are looked at, learned from, or scored. */
  phase: 'reading' | 'training' | 'validation' | 'test';
  /** The number of the epoch, from 1; 0 before the first. */
  epoch: number;
  /** Rows of the phase so far. */
  rows: number;
  /** The mean loss of the rows of this epoch so far; NaN outside of training. */
  loss: number;
  /**
   * The tagger as it would be if training ended now: after the best epoch so far, or as it is before the first one ends. It
   * may be called later as well, also once training has failed.
   */
  tagger: () => Tagger;
}

/**
 * An epoch that has ended.
 *
 * @example
 * import { trainTagger, type TrainingEpoch } from 'multilabel-margin-loss/train';
 *
 * let last: TrainingEpoch | undefined;
 * const onEpoch = (epoch: TrainingEpoch) => void (last = epoch);
 * await trainTagger({ features: [[1, 0], [0, 1]], targets: [[0], [1]], validation: 0, epochs: 2, onEpoch });
 * last?.best; // => 2
 */
export interface TrainingEpoch extends EpochSummary {
  /** The number of the best epoch so far. */
  best: number;
  /** The tagger after the best epoch so far. */
  tagger: () => Tagger;
  /** Bytes that a training goes on from, as the option `resume`; to be called before `onEpoch` ends. */
  checkpoint: () => ReturnType<typeof encodeCheckpoint>;
}

/**
 * Options of {@link trainTagger}: rows, or how to read them, and how to train.
 *
 * @example
 * import { trainTagger, type TrainTaggerOptions } from 'multilabel-margin-loss/train';
 *
 * const options: TrainTaggerOptions = { features: [[1, 0], [0, 1]], targets: [[0], [1]], validation: 0 };
 * const tagger = await trainTagger({ ...options, labels: ['jazz', 'rock'] });
 * tagger.labels; // => ['jazz', 'rock']
 */
export interface TrainTaggerOptions extends TrainingSettings, Partial<TaggerRows> {
  /**
   * Reads the rows, in place of `features` and `targets`: once before training, and where they take more than 256 MB in
   * each epoch again.
   */
  rows?: ReadRows | undefined;
  /**
   * [C], different strings: the names of the labels.
   * @default none
   */
  labels?: readonly string[] | undefined;
  /**
   * The number of classes C.
   * @default that of `labels`, or one more than the highest target
   */
  classes?: number | undefined;
  /**
   * What `checkpoint()` of an epoch gave: the result is that of a training that was not interrupted, to the bit. All options
   * but `epochs` and `patience` must be as they were, and the rows too, in batches of any size. Features of float64 are other
   * rows than the same numbers in float32.
   * @default from the beginning
   */
  resume?: Uint8Array | undefined;
  /** Is called once, before training begins. What it throws, the training rejects with. */
  onStart?: ((start: TrainingStart) => Promise<void> | void) | undefined;
  /** Is called now and then, between steps. What it throws, the training rejects with: so it is cancelled. */
  onProgress?: ((progress: TrainingProgress) => Promise<void> | void) | undefined;
  /** Is called after each epoch. What it throws, the training rejects with. */
  onEpoch?: ((epoch: TrainingEpoch) => Promise<void> | void) | undefined;
  /**
   * Is called with what may be wrong with the features.
   * @default console.warn
   */
  onWarning?: ((message: string) => void) | undefined;
}

const OPTION_NAMES = [
  ...SETTING_NAMES,
  ...ROW_OPTIONS,
  'rows',
  'labels',
  'classes',
  'resume',
  'onStart',
  'onProgress',
  'onEpoch',
  'onWarning',
] as const satisfies readonly (keyof TrainTaggerOptions)[];

/** Milliseconds of work between two turns of the event loop. */
const TURN = 50;
/**
 * The root mean square norm of the rows that a linear head is trained on, after their means are taken from dense ones: that of
 * 64 features of deviation 1. The learning rate then fits features of any number and scale. LRAP is .03 higher for it where
 * the deviations are 0.02, and .017 where the means are 3 deviations from 0.
 */
const ROW_NORM = 8;
/** Heads that need more weights than this do not fit in the linear memory of the training core beside their gradient. */
const MOST_WEIGHTS = 2 ** 28;

/**
 * Trains a tagger with the multi-label margin loss: a linear model, or one with a hidden layer, made of `nn` and `optim`.
 *
 * A share of the rows is for validation: training ends when it gets no better on them, and the tagger is the one after the
 * best epoch. The event loop has its turn every 50 ms, so that a page stays responsive.
 *
 * @param options {@link TrainTaggerOptions}
 * @returns a promise of the tagger, whose `training` says how it went
 * @throws (rejects with) LossError ERR_OPTION, ERR_SHAPE, ERR_DTYPE, ERR_TARGET_RANGE, ERR_NON_FINITE for rows and options
 * that are wrong, before training begins; ERR_NAN for a training that diverges, with the name of the parameter;
 * ERR_STATE for a checkpoint that does not fit; ERR_OUT_OF_MEMORY
 * @example
 * import { trainTagger } from 'multilabel-margin-loss/train';
 *
 * const features = Array.from({ length: 200 }, (_, i) => [i % 2, i % 3, 1]);
 * const targets = features.map(([two, three]) => (two ? [0, three! + 1] : [three! + 1]));
 * const tagger = await trainTagger({ features, targets, labels: ['odd', 'three', 'one more', 'two more'] });
 * tagger.predict([1, 2, 1], { k: 2 }).map(({ name }) => name).sort(); // => ['odd', 'two more']
 * tagger.training!.validation!.labelRankingAveragePrecision; // => 1
 */
export async function trainTagger(options: TrainTaggerOptions): Promise<Tagger> {
  const given = checkOptions(options, OPTION_NAMES, 'trainTagger()');
  const settings = readSettings(given);
  const labels = given.labels === undefined ? null : checkLabels(given.labels, given.classes ?? null);
  if (
    given.classes !== undefined &&
    !(Number.isInteger(given.classes) && given.classes >= 1 && given.classes < 2 ** 31)
  ) {
    throw new LossError(
      'ERR_OPTION',
      `classes must be a whole number from 1 to 2^31 - 1, got ${describe(given.classes)}`,
    );
  }
  for (const name of ['rows', 'onStart', 'onProgress', 'onEpoch', 'onWarning'] as const) {
    if (given[name] === undefined || typeof given[name] === 'function') continue;
    throw new LossError('ERR_OPTION', `${name} must be a function, got ${describe(given[name])}`);
  }
  const training = new Training(given, settings, labels);
  const tagger = await training.run();
  // After a failure nothing is disposed of, so that `tagger()` still gives what was learned.
  training.dispose();
  return tagger;
}

interface Best {
  readonly epoch: number;
  /** The state of a model for features as they are. */
  readonly state: StateDict;
  /** All metrics of the rows for validation; null without such rows, and where they were computed before a checkpoint. */
  readonly result: EvaluationResult | null;
}

class Training {
  readonly #store: RowStore;
  readonly #lossFn: MultiLabelMarginLoss;
  readonly #classesGiven: number | null;
  #epochs: EpochSummary[] = [];
  #best: Best | null = null;
  #turned = performance.now();
  #phase: TrainingProgress['phase'] | null = null;

  #survey!: Survey;
  #shape!: HeadShape;
  #scaler!: Scaler;
  #model: Model | null = null;
  /** For features as they are, where the model is for standardized ones. */
  #plain: Model | null = null;
  #optimizer: Optimizer<object> | null = null;
  #batcher!: Batcher;

  constructor(
    private readonly options: TrainTaggerOptions,
    private readonly settings: Settings,
    private readonly labels: readonly string[] | null,
  ) {
    const { rows, classes } = options;
    const inMemory = Object.fromEntries(
      ROW_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
    ) as unknown as TaggerRows;
    if (rows !== undefined && Object.keys(inMemory).length > 0) {
      throw new LossError('ERR_OPTION', `give either rows, or ${Object.keys(inMemory).join(', ')}`);
    }
    if (rows === undefined && (inMemory.features === undefined || inMemory.targets === undefined)) {
      throw new LossError('ERR_OPTION', 'trainTagger() needs features and targets, or rows, which reads them');
    }
    this.#classesGiven = classes ?? labels?.length ?? null;
    const { validation, test } = settings;
    this.#store = new RowStore(rows ?? (() => [inMemory]), rows === undefined, this.#classesGiven, {
      validation,
      test,
    });
    // 'sum' leaves each row its own gradient, whatever the size of the batch.
    this.#lossFn = new MultiLabelMarginLoss({ ...settings.loss, reduction: 'sum', nan: 'error' });
  }

  async run(): Promise<Tagger> {
    const { settings, options } = this;
    await this.#prepare();
    const [, validationRows] = this.#survey.parts;
    const isOver = (): boolean => {
      const done = this.#epochs.length;
      return (
        done >= settings.epochs ||
        (validationRows > 0 && done - (this.#best?.epoch ?? 0) >= settings.patience && done > 0)
      );
    };
    while (!isOver()) {
      const epoch = this.#epochs.length + 1;
      const loss = await this.#train(epoch);
      const state = this.#plainState();
      const result = validationRows > 0 ? await this.#evaluate(state, VALIDATION, epoch) : null;
      const validation = result === null ? null : metricsOf(result);
      this.#epochs.push({ epoch, loss, validation });
      if (isRecord(this.#epochs)) this.#best = { epoch, state, result };
      const best = this.#best as Best;
      await options.onEpoch?.({
        epoch,
        loss,
        validation,
        best: best.epoch,
        tagger: () => this.#tagger(best.state, best.epoch, null, null),
        checkpoint: () => this.#checkpoint(),
      });
    }
    const { epoch, state, result } = this.#best as Best;
    const validation = result ?? (await this.#evaluate(state, VALIDATION, epoch));
    const test = await this.#evaluate(state, TEST, epoch);
    return this.#tagger(state, epoch, validation, test);
  }

  dispose(): void {
    this.#model?.dispose();
    this.#plain?.dispose();
    this.#optimizer?.dispose();
  }

  /** Looks at all rows, and makes the model for them. */
  async #prepare(): Promise<void> {
    const { settings, options, labels } = this;
    let read = 0;
    this.#survey = await this.#store.survey(
      (rows) =>
        this.#turn('reading', 0, (read += rows), Number.NaN, () => {
          throw new LossError('ERR_STATE', 'there is no tagger before training begins');
        }),
      (size) => this.#checkSize(size),
    );
    const { rows, parts, features, isSparse, entries, highest, scales, digest } = this.#survey;
    if (rows === 0) throw new LossError('ERR_SHAPE', 'there are no rows to train on');
    if (parts[TRAINING] === 0) {
      throw new LossError('ERR_OPTION', `all ${rows} rows are for validation and test, and none is left to train on`);
    }
    if (highest === -1 && this.#classesGiven === null) {
      throw new LossError('ERR_OPTION', 'no row has a target, and neither labels nor classes are given');
    }
    if (features === 0) throw new LossError('ERR_SHAPE', 'no row has a feature');
    const classes = this.#classesGiven ?? highest + 1;
    this.#shape = { features, classes, hidden: settings.hidden };
    for (const warning of scales.warnings(settings.standardize)) (options.onWarning ?? warnOnConsole)(warning);
    this.#scaler = scales.scaler(settings.standardize, settings.hidden === null ? ROW_NORM : null);
    const ofRows: RowsOfTraining = { rows, features, classes, isSparse, digest };
    const checkpoint =
      options.resume === undefined ? null : decodeCheckpoint(options.resume, settings, ofRows, this.#scaler);

    const random = this.#generator(0);
    this.#model = newModel(this.#shape, isSparse, { random, dropout: settings.dropout, entries });
    this.#optimizer = newOptimizer(this.#model.parameters(), settings, classes, isSparse);
    this.#batcher = new Batcher(features, this.#scaler);
    if (checkpoint !== null) this.#resume(checkpoint);
    if (labels !== null) checkLabels(labels, classes);
    await options.onStart?.({
      rows,
      training: parts[TRAINING],
      validation: parts[VALIDATION],
      test: parts[TEST],
      features,
      classes,
      resumed: this.#epochs.length,
    });
  }

  #checkSize({ features, highest, highestAt, lastFeatureAt }: Size): void {
    const { hidden } = this.settings;
    const classes = this.#classesGiven ?? Math.max(1, highest + 1);
    const weights = hidden === null ? features * classes : features * hidden + hidden * classes;
    if (weights <= MOST_WEIGHTS) return;
    const size = hidden === null ? [features, classes] : [features, hidden, classes];
    const head = `a head of ${size.map((each) => each.toLocaleString('en-US')).join(' x ')}`;
    const most = `at most ${MOST_WEIGHTS.toLocaleString('en-US')} weights can be trained`;
    // The larger number may be a mistyped one.
    if (features > classes && lastFeatureAt !== '') {
      throw new LossError('ERR_SHAPE', `${lastFeatureAt} asks for ${head}, and ${most}`);
    }
    if (features > classes || this.#classesGiven !== null) {
      throw new LossError('ERR_OUT_OF_MEMORY', `${head} is too large: ${most}`);
    }
    throw new LossError(
      'ERR_TARGET_RANGE',
      `${highestAt} asks for ${head}, and ${most}: classes says how many there are`,
    );
  }

  #resume({ model, optimizer, epochs, best }: Checkpoint): void {
    const { isSparse } = this.#survey;
    this.#model!.load_state_dict(model);
    this.#optimizer!.load_state_dict(optimizer);
    // Refuses a state of another model.
    const probe = newModel(this.#shape, isSparse, null);
    probe.load_state_dict(best.state);
    probe.dispose();
    this.#epochs = [...epochs];
    this.#best = { ...best, result: null };
  }

  #checkpoint(): ReturnType<typeof encodeCheckpoint> {
    const { rows, features, isSparse, digest } = this.#survey;
    return encodeCheckpoint({
      settings: this.settings,
      rows: { rows, features, classes: this.#shape.classes, isSparse, digest },
      scaler: this.#scaler,
      epochs: this.#epochs,
      model: this.#model!.state_dict(),
      optimizer: this.#optimizer!.state_dict(),
      best: this.#best as Best,
    });
  }

  /** @returns the mean loss of the rows */
  async #train(epoch: number): Promise<number> {
    const { batchSize } = this.settings;
    const random = this.#generator(epoch);
    this.#model!.train();
    let [rows, sum] = [0, 0];
    for await (const block of this.#store.blocks(epoch)) {
      const selection = selectRows(block, TRAINING);
      const size = selection.rows.length;
      const order = withGenerator(random, () => randperm(size, { dtype: 'int32' }).data);
      for (let begin = 0; begin < size; begin += batchSize) {
        const batch = this.#batcher.gather(selection, order, begin, Math.min(size, begin + batchSize));
        sum += withGenerator(random, () => this.#step(batch, epoch));
        rows += batch.size;
        await this.#turn('training', epoch, rows, sum / rows, () => this.#currentTagger());
      }
    }
    for (const [, { data }] of this.#model!.named_parameters())
      if (!data.every(Number.isFinite)) throw this.#diverged(epoch);
    return sum / rows;
  }

  /** @returns the sum of the losses before the step */
  #step({ input, targets, unknown, sampleWeight }: Batch, epoch: number): number {
    const model = this.#model!;
    this.#optimizer!.zero_grad();
    let loss;
    try {
      loss = this.#lossFn.forward(model.forward(input), targets, { unknown, sampleWeight });
    } catch (error) {
      throw error instanceof LossError && error.code === 'ERR_NAN' ? this.#diverged(epoch) : error;
    }
    const value = loss.item();
    if (!Number.isFinite(value)) throw this.#diverged(epoch);
    loss.backward();
    this.#optimizer!.step();
    return value;
  }

  #diverged(epoch: number): LossError {
    const { learningRate, standardize } = this.settings;
    let what = 'the scores overflow';
    for (const [name, { data }] of this.#model!.named_parameters()) {
      const bad = data.find((value) => !Number.isFinite(value));
      if (bad === undefined) continue;
      what = `the parameter ${name} has ${bad}`;
      break;
    }
    const advice = `a learning rate below ${learningRate}${standardize ? '' : ', or standardized features'}`;
    return new LossError('ERR_NAN', `training diverged in epoch ${epoch}: ${what}; try ${advice}`);
  }

  /** All metrics of the rows of a part. */
  async #evaluate(
    state: StateDict,
    part: typeof VALIDATION | typeof TEST,
    epoch: number,
  ): Promise<EvaluationResult | null> {
    if (this.#survey.parts[part] === 0) return null;
    const { isSparse, features } = this.#survey;
    this.#plain ??= newModel(this.#shape, isSparse, null);
    this.#plain.load_state_dict(state);
    this.#plain.eval();
    const plain = this.#plain;
    const batcher = new Batcher(features, null);
    const step = rowsPerBatch(this.#shape, isSparse);
    const evaluator = new Evaluator({ loss: this.settings.loss });
    const phase = part === VALIDATION ? 'validation' : 'test';
    let rows = 0;
    for await (const block of this.#store.blocks(0)) {
      const selection = selectRows(block, part);
      const size = selection.rows.length;
      const order = Int32Array.from({ length: size }, (_, i) => i);
      for (let begin = 0; begin < size; begin += step) {
        const { input, targets, unknown, sampleWeight } = batcher.gather(
          selection,
          order,
          begin,
          Math.min(size, begin + step),
        );
        no_grad(() => {
          evaluator.update(plain.forward(input), targets, {
            ...(unknown === undefined ? {} : { unknown }),
            ...(sampleWeight === undefined ? {} : { sampleWeight }),
          });
        });
        rows += targets.shape[0] as number;
        await this.#turn(phase, epoch, rows, Number.NaN, () => this.#currentTagger());
      }
    }
    return evaluator.result();
  }

  /** The state of the model for features as they are. */
  #plainState(): StateDict {
    return foldScaler(this.#model!.state_dict(), this.#scaler, this.#shape, this.#survey.isSparse);
  }

  #currentTagger(): Tagger {
    if (this.#best !== null) return this.#tagger(this.#best.state, this.#best.epoch, null, null);
    const state = this.#plainState();
    if (Object.values(state).every(({ data }) => data.every(Number.isFinite)))
      return this.#tagger(state, 0, null, null);
    throw this.#diverged(1);
  }

  #tagger(state: StateDict, best: number, validation: EvaluationResult | null, test: EvaluationResult | null): Tagger {
    const { hidden } = this.#shape;
    const { rows, parts, isSparse } = this.#survey;
    const summary: TrainingSummary = { epochs: [...this.#epochs], best, validation, test };
    const ofBest = this.#epochs[best - 1]?.validation ?? null;
    const metadata = {
      description:
        hidden === null
          ? 'scores = weight @ features + bias'
          : 'scores = 2.weight @ relu(0.weight @ features + 0.bias) + 2.bias',
      training: JSON.stringify({ ...this.settings, rows, trainingRows: parts[TRAINING] }),
      metrics: JSON.stringify({ epoch: best, validation: shown(validation) ?? ofBest, test: shown(test) }),
    };
    const oriented = isSparse ? transposeFirst(state, this.#shape) : state;
    return new Tagger({ shape: this.#shape, state: oriented, labels: this.labels, metadata }, summary);
  }

  #generator(epoch: number): Generator {
    return new Generator((BigInt(this.settings.seed) << 32n) | BigInt(epoch));
  }

  /** Gives the event loop its turn, if it is time, and tells how far the training is. */
  async #turn(
    phase: TrainingProgress['phase'],
    epoch: number,
    rows: number,
    loss: number,
    tagger: () => Tagger,
  ): Promise<void> {
    const isDue = performance.now() - this.#turned >= TURN;
    if (!isDue && phase === this.#phase) return;
    this.#phase = phase;
    await this.options.onProgress?.({ phase, epoch, rows, loss, tagger });
    if (!isDue) return;
    await new Promise((resolve) => setTimeout(resolve));
    this.#turned = performance.now();
  }
}

function metricsOf({ loss, labelRankingAveragePrecision, oneError }: EvaluationResult): ValidationMetrics {
  return { loss, labelRankingAveragePrecision, oneError };
}

/**
 * Whether loss or LRAP in validation is better after the last epoch than after each before; true without validation. LRAP is
 * what counts, but LRAP of few rows is noisy: alone it would choose a lucky early epoch while the loss still falls.
 */
function isRecord(epochs: readonly EpochSummary[]): boolean {
  const { validation } = epochs.at(-1) as EpochSummary;
  if (validation === null) return true;
  const before = epochs.slice(0, -1).map((epoch) => epoch.validation as ValidationMetrics);
  return (
    before.every(({ loss }) => validation.loss < loss) ||
    before.every((other) => validation.labelRankingAveragePrecision > other.labelRankingAveragePrecision)
  );
}

/** The metrics that the file of a head has. */
function shown(result: EvaluationResult | null): object | null {
  if (result === null) return null;
  const { rows, macroAveragePrecision, microAveragePrecision } = result;
  return { rows, ...metricsOf(result), macroAveragePrecision, microAveragePrecision };
}

function warnOnConsole(message: string): void {
  console.warn(`multilabel-margin-loss: ${message}`);
}
