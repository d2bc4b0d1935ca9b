import { arrayName, type FloatDType, type HasOnly } from './dtypes.js';
import { type DeviceTensor, isDeviceTensor } from './device-tensor.js';
import { LossError } from './errors.js';
import { formatShape, type Shape } from './shapes.js';
import { isTensor, type Tensor, type TensorLike, toTensor } from './tensor.js';

/** A Float16Array, where the engine has them, as the compilers that know none see it. */
interface Float16 {
  readonly [Symbol.toStringTag]: 'Float16Array';
  readonly length: number;
  readonly [index: number]: number;
}

type ScoreList = Float32Array | Float64Array | Float16 | readonly (number | bigint)[];

/**
 * Scores: a tensor of float32 or float64 of shape [N, C], [C] or []; nested arrays of numbers (float32), of which the rows
 * may be typed arrays; or float16, which is computed in float32.
 */
export type Scores =
  TensorLike | { readonly data: Float16; readonly shape: Shape } | ScoreList | readonly ScoreList[] | number | bigint;

/** Refuses, when compiled, scores of type S that can only be integers. */
export type NoIntegers<S> =
  HasOnly<S, Int32Array | BigInt64Array> extends true ? 'scores must be floating-point' : unknown;

/** The dtype of a loss: that of its scores. */
export type DTypeOf<S extends Scores | DeviceTensor> = [S] extends [never]
  ? FloatDType
  : S extends Tensor<infer D>
    ? D & FloatDType
    : S extends DeviceTensor
      ? 'float32'
      : S extends Float64Array | readonly Float64Array[] | { readonly data: Float64Array }
        ? 'float64'
        : S extends TensorLike
          ? S['data'] extends Float32Array
            ? 'float32'
            : FloatDType
          : S extends readonly (infer Row)[]
            ? Float64Array extends Row
              ? FloatDType
              : 'float32'
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
  const scores = isDeviceTensor(given)
    ? given
    : isTensor(given)
      ? toTensor(given, 'float32', 'scores')
      : toTensor(widened(given), dtypeOfRows(given), 'scores');
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

/** Scores of float16 as float32, in which they are computed. */
function widened(given: unknown): unknown {
  const { data = given, shape } = Object(given) as { data?: unknown; shape?: unknown };
  if (arrayName(data) !== 'Float16Array') return given;
  const float32 = Float32Array.from(data as ArrayLike<number>);
  return shape === undefined ? float32 : { data: float32, shape };
}

/** The dtype of nested arrays: float64 if a row is a Float64Array, else float32. */
function dtypeOfRows(given: unknown): FloatDType {
  let dtype: FloatDType = 'float32';
  if (!Array.isArray(given)) return dtype;
  for (const row of given as unknown[]) {
    const name = arrayName(row);
    if (name === 'Float64Array') dtype = 'float64';
    else if (name !== undefined && !name.startsWith('Float')) {
      throw new LossError('ERR_DTYPE', `scores must be float32 or float64, got a row of ${name}`);
    }
  }
  return dtype;
}
