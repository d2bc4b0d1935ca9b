// The forms of use that the documentation shows, word for word.

import * as torch from 'multilabel-margin-loss';
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { describe, expect, test, vi } from 'vitest';
import { expectWithin } from './support.js';

// Loss of the batch below: 0.1 of the one pair of row 0 that violates the margin by 1 - 1.2 + 0.3, over 5 classes, and
// the mean of 2 rows. Scores, a threshold, and the result are rounded to float32, all of them below 4.
const LOSS = (1 - 1.2 + 0.3) / 5 / 2;
const TOLERANCE = 4 * 2 ** -23;
const GRAD = [0, 0, 0, -0.1, 0.1, 0, 0, 0, 0, 0];

const makeScores = () =>
  torch.tensor(
    [
      [0.1, 2.5, -1.0, 1.2, 0.3],
      [-0.2, 1.0, 3.1, 0.5, 2.2],
    ],
    { requires_grad: true },
  );
const targets = torch.tensor(
  [
    [1, 3, -1, -1, -1],
    [2, 4, -1, -1, -1],
  ],
  { dtype: torch.int64 },
);

describe('tagging images', () => {
  test('the class', () => {
    const lossFn = new torch.nn.MultiLabelMarginLoss({ reduction: 'mean' });
    const scores = makeScores();
    const loss = lossFn.forward(scores, targets);
    expect(loss).toBeInstanceOf(torch.Tensor);
    expect(loss.shape).toEqual([]);
    expectWithin([loss.item()], [LOSS], TOLERANCE);
    loss.backward();
    expect(scores.grad?.shape).toEqual([2, 5]);
    // Two roundings of 0.1.
    expectWithin(scores.grad!.data, GRAD, 0.1 * 2 ** -23);
  });

  test('as a program', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const { loss, scores } = await import('../../examples/image-tags.js');
    expect(log.mock.calls).toEqual([
      ['loss', loss.item()],
      ['gradient', scores.grad?.tolist()],
    ]);
    log.mockRestore();
    expectWithin([loss.item()], [LOSS], TOLERANCE);
    expectWithin(scores.grad!.data, GRAD, 0.1 * 2 ** -23);
  });

  test('the class under its own name is the same', () => {
    expect(torch.nn.MultiLabelMarginLoss).toBe(MultiLabelMarginLoss);
    expect(torch.MultiLabelMarginLoss).toBe(MultiLabelMarginLoss);
  });

  test('value and gradient in one pass', () => {
    const lossFn = new MultiLabelMarginLoss({ reduction: 'mean' });
    const { loss, grad } = lossFn.valueAndGrad(makeScores(), targets);
    expectWithin([loss.item()], [LOSS], TOLERANCE);
    expectWithin(grad.data, GRAD, 0.1 * 2 ** -23);
  });

  test('the function', () => {
    for (const third of ['sum', { reduction: 'sum' }] as const) {
      const loss = torch.nn.functional.multilabel_margin_loss(makeScores(), targets, third);
      expectWithin([loss.item()], [2 * LOSS], 2 * TOLERANCE);
    }
    const losses = torch.nn.functional.multilabel_margin_loss(makeScores(), targets, 'none');
    expect(losses.shape).toEqual([2]);
    expectWithin(losses.data, [2 * LOSS, 0], 2 * TOLERANCE);
    const mean = torch.nn.functional.multilabel_margin_loss(makeScores(), targets);
    expectWithin([mean.item()], [LOSS], TOLERANCE);
  });

  test('a typed array, wrapped and not copied', () => {
    const float32Array = Float32Array.from(makeScores().data);
    const scores = torch.tensor(float32Array, { shape: [2, 5] });
    expect(scores.data).toBe(float32Array);
    expectWithin([new MultiLabelMarginLoss().forward(scores, targets).item()], [LOSS], TOLERANCE);
  });

  test('the form for every backend', async () => {
    const lossFn = new MultiLabelMarginLoss();
    const promise = lossFn.forwardAsync(makeScores(), targets);
    expect(promise).toBeInstanceOf(Promise);
    expectWithin([(await promise).item()], [LOSS], TOLERANCE);
  });

  test('random scores of ten classes, targets in five columns', () => {
    const lossFn = new torch.nn.MultiLabelMarginLoss();
    const scores = torch.randn([3, 10], { requires_grad: true });
    const padded = torch.tensor(
      [
        [1, 5, -1, -1, -1],
        [0, 2, 4, 6, 8],
        [9, -1, -1, -1, -1],
      ],
      { dtype: torch.int64 },
    );
    const loss = lossFn.forward(scores, padded);
    expect(loss.item()).toBeGreaterThanOrEqual(0);
    loss.backward();
    expect(scores.grad!.shape).toEqual([3, 10]);
  });

  test('and as a program', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const { loss, scores } = await import('../../examples/random-scores.js');
    expect(log.mock.calls).toEqual([
      ['loss', loss.item()],
      ['gradient', scores.grad?.tolist()],
    ]);
    log.mockRestore();
    const lists = [[1, 5], [0, 2, 4, 6, 8], [9]];
    const expected = new MultiLabelMarginLoss().valueAndGrad(scores, lists);
    // No padding is no other loss.
    expect([loss.item(), scores.grad!.tolist()]).toEqual([expected.loss.item(), expected.grad.tolist()]);
    // Whoever gains is a target, and what they gain, others lose.
    const gradient = scores.grad!.tolist() as number[][];
    gradient.forEach((row, i) => {
      expect(row.every((g, j) => (lists[i]!.includes(j) ? g <= 0 : g >= 0))).toBe(true);
      // At most 25 pairs gain and lose 1/30 each; a gradient is a product, rounded once.
      expect(Math.abs(row.reduce((sum, g) => sum + g, 0))).toBeLessThan(2 * 25 * (1 / 30 + 1e-6) * 2 ** -24);
    });
  });
});

describe("PyTorch's example", () => {
  test('0.85 and its gradient', () => {
    const lossFn = new MultiLabelMarginLoss();
    const scores = torch.tensor([[0.1, 0.2, 0.4, 0.8]], { requires_grad: true });
    const loss = lossFn.forward(scores, [[3, 0, -1, 1]]);
    expectWithin([loss.item()], [0.85], TOLERANCE);
    loss.backward();
    expect(scores.grad?.tolist()).toEqual([[-0.5, 0.5, 0.5, -0.5]]);
  });

  test('as in the comments of the API', () => {
    const { multilabel_margin_loss } = torch.nn.functional;
    expect(multilabel_margin_loss([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]], 'sum').item()).toBeCloseTo(0.85, 6);
    expect(
      torch
        .fromMultiHot([
          [0, 1, 0, 1],
          [1, 0, 0, 0],
        ])
        .tolist(),
    ).toEqual([
      [1, 3],
      [0, -1],
    ]);
    expect(torch.tensor([[1, -1]], { dtype: torch.int64 }).tolist()).toEqual([[1n, -1n]]);
    expect(torch.zeros(2, 3).shape).toEqual([2, 3]);
  });
});

test('what is exported', () => {
  expect(Object.keys(torch).sort()).toEqual(
    [
      'LossError',
      'MultiLabelMarginLoss',
      'Tensor',
      'add',
      'createWasmBackend',
      'float32',
      'float64',
      'fromMultiHot',
      'int32',
      'int64',
      'loadSafetensors',
      'manual_seed',
      'nn',
      'no_grad',
      'optim',
      'randn',
      'randperm',
      'relu',
      'saveSafetensors',
      'tensor',
      'topk',
      'useTrainingModule',
      'zeros',
    ].sort(),
  );
});
