// Bad input: refused before anything changes, with what was given, what was wanted and where.

import * as torch from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { expectLossError, untyped } from '../js/support.js';
import { MLP, Tagger } from './models.js';

const { nn, optim } = torch;
const lossFn = new nn.MultiLabelMarginLoss();
const targets = [[0], [1, 2], [4]];

type Case = [what: string, call: () => unknown, code: torch.LossErrorCode, parts: string[]];

const layer = new nn.Linear(3, 2);
const bag = new nn.EmbeddingBag(5, 2, { mode: 'sum' });
const ints = (...values: number[]) => Int32Array.from(values);

const CASES: Case[] = [
  ['sizes', () => new nn.Linear(0, 2), 'ERR_OPTION', ['in_features', '0']],
  ['sizes', () => new nn.Linear(3, 1.5), 'ERR_OPTION', ['out_features', '1.5']],
  ['sizes', () => new nn.EmbeddingBag(3, untyped('2'), { mode: 'sum' }), 'ERR_OPTION', ['embedding_dim', "'2'"]],
  ['sizes beyond memory', () => new nn.Linear(60_000, 60_000), 'ERR_OUT_OF_MEMORY', []],
  ['options', () => new nn.Linear(3, 2, untyped({ biased: false })), 'ERR_OPTION', ["'biased'", 'Linear']],
  ['options', () => new nn.Linear(3, 2, { bias: untyped(1) }), 'ERR_OPTION', ['bias', '1']],
  ['no mode', () => new nn.EmbeddingBag(3, 2, untyped(undefined)), 'ERR_OPTION', ['mode', "'sum'", 'undefined']],
  ['mode mean', () => new nn.EmbeddingBag(3, 2, { mode: untyped('mean') }), 'ERR_OPTION', ["'mean'", "'sum'"]],
  ['p', () => new nn.Dropout(1.5), 'ERR_OPTION', ['p of Dropout', '1.5']],
  ['p', () => new nn.Dropout(untyped('0.5')), 'ERR_OPTION', ["'0.5'"]],
  ['no Module', () => new nn.Sequential(untyped(torch.relu)), 'ERR_OPTION', ['argument 0', 'a function']],

  ['shape of the input', () => layer.forward(torch.zeros(4, 4)), 'ERR_SHAPE', ['[..., 3]', '[4, 4]']],
  ['a scalar', () => layer.forward(torch.tensor(1)), 'ERR_SHAPE', ['[..., 3]', '[]']],
  ['float64', () => layer.forward(torch.zeros([2, 3], { dtype: 'float64' })), 'ERR_DTYPE', ['float32', 'float64']],
  ['integers', () => torch.relu(torch.zeros([2], { dtype: 'int32' })), 'ERR_DTYPE', ['relu()', 'int32']],
  ['shapes of add', () => torch.add(torch.zeros(2, 3), torch.zeros(2)), 'ERR_SHAPE', ['[2, 3]', '[2]']],
  ['shapes of add', () => torch.add(torch.zeros(2, 3), torch.zeros(1, 3)), 'ERR_SHAPE', ['[1, 3]']],
  [
    'float64 of add',
    () => torch.add(torch.zeros(2), torch.zeros([2], { dtype: 'float64' })),
    'ERR_DTYPE',
    ['y of add()'],
  ],
  ['float64 of a Parameter', () => new nn.Parameter(torch.zeros([2], { dtype: 'float64' })), 'ERR_DTYPE', ['float64']],

  ['an index above', () => bag.forward(ints(0, 5), ints(0)), 'ERR_OPTION', ['[0, 5)', '5 at entry 1']],
  ['an index below', () => bag.forward(ints(0, -1), ints(0)), 'ERR_OPTION', ['-1 at entry 1']],
  [
    'an index far above',
    () => bag.forward(BigInt64Array.of(2n ** 40n), ints(0)),
    'ERR_OPTION',
    [`${2 ** 40} at entry 0`],
  ],
  ['offsets from above 0', () => bag.forward(ints(0, 1), ints(1)), 'ERR_OPTION', ['offset 1 at bag 0', 'must be 0']],
  ['offsets that fall', () => bag.forward(ints(0, 1), ints(0, 2, 1)), 'ERR_OPTION', ['offset 1 at bag 2', 'here 2']],
  [
    'offsets beyond the end',
    () => bag.forward(ints(0, 1), ints(0, 3)),
    'ERR_OPTION',
    ['offset 3 at bag 1', 'entries, 2'],
  ],
  ['no offsets', () => bag.forward(ints(0, 1), ints()), 'ERR_OPTION', ['2 entries']],
  ['float indices', () => bag.forward(torch.zeros(2), ints(0)), 'ERR_DTYPE', ['int32 or int64', 'float32']],
  ['2-D indices', () => bag.forward([[0, 1]], ints(0)), 'ERR_SHAPE', ['[E]', '[1, 2]']],
  ['weights of another length', () => bag.forward(ints(0, 1), ints(0), [1]), 'ERR_SHAPE', ['[2]', '[1]']],
  [
    'weights that require a gradient',
    () => bag.forward(ints(0), ints(0), torch.tensor([1], { requires_grad: true })),
    'ERR_OPTION',
    ['no gradient'],
  ],

  ['nothing to train', () => new optim.SGD([], { lr: 1 }), 'ERR_OPTION', ['no Parameters']],
  ['no list', () => new optim.Adam(untyped(layer)), 'ERR_OPTION', ['a Linear']],
  ['no Parameter', () => new optim.Adam([untyped(torch.zeros(2))]), 'ERR_OPTION', ['number 0', 'a Tensor']],
  ['pairs', () => new optim.Adam(untyped(layer.named_parameters())), 'ERR_OPTION', ['number 0', 'an array']],
  ['one twice', () => new optim.Adam([layer.weight, layer.weight]), 'ERR_OPTION', ['0 and 1']],
  ['no lr', () => new optim.SGD(layer.parameters(), untyped({})), 'ERR_OPTION', ['lr of SGD', 'must be given']],
  ['no lr', () => new optim.SGD(layer.parameters(), untyped(undefined)), 'ERR_OPTION', ['lr of SGD']],
  ['negative lr', () => new optim.Adam(layer.parameters(), { lr: -1 }), 'ERR_OPTION', ['lr of Adam', '-1']],
  ['NaN', () => new optim.AdamW(layer.parameters(), { eps: Number.NaN }), 'ERR_OPTION', ['eps of AdamW', 'NaN']],
  ['betas', () => new optim.AdamW(layer.parameters(), { betas: [0.9, 1] }), 'ERR_OPTION', ['AdamW', '[0.9, 1]']],
  ['unknown', () => new optim.Adam(layer.parameters(), untyped({ amsgrad: true })), 'ERR_OPTION', ["'amsgrad'"]],
  ['nesterov', () => new optim.SGD(layer.parameters(), { lr: 1, nesterov: true }), 'ERR_OPTION', ['momentum 0']],
  [
    'nesterov',
    () => new optim.SGD(layer.parameters(), { lr: 1, momentum: 0.9, dampening: 0.1, nesterov: true }),
    'ERR_OPTION',
    ['dampening 0.1'],
  ],
  ['no function', () => torch.no_grad(untyped(1)), 'ERR_OPTION', ['a function', '1']],
  ['a promise', () => torch.no_grad(untyped(() => Promise.resolve(1))), 'ERR_OPTION', ['synchronous']],
  ['no mode', () => layer.train(untyped(1)), 'ERR_OPTION', ['true or false', '1']],
];

