// The forms of scores, targets, weights and unknown classes, and arrays that are not what they seem.

import {
  fromMultiHot,
  LossError,
  MultiLabelMarginLoss,
  type MultiLabelMarginLossOptions,
  nn,
  type Scores,
  type Targets,
  Tensor,
  tensor,
} from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { reference } from './reference.js';
import { expectLossError, expectWithin, normal, permutation, uniform, untyped } from './support.js';

const X = [
  [0.5, 0.25, 0.125, 0.75],
  [0, 1, 2, 3],
];
const Y = [
  [3, 0],
  [1, -1],
];
const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
const expected = lossFn.forward(X, Y).tolist();

describe('forms', () => {
  const float16 = (globalThis as { Float16Array?: { from(list: readonly number[]): unknown } }).Float16Array;
  test.each<[string, Scores]>([
    ['rows of float32', X.map((row) => Float32Array.from(row))],
    ['rows of float64', X.map((row) => Float64Array.from(row))],
    ['rows of both', [Float32Array.from(X[0]!), Float64Array.from(X[1]!)]],
    ['a list and a typed array', [X[0]!, Float32Array.from(X[1]!)]],
    ...(float16 ? [['float16', { data: untyped(float16.from(X.flat())), shape: [2, 4] }] as [string, Scores]] : []),
  ])('scores: %s', (_name, scores) => {
    expect(lossFn.forward(scores, Y).tolist()).toEqual(expected);
  });

  test('rows of float64 are not rounded to float32', () => {
    const losses = lossFn.forward([Float64Array.of(0.1, 0.7)], [[0]]);
    expect(losses.dtype).toBe('float64');
    expect(losses.tolist()).toEqual([(1 - 0.1 + 0.7) / 2]);
  });

  test.each([Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array])(
    'targets: %o',
    (Type) => {
      const rows = [Type.of(3, 0), Type.of(1)];
      expect(lossFn.forward(X, rows).tolist()).toEqual(expected);
      const losses = lossFn.forward(X, { data: Type.of(3, 0, 1, 2), shape: [2, 2] });
      expect(losses.tolist()).toEqual(
        lossFn
          .forward(X, [
            [3, 0],
            [1, 2],
          ])
          .tolist(),
      );
      expect(lossFn.forward(X[0]!, Type.of(3, 0)).item()).toBe((expected as number[])[0]);
    },
  );

  test('a target of shape [] for one class', () => {
    expect(lossFn.forward([0.5], 0).item()).toBe(0);
    expectLossError(() => lossFn.forward([0.5, 1], 0), 'ERR_SHAPE', ['targets', '[2]', '[K]', '[]']);
  });

  test('a mask with a shape', () => {
    const flat = Uint8Array.of(0, 1, 1, 0, 0, 0);
    const lists = [
      [1, 2],
      [-1, -1],
    ];
    expect(fromMultiHot(flat, { shape: [2, 3] }).tolist()).toEqual(lists);
    expect(fromMultiHot(Array.from(flat, Boolean), { shape: [2, 3] }).tolist()).toEqual(lists);
    expect(fromMultiHot([flat.slice(0, 3), flat.slice(3)]).tolist()).toEqual(lists);
    expect(fromMultiHot(flat).tolist()).toEqual([1, 2]);
    expectLossError(() => fromMultiHot(flat, { shape: [2, 4] }), 'ERR_SHAPE', ['[2, 4]', '8', '6']);
    expectLossError(
      () =>
        fromMultiHot(
          [
            [0, 1, 0],
            [1, 0, 0],
          ],
          { shape: [3, 2] },
        ),
      'ERR_SHAPE',
      ['[2, 3]', '[3, 2]'],
    );
  });

  test('null for the options of the functional form', () => {
    expect(nn.functional.multilabel_margin_loss(X, Y, null).item()).toBe(
      new MultiLabelMarginLoss().forward(X, Y).item(),
    );
  });
});

