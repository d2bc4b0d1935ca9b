// What the training core was given stays as it was, when the memory that it is in changes, or grows.

import * as torch from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';

const { nn, optim } = torch;
const VALUES = [
  [1, 2],
  [3, 4],
];
const data = ({ data: elements }: torch.TensorLike): Float32Array => elements as Float32Array;

describe('what is written to between backward() and step() does not change the step', () => {
  const optimizers: [string, (parameters: torch.nn.Parameter[]) => { step(): void }][] = [
    ['SGD', (parameters) => new optim.SGD(parameters, { lr: 0.5 })],
    ['SGD with momentum', (parameters) => new optim.SGD(parameters, { lr: 0.5, momentum: 0.5 })],
    ['Adagrad', (parameters) => new optim.Adagrad(parameters, { lr: 0.5, initial_accumulator_value: 1 })],
    ['Adam', (parameters) => new optim.Adam(parameters, { lr: 0.5 })],
  ];
  // Each in linear memory, but for the last.
  const gradients: [string, () => torch.Tensor][] = [
    ['a Parameter', () => new nn.Parameter(VALUES)],
    ['an activation', () => torch.relu(VALUES)],
    ['a part of a graph', () => torch.add(new nn.Parameter(VALUES), [0, 0])],
    ['what is detached', () => new nn.Parameter(VALUES).detach()],
    ['an array', () => torch.tensor(VALUES)],
  ];

  describe.each(optimizers)('%s', (_, newOptimizer) => {
    test.each(gradients)('gradOutput: %s', (__, gradientOf) => {
      for (const throughAdd of [false, true]) {
        const [changed, unchanged] = [true, false].map((isChanged) => {
          using bags = new nn.EmbeddingBag(2, 2, { mode: 'sum' });
          bags.weight.data.fill(0);
          const optimizer = newOptimizer(bags.parameters());
          const gradient = gradientOf();
          const y = bags.forward([0, 1, 0], [0, 2]);
          (throughAdd ? torch.add(y, [0, 0]) : y).backward(gradient);
          if (isChanged) data(gradient).fill(100);
          optimizer.step();
          return bags.weight.tolist();
        });
        expect(changed).toEqual(unchanged);
        expect(changed).not.toEqual([
          [0, 0],
          [0, 0],
        ]);
      }
    });

    test('entries, offsets and weights', () => {
      const [changed, unchanged] = [true, false].map((isChanged) => {
        using bags = new nn.EmbeddingBag(2, 2, { mode: 'sum' });
        bags.weight.data.fill(0);
        const optimizer = newOptimizer(bags.parameters());
        const [input, offsets, weights] = [Int32Array.of(0, 1, 0), Int32Array.of(0, 2), torch.relu([2, 3, 5])];
        bags.forward(input, offsets, weights).backward(VALUES);
        if (isChanged) for (const given of [input, offsets, data(weights)]) given.fill(1);
        optimizer.step();
        return bags.weight.tolist();
      });
      expect(changed).toEqual(unchanged);
    });
  });

  test('a gradient of a Parameter that was given to another one', () => {
    const [a, b] = [new nn.Parameter([1, 2]), new nn.Parameter([0, 0])];
    a.grad = torch.tensor([3, 4]);
    b.grad = a.grad;
    data(a.grad).fill(100);
    new optim.SGD([b], { lr: 1 }).step();
    expect(b.tolist()).toEqual([-3, -4]);
  });

  test('gradients of a graph that is retained', () => {
    using bags = new nn.EmbeddingBag(2, 2, { mode: 'sum' });
    bags.weight.data.fill(0);
    const optimizer = new optim.SGD(bags.parameters(), { lr: 1 });
    const lossFn = new torch.MultiLabelMarginLoss({ reduction: 'sum' });
    const loss = lossFn.forward(bags.forward([0, 1], [0, 1]), [[0], [1]]);
    const factor = new nn.Parameter(2);
    loss.backward({ retain_graph: true });
    loss.backward(factor);
    factor.data.fill(100);
    optimizer.step();
    // Half of the margin is violated by each pair, three times.
    expect(bags.weight.tolist()).toEqual([
      [1.5, -1.5],
      [-1.5, 1.5],
    ]);
  });
});

