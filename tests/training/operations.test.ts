// Operations and layers: their values, their gradients against finite differences, and what changes nothing.

import fc from 'fast-check';
import * as torch from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { expectSameBits, expectWithin } from '../js/support.js';
import { MLP, Tagger } from './models.js';

const { nn } = torch;

const data = (tensor: torch.Tensor | null | undefined): Float32Array => (tensor!.data as Float32Array).slice();

/** Numbers of float32 that are far from the kinks of hinge and relu, and whose sums of a few are exact. */
const number = fc.integer({ min: -64, max: 64 }).map((n) => n / 16 + 1 / 128);

describe('gradients', () => {
  // Central differences of a function that is piecewise linear or quadratic in each parameter are exact but for rounding:
  // 2^-24 of the loss, which is below 16, over the width of the difference. Larger sums round some ten times.
  const STEP = 2 ** -6;
  const TOLERANCE = (10 * 16 * 2 ** -24) / STEP;

  function expectGradients(model: torch.nn.Module, lossOf: () => torch.Tensor, inputs: torch.Tensor[] = []): void {
    model.zero_grad();
    lossOf().backward();
    for (const [name, parameter] of [
      ...model.named_parameters(),
      ...inputs.map((input, i): [string, torch.Tensor] => [`input ${i}`, input]),
    ]) {
      const grad = data(parameter.grad);
      const differences = Array.from(grad, (_, i) => {
        const at = (offset: number): number => {
          const values = parameter.data as Float32Array;
          const before = values[i]!;
          values[i] = before + offset;
          const value = torch.no_grad(() => Number(lossOf().item()));
          (parameter.data as Float32Array)[i] = before;
          return value;
        };
        return (at(STEP) - at(-STEP)) / (2 * STEP);
      });
      expectWithin(grad, differences, TOLERANCE, `gradient of ${name}`);
    }
  }

  // Scores that violate the margin by far, and hidden units far from 0, so that no step crosses a kink.
  const lossFn = new torch.nn.MultiLabelMarginLoss({ reduction: 'sum', margin: 8 });
  const targets = [[0], [1, 2], [4]];

  test('of Linear and relu, also with respect to the input', () => {
    let model: MLP;
    let x: torch.Tensor;
    let nearest = 0;
    for (let seed = 0; nearest < 0.1; seed++) {
      torch.manual_seed(seed);
      model = new MLP();
      x = torch.randn([3, 6], { requires_grad: true });
      nearest = Math.min(...data(torch.no_grad(() => model.fc1.forward(x))).map(Math.abs));
    }
    expectGradients(model!, () => lossFn.forward(model.forward(x), targets), [x!]);
  });

  test('of EmbeddingBag with weights, repeated entries and an empty bag', () => {
    torch.manual_seed(4);
    const model = new Tagger();
    const input = torch.tensor([1, 1, 3, 7, 1], { dtype: 'int32' });
    const offsets = torch.tensor([0, 3, 3], { dtype: 'int32' });
    const weights = torch.tensor([0.5, -1, 2, 0.25, 1]);
    expectGradients(model, () => lossFn.forward(model.forward(input, offsets, weights), targets));
  });

  test('of a result that is used several times', () => {
    torch.manual_seed(5);
    const layer = new torch.nn.Linear(4, 4);
    const x = torch.randn([3, 4]);
    const four = [[0], [1, 2], [3]];
    expectGradients(layer, () => {
      const h = layer.forward(x);
      return lossFn.forward(torch.add(torch.add(h, h), layer.forward(h)), four);
    });
  });

  test('of a sum of losses', () => {
    torch.manual_seed(6);
    const layer = new torch.nn.Linear(4, 4);
    const [x, y] = [torch.randn([3, 4]), torch.randn([3, 4])];
    const four = [[0], [1, 2], [3]];
    const lossOf = () => torch.add(lossFn.forward(layer.forward(x), four), lossFn.forward(layer.forward(y), four));
    expectGradients(layer, lossOf);
    layer.zero_grad();
    const sum = lossOf();
    sum.backward();
    new torch.optim.SGD(layer.parameters(), { lr: 0 }).step();
    expect(sum.item()).toBeGreaterThan(0); // A scalar outlives the step.
  });

  test('of Dropout: what is dropped gets none, the rest is scaled', () => {
    torch.manual_seed(7);
    const x = torch.randn([1000], { requires_grad: true });
    const dropout = new torch.nn.Dropout(0.25);
    const y = dropout.forward(x);
    const kept = data(y).map((value) => (value === 0 ? 0 : 1));
    y.backward(torch.tensor(new Float32Array(1000).fill(3)));
    const scale = Math.fround(1 / 0.75);
    expectWithin(
      data(x.grad),
      kept.map((one) => 3 * one * scale),
      3 * 2 ** -23,
      'gradient',
    );
    expectWithin(
      data(y),
      kept.map((one, i) => one * x.data[i]! * scale),
      8 * 2 ** -23,
      'value',
    );
    // 750 are to be kept; the deviation of a binomial distribution is 13.7.
    expect(kept.reduce((sum, one) => sum + one)).toBeGreaterThan(750 - 6 * 13.7);
    expect(kept.reduce((sum, one) => sum + one)).toBeLessThan(750 + 6 * 13.7);
    torch.manual_seed(7);
    torch.randn([1000]);
    expectSameBits(data(dropout.forward(x)), data(y));
  });

  test('accumulate until they are set to null; a loss can go backward once', () => {
    torch.manual_seed(8);
    const model = new MLP();
    const x = torch.randn([3, 6]);
    const step = () => lossFn.forward(model.forward(x), targets).backward();
    step();
    const once = data(model.fc1.weight.grad);
    step();
    expectSameBits(
      data(model.fc1.weight.grad),
      once.map((value) => 2 * value),
    );
    model.zero_grad();
    expect(model.fc1.weight.grad).toBeNull();
    step();
    expectSameBits(data(model.fc1.weight.grad), once);
    model.zero_grad();
    const loss = lossFn.forward(model.forward(x), targets);
    loss.backward(undefined, { retain_graph: true });
    loss.backward(2);
    expectWithin(
      data(model.fc1.weight.grad),
      once.map((value) => 3 * value),
      3 * 64 * 2 ** -24,
    );
  });

  test('scores.backward(grad) goes on from the gradient of anything', () => {
    torch.manual_seed(9);
    const model = new MLP();
    const x = torch.randn([3, 6]);
    const { grad } = lossFn.valueAndGrad(model.forward(x), targets);
    model.forward(x).backward(grad);
    const direct = data(model.fc1.weight.grad);
    model.zero_grad();
    lossFn.forward(model.forward(x), targets).backward();
    expectSameBits(data(model.fc1.weight.grad), direct);
  });

  test('a frozen parameter gets none, and passes them on', () => {
    torch.manual_seed(10);
    const model = new MLP();
    model.fc2.weight.requires_grad = false;
    lossFn.forward(model.forward(torch.randn([3, 6])), targets).backward();
    expect(model.fc2.weight.grad).toBeNull();
    expect(model.fc2.bias!.grad).not.toBeNull();
    expect(model.fc1.weight.grad).not.toBeNull();
  });
});