describe('arguments', () => {
  test.each(CASES)('%s: %s', (_, call, code, parts) => {
    expectLossError(call, code, parts);
    // What failed left nothing behind that changes results.
    layer.weight.data.fill(1);
    layer.bias!.data.fill(0.5);
    expect(layer.forward([1, 2, 3]).tolist()).toEqual([6.5, 6.5]);
  });
});

describe('modules that would never be trained', () => {
  const hidden = (property: unknown) =>
    new (class Hidden extends nn.Module {
      layers = property;
      forward(): void {}
    })();
  test.each([
    ['an array of Modules', [new nn.ReLU()]],
    ['an array of Parameters', [1, new nn.Parameter([1])]],
    ['nested arrays', [[], [[new nn.ReLU()]]]],
    ['an object', { first: new nn.ReLU() }],
    ['an object without a prototype', Object.assign(Object.create(null), { first: new nn.ReLU() })],
    ['a Map', new Map([['first', new nn.ReLU()]])],
    ['a Set', new Set([new nn.ReLU()])],
  ])('in %s', (_, property) => {
    const model = hidden(property);
    for (const call of [
      () => model.parameters(),
      () => model.state_dict(),
      () => model.train(),
      () => model.zero_grad(),
      () => new nn.Sequential(untyped(model)).named_parameters(),
    ]) {
      expectLossError(call, 'ERR_OPTION', ["'layers'", 'Hidden', 'nn.Sequential']);
    }
  });

  test('other properties are let alone', () => {
    const cycle: unknown[] = [1, 'two', new Float32Array(3), new Map([[1, torch.zeros(2)]])];
    cycle.push(cycle);
    expect(hidden(cycle).parameters()).toEqual([]);
  });

  test('a Module within itself', () => {
    const model = hidden(null);
    model.layers = model;
    expectLossError(() => model.parameters(), 'ERR_OPTION', ["'layers'", 'contains itself']);
  });
});

