/**
 * The loss of random scores of ten classes, and its gradient, with targets padded to the longest list.
 *
 *     npx tsx examples/random-scores.ts
 */
import * as torch from 'multilabel-margin-loss';

const lossFn = new torch.nn.MultiLabelMarginLoss();
export const scores = torch.randn([3, 10], { requires_grad: true });
const targets = torch.tensor(
  [
    [1, 5, -1, -1, -1],
    [0, 2, 4, 6, 8],
    [9, -1, -1, -1, -1],
  ],
  { dtype: torch.int64 },
);

export const loss = lossFn.forward(scores, targets);
loss.backward();
console.log('loss', loss.item());
console.log('gradient', scores.grad?.tolist());
