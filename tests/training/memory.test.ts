// Linear memory does not grow with the number of steps, models and optimizers.

import * as torch from 'multilabel-margin-loss';
import { expect, test } from 'vitest';
import { Tagger } from './models.js';

const { nn, optim } = torch;
const lossFn = new nn.MultiLabelMarginLoss({ nan: 'error' });

/** In bytes. It never shrinks. */
function linearMemory(): number {
  using probe = new nn.ReLU();
  const scores = probe.forward(torch.zeros(1));
  return scores.data.buffer.byteLength;
}

function trainOnce(rows: number): void {
  using model = new nn.Sequential(new nn.Linear(64, 32), new nn.ReLU(), new nn.Dropout(0.1), new nn.Linear(32, 10));
  using optimizer = new optim.Adam(model.parameters());
  for (let step = 0; step < 2; step++) {
    optimizer.zero_grad();
    lossFn
      .forward(
        model.forward(torch.randn([rows, 64])),
        Array.from({ length: rows }, (_, i) => [i % 10]),
      )
      .backward();
    optimizer.step();
  }
  using tagger = new Tagger();
  using adagrad = new optim.Adagrad(tagger.parameters());
  const scores = tagger.forward(
    torch.tensor([1, 2, 3], { dtype: 'int32' }),
    torch.tensor([0, 2], { dtype: 'int32' }),
    null,
  );
  lossFn.forward(scores, [[0], [1]]).backward();
  adagrad.step();
}

test('1,000 models, made, trained and disposed of in one synchronous loop', () => {
  // The largest batch first: buffers are used again for those up to its size.
  for (let i = 0; i < 10; i++) trainOnce(32 - i);
  const before = linearMemory();
  for (let i = 0; i < 1000; i++) trainOnce(1 + (i % 32));
  expect(linearMemory()).toBe(before);
});

test('gradients that are never used, and losses that fail', () => {
  const model = new nn.Linear(64, 32);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0 });
  const x = torch.randn([256, 64]);
  const targets = Array.from({ length: 256 }, (_, i) => [i % 32]);
  const round = (): void => {
    optimizer.zero_grad();
    expect(() => lossFn.forward(model.forward(x), [...targets.slice(1), [32]])).toThrow('row 255');
    lossFn.valueAndGrad(model.forward(x), targets);
    lossFn.forward(model.forward(x), targets).backward();
    torch.no_grad(() => {
      for (let i = 0; i < 10; i++) torch.relu(model.forward(x));
    });
    optimizer.step();
  };
  for (let i = 0; i < 3; i++) round();
  const before = linearMemory();
  for (let i = 0; i < 200; i++) round();
  expect(linearMemory()).toBe(before);
});

test('arguments that are views of linear memory are read and written where it is after it has grown', () => {
  // Each round needs more memory than the one before, whatever other tests have left.
  let rows = 2 ** 14;
  for (const before = linearMemory(); linearMemory() < before + 2 ** 26; rows = Math.floor(rows * 1.7)) {
    using layer = new nn.Linear(2, 64);
    const targets = Array.from({ length: rows }, () => [1]);
    const scores = layer.forward(torch.zeros(rows, 2));
    const { grad } = lossFn.valueAndGrad(scores.tolist() as number[][], targets);
    expect(lossFn.valueAndGrad(scores, targets, { grad: scores }).grad).toBe(scores);
    expect(Array.from(scores.data)).toEqual(Array.from(grad.data));

    using bags = new nn.EmbeddingBag(1, 1, { mode: 'sum' });
    bags.weight.data.fill(1);
    const a = new nn.Parameter(torch.zeros(rows));
    const b = new nn.Parameter(torch.zeros(rows));
    a.data.fill(1);
    b.data.fill(2);
    expect(torch.add(a.data, b.data).data.every((sum) => sum === 3)).toBe(true);
    expect(bags.forward(new Int32Array(rows), [0], b.data).item()).toBe(2 * rows);
  }
});
