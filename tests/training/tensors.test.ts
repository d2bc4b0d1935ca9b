// What tensors of the training core do: they print, are cloned and detached, and their losses take weights and unknown classes.

import * as torch from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import golden from '../fixtures/print-golden.json' with { type: 'json' };
import { expectLossError, expectSameBits, normal, permutation, uniform } from '../js/support.js';
import { MLP } from './models.js';

const { nn } = torch;

describe(`printed as PyTorch ${golden.torch} does`, () => {
  const { results } = golden;
  const x = (): torch.Tensor<'float32'> => torch.tensor([[0.1, 0.2, 0.4, 0.8]], { requires_grad: true });
  const ints = (...list: number[]): torch.Tensor<'int32'> => torch.tensor(Int32Array.from(list));
  const linear = (bias: boolean): torch.nn.Linear => {
    const layer = new nn.Linear(4, 1, { bias });
    layer.weight.data.set([1, 2, 3, 4]);
    layer.bias?.data.set([0.5]);
    return layer;
  };

  test('a parameter and its copies', () => {
    const { weight } = linear(true);
    expect(String(weight)).toBe(results.parameter);
    expect(String(weight.clone())).toBe('tensor([[1., 2., 3., 4.]], grad_fn=<CloneBackward0>)');
    expect(String(weight.detach())).toBe('tensor([[1., 2., 3., 4.]])');
  });

  test('results of operations, each with its name', () => {
    const bag = new nn.EmbeddingBag(1, 4, { mode: 'sum' });
    bag.weight.data.set(x().data);
    expect(String(linear(true).forward(x()))).toBe(results.linear);
    expect(String(linear(false).forward(x()))).toBe(results['linear without bias']);
    expect(String(torch.relu(x()))).toBe(results.relu);
    expect(String(torch.add(x(), x()))).toBe(results.add);
    expect(String(new nn.Dropout(1).forward(x()))).toBe(results.dropout);
    expect(String(bag.forward(ints(0), ints(0)))).toBe(results.bag);
    expect(String(new nn.MultiLabelMarginLoss().forward(torch.relu(x()), [[3, 0]]))).toBe(results.loss);
  });

  test('an activation that was recycled says so', () => {
    let inner: torch.Tensor | undefined;
    torch.no_grad(() => {
      inner = torch.relu(x());
      expect(String(inner)).toBe('tensor([[0.1000, 0.2000, 0.4000, 0.8000]])');
      return null;
    });
    expect(String(inner)).toMatch(/^tensor\(<.*recycled at the end of no_grad\(\).*>, size=\[1, 4\]\)$/);
  });
});

describe('clone() and detach()', () => {
  const lossFn = new nn.MultiLabelMarginLoss({ nan: 'error' });
  const targets = [[1], [2, 0]];

  test('a clone of an activation outlives a step, and backward() goes through it', () => {
    torch.manual_seed(3);
    const model = new MLP();
    const input = torch.randn([2, 6]);
    lossFn.forward(model.forward(input), targets).backward();
    const expected = model.parameters().map(({ grad }) => Array.from(grad!.data));
    const optimizer = new torch.optim.SGD(model.parameters(), { lr: 0.5 });
    optimizer.zero_grad();

    const scores = model.forward(input);
    const kept = scores.clone();
    const values = kept.tolist();
    lossFn.forward(kept, targets).backward();
    model.parameters().forEach(({ grad }, i) => expectSameBits(Array.from(grad!.data), expected[i]!));
    optimizer.step();
    expect(kept.tolist()).toEqual(values);
    expectLossError(() => scores.clone(), 'ERR_DISPOSED', ['optimizer.step()']);
  });

  test('a parameter is reached through its clone, and not through what is detached', () => {
    const bias = new nn.Parameter([0.1, 0.2, 0.4, 0.8]);
    lossFn.forward(bias.clone(), [3, 0]).backward();
    expect(bias.grad!.tolist()).toEqual([-0.5, 0.5, 0.5, -0.5]);
    expect(lossFn.forward(bias.detach(), [3, 0]).requires_grad).toBe(false);
    bias.detach().data[0] = 7;
    expect(bias.data[0]).toBe(7);
    expect(bias.clone()).not.toBeInstanceOf(nn.Parameter);
  });

  test('no_grad() is for losses and clones too', () => {
    const scores = torch.tensor([0.1, 0.2, 0.4, 0.8], { requires_grad: true });
    const [loss, copy, both] = torch.no_grad(() => [
      lossFn.forward(scores, [3, 0]),
      scores.clone(),
      lossFn.valueAndGrad(scores, [3, 0]),
    ]);
    expect([loss.requires_grad, copy.requires_grad, loss.item()]).toEqual([false, false, both.loss.item()]);
    expect(both.grad.tolist()).toEqual([-0.5, 0.5, 0.5, -0.5]);
    expectLossError(() => loss.backward(), 'ERR_BACKWARD', ['does not require a gradient']);
    expect(lossFn.forward(scores, [3, 0]).requires_grad).toBe(true);
  });
});

