import type { LossOptions } from '../backend.js';
import { describe, LossError } from '../errors.js';
import { MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from '../loss.js';
import { checkOptions } from '../options.js';
import { Adagrad } from '../training/adagrad.js';
import { Adam, AdamW } from '../training/adam.js';
import type { Optimizer } from '../training/optimizer.js';
import type { Parameter } from '../training/parameter.js';
import { SGD } from '../training/sgd.js';

/**
 * How a tagger is trained: options of `trainTagger()` that do not depend on the rows.
 *
 * @example
 * import { type TrainingSettings, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const settings: TrainingSettings = { hidden: 16, dropout: 0.1, optimizer: 'AdamW', epochs: 2, validation: 0 };
 * const tagger = await trainTagger({ features: [[1, 0], [0, 1]], targets: [[0], [1]], ...settings });
 * tagger.training?.epochs.length; // => 2
 */
export interface TrainingSettings {
  /**
   * The number of passes over the rows at most.
   * @default 50
   */
  epochs?: number | undefined;
  /**
   * After so many epochs in which neither loss nor LRAP in validation was better than before, training ends.
   * @default 5
   */
  patience?: number | undefined;
  /**
   * Rows to a step of the optimizer.
   * @default 32
   */
  batchSize?: number | undefined;
  /**
   * The class of `optim` that steps.
   * @default 'Adagrad'
   */
  optimizer?: 'Adagrad' | 'Adam' | 'AdamW' | 'SGD' | undefined;
  /**
   * `lr` of the optimizer. Without a hidden layer it is for features that are divided, all by one number, such that the root
   * mean square norm of a row is 8, after their means are taken from dense ones; the head takes features as they are.
   * @default 0.1 for Adagrad, 0.001 for Adam and AdamW, 0.1 for SGD
   */
  learningRate?: number | undefined;
  /**
   * `weight_decay` of the optimizer. Training on sparse rows is much slower with it.
   * @default 0
   */
  weightDecay?: number | undefined;
  /**
   * Units of a hidden layer with ReLU; without it, scores are linear in the features.
   * @default none
   */
  hidden?: number | undefined;
  /**
   * The share of the hidden layer's units that are set to 0 in each step, chosen at random.
   * @default 0
   */
  dropout?: number | undefined;
  /**
   * Whether features are brought to mean 0 and deviation 1 over the rows trained on. The first layer of the tagger has it
   * in itself, so that it takes features as they are. Sparse features are divided by their deviation alone.
   * @default false
   */
  standardize?: boolean | undefined;
  /**
   * The share of rows that the best epoch is chosen by, and that training ends early by. A hash of what a row is known by
   * decides. 0 for none: the last epoch is the best.
   * @default 0.02
   */
  validation?: number | undefined;
  /**
   * The share of rows that have no part in the training, and whose metrics are among the results.
   * @default 0
   */
  test?: number | undefined;
  /**
   * Random numbers follow from it: the same rows and options give the same tagger, to the bit.
   * @default 1
   */
  seed?: number | undefined;
  /**
   * Options of the loss: `margin`, `normalization` and `targetOrder`.
   * @default those of the class
   */
  loss?: Pick<MultiLabelMarginLossOptions, 'margin' | 'normalization' | 'targetOrder'> | undefined;
}

export const SETTING_NAMES = [
  'epochs',
  'patience',
  'batchSize',
  'optimizer',
  'learningRate',
  'weightDecay',
  'hidden',
  'dropout',
  'standardize',
  'validation',
  'test',
  'seed',
  'loss',
] as const satisfies readonly (keyof TrainingSettings)[];

/** Settings in which a checkpoint may differ. */
export const MAY_CHANGE: readonly string[] = ['epochs', 'patience'];

export interface Settings {
  epochs: number;
  patience: number;
  batchSize: number;
  optimizer: keyof typeof OPTIMIZERS;
  learningRate: number;
  weightDecay: number;
  hidden: number | null;
  dropout: number;
  standardize: boolean;
  validation: number;
  test: number;
  seed: number;
  loss: Pick<LossOptions, 'margin' | 'normalization' | 'targetOrder'>;
}

/** @param sum the value that sums of squared gradients start with */
type NewOptimizer = (parameters: Parameter[], lr: number, weight_decay: number, sum: number) => Optimizer<object>;

const OPTIMIZERS = {
  Adagrad: {
    learningRate: 0.1,
    make: ((parameters, lr, weight_decay, sum) =>
      new Adagrad(parameters, { lr, weight_decay, initial_accumulator_value: sum })) as NewOptimizer,
  },
  Adam: {
    learningRate: 0.001,
    make: ((parameters, lr, weight_decay) => new Adam(parameters, { lr, weight_decay })) as NewOptimizer,
  },
  AdamW: {
    learningRate: 0.001,
    make: ((parameters, lr, weight_decay) => new AdamW(parameters, { lr, weight_decay })) as NewOptimizer,
  },
  SGD: {
    learningRate: 0.1,
    make: ((parameters, lr, weight_decay) => new SGD(parameters, { lr, weight_decay })) as NewOptimizer,
  },
};

export function newOptimizer(
  parameters: Parameter[],
  { optimizer, learningRate, weightDecay, hidden, loss }: Settings,
  classes: number,
  isSparse: boolean,
): Optimizer<object> {
  // Adagrad's sums start above zero. Otherwise the first step of a weight is a full learning rate, however small its gradient.
  // That moves the weights of rare features far, which overfit: with the gradient of 1,000 pairs, squared, LRAP of rows of
  // tf-idf is .02 to .11 higher than with 0.01.
  const pair = loss.normalization === 'classes' ? 1 / classes : 1;
  const sum = isSparse && hidden === null ? (1000 * pair) ** 2 : 0.01;
  return OPTIMIZERS[optimizer].make(parameters, learningRate, weightDecay, sum);
}

/** @throws LossError ERR_OPTION */
export function readSettings(given: TrainingSettings): Settings {
  const whole = (name: keyof TrainingSettings, without: number, least: number, most = 2 ** 31 - 1): number =>
    numberOf(
      given,
      name,
      without,
      (value) => Number.isInteger(value) && value >= least && value <= most,
      `a whole number from ${least} to ${most}`,
    );
  const share = (name: keyof TrainingSettings, without: number): number =>
    numberOf(given, name, without, (value) => value >= 0 && value < 1, 'a share from 0 to below 1');
  const { optimizer = 'Adagrad', standardize = false, loss = {} } = given;
  if (typeof optimizer !== 'string' || !Object.hasOwn(OPTIMIZERS, optimizer)) {
    const known = Object.keys(OPTIMIZERS).join(', ');
    throw new LossError('ERR_OPTION', `optimizer must be one of ${known}, got ${describe(optimizer)}`);
  }
  if (typeof standardize !== 'boolean') {
    throw new LossError('ERR_OPTION', `standardize must be true or false, got ${describe(standardize)}`);
  }
  const hidden = given.hidden === undefined ? null : whole('hidden', 0, 1);
  const dropout = share('dropout', 0);
  if (dropout > 0 && hidden === null) {
    throw new LossError('ERR_OPTION', 'dropout is of the hidden layer: give hidden, the number of its units');
  }
  const [validation, test] = [share('validation', 0.02), share('test', 0)];
  if (validation + test >= 1) {
    throw new LossError(
      'ERR_OPTION',
      `validation and test must leave rows to train on, got the shares ${validation} and ${test}`,
    );
  }
  const lossOptions = checkOptions(loss, ['margin', 'normalization', 'targetOrder'], "trainTagger()'s loss");
  const { margin, normalization, targetOrder } = new MultiLabelMarginLoss(lossOptions).options;
  const above0 = 'a finite number above 0';
  return {
    epochs: whole('epochs', 50, 1),
    patience: whole('patience', 5, 1),
    batchSize: whole('batchSize', 32, 1),
    optimizer,
    learningRate: numberOf(
      given,
      'learningRate',
      OPTIMIZERS[optimizer].learningRate,
      (value) => value > 0 && value < Infinity,
      above0,
    ),
    weightDecay: numberOf(given, 'weightDecay', 0, (value) => value >= 0 && value < Infinity, 'a finite number from 0'),
    hidden,
    dropout,
    standardize,
    validation,
    test,
    seed: whole('seed', 1, 0, 2 ** 32 - 1),
    loss: { margin, normalization, targetOrder },
  };
}

function numberOf(
  given: TrainingSettings,
  name: keyof TrainingSettings,
  without: number,
  isRight: (value: number) => boolean,
  wanted: string,
): number {
  const value: unknown = given[name] ?? without;
  if (typeof value !== 'number' || !isRight(value)) {
    throw new LossError('ERR_OPTION', `${name} must be ${wanted}, got ${describe(value)}`);
  }
  return value;
}
