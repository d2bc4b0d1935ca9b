// When the warning about masks that were taken for indices is given. Whether it has been is a variable of the module:
// every test takes a copy of its own, which only Node's module runner can give it.

import { fromMultiHot, type MultiLabelMarginLoss, type Targets } from 'multilabel-margin-loss';
import { afterEach, beforeEach, expect, type MockInstance, test, vi } from 'vitest';

const SCORES = [
  [0.1, 0.2, 0.4, 0.8],
  [0.8, 0.4, 0.2, 0.1],
];
let warn: MockInstance<typeof console.warn>;

beforeEach(() => {
  warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
});
afterEach(() => {
  warn.mockRestore();
});

async function freshLoss(): Promise<MultiLabelMarginLoss> {
  vi.resetModules();
  const fresh = await import('multilabel-margin-loss');
  return new fresh.MultiLabelMarginLoss();
}

test.each<[string, Targets]>([
  ['int32', { data: Int32Array.of(0, 1, 0, 1, 1, 0, 0, 0), shape: [2, 4] }],
  ['int64', { data: BigInt64Array.of(0n, 1n, 0n, 1n, 1n, 0n, 0n, 0n), shape: [2, 4] }],
  [
    'nested',
    [
      [0, 1, 0, 1],
      [1, 0, 0, 0],
    ],
  ],
  [
    'with a row of zeros first',
    [
      [0, 0, 0, 0],
      [1, 0, 1, 0],
    ],
  ],
])('is given once, for %s, and names fromMultiHot', async (_name, targets) => {
  const lossFn = await freshLoss();
  lossFn.forward(SCORES, targets);
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]).toHaveLength(1);
  expect(warn.mock.calls[0]![0]).toMatch(/^multilabel-margin-loss: .*mask.*fromMultiHot\(mask\)/);
  lossFn.forward(SCORES, targets);
  lossFn.valueAndGrad(SCORES, [
    [1, 1, 1, 1],
    [1, 1, 1, 1],
  ]);
  expect(warn).toHaveBeenCalledTimes(1);
});

test('is given for scores [C], and in a promise', async () => {
  const lossFn = await freshLoss();
  await lossFn.forwardAsync(SCORES[0]!, [0, 1, 0, 1]);
  expect(warn).toHaveBeenCalledTimes(1);
});

test.each<[string, readonly (readonly number[])[], Targets]>([
  [
    'indices padded to C columns',
    SCORES,
    [
      [1, 0, -1, -1],
      [0, -1, -1, -1],
    ],
  ],
  [
    'no targets at all, padded to C columns',
    SCORES,
    [
      [-1, -1, -1, -1],
      [-1, -1, -1, -1],
    ],
  ],
  [
    'every class a target',
    SCORES,
    [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
    ],
  ],
  [
    '0 and 1 in fewer columns than classes',
    SCORES,
    [
      [0, 1],
      [1, 0],
    ],
  ],
  [
    '0 and 1 in more columns than classes',
    SCORES,
    [
      [0, 1, -1, -1, -1],
      [1, 0, -1, -1, -1],
    ],
  ],
  [
    'another index in a row of mostly 0 and 1',
    SCORES,
    [
      [0, 1, 2, 1],
      [1, 0, 0, 0],
    ],
  ],
  ['ragged lists', SCORES, [[0, 1], []]],
  ['one class', [[0.5], [0.5]], [[0], [0]]],
  [
    'two classes, where [0, 1] may be a list of both',
    [
      [0.5, 1],
      [1, 2],
    ],
    [
      [0, 1],
      [1, 0],
    ],
  ],
  ['no rows', [], { data: new Int32Array(0), shape: [0, 4] }],
  [
    'what fromMultiHot gives',
    SCORES,
    fromMultiHot([
      [1, 1, 0, 0],
      [0, 1, 0, 0],
    ]),
  ],
])('is not given for %s', async (_name, scores, targets) => {
  const lossFn = await freshLoss();
  lossFn.forward(scores.length === 0 ? { data: new Float32Array(0), shape: [0, 4] } : scores, targets);
  expect(warn).not.toHaveBeenCalled();
  // It would have been: this copy of the module has not warned yet.
  lossFn.forward(SCORES, [
    [0, 1, 0, 1],
    [1, 0, 0, 0],
  ]);
  expect(warn).toHaveBeenCalledTimes(1);
});

test('does not change the result, which is that of the indices', async () => {
  const lossFn = await freshLoss();
  const { loss, grad } = lossFn.valueAndGrad(SCORES[0]!, [0, 1, 0, 1]);
  // 0 and 1, each twice: (1.3 + 1.7) + (1.2 + 1.6) over four classes, twice.
  expect(loss.item()).toBeCloseTo((2 * (1.3 + 1.7 + 1.2 + 1.6)) / 4, 6);
  expect(grad.tolist()).toEqual([-1, -1, 1, 1]);
});
