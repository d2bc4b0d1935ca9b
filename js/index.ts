/**
 * The multi-label margin loss and its gradient, layers and optimizers, computed in WebAssembly.
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
export * from './loss/index.js';
export * as nn from './nn.js';
export * as optim from './optim.js';
export { add } from './training/add.js';
export { no_grad } from './training/no-grad.js';
export { relu } from './training/relu.js';
export { useTrainingModule } from './training/memory.js';
export { manual_seed, randn, randperm } from './random.js';
export { loadSafetensors, saveSafetensors } from './safetensors.js';
export { topk } from './topk.js';