describe('add', () => {
  test('of a matrix and a row, in either order, as of equal shapes', () => {
    const matrix = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    const row = [0.5, 0, -1];
    const sums = [
      [1.5, 2, 2],
      [4.5, 5, 5],
    ];
    expect(torch.add(torch.tensor(matrix), torch.tensor(row)).tolist()).toEqual(sums);
    expect(torch.add(torch.tensor(row), torch.tensor(matrix)).tolist()).toEqual(sums);
    expect(torch.add(matrix, [row, row]).tolist()).toEqual(sums);
    expect(torch.add(1, 2).tolist()).toBe(3);
  });
});

describe('properties', () => {
  const dimensions = fc.record({ rows: fc.integer({ min: 1, max: 9 }), inputs: fc.integer({ min: 1, max: 20 }) });

  test('Linear is x weight^T + bias, for any sizes', () => {
    fc.assert(
      fc.property(dimensions, fc.integer({ min: 1, max: 20 }), fc.integer(), ({ rows, inputs }, outputs, seed) => {
        torch.manual_seed(seed);
        using layer = new torch.nn.Linear(inputs, outputs);
        const x = torch.randn([rows, inputs]);
        const [w, b] = [data(layer.weight), data(layer.bias)];
        const [expected, bounds]: [number[], number[]] = [[], []];
        for (let n = 0; n < rows; n++) {
          for (let j = 0; j < outputs; j++) {
            const terms = Array.from({ length: inputs }, (_, k) => x.data[n * inputs + k]! * w[j * inputs + k]!);
            expected.push(terms.reduce((sum, term) => sum + term, b[j]!));
            // Each of as many products and sums rounds once.
            bounds.push((inputs + 2) * 2 ** -24 * terms.reduce((sum, term) => sum + Math.abs(term), Math.abs(b[j]!)));
          }
        }
        expectWithin(data(torch.no_grad(() => layer.forward(x))), expected, bounds);
      }),
    );
  });

  test('the order of the rows of a batch, merged duplicates and a split bag change nothing but rounding', () => {
    const bags = fc.array(fc.array(fc.tuple(fc.integer({ min: 0, max: 11 }), number), { maxLength: 6 }), {
      minLength: 1,
      maxLength: 8,
    });
    const train = (batch: [number, number][][], order: number[]) => {
      torch.manual_seed(1);
      using model = new Tagger();
      using optimizer = new torch.optim.Adagrad(model.parameters(), { lr: 0.5, initial_accumulator_value: 1 });
      const ordered = order.map((i) => batch[i]!);
      const offsets = ordered.map((_, i) => ordered.slice(0, i).flat().length);
      const entries = ordered.flat();
      const [input, weights] = [Int32Array.from(entries, ([term]) => term), Float32Array.from(entries, ([, w]) => w)];
      const scores = model.forward(torch.tensor(input), torch.tensor(Int32Array.from(offsets)), torch.tensor(weights));
      const loss = new torch.nn.MultiLabelMarginLoss({ reduction: 'sum', margin: 100 }).forward(
        scores,
        order.map((i) => [i % 5]),
      );
      loss.backward();
      optimizer.step();
      return { loss: loss.item(), state: model.state_dict() };
    };
    fc.assert(
      fc.property(bags, fc.integer(), (batch, seed) => {
        const order = batch.map((_, i) => i);
        const { loss, state } = train(batch, order);
        const expectSame = (other: ReturnType<typeof train>): void => {
          // Sums of at most 48 terms below 8 * 8, of pairs that all violate a margin of 100: no count changes.
          expectWithin([other.loss], [loss], 64 * 2 ** -24 * Math.max(1, loss));
          for (const name of Object.keys(state))
            expectWithin(data(other.state[name]), data(state[name]), 64 * 2 ** -22);
        };
        torch.manual_seed(seed);
        expectSame(train(batch, [...torch.randperm(batch.length, { dtype: 'int32' }).data]));
        const merged = batch.map((bag) => {
          const sums = new Map<number, number>();
          for (const [term, weight] of bag) sums.set(term, (sums.get(term) ?? 0) + weight);
          return [...sums];
        });
        expectSame(train(merged, order));
        const halves = batch.map((bag) =>
          bag.flatMap(([term, w]): [number, number][] => [
            [term, w / 2],
            [term, w / 2],
          ]),
        );
        expectSame(train(halves, order));
      }),
    );
  });

  test('gradients of an EmbeddingBag are the same read, unread, or in two calls', () => {
    torch.manual_seed(2);
    const state = new Tagger().state_dict();
    const lossFn = new torch.nn.MultiLabelMarginLoss({ reduction: 'sum' });
    const results = ['unread', 'read', 'kept'].map((how) => {
      using model = new Tagger();
      model.load_state_dict(state);
      using optimizer = new torch.optim.SGD(model.parameters(), { lr: 0.125, momentum: how === 'kept' ? 1e-300 : 0 });
      const scores = model.forward(torch.tensor(Int32Array.of(1, 2, 1)), torch.tensor(Int32Array.of(0, 2)), null);
      lossFn.forward(scores, [[0], [1]]).backward();
      if (how === 'read') expect(model.terms.weight.grad?.shape).toEqual([12, 5]);
      optimizer.step();
      return data(model.terms.weight);
    });
    expectSameBits(results[1]!, results[0]!);
    expectSameBits(results[2]!, results[0]!);
  });
});

