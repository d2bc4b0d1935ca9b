import type { FloatDType } from './dtypes.js';
import { DeviceTensor } from './device-tensor.js';
import { LossError } from './errors.js';
import type { NestedArray } from './nested.js';
import { formatShape } from './shapes.js';
import { type Tensor, type TensorLike, toTensor } from './tensor.js';

/** Scores: a tensor of float32 or float64 of shape [N, C], [C] or [], or nested arrays of numbers (float32). */
export type Scores = TensorLike | Float32Array | Float64Array | NestedArray;

/** The dtype of a loss: that of its scores. */
export type DTypeOf<S extends Scores | DeviceTensor> =
  S extends Tensor<infer D>
    ? D & FloatDType
    : S extends DeviceTensor
      ? 'float32'
      : S extends Float64Array | { readonly data: Float64Array }
        ? 'float64'
        : S extends TensorLike
          ? S['data'] extends Float32Array
            ? 'float32'
            : FloatDType
          : 'float32';

/**
 * What {@link MultiLabelMarginLoss.valueAndGradAsync} gives for a gradient, of scores S and an option `grad` of type G: what
 * was given as `grad`; without it, a tensor in memory or on the GPU, where the scores are.
 */
export type GradOf<S extends Scores | DeviceTensor, G> = G extends DeviceTensor
  ? G
  : G extends TensorLike
    ? Tensor<DTypeOf<S>>
    : S extends DeviceTensor
      ? S
      : Tensor<DTypeOf<S>>;

export function toScores(given: unknown): Tensor<FloatDType> | DeviceTensor<FloatDType> {
  const scores = given instanceof DeviceTensor ? given : toTensor(given, 'float32', 'scores');
  if (scores.dtype !== 'float32' && scores.dtype !== 'float64') {
    throw new LossError('ERR_DTYPE', `scores must be float32 or float64, got ${scores.dtype}`);
  }
  if (scores.shape.length > 2) {
    throw new LossError('ERR_SHAPE', `scores must have shape [N, C], [C] or [], got ${formatShape(scores.shape)}`);
  }
  const classes = scores.shape.at(-1);
  if (classes === 0) {
    throw new LossError('ERR_SHAPE', `scores must have at least one class, got shape ${formatShape(scores.shape)}`);
  }
  if (classes !== undefined && classes > 2 ** 31 - 1) {
    throw new LossError(
      'ERR_SHAPE',
      `scores must have fewer than 2^31 classes, got shape ${formatShape(scores.shape)}`,
    );
  }
  return scores as Tensor<FloatDType> | DeviceTensor<FloatDType>;
}
