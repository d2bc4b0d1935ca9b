/**
 * The loss for models and optimizers of TensorFlow.js.
 *
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { multiLabelMarginLoss } from 'multilabel-margin-loss/tfjs';
 *
 * const mask = tf.tensor2d([[1, 0, 0, 1]]);
 * const scores = tf.tensor2d([[0.1, 0.2, 0.4, 0.8]]);
 * multiLabelMarginLoss()(mask, scores).dataSync(); // => [0.85]
 *
 * @module multilabel-margin-loss/tfjs
 */
import { customGrad, expandDims, mul, type Scalar, Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { type Backend, type Reduction, refuseAsyncBackend } from '../backend.js';
import { describe, LossError } from '../errors.js';
import { OPTION_NAMES, MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from '../loss.js';
import { fromMultiHot, type Targets } from '../targets.js';
import { checkOptions } from '../options.js';
import { formatShape, sameShape } from '../shapes.js';

/**
 * Options of {@link multiLabelMarginLoss}: those of the class, and how targets are written.
 *
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { multiLabelMarginLoss, type TfjsLossOptions } from 'multilabel-margin-loss/tfjs';
 *
 * const options: TfjsLossOptions = { targets: 'indices', reduction: 'sum' };
 * const indices = tf.tensor2d([[3, 0, -1]], [1, 3], 'int32');
 * multiLabelMarginLoss(options)(indices, tf.tensor2d([[0.1, 0.2, 0.4, 0.8]])).dataSync(); // => [0.85]
 */
export interface TfjsLossOptions extends MultiLabelMarginLossOptions<Backend> {
  /**
   * What yTrue holds. 'mask': 1 where the class is a target, 0 where it is not, and -1 where that is unknown; of the shape
   * of yPred and any dtype. 'indices': class indices padded with -1, [N, K] or [K]; int32, or float32 as datasets of
   * TensorFlow.js make of numbers. The option alone decides: values that are good as either are not told apart.
   * @default 'mask'
   */
  targets?: 'mask' | 'indices' | undefined;
}

/**
 * The loss as a function of targets and scores, for `model.compile({ loss })` or to be called with tensors. With the option
 * `reduction: 'none'`, it has an element for each sample.
 */
export type TfjsLoss<R extends Reduction = 'mean'> = (
  yTrue: Tensor,
  yPred: Tensor,
) => R extends 'none' ? Tensor : Scalar;

/**
 * The multi-label margin loss as a function of tensors of TensorFlow.js, for `model.compile({ loss })`, for
 * `optimizer.minimize()` and for `tf.variableGrads()` and its like.
 *
 * It reads both tensors with `dataSync()`, and computes loss and gradient in one pass in WebAssembly, whatever the
 * backend of TensorFlow.js. It keeps no tensor. The loss is linear wherever it has a gradient: in a second derivative,
 * its gradient is a constant.
 *
 * `reduction: 'none'` gives the loss of each sample, which `classWeight` of `model.fit()` then weights, as it weights
 * those of TensorFlow.js; it cannot weight the samples of a loss that is a scalar already.
 *
 * Shapes: yPred [N, C] or [C], float32; yTrue as {@link TfjsLossOptions.targets} says; the loss [], or [N] for reduction
 * 'none' of yPred [N, C].
 *
 * @param options those of {@link MultiLabelMarginLoss}, and `targets`
 * @returns the loss, which throws LossError as {@link MultiLabelMarginLoss.forward} does
 * @throws LossError ERR_OPTION for an unknown option or value
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { multiLabelMarginLoss } from 'multilabel-margin-loss/tfjs';
 *
 * const features = tf.tensor2d([[1, 0, 0], [0, 1, 0]]);
 * const mask = tf.tensor2d([[1, 0, 0, 1], [0, 1, 0, -1]]);
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 4, inputShape: [3] })] });
 * model.compile({ optimizer: tf.train.adam(0.1), loss: multiLabelMarginLoss() });
 * const { epoch } = await model.fit(features, mask, { epochs: 2, verbose: 0 });
 * epoch; // => [0, 1]
 */
export function multiLabelMarginLoss<R extends Reduction = 'mean'>(
  options: TfjsLossOptions & { reduction?: R | undefined } = {},
): TfjsLoss<R> {
  if (options instanceof Tensor || arguments.length > 1) {
    throw new LossError(
      'ERR_OPTION',
      'multiLabelMarginLoss() takes options and returns the loss, but was called with tensors: where a loss is wanted, ' +
        'write multiLabelMarginLoss() and not multiLabelMarginLoss',
    );
  }
  const { targets = 'mask', ...others } = checkOptions(options, [...OPTION_NAMES, 'targets'], 'multiLabelMarginLoss()');
  if (targets !== 'mask' && targets !== 'indices') {
    throw new LossError('ERR_OPTION', `targets must be one of 'mask', 'indices', got ${describe(targets)}`);
  }
  const lossFn = new MultiLabelMarginLoss(others);
  refuseAsyncBackend(others.backend, 'multiLabelMarginLoss()');
  const toTargets = targets === 'mask' ? fromMask : fromIndices;
  const compute = (yTrue: Tensor, yPred: Tensor): Tensor => {
    checkTensor(yTrue, 'yTrue');
    checkTensor(yPred, 'yPred');
    if (yPred.dtype !== 'float32') throw new LossError('ERR_DTYPE', `yPred must be float32, got ${yPred.dtype}`);
    const { indices, unknown } = toTargets(yTrue, yPred);
    const scores = { data: yPred.dataSync<'float32'>(), shape: yPred.shape };
    const { loss, grad } = lossFn.valueAndGrad(scores, indices, unknown === null ? {} : { unknown });
    // An operation on yPred alone: yTrue has no gradient.
    const operation = customGrad(() => ({
      value: tensor(loss.data, [...loss.shape]),
      // The gradient is an array until it is asked for: nobody would dispose of a tensor that is not asked for.
      gradFunc: (dy: Tensor) =>
        tidy(() => mul(loss.shape.length === 1 ? expandDims(dy, 1) : dy, tensor(grad.data, [...grad.shape]))),
    }));
    return operation(yPred);
  };
  // Metrics of TensorFlow.js are called by the name of their function, which minifiers would change.
  return Object.defineProperty(compute, 'name', { value: 'multiLabelMarginLoss' }) as TfjsLoss<R>;
}

interface ReadTargets {
  indices: Targets;
  /** The classes that are neither targets nor not; null where there is none. */
  unknown: Targets | null;
}

function fromMask(yTrue: Tensor, yPred: Tensor): ReadTargets {
  const hint = "; for class indices, make the loss with { targets: 'indices' }";
  if (!sameShape(yTrue.shape, yPred.shape)) {
    throw new LossError(
      'ERR_SHAPE',
      `yTrue, a mask, must have the shape of yPred, ${formatShape(yPred.shape)}, got ${formatShape(yTrue.shape)}` +
        hint,
    );
  }
  const { shape } = yTrue;
  const values: ArrayLike<unknown> = yTrue.dataSync();
  const isTarget = new Uint8Array(values.length);
  const isUnknown = new Uint8Array(values.length);
  let hasUnknown = false;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === 1) {
      isTarget[i] = 1;
    } else if (value === -1) {
      isUnknown[i] = 1;
      hasUnknown = true;
    } else if (value !== 0) {
      throw new LossError(
        'ERR_DTYPE',
        `yTrue, a mask, holds 1 for targets, 0 for other classes and -1 for unknown ones, got ${describe(value)} at ` +
          `${place(i, shape)}${hint}`,
      );
    }
  }
  if (hasUnknown) warnOfPaddedIndices(values, shape);
  return {
    indices: fromMultiHot({ data: isTarget, shape }),
    unknown: hasUnknown ? fromMultiHot({ data: isUnknown, shape }) : null,
  };
}

