/**
 * The names of PyTorch's `torch.nn`.
 *
 * @module
 * @example
 * import * as torch from 'multilabel-margin-loss';
 *
 * const model = new torch.nn.Linear(256, 10);
 * const lossFn = new torch.nn.MultiLabelMarginLoss({ reduction: 'sum' });
 * lossFn.forward(model.forward(torch.zeros([1, 256])), [[3, 0]]).shape; // => []
 */
export * as functional from './functional.js';
export { MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from './loss.js';
export { Dropout } from './training/dropout.js';
export { EmbeddingBag, type EmbeddingBagOptions } from './training/embedding-bag.js';
export { Linear, type LinearOptions } from './training/linear.js';
export { Module, type StateDict } from './training/nn-module.js';
export { Parameter } from './training/parameter.js';
export { ReLU } from './training/relu.js';
export { type Layer, Sequential } from './training/sequential.js';
