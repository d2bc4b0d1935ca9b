/**
 * The multi-label margin loss and its gradient, computed in WebAssembly.
 *
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
 *
 * const { loss, grad } = new MultiLabelMarginLoss().valueAndGrad([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * loss.item(); // => 0.85
 * grad.tolist(); // => [[-0.5, 0.5, 0.5, -0.5]]
 *
 * @module multilabel-margin-loss
 */
export type { AsyncBackend, Backend, Reduction } from './backend.js';
export type { DeviceTensor } from './device-tensor.js';
export { LossError, type LossErrorCode } from './errors.js';
export {
  type DTypeOf,
  type GradOf,
  MultiLabelMarginLoss,
  type MultiLabelMarginLossOptions,
  type Scores,
  type ValueAndGradOptions,
} from './loss.js';
export * as nn from './nn.js';
export { createWasmBackend } from './wasm/backend.js';
export { fromMultiHot, type MultiHotMask, type Targets } from './targets.js';
export {
  type ArrayTypes,
  type DType,
  type FloatDType,
  float32,
  float64,
  int32,
  int64,
  type NestedArray,
  randn,
  type Shape,
  type ShapeArguments,
  Tensor,
  type TensorLike,
  type TensorOptions,
  tensor,
  type TypedArray,
  zeros,
} from './tensor.js';