function fromIndices(yTrue: Tensor): ReadTargets {
  const hint = "; for a mask, make the loss with { targets: 'mask' }";
  if (yTrue.dtype !== 'int32' && yTrue.dtype !== 'float32') {
    throw new LossError(
      'ERR_DTYPE',
      `yTrue, class indices, must be int32, or float32 with whole numbers, got ${yTrue.dtype}${hint}`,
    );
  }
  const { shape } = yTrue;
  const values = yTrue.dataSync<'int32' | 'float32'>();
  const data = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value !== (value | 0)) {
      throw new LossError(
        'ERR_DTYPE',
        `yTrue, class indices, must hold whole numbers of 32 bits, got ${value} at ${place(i, shape)}${hint}`,
      );
    }
    data[i] = value;
  }
  return { indices: { data, shape }, unknown: null };
}

// In a mask of fewer classes, it is nothing unusual that no more than two are known.
const LEAST_CLASSES_TO_WARN = 4;

/**
 * Warns once about a mask that could be class indices padded with -1: whose rows begin with at most two known classes, of
 * which one is a target, and go on with unknown ones. Other indices hold a 2 or more, which no mask does.
 */
function warnOfPaddedIndices(values: ArrayLike<unknown>, shape: readonly number[]): void {
  const classes = shape.at(-1) as number;
  if (warned || classes < LEAST_CLASSES_TO_WARN) return;
  for (let i = 0; i < values.length; i += classes) {
    const [first, second] = [values[i], values[i + 1]];
    if (second !== -1 && (first === -1 || first === second)) return;
    for (let column = 2; column < classes; column++) if (values[i + column] !== -1) return;
  }
  warned = true;
  console.warn(
    `multilabel-margin-loss: in every row of yTrue, the classes from the third on are -1, of ${classes} classes. That looks ` +
      'like class indices padded with -1, but is read as a mask in which these classes are unknown; for class indices, ' +
      "make the loss with { targets: 'indices' }.",
  );
}

let warned = false;

/** Where the element at an index is, in words. */
function place(index: number, shape: readonly number[]): string {
  const columns = shape.at(-1) ?? 1;
  return `row ${Math.floor(index / columns)}, column ${index % columns}`;
}

function checkTensor(given: unknown, name: string): void {
  if (!(given instanceof Tensor)) {
    throw new LossError('ERR_DTYPE', `${name} must be a tensor of TensorFlow.js, got ${describe(given)}`);
  }
}
