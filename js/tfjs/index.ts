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
import { customGrad, mul, type Scalar, scalar, Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { type Backend, refuseAsyncBackend } from '../backend.js';
import { describe, LossError } from '../errors.js';
import { OPTION_NAMES, MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from '../loss.js';
import { fromMultiHot, type Targets } from '../targets.js';
import { checkOptions } from '../options.js';
import { formatShape, sameShape } from '../shapes.js';
import type { TensorLike } from '../tensor.js';

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
   * As for the class, without 'none': TensorFlow.js trains on a scalar.
   * @default 'mean'
   */
  reduction?: 'mean' | 'sum';
  /**
   * What yTrue holds. 'mask': 1 where the class is a target and 0 elsewhere, of the shape of yPred and any dtype.
   * 'indices': class indices padded with -1, int32, [N, K] or [K]. Nothing is guessed from the values: a mask of
   * integers, and indices that are all 0 and 1, look the same.
   * @default 'mask'
   */
  targets?: 'mask' | 'indices';
}

/** The loss as a function of targets and scores, for `model.compile({ loss })` or to be called with tensors. */
export type TfjsLoss = (yTrue: Tensor, yPred: Tensor) => Scalar;

/**
 * The multi-label margin loss as a function of tensors of TensorFlow.js, for `model.compile({ loss })`, for
 * `optimizer.minimize()` and for `tf.variableGrads()` and its like.
 *
 * It reads both tensors with `dataSync()`, and computes loss and gradient in one pass in WebAssembly, whatever the
 * backend of TensorFlow.js. It keeps no tensor. The loss is linear wherever it has a gradient: in a second derivative,
 * its gradient is a constant.
 *
 * Shapes: yPred [N, C] or [C], float32; yTrue as {@link TfjsLossOptions.targets} says; the loss [].
 *
 * @param options those of {@link MultiLabelMarginLoss}, and `targets`
 * @returns the loss, which throws LossError as {@link MultiLabelMarginLoss.forward} does
 * @throws LossError ERR_OPTION for an unknown option or value
 * @example
 * import * as tf from '@tensorflow/tfjs';
 * import { multiLabelMarginLoss } from 'multilabel-margin-loss/tfjs';
 *
 * const features = tf.tensor2d([[1, 0, 0], [0, 1, 0]]);
 * const mask = tf.tensor2d([[1, 0, 0, 1], [0, 1, 0, 0]]);
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 4, inputShape: [3] })] });
 * model.compile({ optimizer: tf.train.adam(0.1), loss: multiLabelMarginLoss() });
 * const { epoch } = await model.fit(features, mask, { epochs: 2, verbose: 0 });
 * epoch; // => [0, 1]
 */
export function multiLabelMarginLoss(options: TfjsLossOptions = {}): TfjsLoss {
  const { targets = 'mask', ...others } = checkOptions(options, [...OPTION_NAMES, 'targets'], 'multiLabelMarginLoss()');
  if (targets !== 'mask' && targets !== 'indices') {
    throw new LossError('ERR_OPTION', `targets must be one of 'mask', 'indices', got ${describe(targets)}`);
  }
  const lossFn = new MultiLabelMarginLoss(others);
  refuseAsyncBackend(others.backend, 'multiLabelMarginLoss()');
  if (lossFn.options.reduction === 'none') {
    throw new LossError('ERR_OPTION', "reduction must be one of 'mean', 'sum' for TensorFlow.js, got 'none'");
  }
  const toTargets = targets === 'mask' ? fromMask : fromIndices;
  return (yTrue, yPred) => {
    checkTensor(yTrue, 'yTrue');
    checkTensor(yPred, 'yPred');
    if (yPred.dtype !== 'float32') throw new LossError('ERR_DTYPE', `yPred must be float32, got ${yPred.dtype}`);
    const { loss, grad } = lossFn.valueAndGrad(read(yPred), toTargets(yTrue, yPred));
    // An operation on yPred alone: yTrue has no gradient.
    const operation = customGrad<Scalar>(() => ({
      value: scalar(Number(loss.item())),
      // The gradient is an array until it is asked for: of a tensor, nobody would dispose if it never is.
      gradFunc: (dy) => tidy(() => mul(dy, tensor(grad.data as Float32Array, [...grad.shape]))),
    }));
    return operation(yPred);
  };
}

function read(given: Tensor): TensorLike {
  return { data: given.dataSync() as Float32Array | Int32Array, shape: given.shape };
}

function fromMask(yTrue: Tensor, yPred: Tensor): Targets {
  const hint = "; for class indices, make the loss with { targets: 'indices' }";
  if (!sameShape(yTrue.shape, yPred.shape)) {
    throw new LossError(
      'ERR_SHAPE',
      `yTrue, a mask, must have the shape of yPred, ${formatShape(yPred.shape)}, got ${formatShape(yTrue.shape)}` +
        hint,
    );
  }
  try {
    return fromMultiHot({ data: yTrue.dataSync(), shape: yTrue.shape });
  } catch (error) {
    throw error instanceof LossError ? new LossError(error.code, `yTrue: ${error.message}${hint}`) : error;
  }
}

function fromIndices(yTrue: Tensor): Targets {
  if (yTrue.dtype !== 'int32') {
    throw new LossError(
      'ERR_DTYPE',
      `yTrue, class indices, must be int32, got ${yTrue.dtype}; for a mask, make the loss with { targets: 'mask' }`,
    );
  }
  return read(yTrue);
}

function checkTensor(given: unknown, name: string): void {
  if (!(given instanceof Tensor)) {
    throw new LossError('ERR_DTYPE', `${name} must be a tensor of TensorFlow.js, got ${describe(given)}`);
  }
}
