// The table of what the loss is in every corner, row by row; then shapes, forms of input, and options.

import {
  float64,
  int64,
  MultiLabelMarginLoss,
  type MultiLabelMarginLossOptions,
  nn,
  type Reduction,
  tensor,
  zeros,
} from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { reference } from './reference.js';
import { expectSameBits, expectWithin, lossErrorOf, normal, padded } from './support.js';

const REDUCTIONS: readonly Reduction[] = ['none', 'mean', 'sum'];
const X = [0.1, 0.2, 0.4, 0.8];

/** Loss and gradient of one row under 'sum', in float64 if not said otherwise. */
function ofRow(
  x: readonly number[],
  y: readonly number[],
  options: MultiLabelMarginLossOptions = {},
  dtype: 'float32' | 'float64' = float64,
): { loss: number; grad: number[] } {
  const lossFn = new MultiLabelMarginLoss({ reduction: 'sum', ...options });
  const { loss, grad } = lossFn.valueAndGrad(tensor([x], { dtype }), [y]);
  return { loss: loss.item(), grad: (grad.tolist() as number[][])[0]! };
}

// Numbers below 2 with a handful of operations on them.
const FEW_ROUNDINGS = 16 * 2 ** -53;

function expectRow(
  x: readonly number[],
  y: readonly number[],
  loss: number,
  grad: readonly number[],
  options: MultiLabelMarginLossOptions = {},
): void {
  const result = ofRow(x, y, options);
  expectWithin([result.loss], [loss], FEW_ROUNDINGS, 'loss');
  expectWithin(result.grad, grad, FEW_ROUNDINGS, 'gradient');
  const single = ofRow(x, y, options, 'float32');
  // Scores, thresholds and the result are rounded to float32.
  expectWithin([single.loss], [loss], 16 * 2 ** -24, 'loss in float32');
  expectWithin(single.grad, grad, 4 * 2 ** -24, 'gradient in float32');
}

