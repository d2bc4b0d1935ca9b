/**
 * The multi-label margin loss and its gradient, computed in WebAssembly.
 *
 * @packageDocumentation
 */
export type { Backend, Reduction } from './backend.js';
export { LossError, type LossErrorCode } from './errors.js';
export {
  type DTypeOf,
  MultiLabelMarginLoss,
  type MultiLabelMarginLossOptions,
  type Scores,
  type ValueAndGradOptions,
} from './loss.js';
export * as nn from './nn.js';
export { createWasmBackend } from './wasm/backend.js';
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
