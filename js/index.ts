/**
 * The multi-label margin loss and its gradient, computed in WebAssembly.
 *
 * @packageDocumentation
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
export { fromMultiHot, type MultiHotMask, type Targets } from './targets.js';
export {
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
  zeros,
} from './tensor.js';