test('backward() through a Parameter that was the input of a layer, and was loaded since', () => {
  class Input extends nn.Module {
    x = new nn.Parameter([[1, 2]]);
    override forward(): torch.Tensor {
      return this.x;
    }
  }
  using input = new Input();
  using layer = new nn.Linear(2, 1);
  const y = layer.forward(input.x);
  input.load_state_dict({ x: torch.tensor([[3, 4]]) });
  expect(() => y.backward([[1]])).toThrow('a parameter of shape [1, 2] was loaded or stepped after');
});

test('a state whose tensors are the memory of other parameters of the model', () => {
  for (const viewOf of [
    (parameter: torch.nn.Parameter) => parameter.detach(),
    ({ data: elements, shape }: torch.nn.Parameter) => ({ data: elements, shape }),
  ]) {
    using model = new nn.Sequential(new nn.Linear(1, 1, { bias: false }), new nn.Linear(1, 1, { bias: false }));
    const [first, second] = model.parameters() as [torch.nn.Parameter, torch.nn.Parameter];
    first.data[0] = 1;
    second.data[0] = 2;
    model.load_state_dict({ '0.weight': viewOf(second), '1.weight': viewOf(first) });
    expect([first.item(), second.item()]).toEqual([2, 1]);
  }
});

// Growth leaves views of shared memory as they are.
const isShared = !(new nn.Parameter(0).data.buffer instanceof ArrayBuffer);

describe.skipIf(isShared)('a view that growth of linear memory detaches is read all the same', () => {
  const SIZE = 2 ** 20;

  /**
   * Calls a function until memory grows after it has taken a view of linear memory, whose elements are all 3. What it returns
   * is kept till then.
   */
  function untilMemoryGrows(call: (take: () => Float32Array) => torch.Tensor): void {
    using source = new nn.Linear(SIZE, 1, { bias: false });
    source.weight.data.fill(3);
    const results: torch.Tensor[] = [];
    let view = source.weight.data;
    while (view.length > 0) {
      const result = call(() => (view = source.weight.data));
      expect(data(result)).toHaveLength(SIZE);
      expect(data(result).every((value) => value === 3)).toBe(true);
      results.push(result);
    }
    // Gives the activations back.
    new optim.SGD(new nn.Linear(1, 1).parameters(), { lr: 1 }).step();
  }

  test('data of a Parameter', () => {
    untilMemoryGrows((take) => new nn.Parameter(torch.tensor(take())));
  });

  test('grad of a Parameter', () => {
    const parameters: torch.nn.Parameter[] = [];
    untilMemoryGrows((take) => {
      const parameter = new nn.Parameter(torch.zeros(SIZE));
      parameters.push(parameter);
      parameter.grad = torch.tensor(take());
      return parameter.grad;
    });
  });

  test('state of an optimizer', () => {
    const parameter = new nn.Parameter(torch.zeros(SIZE));
    const optimizers: torch.optim.Adagrad[] = [];
    untilMemoryGrows((take) => {
      const optimizer = new optim.Adagrad([parameter]);
      optimizers.push(optimizer);
      const state = optimizer.state_dict();
      state.state[0]!['sum'] = torch.tensor(take());
      optimizer.load_state_dict(state);
      return optimizer.state_dict().state[0]!['sum'] as torch.Tensor;
    });
    for (const optimizer of optimizers) optimizer.dispose();
  });

  test('input of a layer', () => {
    untilMemoryGrows((take) => torch.relu(torch.tensor(take())));
  });

  test('weights of the entries of bags', () => {
    using bags = new nn.EmbeddingBag(1, 1, { mode: 'sum' });
    bags.weight.data.fill(1);
    const [input, offsets] = [new Int32Array(SIZE), Int32Array.from({ length: SIZE }, (_, i) => i)];
    untilMemoryGrows((take) => bags.forward(input, offsets, torch.tensor(take())));
  });

  test('weights of the rows of a loss', () => {
    using scores = new nn.Linear(2, SIZE, { bias: false });
    scores.weight.data.fill(0);
    const targets = { data: new Int32Array(SIZE), shape: [SIZE, 1] };
    const lossFn = new torch.MultiLabelMarginLoss({ reduction: 'none', normalization: 'targets' });
    untilMemoryGrows((take) => lossFn.forward(scores.weight, targets, { sampleWeight: take() }));
  });
});