describe('the seed', () => {
  test('makes the same model and the same training', () => {
    const run = (): number[] => {
      torch.manual_seed(11);
      using model = new torch.nn.Sequential(
        new torch.nn.Linear(6, 8),
        new torch.nn.ReLU(),
        new torch.nn.Dropout(0.5),
        new torch.nn.Linear(8, 5),
      );
      using optimizer = new torch.optim.AdamW(model.parameters());
      const lossFn = new torch.nn.MultiLabelMarginLoss();
      return Array.from({ length: 5 }, () => {
        optimizer.zero_grad();
        const loss = lossFn.forward(model.forward(torch.randn([4, 6])), [[0], [1], [2], [3, 4]]);
        loss.backward();
        optimizer.step();
        return loss.item();
      });
    };
    expect(run()).toEqual(run());
  });

  test('starts layers as PyTorch does', () => {
    torch.manual_seed(12);
    const { weight, bias } = new torch.nn.Linear(100, 200);
    for (const values of [data(weight), data(bias)]) {
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.1));
      expect(Math.max(...values)).toBeGreaterThan(0.09);
      expect(Math.min(...values)).toBeLessThan(-0.09);
    }
    const table = data(new torch.nn.EmbeddingBag(100, 100, { mode: 'sum' }).weight);
    const variance = table.reduce((sum, value) => sum + value * value, 0) / table.length;
    // The deviation of the mean of 10,000 squares is sqrt(2 / 10,000).
    expect(Math.abs(variance - 1)).toBeLessThan(6 * 0.0142);
  });
});

