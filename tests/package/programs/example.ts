// The documented example, as nested arrays.
import { nn } from 'multilabel-margin-loss';

export const scores = [
  [0.1, 2.5, -1.0, 1.2, 0.3],
  [-0.2, 1.0, 3.1, 0.5, 2.2],
];
export const targets = [
  [1, 3],
  [2, 4],
];

export const lossOfExample = (): number => new nn.MultiLabelMarginLoss().forward(scores, targets).item();