describe('options of an object', () => {
  test('inherited ones count and are checked, those of Object.prototype do not', () => {
    const inherited = Object.create({ reduction: 'sum' }) as MultiLabelMarginLossOptions;
    expect(new MultiLabelMarginLoss(inherited).options.reduction).toBe('sum');
    class Options {
      get margin(): number {
        return 2;
      }
    }
    expect(new MultiLabelMarginLoss(new Options()).options.margin).toBe(2);
    expectLossError(() => new MultiLabelMarginLoss(Object.create({ reduce: true }) as object), 'ERR_OPTION', [
      "'reduce'",
    ]);
    Object.defineProperty(Object.prototype, 'margin', {
      value: 7,
      configurable: true,
      enumerable: true,
      writable: true,
    });
    try {
      expect(new MultiLabelMarginLoss().options.margin).toBe(1);
      expect(new MultiLabelMarginLoss({ reduction: 'sum' }).options.margin).toBe(1);
    } finally {
      delete (Object.prototype as { margin?: number }).margin;
    }
  });
});

describe('arrays that are not what they seem', () => {
  class Lying extends Float32Array {
    override get length(): number {
      return 400;
    }
    override get [Symbol.toStringTag](): 'Float32Array' {
      return 'Int32Array' as 'Float32Array';
    }
    override subarray(): never {
      throw new Error('not to be called');
    }
    override set(): never {
      throw new Error('not to be called');
    }
  }

  test('a subclass that lies about its length', () => {
    const scores = { data: new Lying(X.flat()), shape: [2, 4] };
    const grad = { data: new Lying(8), shape: [2, 4] };
    expect(lossFn.valueAndGrad(scores, Y, { grad }).loss.tolist()).toEqual(expected);
    expect(Array.from({ length: 8 }, (_, i) => grad.data[i])).toEqual(Array.from(lossFn.valueAndGrad(X, Y).grad.data));
    expectLossError(() => lossFn.forward({ ...scores, shape: [100, 4] }, [[0]]), 'ERR_SHAPE', ['400', '8']);
  });

  test.skipIf(typeof SharedArrayBuffer === 'undefined')('two SharedArrayBuffer objects over one memory', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
    const before = memory.buffer;
    memory.grow(1);
    expect(memory.buffer).not.toBe(before);
    const classes = 1000;
    // Several parts of staged rows; the gradient begins one row after the scores.
    const rows = 12;
    const scores = new Float32Array(before, 0, rows * classes);
    const next = normal(5);
    for (let i = 0; i < scores.length; i++) scores[i] = next();
    const copy = scores.slice();
    const targets = Array.from({ length: rows }, (_, row) => [row, 500 + row]);
    const right = lossFn.valueAndGrad({ data: copy, shape: [rows, classes] }, targets);
    const into = new Float32Array(memory.buffer, classes * 4, rows * classes);
    const { loss } = lossFn.valueAndGrad({ data: scores, shape: [rows, classes] }, targets, {
      grad: { data: into, shape: [rows, classes] },
    });
    expect(loss.tolist()).toEqual(right.loss.tolist());
    expect(Array.from(into)).toEqual(Array.from(right.grad.data));
  });
});

