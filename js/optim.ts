/**
 * The names of PyTorch's `torch.optim`.
 *
 * @module
 * @example
 * import * as torch from 'multilabel-margin-loss';
 *
 * const model = new torch.nn.Linear(3, 2);
 * const optimizer = new torch.optim.Adam(model.parameters(), { lr: 0.01 });
 * optimizer.zero_grad();
 * new torch.nn.MultiLabelMarginLoss().forward(model.forward(torch.randn([4, 3])), [[0], [1], [1], [0]]).backward();
 * optimizer.step();
 */
export { Adagrad, type AdagradOptions } from './training/adagrad.js';
export { Adam, type AdamOptions, AdamW } from './training/adam.js';
export type { Optimizer, OptimizerState, ParamGroup } from './training/optimizer.js';
export { SGD, type SGDOptions } from './training/sgd.js';