describe('one row', () => {
  test('the documented example', () => {
    expectRow(X, [3, 0, -1, 1], 0.85, [-0.5, 0.5, 0.5, -0.5]);
  });

  test('a target listed twice counts twice', () => {
    expectRow(X, [3], 0.325, [0.25, 0.25, 0.25, -0.75]);
    expectRow(X, [3, 3], 0.65, [0.5, 0.5, 0.5, -1.5]);
    expectRow(X, [3, 0, 3], ofRow(X, [3, 0]).loss + (0.4 + 0.6) / 4, [-0.5, 0.75, 0.75, -1]);
  });

  test('what comes after the first -1 is ignored', () => {
    const { loss, grad } = ofRow(X, [3, 0]);
    for (const after of [
      [-1],
      [-1, -1, -1],
      [-1, 1],
      [-1, 3],
      [-1, 2, 2, 2],
      [-1, 0, -1, 1],
      [-1, -1, 1, 2, 3, 0, 1, 2],
    ]) {
      expect(ofRow(X, [3, 0, ...after])).toEqual({ loss, grad });
    }
    expect(ofRow(X, [-1, 3, 0, 1])).toEqual({ loss: 0, grad: [0, 0, 0, 0] });
  });

  test('a target outside [-1, C) is an error that names row, column, value and C, also after the first -1', () => {
    for (const [row, column, value] of [
      [[4], 0, 4],
      [[0, -2], 1, -2],
      [[-1, -1, 7], 2, 7],
      [[0, -1, -3], 2, -3],
    ] as const) {
      const error = lossErrorOf(() => ofRow(X, row));
      expect(error.code).toBe('ERR_TARGET_RANGE');
      expect(error.message).toContain(`target ${value} at row 0, column ${column}`);
      expect(error.message).toContain('[0, 4)');
    }
  });

  test.each([
    ['no targets', [-1, -1]],
    ['no targets, width 0', []],
    ['every class a target', [2, 0, 3, 1]],
    ['every class a target, some twice', [2, 0, 2, 3, 1, 0]],
  ])('%s: 0, and a gradient of zeros', (_name, y) => {
    const { loss, grad } = ofRow(X, y);
    expect(loss).toBe(0);
    expect(grad.map(Math.abs)).toEqual([0, 0, 0, 0]);
  });

  test('a pair exactly on the margin has gradient 0', () => {
    // 1 - 2 + 1 = 0, for two classes.
    const { loss, grad } = ofRow([2, 1, 1, 3, 0], [0]);
    expect(loss).toBe((1 - 2 + 3) / 5);
    expect(grad).toEqual([-1 / 5, 0, 0, 1 / 5, 0]);
    expect(ofRow([0, -1, -1], [0])).toEqual({ loss: 0, grad: [0, 0, 0] });
  });

  test('the condition is rounded twice, in the type of the scores', () => {
    // 1 - -2^-30 is 1 in float32, which makes 0 of a hinge of 2^-30.
    expect(ofRow([-(2 ** -30), -1], [0], {}, 'float32')).toEqual({ loss: 0, grad: [0, 0] });
    expect(ofRow([-(2 ** -30), -1], [0])).toEqual({ loss: 2 ** -30 / 2, grad: [-0.5, 0.5] });
    // 1 - -2^24 is 2^24 there, to the even one of two neighbours; float64 has the same trouble at 2^53.
    expect(ofRow([-(2 ** 24), -(2 ** 24)], [0], {}, 'float32')).toEqual({ loss: 0, grad: [0, 0] });
    expect(ofRow([-(2 ** 24), -(2 ** 24)], [0])).toEqual({ loss: 0.5, grad: [-0.5, 0.5] });
    expect(ofRow([-(2 ** 53), -(2 ** 53)], [0])).toEqual({ loss: 0, grad: [0, 0] });
  });

  const inf = Number.POSITIVE_INFINITY;
  const nan = Number.NaN;

  test('pairs of a NaN score add 0', () => {
    expectRow([nan, 0.2, 0.4], [0], 0, [0, 0, 0]);
    expectRow([nan, 0.2, 0.4], [0, 1], 1.2 / 3, [0, -1 / 3, 1 / 3]);
    expectRow([0.1, nan, 0.4], [0], 1.3 / 3, [-1 / 3, 0, 1 / 3]);
    expectRow([nan, nan, nan], [1], 0, [0, 0, 0]);
  });

  test('+Inf target, -Inf non-target: the pair adds 0', () => {
    expectRow([inf, 0.2, 0.4], [0], 0, [0, 0, 0]);
    expectRow([0.1, -inf, 0.4], [0], 1.3 / 3, [-1 / 3, 0, 1 / 3]);
    expectRow([inf, -inf, 0], [0], 0, [0, 0, 0]);
  });

  test('-Inf target, +Inf non-target: loss +Inf, gradient finite', () => {
    expectRow([-inf, 0.2, 0.4], [0], inf, [-2 / 3, 1 / 3, 1 / 3]);
    expectRow([0.1, inf, 0.4], [0], inf, [-2 / 3, 1 / 3, 1 / 3]);
    expectRow([-inf, inf, 0], [0], inf, [-2 / 3, 1 / 3, 1 / 3]);
  });

  test('both +Inf, or both -Inf: that pair adds 0', () => {
    expectRow([inf, inf, 0.4], [0], 0, [0, 0, 0]);
    expectRow([-inf, -inf, 0.4], [0], inf, [-1 / 3, 0, 1 / 3]);
    expectRow([-inf, -inf, -inf], [1], 0, [0, 0, 0]);
  });

  test('-Inf beside scores whose differences overflow: pairs that add nothing make no infinity', () => {
    const most = Number.MAX_VALUE;
    for (const [x, y] of [
      [
        [-inf, most],
        [0, 1],
      ],
      [
        [-inf, most, -inf],
        [0, 1],
      ],
      [
        [-inf, 1e300, nan, -inf],
        [1, 0],
      ],
    ] as const) {
      expect(ofRow(x, y)).toEqual({ loss: 0, grad: x.map(() => 0) });
    }
    expect(ofRow([-inf, most, 0], [0, 1])).toEqual({ loss: inf, grad: [-1 / 3, 0, 1 / 3] });
  });

  test('NaN and infinities among many targets and classes, where ranks are looked up', () => {
    const next = normal(7);
    const x = Float64Array.from({ length: 400 }, next);
    [nan, inf, -inf, nan, inf, -inf].forEach((value, i) => {
      x[i] = value;
    });
    const y = [0, 1, ...Array.from({ length: 60 }, (_, i) => 6 + i * 5)];
    for (const targets of [y, [2, ...y]]) {
      const exact = reference({ scores: x, rows: 1, classes: 400, targets: [targets] });
      const { loss, grad } = ofRow(Array.from(x), targets);
      expect(loss).toBe(inf);
      expectWithin(grad, exact.gradient, exact.gradientBounds, 'gradient');
    }
  });
});