describe('weights and unknown classes', () => {
  interface Batch {
    scores: Float32Array | Float64Array;
    rows: number;
    classes: number;
    targets: number[][];
    unknown: number[][];
    weights: number[];
  }

  function makeBatch(
    seed: number,
    rows: number,
    classes: number,
    Type: typeof Float32Array | typeof Float64Array,
  ): Batch {
    const next = normal(seed);
    const chance = uniform(seed);
    const lists = Array.from({ length: rows }, () => permutation(classes, chance));
    const cut = lists.map(() => Math.floor(chance() * (classes / 2)));
    return {
      scores: new Type(Array.from({ length: rows * classes }, next)),
      rows,
      classes,
      targets: lists.map((list, row) => list.slice(0, cut[row])),
      unknown: lists.map((list, row) => list.slice(cut[row], cut[row]! + Math.floor(chance() * (classes / 2)))),
      weights: lists.map(() => (chance() < 0.2 ? 0 : chance() * 3)),
    };
  }

  /** Each row by itself, without its unknown classes, its divisor put right afterwards. */
  function expectRight(
    batch: Batch,
    options: MultiLabelMarginLossOptions,
    useWeights: boolean,
    useUnknown: boolean,
  ): void {
    const { scores, rows, classes, targets, unknown, weights } = batch;
    const shape = [rows, classes];
    const { reduction = 'mean' } = options;
    const { loss, grad } = new MultiLabelMarginLoss(options).valueAndGrad({ data: scores, shape }, targets, {
      ...(useWeights ? { sampleWeight: weights } : {}),
      ...(useUnknown ? { unknown } : {}),
    });
    const u = scores instanceof Float32Array ? 2 ** -24 : 2 ** -53;
    const losses: number[] = [];
    const lossBounds: number[] = [];
    for (let row = 0; row < rows; row++) {
      const isUnknown = new Set(useUnknown ? unknown[row] : []);
      const known = Array.from({ length: classes }, (_, j) => j).filter((j) => !isUnknown.has(j));
      const x = scores.slice(row * classes, (row + 1) * classes);
      const weight = useWeights ? weights[row]! : 1;
      // For 'classes' the divisor stays C, for 'targets' it is the number of targets in both.
      const divisor = options.normalization === 'targets' ? 1 : known.length / classes;
      const factor = (weight * divisor) / (reduction === 'mean' ? rows : 1);
      const part = reference(
        {
          scores: new (scores instanceof Float32Array ? Float32Array : Float64Array)(known.map((j) => x[j]!)),
          rows: 1,
          classes: known.length,
          targets: [targets[row]!.map((target) => known.indexOf(target))],
        },
        { ...options, reduction: 'none' },
      );
      losses.push(part.losses[0]! * weight * divisor);
      lossBounds.push((part.lossBounds[0]! + 4 * u * part.losses[0]!) * weight * divisor);
      const wanted = new Float64Array(classes);
      const bounds = new Float64Array(classes);
      known.forEach((j, i) => {
        wanted[j] = part.gradient[i]! * factor;
        // The factor and its product with a count are rounded twice more than without weights.
        bounds[j] = (part.gradientBounds[i]! + 4 * u * Math.abs(part.gradient[i]!)) * factor;
      });
      const actual = Array.from(grad.data.slice(row * classes, (row + 1) * classes));
      // 0 and -0 are the same here.
      expectWithin(
        actual.map((value) => value + 0),
        wanted.map((value) => value + 0),
        bounds,
        `gradient of row ${row}`,
      );
    }
    if (reduction === 'none') {
      expectWithin(loss.data, losses, lossBounds, 'loss');
      return;
    }
    const divisor = reduction === 'mean' ? rows : 1;
    const sum = losses.reduce((total, one) => total + one, 0) / divisor;
    const bound = lossBounds.reduce((total, one) => total + one, 0) / divisor + 2 * u * sum;
    expectWithin(loss.data, [sum], [bound], 'loss');
  }

  const shapes = [
    [1, 1],
    [3, 4],
    [5, 37],
    [7, 300],
    [2, 40_000],
  ] as const;
  const optionsList: MultiLabelMarginLossOptions[] = [
    {},
    { reduction: 'sum', margin: 0.5 },
    { reduction: 'none', normalization: 'targets' },
    { reduction: 'none', targetOrder: 'ranked' },
  ];

  describe.each(['float32', 'float64'] as const)('%s', (dtype) => {
    const Type = dtype === 'float32' ? Float32Array : Float64Array;
    describe.each(shapes)('[%i, %i]', (rows, classes) => {
      test.each(optionsList)('%j', (options) => {
        // The reference is quadratic.
        const seed = rows * classes;
        const batch = makeBatch(seed, rows, classes, Type);
        if (classes > 1000) {
          batch.targets = batch.targets.map((list) => list.slice(0, 60));
        }
        expectRight(batch, options, true, false);
        expectRight(batch, options, false, true);
        expectRight(batch, options, true, true);
      });
    });
  });

  test('weights of 1 and no unknown classes change no bit', () => {
    const { scores, rows, classes, targets } = makeBatch(3, 6, 50, Float32Array);
    const plain = lossFn.valueAndGrad({ data: scores, shape: [rows, classes] }, targets);
    const given = lossFn.valueAndGrad({ data: scores, shape: [rows, classes] }, targets, {
      sampleWeight: new Float32Array(rows).fill(1),
      unknown: targets.map(() => []),
    });
    expect(given.loss.tolist()).toEqual(plain.loss.tolist());
    expect(given.grad.tolist()).toEqual(plain.grad.tolist());
  });

  test('a row of weight 0 adds 0, whatever its scores', () => {
    const { loss, grad } = lossFn.valueAndGrad(
      [
        [Infinity, 0, NaN],
        [0, 1, 2],
      ],
      [[1], [0]],
      { sampleWeight: [0, 1] },
    );
    expect((loss.tolist() as number[])[0]).toBe(0);
    expect(Array.from(grad.data.slice(0, 3), (value) => value + 0)).toEqual([0, 0, 0]);
  });

  test('a score of an unknown class adds nothing, however large', () => {
    expect(lossFn.forward([[0.5, 1e30, 0]], [[0]], { unknown: [[1]] }).tolist()).toEqual(
      lossFn.forward([[0.5, -1e30, 0]], [[0]]).tolist(),
    );
  });

  const forms: [string, NonNullable<Parameters<MultiLabelMarginLoss['forward']>[2]>['unknown']][] = [
    ['lists', [[1, 2], [3]]],
    [
      'padded',
      [
        [1, 2, -1],
        [3, -1, 1],
      ],
    ],
    [
      'a tensor of int64',
      tensor(
        [
          [1, 2],
          [3, -1],
        ],
        { dtype: 'int64' },
      ),
    ],
    ['uint8', [Uint8Array.of(1, 2), Uint8Array.of(3)]],
    [
      'a mask of booleans',
      [
        [false, true, true, false],
        [false, false, false, true],
      ],
    ],
    [
      'a mask of 0 and 1',
      [
        [0, 1, 1, 0],
        [0, 0, 0, 1],
      ],
    ],
    [
      'a mask, by fromMultiHot',
      fromMultiHot([
        [0, 1, 1, 0],
        [0, 0, 0, 1],
      ]),
    ],
    ['a mask of uint8', { data: Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 1), shape: [2, 4] }],
  ];
  test.each(forms)('unknown classes as %s', async (_name, unknown) => {
    const targets = [[3, 0], [1]];
    const wanted = lossFn.valueAndGrad(X, targets, { unknown: [[1, 2], [3]] });
    expect(lossFn.forward(X, targets, { unknown }).tolist()).toEqual(wanted.loss.tolist());
    expect((await lossFn.forwardAsync(X, targets, { unknown })).tolist()).toEqual(wanted.loss.tolist());
    const both = await lossFn.valueAndGradAsync(X, targets, { unknown, sampleWeight: [1, 1] });
    expect(both.grad.tolist()).toEqual(wanted.grad.tolist());
    const options = { unknown, reduction: 'none' } as const;
    expect(nn.functional.multilabel_margin_loss(X, targets, options).tolist()).toEqual(wanted.loss.tolist());
    const scores = tensor(X, { requires_grad: true });
    lossFn.forward(scores, targets, { unknown }).backward([1, 1]);
    expect(scores.grad?.tolist()).toEqual(wanted.grad.tolist());
  });

  test.each<[string, object, string, string[]]>([
    ['weights of another length', { sampleWeight: [1] }, 'ERR_SHAPE', ['sampleWeight', '[2]', '[1]']],
    ['a negative weight', { sampleWeight: [1, -2] }, 'ERR_OPTION', ['sampleWeight', '-2', 'row 1']],
    ['a weight that is NaN', { sampleWeight: [NaN, 1] }, 'ERR_OPTION', ['NaN', 'row 0']],
    ['integer weights', { sampleWeight: Int32Array.of(1, 1) }, 'ERR_DTYPE', ['sampleWeight', 'int32']],
    ['an unknown class out of range', { unknown: [[4], []] }, 'ERR_TARGET_RANGE', ['unknown', '4', 'row 0, column 0']],
    ['an unknown class that is a target', { unknown: [[], [1]] }, 'ERR_TARGET_RANGE', ['1', 'row 1', 'target']],
    ['unknown classes for other rows', { unknown: [[1]] }, 'ERR_SHAPE', ['unknown', '[2, K]']],
    ['unknown classes of float32', { unknown: new Float32Array(2) }, 'ERR_DTYPE', ['unknown', 'float32']],
    ['a mask of fewer classes', { unknown: [[false], [true]] }, 'ERR_SHAPE', ['mask', '4 classes', 'got 1']],
    [
      'a mask of more classes',
      { unknown: X.map(() => Array<boolean>(6).fill(false)) },
      'ERR_SHAPE',
      ['4 classes', 'got 6'],
    ],
    ['another option', { sampleWeights: [1, 1] }, 'ERR_OPTION', ["'sampleWeights'", 'sampleWeight']],
    ['null', null as never, 'ERR_OPTION', ['null']],
  ])('%s is refused', (_name, options, code, parts) => {
    expectLossError(() => lossFn.forward(X, [[3, 0], [1]], options), code as 'ERR_SHAPE', parts);
    expectLossError(() => lossFn.valueAndGrad(X, [[3, 0], [1]], options), code as 'ERR_SHAPE', parts);
  });

  test('0 and 1 for two classes could be a mask or class indices', () => {
    expectLossError(() => lossFn.forward([[1, 2]], [[-1]], { unknown: [[0, 1]] }), 'ERR_DTYPE', ['mask', 'booleans']);
    expect(lossFn.forward([[1, 2]], [[0]], { unknown: [[false, true]] }).tolist()).toEqual([0]);
    expect(lossFn.forward([[1, 2]], [[0]], { unknown: [[1, -1]] }).tolist()).toEqual([0]);
  });
});