describe('states', () => {
  test('of a model: keys and shapes are named, and nothing is loaded', () => {
    const model = new MLP();
    const before = model.state_dict();
    const good = new MLP().state_dict();
    const { 'fc1.weight': weight, ...without } = good;
    for (const [state, code, parts] of [
      [without, 'ERR_STATE', ['misses fc1.weight']],
      [{ ...good, fc3: weight }, 'ERR_STATE', ['fc3']],
      [{ ...without, fc3: weight }, 'ERR_STATE', ['fc1.weight', 'fc3']],
      [{ ...good, 'fc2.bias': weight }, 'ERR_SHAPE', ["'fc2.bias'", '[5]', '[8, 6]']],
      [{ ...good, 'fc2.bias': torch.zeros([5], { dtype: 'float64' }) }, 'ERR_DTYPE', ["'fc2.bias'", 'float64']],
      [{ ...good, 'fc2.bias': 'no tensor' }, 'ERR_DTYPE', ["'fc2.bias'", "'no tensor'"]],
      [Object.create(good), 'ERR_STATE', ['misses']],
      [null, 'ERR_STATE', ['null']],
      [[], 'ERR_STATE', ['an array']],
    ] as const) {
      expectLossError(() => model.load_state_dict(untyped(state)), code, parts);
      expect(model.state_dict()).toEqual(before);
    }
    model.load_state_dict(good);
    expect(model.state_dict()).toEqual(good);
  });

  test('of an optimizer', () => {
    const model = new MLP();
    const train = (optimizer: { step(): void }): void => {
      lossFn.forward(model.forward(torch.randn([3, 6])), targets).backward();
      optimizer.step();
    };
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.5 });
    train(optimizer);
    const good = optimizer.state_dict();
    const [group] = good.param_groups;
    const first = good.state[0]!;
    for (const [state, parts] of [
      [new optim.SGD(model.parameters(), { lr: 1 }).state_dict(), ["'momentum'"]],
      [new optim.Adam([model.fc1.weight]).state_dict(), ['from 0 to 3']],
      [{ ...good, state: { ...good.state, 4: first } }, ["'4'"]],
      [{ ...good, state: { ...good.state, 0: good.state[1] } }, ["'exp_avg' of parameter 0", '[8, 6]', '[8]']],
      [{ ...good, state: { ...good.state, 0: { step: 1, exp_avg: first['exp_avg'] } } }, ["misses 'exp_avg_sq'"]],
      [{ ...good, state: { ...good.state, 0: { ...first, step: -1 } } }, ["'step' of parameter 0"]],
      [{ ...good, param_groups: [{ ...group, amsgrad: true }] }, ["'amsgrad'"]],
      [{ ...good, param_groups: [] }, ['one group']],
      [null, ['{ state, param_groups }']],
    ] as const) {
      expectLossError(() => optimizer.load_state_dict(untyped(state)), 'ERR_STATE', parts);
      expect(optimizer.state_dict()).toEqual(good);
    }
    expectLossError(() => optimizer.load_state_dict({ ...good, param_groups: [{ ...group, lr: -1 }] }), 'ERR_OPTION', [
      'lr',
      '-1',
    ]);
    // What PyTorch writes, too.
    optimizer.load_state_dict({
      ...good,
      param_groups: [{ ...group, amsgrad: false, foreach: null, maximize: false }],
    });
    expect(optimizer.state_dict()).toEqual(good);
  });

  test('an option that was set to what it cannot be changes nothing', () => {
    const model = new MLP();
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
    lossFn.forward(model.forward(torch.randn([3, 6])), targets).backward();
    const before = model.state_dict();
    optimizer.param_groups[0].lr = Number.NaN;
    expectLossError(() => optimizer.step(), 'ERR_OPTION', ['lr of SGD', 'NaN']);
    expect(model.state_dict()).toEqual(before);
    optimizer.param_groups[0].lr = 0.25;
    optimizer.step();
    expect(model.state_dict()).not.toEqual(before);
  });
});