describe('empty batch [0, C]', () => {
  test.each([
    ['float32', Float32Array],
    ['float64', Float64Array],
  ] as const)('%s', (dtype, ArrayType) => {
    for (const [reduction, shape, value] of [
      ['none', [0], []],
      ['sum', [], [0]],
      ['mean', [], [Number.NaN]],
    ] as const) {
      for (const width of [0, 5]) {
        const lossFn = new MultiLabelMarginLoss({ reduction });
        const scores = zeros([0, 5], { dtype, requires_grad: true });
        const targets = zeros([0, width], { dtype: int64 });
        const { loss, grad } = lossFn.valueAndGrad(scores, targets);
        expect(loss.shape).toEqual(shape);
        expect(loss.data).toBeInstanceOf(ArrayType);
        expectSameBits(loss.data, value);
        expect(grad.shape).toEqual([0, 5]);
        expect(grad.data).toHaveLength(0);

        const differentiable = lossFn.forward(scores, targets);
        if (reduction === 'none') differentiable.backward(zeros([0], { dtype }));
        else differentiable.backward();
        expect(scores.grad!.shape).toEqual([0, 5]);
      }
    }
  });

  test('ragged targets of no rows', () => {
    expect(new MultiLabelMarginLoss({ reduction: 'sum' }).forward(zeros(0, 5), []).item()).toBe(0);
  });
});

