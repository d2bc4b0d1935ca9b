/**
 * The loss, its tensors and its targets, without the training core: less than half of the main entry. It is for programs
 * whose bundler keeps what is not used, or that load the package by `import()`.
 *
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss/loss';
 *
 * new MultiLabelMarginLoss().forward([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]).item(); // => 0.85
 *
 * @module multilabel-margin-loss/loss
 */
export type { ForwardOptions } from '../arguments.js';
export type { AsyncBackend, Backend, Reduction } from '../backend.js';
export type { DeviceTensor } from '../device-tensor.js';
export { LossError, type LossErrorCode } from '../errors.js';
export { MultiLabelMarginLoss, type MultiLabelMarginLossOptions, type ValueAndGradOptions } from '../loss.js';
export type { DTypeOf, GradOf, Scores } from '../scores.js';
export { createWasmBackend } from '../wasm/backend.js';
export type { WasmModule } from '../wasm/instantiate.js';
export { fromMultiHot, type MultiHotMask, type MultiHotOptions, type Targets } from '../targets.js';
export {
  type ArrayTypes,
  type DType,
  type FloatDType,
  float32,
  float64,
  int32,
  int64,
  type TypedArray,
} from '../dtypes.js';
export type { NestedArray } from '../nested.js';
export type { Shape } from '../shapes.js';
export { type BackwardOptions, Tensor, type TensorLike } from '../tensor.js';
export { type ShapeArguments, tensor, type TensorOptions, zeros } from '../creation.js';