describe('lifetimes', () => {
  test('an activation is recycled by a step and at the end of no_grad, which keeps what it returns', () => {
    const model = new MLP();
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
    const x = torch.randn([3, 6]);
    let inner: torch.Tensor | null = null;
    const before = model.forward(x);
    const kept = torch.no_grad(() => {
      inner = torch.relu(x);
      return { scores: [model.forward(x)], of: 'x' };
    });
    expectLossError(() => inner!.data, 'ERR_DISPOSED', ['no_grad()']);
    expect(kept.scores[0]!.tolist()).toEqual(before.tolist());
    const loss = lossFn.forward(before, targets);
    loss.backward();
    optimizer.step();
    expect(kept.scores[0]!.shape).toEqual([3, 5]);
    expect(kept.scores[0]!.data.length).toBe(15);
    expect(Number.isFinite(loss.item())).toBe(true);
    for (const call of [
      () => before.data,
      () => before.tolist(),
      () => torch.relu(before),
      () => lossFn.forward(before, targets),
    ]) {
      expectLossError(call, 'ERR_DISPOSED', ['optimizer.step()', 'clone()']);
    }
  });

  test('backward() twice, or after its activations were recycled', () => {
    const model = new MLP();
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
    const x = torch.randn([3, 6]);
    const twice = lossFn.forward(model.forward(x), targets);
    const late = lossFn.forward(model.forward(x), targets);
    twice.backward();
    const grad = model.fc1.weight.grad!.tolist();
    expectLossError(() => twice.backward(), 'ERR_BACKWARD', ['once', 'retain_graph']);
    expect(model.fc1.weight.grad!.tolist()).toEqual(grad);
    optimizer.step();
    optimizer.zero_grad();
    expectLossError(() => late.backward(), 'ERR_DISPOSED', ['optimizer.step()']);
    expect(model.fc1.weight.grad).toBeNull();
  });

  test('backward() through parameters that were loaded since', () => {
    const model = new MLP();
    const loss = lossFn.forward(model.forward(torch.randn([3, 6])), targets);
    model.load_state_dict(new MLP().state_dict());
    expectLossError(() => loss.backward(), 'ERR_BACKWARD', ['loaded']);
  });

  test('a scalar without a graph, and a result that needs a gradOutput', () => {
    const model = new MLP();
    const scores = model.forward(torch.randn([3, 6]));
    expectLossError(() => scores.backward(), 'ERR_BACKWARD', ['[3, 5]', 'gradOutput']);
    expectLossError(() => scores.backward(torch.zeros(5, 3)), 'ERR_SHAPE', ['[3, 5]', '[5, 3]']);
    const without = torch.no_grad(() => lossFn.forward(model.forward(torch.randn([3, 6])), targets));
    expectLossError(() => without.backward(), 'ERR_BACKWARD', ['does not require a gradient']);
  });

  test('after dispose()', () => {
    const model = new Tagger();
    const optimizer = new optim.Adagrad(model.parameters());
    const [input, offsets] = [ints(1, 2), ints(0, 1)];
    lossFn.forward(model.terms.forward(input, offsets), [[0], [1]]).backward();
    const weight = model.terms.weight;
    model.dispose();
    model.dispose();
    for (const call of [
      () => model.terms.forward(input, offsets),
      () => weight.data,
      () => model.state_dict(),
      () => optimizer.step(),
    ]) {
      expectLossError(call, 'ERR_DISPOSED', ['dispose()']);
    }
    optimizer.dispose();
    optimizer.dispose();
    for (const call of [() => optimizer.step(), () => optimizer.state_dict()]) {
      expectLossError(call, 'ERR_DISPOSED', ['Adagrad']);
    }
  });

  test('a gradient that was dropped', () => {
    const model = new MLP();
    lossFn.forward(model.forward(torch.randn([3, 6])), targets).backward();
    const grad = model.fc1.weight.grad!;
    model.zero_grad();
    expectLossError(() => grad.data, 'ERR_DISPOSED', ['set to null']);
  });

  test('a grad that does not fit', () => {
    const { weight } = new nn.Linear(3, 2);
    for (const [grad, code, part] of [
      [torch.zeros(3, 2), 'ERR_SHAPE', '[3, 2]'],
      [torch.zeros([2, 3], { dtype: 'float64' }), 'ERR_DTYPE', 'float64'],
    ] as const) {
      expectLossError(() => (weight.grad = untyped(grad)), code, [part]);
      expect(weight.grad).toBeNull();
    }
  });

  test('targets and scores that the loss refuses', () => {
    const model = new MLP();
    const scores = model.forward(torch.randn([3, 6]));
    expectLossError(() => lossFn.forward(scores, [[0], [5], []]), 'ERR_TARGET_RANGE', ['row 1', '5']);
    model.fc2.bias!.data[1] = Number.NaN;
    const bad = model.forward(torch.randn([3, 6]));
    const strict = new nn.MultiLabelMarginLoss({ nan: 'error' });
    expectLossError(() => strict.forward(bad, targets), 'ERR_NAN', ['row 0, column 1']);
    lossFn.forward(scores, targets).backward();
    expect(model.fc1.weight.grad).not.toBeNull();
  });
});
