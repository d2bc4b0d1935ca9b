import {
  type Batch,
  type DeviceBatch,
  type DeviceResult,
  type FloatArray,
  GRAD_OVERLAP,
  type LossOptions,
} from './backend.js';
import { type DeviceTensor, isDeviceTensor } from './device-tensor.js';
import { type FloatDType, plainArray, type TypedArray } from './dtypes.js';
import { describe, LossError } from './errors.js';
import { checkSampleWeight } from './sample-weight.js';
import { toScores } from './scores.js';
import { formatShape, sameShape, type Shape } from './shapes.js';
import { type ClassList, type Targets, toTargets, toUnknown, warnOfMultiHot } from './targets.js';
import { isTensor, Tensor, type TensorLike, toTensor } from './tensor.js';

type IndexTensor = Tensor<'int32'> | Tensor<'int64'>;

/**
 * Options of {@link MultiLabelMarginLoss.forward} and {@link MultiLabelMarginLoss.forwardAsync}, for one batch.
 *
 * @example
 * import { type ForwardOptions, MultiLabelMarginLoss } from 'multilabel-margin-loss';
 *
 * const options: ForwardOptions = { sampleWeight: [2, 1], unknown: [[2], []] };
 * const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
 * const scores = [[0, 0, 9, 0], [0, 0, 0, 0]];
 * lossFn.forward(scores, [[3, 0], [1]], options).tolist(); // => [1, 0.75]
 */
export interface ForwardOptions {
  /**
   * [N], float32 or float64, finite and not negative: each multiplies the loss and the gradient of its row. 'mean' divides
   * by N all the same. For scores [C] and [], one weight.
   * @default 1 for each row
   */
  sampleWeight?: Float32Array | Float64Array | readonly number[] | number | TensorLike | undefined;
  /**
   * Classes of each row that are neither targets nor other classes: their pairs add 0 to loss and gradient, and the divisor
   * stays the number of classes C (of targets, for normalization 'targets'). Class indices in the forms of the targets, or
   * a mask of booleans, [N, C] or [C]; a mask of 0 and 1 is recognised where it cannot be class indices, for C > 2. A class
   * of the row's targets is refused.
   * @default none
   */
  unknown?: Targets | readonly boolean[] | readonly (readonly boolean[])[] | undefined;
}

export const FORWARD_OPTIONS = ['sampleWeight', 'unknown'] as const;

interface GivenOptions extends ForwardOptions {
  grad?: TensorLike | DeviceTensor | undefined;
}

/** The arguments of a call, once their types and shapes are known to be right. */
export class LossArguments {
  readonly batch: DeviceBatch;
  /** Where to write the gradient; null for a new array. */
  readonly into: FloatArray | DeviceTensor | null;
  /** Where to copy the gradient in the end, because it may be memory that is read until then. */
  readonly #copyTo: FloatArray | null;
  readonly #scoresShape: Shape;
  readonly #grad: Tensor<FloatDType> | DeviceTensor | null;

  constructor(scoresGiven: unknown, targetsGiven: unknown, { grad: gradGiven, sampleWeight, unknown }: GivenOptions) {
    const scores = toScores(scoresGiven);
    const targets = isDeviceTensor(targetsGiven)
      ? toDeviceTargets(targetsGiven)
      : toTargets(targetsGiven, scores.shape);
    const lists = unknown === undefined || unknown === null ? null : toUnknown(unknown, scores.shape);
    const weights = sampleWeight === undefined || sampleWeight === null ? null : toWeights(sampleWeight, scores);
    const grad = gradGiven === undefined ? null : toGrad(gradGiven, scores);
    this.batch = toBatch(scores, targets, lists, weights);
    const into = isTensor(grad) ? (plainArray(grad.data) as FloatArray) : grad;
    const isUncertain = grad !== null && checkOverlap(grad, [scores, targets, lists, weights]);
    this.into = isUncertain ? null : into;
    this.#copyTo = isUncertain ? (into as FloatArray) : null;
    this.#scoresShape = scores.shape;
    this.#grad = grad;
    if (isTensor(targets)) warnOfMultiHot(targets, this.batch.classes);
  }

  /** The batch, for a backend that can read nothing but arrays. */
  inMemory(): Batch {
    const { scores, targets } = this.batch;
    if (isDeviceTensor(scores) || isDeviceTensor(targets))
      throw onDevice(isDeviceTensor(scores) ? 'scores' : 'targets');
    return this.batch as Batch;
  }

  intoMemory(): FloatArray | null {
    if (isDeviceTensor(this.into)) throw onDevice('grad');
    return this.into;
  }