// The loss of an array is compared with references in tests/js/inputs.test.ts.
describe('weights and unknown classes: the loss of an activation has the bits of that of an array', () => {
  const SHAPES = [
    [1, 3],
    [4, 5],
    [7, 300],
    [3, 70_000],
  ] as const;
  const OPTIONS: torch.MultiLabelMarginLossOptions[] = [
    { reduction: 'mean' },
    { reduction: 'sum', margin: 0.5, targetOrder: 'ranked' },
    { reduction: 'none', normalization: 'targets' },
  ];

  describe.each(SHAPES)('[%i, %i]', (rows, classes) => {
    const [next, choose] = [normal(rows), uniform(classes)];
    const data = Float32Array.from({ length: rows * classes }, next);
    const orders = Array.from({ length: rows }, () => permutation(classes, choose));
    const targets = orders.map((order) => order.slice(0, 1));
    const unknown = orders.map((order) => order.slice(1, 1 + Math.floor((choose() * classes) / 2)));
    const sampleWeight = orders.map((_, row) => (row === 1 ? 0 : row + 0.25));

    test.each(OPTIONS)('%j', (options) => {
      const lossFn = new nn.MultiLabelMarginLoss(options);
      const gradOutput = options.reduction === 'none' ? orders.map((_, row) => row - 0.5) : undefined;
      for (const given of [{ sampleWeight }, { unknown }, { sampleWeight, unknown }]) {
        const array = torch.tensor(data.slice(), { shape: [rows, classes], requires_grad: true });
        const expected = lossFn.forward(array, targets, given);
        expected.backward(gradOutput);

        // An activation with the same elements, whose gradient is that of x: all of these are exact.
        const x = torch.tensor(data, { shape: [rows, classes], requires_grad: true });
        const activation = torch.add(x, torch.zeros(rows, classes));
        const loss = lossFn.forward(activation, targets, given);
        expectSameBits(Array.from(loss.data), Array.from(expected.data));
        const { grad } = lossFn.valueAndGrad(activation, targets, given);
        loss.backward(gradOutput);
        expectSameBits(Array.from(x.grad!.data), Array.from(array.grad!.data));
        if (gradOutput === undefined) expectSameBits(Array.from(grad.data), Array.from(array.grad!.data));
        // A weight of 0 leaves a row out, and an unknown class has no gradient.
        if (rows > 1 && 'sampleWeight' in given) {
          expect(grad.data.subarray(classes, 2 * classes).every((value) => value === 0)).toBe(true);
        }
        if ('unknown' in given) {
          for (const label of unknown[0]!) expect(grad.data[label]).toBe(0);
        }
      }
    });
  });

  test('train a Linear as PyTorch would: a weight of 2 is a row given twice', () => {
    torch.manual_seed(5);
    const layer = new nn.Linear(3, 4);
    const lossFn = new nn.MultiLabelMarginLoss({ reduction: 'sum' });
    const x = torch.randn([2, 3]);
    lossFn.forward(layer.forward(x), [[1], [2]], { sampleWeight: [2, 0], unknown: [[0], []] }).backward();
    const weighted = Array.from(layer.weight.grad!.data);
    layer.zero_grad();
    const row = torch.tensor(x.data.slice(0, 3), { shape: [1, 3] });
    for (let i = 0; i < 2; i++) lossFn.forward(layer.forward(row), [[1]], { unknown: [[0]] }).backward();
    // Twice a number is exact.
    expectSameBits(weighted, Array.from(layer.weight.grad!.data));
    expect(weighted.slice(0, 3)).toEqual([0, 0, 0]);
  });

  test('are refused as elsewhere, and nothing is left', () => {
    const lossFn = new nn.MultiLabelMarginLoss();
    const activation = torch.relu(torch.zeros(2, 3));
    expectLossError(() => lossFn.forward(activation, [[0], [1]], { unknown: [[], [1]] }), 'ERR_TARGET_RANGE', [
      'unknown class 1 at row 1',
      'also a target',
    ]);
    expectLossError(() => lossFn.forward(activation, [[0], [1]], { unknown: [[3], []] }), 'ERR_TARGET_RANGE', [
      'row 0',
    ]);
    expectLossError(() => lossFn.forward(activation, [[0], [1]], { sampleWeight: [1] }), 'ERR_SHAPE', ['[2]', '[1]']);
    expect(lossFn.forward(activation, [[0], [1]]).item()).toBeCloseTo(2 / 3, 6);
  });
});