describe('shapes', () => {
  test.each(REDUCTIONS)('1-D scores, %s: shape []', (reduction) => {
    const lossFn = new MultiLabelMarginLoss({ reduction });
    const { loss, grad } = lossFn.valueAndGrad(X, [3, 0, -1, 1]);
    expect(loss.shape).toEqual([]);
    expectWithin([loss.item()], [0.85], 3 * 2 ** -24);
    expect(grad.tolist()).toEqual([-0.5, 0.5, 0.5, -0.5]);
    expect(lossFn.forward(X, []).item()).toBe(0);
  });

  test.each(REDUCTIONS)('0-D scores, %s: one class', (reduction) => {
    const lossFn = new MultiLabelMarginLoss({ reduction });
    for (const targets of [0, -1, [0], [-1], [], [0, 0, -1], tensor(0, { dtype: int64 })]) {
      const { loss, grad } = lossFn.valueAndGrad(0.3, targets);
      expect(loss.shape).toEqual([]);
      expect(loss.item()).toBe(0);
      expect(grad.shape).toEqual([]);
      expect(Math.abs(grad.item())).toBe(0);
    }
  });

  test("2-D scores: [N] for 'none', [] for the others", () => {
    const scores = [X, X, X];
    const targets = [[3, 0], [], [3]];
    const losses = new MultiLabelMarginLoss({ reduction: 'none' }).forward(scores, targets);
    expect(losses.shape).toEqual([3]);
    expectWithin(losses.data, [0.85, 0, 0.325], 3 * 2 ** -24);
    for (const [reduction, value] of [
      ['sum', 1.175],
      ['mean', 1.175 / 3],
    ] as const) {
      const loss = new MultiLabelMarginLoss({ reduction }).forward(scores, targets);
      expect(loss.shape).toEqual([]);
      // The bound is the one above, with the rounding of a sum below 2.
      expectWithin([loss.item()], [value], 8 * 2 ** -24);
    }
    expect(new MultiLabelMarginLoss({ reduction: 'none' }).forward([X], [[0]]).shape).toEqual([1]);
  });

  test('targets of any width give the same bits', () => {
    const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
    const next = normal(3);
    const scores = tensor(Float32Array.from({ length: 30 }, next), { shape: [3, 10] });
    const rows = [[4, 1], [], [9]];
    const expected = lossFn.valueAndGrad(scores, rows);
    for (const width of [2, 3, 5, 10, 11, 64, 1000]) {
      const targets = tensor(Int32Array.from(padded(rows, width)), { shape: [3, width] });
      const { loss, grad } = lossFn.valueAndGrad(scores, targets);
      expectSameBits(loss.data, expected.loss.data, 'loss');
      expectSameBits(grad.data, expected.grad.data, 'gradient');
    }
    const none = lossFn.valueAndGrad(scores, { data: new Int32Array(0), shape: [3, 0] });
    expect(none.loss.tolist()).toEqual([0, 0, 0]);
    expectSameBits(none.grad.data, new Float32Array(30));
  });
});

describe('forms of the inputs', () => {
  const x = [
    [0.5, -1.25, 2, 0],
    [3, 0.25, -0.5, 1],
  ];
  const y = [
    [2, 0],
    [1, -1],
  ];
  const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
  const expected = lossFn.valueAndGrad(x, y);

  test.each<[string, Parameters<typeof lossFn.forward>]>([
    ['nested arrays', [x, y]],
    ['ragged targets', [x, [[2, 0], [1]]]],
    ['tensors, int32', [tensor(x), tensor(y, { dtype: 'int32' })]],
    ['tensors, int64', [tensor(x), tensor(y, { dtype: int64 })]],
    [
      '{ data, shape }, int32',
      [
        { data: Float32Array.from(x.flat()), shape: [2, 4] },
        { data: Int32Array.from(y.flat()), shape: [2, 2] },
      ],
    ],
    [
      '{ data, shape }, int64, with more properties',
      [
        { data: Float32Array.from(x.flat()), shape: [2, 4], dims: [2, 4], type: 'float32' } as never,
        { data: BigInt64Array.from(y.flat(), BigInt), shape: [2, 2] },
      ],
    ],
    ['nested bigints', [x, y.map((row) => row.map(BigInt))]],
    ['integers in nested scores as bigints', [[x[0]!, [3n, 0.25, -0.5, 1n]], y]],
    [
      'views into larger buffers',
      [
        { data: new Float32Array(Float32Array.from([9, ...x.flat(), 9]).buffer, 4, 8), shape: [2, 4] },
        { data: new BigInt64Array(BigInt64Array.from([9, ...y.flat()], BigInt).buffer, 8, 4), shape: [2, 2] },
      ],
    ],
  ])('%s', (_name, [scores, targets]) => {
    const { loss, grad } = lossFn.valueAndGrad(scores, targets);
    expect(loss.dtype).toBe('float32');
    expect(loss.tolist()).toEqual(expected.loss.tolist());
    expect(grad.tolist()).toEqual(expected.grad.tolist());
  });

  test('float64 scores give float64 results', () => {
    const { loss, grad } = lossFn.valueAndGrad(tensor(x, { dtype: float64 }), y);
    expect([loss.dtype, grad.dtype]).toEqual(['float64', 'float64']);
    // All numbers here are exact in either type.
    expect(loss.tolist()).toEqual(expected.loss.tolist());
    expect(grad.tolist()).toEqual(expected.grad.tolist());
    const oneRow = lossFn.forward(Float64Array.of(0.1, 0.2, 0.4, 0.8), Int32Array.of(3, 0));
    expect(oneRow.dtype).toBe('float64');
    expectWithin([oneRow.item()], [0.85], FEW_ROUNDINGS);
  });

  test('bare typed arrays are one row', () => {
    const loss = lossFn.forward(Float32Array.from(x[0]!), BigInt64Array.of(2n, 0n));
    expect(loss.shape).toEqual([]);
    expect(loss.item()).toBe((expected.loss.tolist() as number[])[0]);
  });

  test('-0 as a target is class 0', () => {
    expect(lossFn.forward(x, [[2, -0], [1]]).tolist()).toEqual(expected.loss.tolist());
  });
});

