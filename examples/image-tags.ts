/**
 * The loss of two images that have two tags each, and its gradient.
 *
 *     npx tsx examples/image-tags.ts
 */
import * as torch from 'multilabel-margin-loss';

const lossFn = new torch.nn.MultiLabelMarginLoss({ reduction: 'mean' });
// The scores that a model gave five tags.
export const scores = torch.tensor(
  [
    [0.1, 2.5, -1.0, 1.2, 0.3],
    [-0.2, 1.0, 3.1, 0.5, 2.2],
  ],
  { requires_grad: true },
);
// Their tags: 1 and 3, 2 and 4.
const targets = torch.tensor(
  [
    [1, 3, -1, -1, -1],
    [2, 4, -1, -1, -1],
  ],
  { dtype: torch.int64 },
);

export const loss = lossFn.forward(scores, targets);
loss.backward();
console.log('loss', loss.item());
console.log('gradient', scores.grad?.tolist());
