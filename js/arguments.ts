import {
  type Batch,
  type DeviceBatch,
  type DeviceResult,
  type FloatArray,
  GRAD_OVERLAP,
  type LossOptions,
} from './backend.js';
import { DeviceTensor } from './device-tensor.js';
import type { FloatDType, TypedArray } from './dtypes.js';
import { LossError } from './errors.js';
import { toScores } from './scores.js';
import { formatShape, sameShape, type Shape } from './shapes.js';
import { toTargets, warnOfMultiHot } from './targets.js';
import { isTensor, Tensor, type TensorLike, toTensor } from './tensor.js';

/** The arguments of a call, once their types and shapes are known to be right. */
export class LossArguments {
  readonly batch: DeviceBatch;
  /** Where to write the gradient; null if that was not said. */
  readonly into: FloatArray | DeviceTensor | null;
  readonly #scoresShape: Shape;
  readonly #grad: Tensor<FloatDType> | DeviceTensor | null;

  constructor(scoresGiven: unknown, targetsGiven: unknown, gradGiven: TensorLike | DeviceTensor | undefined) {
    const scores = toScores(scoresGiven);
    const targets =
      targetsGiven instanceof DeviceTensor
        ? toDeviceTargets(targetsGiven as DeviceTensor)
        : toTargets(targetsGiven, scores.shape);
    const grad = gradGiven === undefined ? null : toGrad(gradGiven, scores, targets);
    this.batch = toBatch(scores, targets);
    this.into = grad instanceof DeviceTensor ? grad : grad && grad.data;
    this.#scoresShape = scores.shape;
    this.#grad = grad;
    if (isTensor(targets)) warnOfMultiHot(targets, this.batch.classes);
  }

  /** The batch, for a backend that can read nothing but arrays. */
  inMemory(): Batch {
    const { scores, targets } = this.batch;
    if (scores instanceof DeviceTensor || targets instanceof DeviceTensor)
      throw onDevice(scores instanceof DeviceTensor ? 'scores' : 'targets');
    return this.batch as Batch;
  }

  intoMemory(): FloatArray | null {
    if (this.into instanceof DeviceTensor) throw onDevice('grad');
    return this.into;
  }

  result(
    { reduction }: LossOptions,
    { loss, grad }: DeviceResult,
  ): { loss: Tensor<FloatDType>; grad: Tensor<FloatDType> | DeviceTensor | null } {
    const shape: Shape = reduction === 'none' && this.#scoresShape.length === 2 ? [this.batch.rows] : [];
    return {
      loss: new Tensor(loss, shape),
      grad: this.#grad ?? (grad === null || grad instanceof DeviceTensor ? grad : new Tensor(grad, this.#scoresShape)),
    };
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
  targets: Tensor<'int32'> | Tensor<'int64'> | DeviceTensor,
): DeviceBatch {
  const dimensions = scores.shape.length;
  const rows = dimensions === 2 ? (scores.shape[0] as number) : 1;
  const targetsFit =
    dimensions === 2
      ? targets.shape.length === 2 && targets.shape[0] === rows
      : targets.shape.length === 1 || (dimensions === 0 && targets.shape.length === 0);
  if (!targetsFit) {
    const wanted = dimensions === 2 ? `[${rows}, K]` : dimensions === 1 ? '[K]' : '[] or [K]';
    throw new LossError(
      'ERR_SHAPE',
      `targets for scores of shape ${formatShape(scores.shape)} must have shape ${wanted}, with any K, ` +
        `got ${formatShape(targets.shape)}`,
    );
  }
  return {
    scores: scores instanceof DeviceTensor ? scores : scores.data,
    targets: targets instanceof DeviceTensor ? targets : targets.data,
    rows,
    classes: scores.shape.at(-1) ?? 1,
    width: targets.shape.at(-1) ?? 1,
    sampleWeight: null,
    unknown: null,
    unknownWidth: 0,
  };
}

/** What is to be written, and must not be written over anything that is yet to be read. */
function toGrad(
  given: TensorLike | DeviceTensor,
  scores: Tensor<FloatDType> | DeviceTensor<FloatDType>,
  targets: Tensor | DeviceTensor,
): Tensor<FloatDType> | DeviceTensor {
  const grad = given instanceof DeviceTensor ? given : toTensor(given, scores.dtype, 'grad');
  if (grad.dtype !== scores.dtype) {
    throw new LossError('ERR_DTYPE', `grad must have the dtype of the scores, ${scores.dtype}, got ${grad.dtype}`);
  }
  if (!sameShape(grad.shape, scores.shape)) {
    throw new LossError(
      'ERR_SHAPE',
      `grad must have the shape of the scores, ${formatShape(scores.shape)}, got ${formatShape(grad.shape)}`,
    );
  }
  for (const other of [scores, targets]) if (sharesMemory(grad, other)) throw new LossError('ERR_SHAPE', GRAD_OVERLAP);
  return grad as Tensor<FloatDType> | DeviceTensor;
}

/** Whether what is written to the gradient would be read as the other, but for an array that is both. */
function sharesMemory(grad: Tensor | DeviceTensor, other: Tensor | DeviceTensor): boolean {
  if (grad instanceof DeviceTensor || other instanceof DeviceTensor) {
    return grad instanceof DeviceTensor && other instanceof DeviceTensor && grad.buffer === other.buffer;
  }
  const isScores =
    grad.dtype === other.dtype &&
    grad.data.buffer === other.data.buffer &&
    grad.data.byteOffset === other.data.byteOffset;
  return !isScores && overlap(grad.data, other.data);
}

function overlap(a: TypedArray, b: TypedArray): boolean {
  return (
    a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength
  );
}