describe('functional form', () => {
  const { multilabel_margin_loss } = nn.functional;

  test('takes a reduction or options, and has the defaults of the class', () => {
    const scores = [X, [1, 2, 3, 4]];
    const targets = [[3, 0], [1]];
    for (const reduction of REDUCTIONS) {
      const expected = new MultiLabelMarginLoss({ reduction }).forward(scores, targets);
      expect(multilabel_margin_loss(scores, targets, reduction)).toEqual(expected);
      expect(multilabel_margin_loss(scores, targets, { reduction })).toEqual(expected);
    }
    expect(multilabel_margin_loss(scores, targets)).toEqual(new MultiLabelMarginLoss().forward(scores, targets));
    expect(multilabel_margin_loss(scores, targets, { margin: 0.5 })).toEqual(
      new MultiLabelMarginLoss({ margin: 0.5 }).forward(scores, targets),
    );
  });

  test('is differentiable', () => {
    const scores = tensor([X], { requires_grad: true });
    multilabel_margin_loss(scores, [[3, 0, -1, 1]], 'sum').backward();
    expect(scores.grad!.tolist()).toEqual([[-0.5, 0.5, 0.5, -0.5]]);
  });
});

describe('options', () => {
  test('have defaults, can be read, and cannot be changed', () => {
    const lossFn = new MultiLabelMarginLoss();
    expect(lossFn.options).toEqual({
      reduction: 'mean',
      margin: 1,
      normalization: 'classes',
      targetOrder: 'ignored',
      nan: 'ignore',
    });
    expect(new MultiLabelMarginLoss({ margin: 2, nan: 'error' }).options).toMatchObject({ margin: 2, nan: 'error' });
    expect(() => {
      (lossFn.options as { margin: number }).margin = 3;
    }).toThrow(TypeError);
    // A caller who reuses the object does not change the loss.
    const options: MultiLabelMarginLossOptions = { reduction: 'sum' };
    const sum = new MultiLabelMarginLoss(options);
    options.reduction = 'none';
    expect(sum.forward([X], [[3]]).shape).toEqual([]);
    expect(new MultiLabelMarginLoss({ reduction: undefined }).options.reduction).toBe('mean');
  });

  test.each([0, 0.3, 0.5, 1, 2.5, -0.5, 1e-3])('margin %d', (margin) => {
    for (const dtype of ['float32', 'float64'] as const) {
      const x = tensor([X], { dtype });
      const exact = reference({ scores: x.data, rows: 1, classes: 4, targets: [[3, 0]] }, { margin, reduction: 'sum' });
      const { loss, grad } = new MultiLabelMarginLoss({ margin, reduction: 'sum' }).valueAndGrad(x, [[3, 0]]);
      expectWithin(loss.data, [exact.loss], exact.lossBound, 'loss');
      expectWithin(grad.data, exact.gradient, exact.gradientBounds, 'gradient');
    }
  });

  test('the margin is rounded to the type of the scores', () => {
    // 0.1 - 0.1 - 0: exactly on the margin in each type, though 0.1 is another number in each.
    expect(ofRow([0.1, 0], [0], { margin: 0.1 }, 'float32')).toEqual({ loss: 0, grad: [0, 0] });
    expect(ofRow([0.1, 0], [0], { margin: 0.1 })).toEqual({ loss: 0, grad: [0, 0] });
  });

  test("normalization 'targets' divides by the number of targets, counting one listed twice as two", () => {
    const options = { normalization: 'targets' } as const;
    expectRow(X, [3, 0, -1, 1], (0.85 * 4) / 2, [-1, 1, 1, -1], options);
    expectRow(X, [3], 0.325 * 4, [1, 1, 1, -3], options);
    expectRow(X, [3, 3], 0.325 * 4, [1, 1, 1, -3], options);
    expect(ofRow(X, [], options)).toEqual({ loss: 0, grad: [0, 0, 0, 0] });
    expect(ofRow(X, [-1, 2], options)).toEqual({ loss: 0, grad: [0, 0, 0, 0] });
    // Each row by its own.
    const losses = new MultiLabelMarginLoss({ ...options, reduction: 'none' }).forward([X, X, X], [[3, 0], [], [3]]);
    expectWithin(losses.data, [1.7, 0, 1.3], 8 * 2 ** -24);
  });

  describe("targetOrder 'ranked'", () => {
    const options = { targetOrder: 'ranked' } as const;

    test('adds the hinge of each earlier target over each later one', () => {
      // Besides the pairs with 1 and 2: 3 before 0 adds 1 - .8 + .1, and 0 before 3 adds 1 - .1 + .8.
      expectRow(X, [3, 0], 0.85 + 0.3 / 4, [-0.25, 0.5, 0.5, -0.75], options);
      expectRow(X, [0, 3], 0.85 + 1.7 / 4, [-0.75, 0.5, 0.5, -0.25], options);
    });

    test('one target or none: nothing to rank', () => {
      expect(ofRow(X, [3], options)).toEqual(ofRow(X, [3]));
      expect(ofRow(X, [], options)).toEqual(ofRow(X, []));
      expect(ofRow(X, [3, -1, 0], options)).toEqual(ofRow(X, [3]));
    });

    test('every class a target: the order alone', () => {
      expectRow([0, 3, 2], [1, 2, 0], 0, [0, 0, 0], { ...options, margin: 0.5 });
      // 2 before 1 adds .5 - 2 + 3; 0 is below both.
      expectRow([0, 3, 2], [2, 1, 0], 1.5 / 3, [0, 1 / 3, -1 / 3], { ...options, margin: 0.5 });
    });

    test('a target listed twice: margin over itself, whose gradient cancels', () => {
      const once = ofRow(X, [3]);
      expectRow(X, [3, 3], 2 * once.loss + 1 / 4, [0.5, 0.5, 0.5, -1.5], options);
    });

    test('is normalised as the rest is', () => {
      expectRow(X, [3, 0], (0.85 * 4 + 0.3) / 2, [-0.5, 1, 1, -1.5], { ...options, normalization: 'targets' });
    });

    test('NaN and infinite targets', () => {
      const inf = Number.POSITIVE_INFINITY;
      expectRow([Number.NaN, 0.5], [0, 1], 0, [0, 0], options);
      expectRow([Number.NaN, 0.5], [1, 0], 0, [0, 0], options);
      expectRow([inf, 0.5], [0, 1], 0, [0, 0], options);
      expectRow([inf, 0.5], [1, 0], inf, [0.5, -0.5], options);
      expectRow([-inf, 0.5], [0, 1], inf, [-0.5, 0.5], options);
      expectRow([-inf, 0.5], [1, 0], 0, [0, 0], options);
      expectRow([inf, inf], [0, 1], 0, [0, 0], options);
    });
  });

  describe('nan', () => {
    const nan = Number.NaN;
    // NaN at a target, nowhere, at a non-target, and in a row without targets.
    const x = [
      [nan, 0.5, 0.25],
      [1, 0.5, 0.25],
      [1, nan, 0.25],
      [nan, 0, 0],
    ];
    const y = [[0], [1], [0], []];

    test("'ignore' leaves the pairs out", () => {
      const { loss, grad } = new MultiLabelMarginLoss({ reduction: 'none', nan: 'ignore' }).valueAndGrad(x, y);
      const third = Math.fround(1 / 3);
      expectSameBits(loss.data, [0, 2.25 / 3, 0.25 / 3, 0].map(Math.fround));
      expectWithin((grad.tolist() as number[][])[1]!, [third, -2 * third, third], 0);
      expectWithin((grad.tolist() as number[][])[2]!, [-third, 0, third], 0);
    });

    test("'propagate' makes loss and gradient of that row NaN, and of no other", () => {
      for (const dtype of ['float32', 'float64'] as const) {
        const scores = tensor(x, { dtype });
        const lossFn = new MultiLabelMarginLoss({ reduction: 'none', nan: 'propagate' });
        const { loss, grad } = lossFn.valueAndGrad(scores, y);
        const ignoring = new MultiLabelMarginLoss({ reduction: 'none' }).valueAndGrad(scores, y);
        expect(Array.from(loss.data, Number.isNaN)).toEqual([true, false, true, true]);
        expect((loss.tolist() as number[])[1]).toBe((ignoring.loss.tolist() as number[])[1]);
        const rows = grad.tolist() as number[][];
        for (const row of [0, 2, 3]) expect(rows[row]).toEqual([nan, nan, nan]);
        expect(rows[1]).toEqual((ignoring.grad.tolist() as number[][])[1]);

        for (const reduction of ['mean', 'sum'] as const) {
          const reduced = new MultiLabelMarginLoss({ reduction, nan: 'propagate' }).valueAndGrad(scores, y);
          expect(reduced.loss.item()).toBeNaN();
          const other = new MultiLabelMarginLoss({ reduction }).valueAndGrad(scores, y);
          expect((reduced.grad.tolist() as number[][])[1]).toEqual((other.grad.tolist() as number[][])[1]);
          expect((reduced.grad.tolist() as number[][])[2]).toEqual([nan, nan, nan]);
        }
      }
    });

    test("'error' throws where the first one is", () => {
      for (const reduction of REDUCTIONS) {
        const error = lossErrorOf(() =>
          new MultiLabelMarginLoss({ reduction, nan: 'error' }).forward(x.slice(1), y.slice(1)),
        );
        expect(error.code).toBe('ERR_NAN');
        expect(error.message).toContain('row 1, column 1');
      }
    });

    test.each(['ignore', 'propagate', 'error'] as const)('%s: nothing changes where no score is NaN', (policy) => {
      const inf = Number.POSITIVE_INFINITY;
      const scores = [X, [inf, inf, 0, -inf]];
      // Both infinite: a pair that is NaN though no score is.
      const targets = [
        [3, 0, -1, 1],
        [1, 3],
      ];
      expect(new MultiLabelMarginLoss({ reduction: 'none', nan: policy }).valueAndGrad(scores, targets)).toEqual(
        new MultiLabelMarginLoss({ reduction: 'none' }).valueAndGrad(scores, targets),
      );
    });
  });
});

test('the margin is rounded to the type of the scores, in the loss as in the condition', () => {
  const score = Math.fround(0.09999);
  const { loss, grad } = new MultiLabelMarginLoss({ margin: 0.1 }).valueAndGrad([[score, 0]], [[0]]);
  // Of 0.1 as it is, the loss would be off by one in 7000.
  expect(loss.item()).toBe(Math.fround((Math.fround(0.1) - score) / 2));
  expect(grad.tolist()).toEqual([[-0.5, 0.5]]);
});
