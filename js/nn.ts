/**
 * The names of PyTorch's `torch.nn`.
 *
 * @module
 * @example
 * import * as torch from 'multilabel-margin-loss';
 *
 * const lossFn = new torch.nn.MultiLabelMarginLoss({ reduction: 'sum' });
 * lossFn.forward([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]).item(); // => 0.85
 */
export * as functional from './functional.js';
export { MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from './loss.js';