describe('requires_grad of a result, set to false', () => {
  test.each([
    ['before it is used', true],
    ['after it is used', false],
  ])('cuts the graph there: %s', (_, isBefore) => {
    const [first, second] = [new nn.Linear(3, 4), new nn.Linear(4, 3)];
    const hidden = torch.relu(first.forward([[1, 2, 3]]));
    if (isBefore) hidden.requires_grad = false;
    const loss = new nn.MultiLabelMarginLoss().forward(second.forward(hidden), [[0]]);
    hidden.requires_grad = false;
    loss.backward();
    expect(second.weight.grad).not.toBeNull();
    expect(first.weight.grad).toBeNull();
  });
});

describe('no_grad', () => {
  const layer = new nn.Linear(1, 1);
  test('keeps the tensors in maps and sets', () => {
    const map = torch.no_grad(() => new Map([['y', layer.forward([[1]])]]));
    const [only] = torch.no_grad(() => new Set([layer.forward([[1]])]));
    expect(map.get('y')!.tolist()).toEqual(only!.tolist());
  });

  test('refuses what computes later', () => {
    const later = function* () {
      yield layer.forward([[1]]);
    };
    expect(() => torch.no_grad(later)).toThrow(/iterator/);
    // @ts-expect-error a promise is refused when compiled, too
    expect(() => torch.no_grad(async () => Promise.resolve(1))).toThrow(/promise/);
  });
});
