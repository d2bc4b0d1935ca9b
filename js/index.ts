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
export { MultiLabelMarginLoss, type MultiLabelMarginLossOptions, type ValueAndGradOptions } from './loss.js';
export type { DTypeOf, GradOf, Scores } from './scores.js';
export * as nn from './nn.js';
export * as optim from './optim.js';
export { add } from './training/add.js';
export { no_grad } from './training/grad-mode.js';
export { relu } from './training/relu.js';
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
  type TypedArray,
} from './dtypes.js';
export type { NestedArray } from './nested.js';
export type { Shape } from './shapes.js';
export { manual_seed, randn, randperm } from './random.js';
export { loadSafetensors, saveSafetensors } from './safetensors.js';
export {
  type BackwardOptions,
  type ShapeArguments,
  Tensor,
  type TensorLike,
  type TensorOptions,
  tensor,
  zeros,
} from './tensor.js';
export { topk } from './topk.js';
