// What nobody disposes of is garbage-collected.

import * as torch from 'multilabel-margin-loss';
import { expect, test } from 'vitest';

const task = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Makes a model of 4 MB, activations, gradients and the state of an optimizer, and leaves them. */
function leave(): number {
  const model = new torch.nn.Linear(1024, 1024);
  const optimizer = new torch.optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
  const lossFn = new torch.nn.MultiLabelMarginLoss();
  lossFn.forward(model.forward(torch.zeros(8, 1024)), Array(8).fill([1])).backward();
  optimizer.step();
  return model.forward(torch.zeros(8, 1024)).data.buffer.byteLength;
}

test('models that are made in tasks of their own', async () => {
  let most = 0;
  for (let i = 0; i < 200; i++) {
    most = leave();
    if (i % 4 === 3) {
      globalThis.gc!();
      await task();
    }
  }
  // 200 of them are 2.4 GB. At most four are left at a time, before the next four have taken their places.
  expect(most).toBeLessThan(2 ** 28);
});

test('activations of a model that stays', async () => {
  const model = new torch.nn.Linear(1024, 1024);
  const x = torch.zeros(1024, 1024);
  let most = 0;
  for (let i = 0; i < 100; i++) {
    most = model.forward(x).data.buffer.byteLength;
    if (i % 4 === 3) {
      globalThis.gc!();
      await task();
    }
  }
  // 100 of them, with the copies of x, are 800 MB.
  expect(most).toBeLessThan(2 ** 28);
});