test('classes of two copies of the package', async () => {
  // A query makes another module of the same file.
  const file = new URL('../../dist/tensor.js?copy', import.meta.url).href;
  const other = (await import(/* @vite-ignore */ file)) as typeof import('multilabel-margin-loss');
  expect(other.Tensor).not.toBe(Tensor);
  const scores = new other.Tensor<'float32'>(Float32Array.of(0.1, 0.2, 0.4, 0.8), [1, 4], true);
  expect(scores).toBeInstanceOf(Tensor);
  const loss = new MultiLabelMarginLoss().forward(scores, [[3, 0]]);
  expect(loss.requires_grad).toBe(true);
  loss.backward();
  expect(scores.grad?.tolist()).toEqual([[-0.5, 0.5, 0.5, -0.5]]);
  class Special extends Tensor {}
  expect(scores).not.toBeInstanceOf(Special);
  expect(new Special(new Float32Array(1), [1])).toBeInstanceOf(Special);

  const errors = (await import(/* @vite-ignore */ new URL('../../dist/errors.js?copy', import.meta.url).href)) as {
    LossError: typeof LossError;
  };
  expect(errors.LossError).not.toBe(LossError);
  expect(new errors.LossError('ERR_SHAPE', '')).toBeInstanceOf(LossError);
  expect(new Error('')).not.toBeInstanceOf(LossError);
  expect(null).not.toBeInstanceOf(LossError);
});

test('targets may be typed as any of their forms', () => {
  const all: Targets[] = [Y, Int32Array.of(1), [Uint8Array.of(1)], tensor([[1]], { dtype: 'int32' }), 1, 1n];
  expect(all.length).toBe(6);
});