  result(
    { reduction }: LossOptions,
    { loss, grad }: DeviceResult,
  ): { loss: Tensor<FloatDType>; grad: Tensor<FloatDType> | DeviceTensor | null } {
    const shape: Shape = reduction === 'none' && this.#scoresShape.length === 2 ? [this.batch.rows] : [];
    return { loss: new Tensor(loss, shape), grad: this.#gradOf(grad) };
  }

  /** The tensor given for the gradient, if one was; else one of what was computed. */
  #gradOf(grad: DeviceResult['grad']): Tensor<FloatDType> | DeviceTensor | null {
    if (this.#grad !== null && this.#copyTo === null) return this.#grad;
    const made = grad === null || isDeviceTensor(grad) ? grad : new Tensor(grad, this.#scoresShape);
    if (isTensor(made)) this.#copyTo?.set(made.data);
    return this.#grad ?? made;
  }
}

function onDevice(what: string): LossError {
  return new LossError(
    'ERR_DTYPE',
    `${what} in a GPU's memory are for the asynchronous methods of a loss with a WebGPU backend`,
  );
}

function toDeviceTargets(targets: DeviceTensor): DeviceTensor<'int32' | 'int64'> {
  if (targets.dtype !== 'int32' && targets.dtype !== 'int64') {
    throw new LossError('ERR_DTYPE', `targets must be int32 or int64, got ${targets.dtype}`);
  }
  return targets as DeviceTensor<'int32' | 'int64'>;
}

function toBatch(
  scores: Tensor<FloatDType> | DeviceTensor,
  targets: IndexTensor | DeviceTensor,
  unknown: IndexTensor | null,
  weights: Tensor<FloatDType> | null,
): DeviceBatch {
  checkListShape(targets.shape, scores.shape, 'targets');
  if (unknown !== null) checkListShape(unknown.shape, scores.shape, 'unknown');
  return {
    scores: isDeviceTensor(scores) ? scores : plainArray(scores.data),
    targets: isDeviceTensor(targets) ? targets : plainArray(targets.data),
    rows: scores.shape.length === 2 ? (scores.shape[0] as number) : 1,
    classes: scores.shape.at(-1) ?? 1,
    width: targets.shape.at(-1) ?? 1,
    sampleWeight: weights && plainArray(weights.data),
    unknown: unknown && plainArray(unknown.data),
    unknownWidth: unknown === null ? 0 : (unknown.shape.at(-1) ?? 1),
  };
}

/** Lists of classes are [N, K] for scores [N, C], [K] for [C]; one class may be [] for a single class, [1] or []. */
export function checkListShape(shape: Shape, scores: Shape, name: ClassList): void {
  const fits =
    scores.length === 2
      ? shape.length === 2 && shape[0] === scores[0]
      : shape.length === 1 || (shape.length === 0 && (scores[0] ?? 1) === 1);
  if (fits) return;
  const wanted = scores.length === 2 ? `[${scores[0]}, K]` : (scores[0] ?? 1) === 1 ? '[] or [K]' : '[K]';
  throw new LossError(
    'ERR_SHAPE',
    `${name} for scores of shape ${formatShape(scores)} must have shape ${wanted}, with any K, ` +
      `got ${formatShape(shape)}`,
  );
}

function toWeights(given: unknown, scores: Tensor<FloatDType> | DeviceTensor<FloatDType>): Tensor<FloatDType> {
  const weights = toTensor(given, 'float64', 'sampleWeight');
  if (weights.dtype !== 'float32' && weights.dtype !== 'float64') {
    throw new LossError('ERR_DTYPE', `sampleWeight must be float32 or float64, got ${weights.dtype}`);
  }
  const [rows, isOne] = scores.shape.length === 2 ? [scores.shape[0], false] : [1, weights.shape.length === 0];
  if (!isOne && !sameShape(weights.shape, [rows as number])) {
    throw new LossError(
      'ERR_SHAPE',
      `sampleWeight for scores of shape ${formatShape(scores.shape)} must have shape [${rows}], a weight for each row, ` +
        `got ${formatShape(weights.shape)}`,
    );
  }
  checkSampleWeight(weights.data, scores.dtype);
  return weights as Tensor<FloatDType>;
}

function toGrad(
  given: TensorLike | DeviceTensor,
  scores: Tensor<FloatDType> | DeviceTensor<FloatDType>,
): Tensor<FloatDType> | DeviceTensor {
  if (Array.isArray(given) || typeof given === 'number') {
    throw new LossError(
      'ERR_DTYPE',
      `grad is written to: it must be a Tensor, { data, shape } or a typed array, got ${describe(given)}`,
    );
  }
  const grad = isDeviceTensor(given) ? given : toTensor(given, scores.dtype, 'grad');
  if (grad.dtype !== scores.dtype) {
    throw new LossError('ERR_DTYPE', `grad must have the dtype of the scores, ${scores.dtype}, got ${grad.dtype}`);
  }
  if (!sameShape(grad.shape, scores.shape)) {
    throw new LossError(
      'ERR_SHAPE',
      `grad must have the shape of the scores, ${formatShape(scores.shape)}, got ${formatShape(grad.shape)}`,
    );
  }
  return grad as Tensor<FloatDType> | DeviceTensor;
}

/**
 * Refuses a gradient in memory that is also read, unless it is the array of the scores.
 *
 * @returns whether it may be in such memory all the same: a program can have several SharedArrayBuffer objects of one
 */
function checkOverlap(grad: Tensor | DeviceTensor, read: readonly (Tensor | DeviceTensor | null)[]): boolean {
  // Each buffer is asked for once: it takes longer than all the rest.
  const { buffer } = isDeviceTensor(grad) ? grad : grad.data;
  let isUncertain = false;
  for (const other of read) {
    if (other === null) continue;
    const otherBuffer = isDeviceTensor(other) ? other.buffer : other.data.buffer;
    if (isDeviceTensor(grad) || isDeviceTensor(other)) {
      if (buffer === otherBuffer) throw new LossError('ERR_SHAPE', GRAD_OVERLAP);
    } else if (buffer === otherBuffer) {
      const isScores = grad.dtype === other.dtype && grad.data.byteOffset === other.data.byteOffset;
      if (!isScores && rangesMeet(grad.data, other.data)) throw new LossError('ERR_SHAPE', GRAD_OVERLAP);
    } else {
      isUncertain ||= isShared(buffer) && isShared(otherBuffer) && rangesMeet(grad.data, other.data);
    }
  }
  return isUncertain;
}

function isShared(buffer: object): boolean {
  return (buffer as ArrayBufferLike)[Symbol.toStringTag] === 'SharedArrayBuffer';
}

function rangesMeet(a: TypedArray, b: TypedArray): boolean {
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}
