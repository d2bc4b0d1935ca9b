// requires_grad, backward() and grad, which accumulates; and who owns which memory.

import {
  float64,
  MultiLabelMarginLoss,
  type MultiLabelMarginLossOptions,
  type Reduction,
  Tensor,
  tensor,
  zeros,
} from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { expectLossError, expectSameBits, expectStillWorks, normal, untyped, withHole } from './support.js';

const REDUCTIONS: readonly Reduction[] = ['none', 'mean', 'sum'];
const TARGETS = [[2, 0], [1], [], [3, 3]];

const sum = new MultiLabelMarginLoss({ reduction: 'sum' });
const none = new MultiLabelMarginLoss({ reduction: 'none' });

function makeScores(seed: number, requires_grad = true, dtype: 'float32' | 'float64' = 'float32'): Tensor {
  const next = normal(seed);
  return tensor(
    [1, 2, 3, 4].map(() => [next(), next(), next(), next(), next()]),
    { requires_grad, dtype },
  );
}

const bits = (value: Tensor | null): number[] => Array.from(value!.data as Float32Array);

/** By how much backward() makes grad differ from zeros, in the loss's own words. */
function gradientOf(lossFn: MultiLabelMarginLoss, scores: Tensor): number[] {
  return bits(lossFn.valueAndGrad(scores, TARGETS).grad);
}

describe('backward()', () => {
  test('sets grad: a tensor of shape and dtype of the scores', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const scores = makeScores(1, true, dtype);
      expect(scores.grad).toBeNull();
      const loss = sum.forward(scores, TARGETS);
      expect(scores.grad).toBeNull();
      loss.backward();
      expect(scores.grad).toBeInstanceOf(Tensor);
      expect(scores.grad!.shape).toEqual([4, 5]);
      expect(scores.grad!.dtype).toBe(dtype);
      expect(scores.grad!.requires_grad).toBe(false);
      expectSameBits(bits(scores.grad), gradientOf(sum, scores));
    }
  });

  test('accumulates over losses of the same scores, as in PyTorch', () => {
    const scores = makeScores(2);
    const expected = gradientOf(sum, scores);
    const first = sum.forward(scores, TARGETS);
    const second = sum.forward(scores, TARGETS);
    first.backward();
    second.backward();
    // Twice a number is exact.
    expectSameBits(
      bits(scores.grad),
      expected.map((g) => 2 * g),
    );
    sum.forward(scores, [[], [], [], [0]]).backward();
    const last = bits(sum.valueAndGrad(scores, [[], [], [], [0]]).grad);
    expectSameBits(
      bits(scores.grad),
      expected.map((g, i) => Math.fround(2 * g + last[i]!)),
    );
  });

  test('accumulates into the same tensor', () => {
    const scores = makeScores(2);
    sum.forward(scores, TARGETS).backward();
    const { grad } = scores;
    sum.forward(scores, TARGETS).backward();
    expect(scores.grad).toBe(grad);
  });

  test('starts anew where grad was set to null', () => {
    const scores = makeScores(3);
    sum.forward(scores, TARGETS).backward();
    const before = scores.grad!;
    const copy = bits(before);
    scores.grad = null;
    sum.forward(scores, TARGETS).backward();
    expectSameBits(bits(scores.grad), copy);
    expect(scores.grad).not.toBe(before);
    expectSameBits(bits(before), copy);
  });

  test('accumulates into a grad that the caller made', () => {
    const scores = makeScores(4);
    const expected = gradientOf(sum, scores);
    scores.grad = zeros(4, 5);
    scores.grad.data.fill(untyped(0.5));
    sum.forward(scores, TARGETS).backward();
    expectSameBits(
      bits(scores.grad),
      expected.map((g) => Math.fround(0.5 + g)),
    );
  });

  test('a second time is an error, and changes nothing', () => {
    for (const lossFn of [sum, new MultiLabelMarginLoss()]) {
      const scores = makeScores(5);
      const loss = lossFn.forward(scores, TARGETS);
      loss.backward();
      const before = bits(scores.grad);
      expectLossError(() => loss.backward(), 'ERR_BACKWARD', ['once']);
      expectLossError(() => loss.backward(2), 'ERR_BACKWARD', ['once']);
      expectSameBits(bits(scores.grad), before);
      expectStillWorks(lossFn);
    }
  });

  test('of a loss whose scores need no gradient is an error that says how they would', () => {
    for (const scores of [makeScores(6, false), { data: new Float32Array(20), shape: [4, 5] }]) {
      const loss = sum.forward(scores, TARGETS);
      expect(loss.requires_grad).toBe(false);
      expectLossError(() => loss.backward(), 'ERR_BACKWARD', ['requires_grad: true']);
    }
    expectLossError(() => zeros(2, 3).backward(), 'ERR_BACKWARD', ['requires_grad: true']);
  });

  test('of scores themselves is an error', () => {
    expectLossError(() => makeScores(6).backward(), 'ERR_BACKWARD', ['loss']);
  });

  test('of a loss of valueAndGrad is an error: its gradient was handed out', () => {
    const { loss } = sum.valueAndGrad(makeScores(6), TARGETS);
    expectLossError(() => loss.backward(), 'ERR_BACKWARD', ['requires_grad']);
  });

  test('of scores [C] needs no gradOutput under any reduction', () => {
    for (const reduction of REDUCTIONS) {
      const scores = tensor([0.1, 0.2, 0.4, 0.8], { requires_grad: true });
      new MultiLabelMarginLoss({ reduction }).forward(scores, [3, 0, -1, 1]).backward();
      expect(scores.grad!.tolist()).toEqual([-0.5, 0.5, 0.5, -0.5]);
    }
    const scalar = tensor(0.5, { requires_grad: true });
    none.forward(scalar, 0).backward();
    expect(scalar.grad!.shape).toEqual([]);
  });

  test('reaches the scores it was computed from, whatever happened to them since', () => {
    const scores = makeScores(7);
    const expected = gradientOf(sum, scores);
    const loss = sum.forward(scores, TARGETS);
    scores.data.fill(untyped(0));
    loss.backward();
    expectSameBits(bits(scores.grad), expected);
  });

  test('requires_grad may be set later, and cleared', () => {
    const scores = makeScores(8, false);
    scores.requires_grad = true;
    sum.forward(scores, TARGETS).backward();
    expect(scores.grad).not.toBeNull();
    scores.requires_grad = false;
    expect(sum.forward(scores, TARGETS).requires_grad).toBe(false);
  });

  test('after forwardAsync', async () => {
    const scores = makeScores(9);
    const loss = await sum.forwardAsync(scores, TARGETS);
    expect(loss.requires_grad).toBe(true);
    loss.backward();
    expectSameBits(bits(scores.grad), gradientOf(sum, scores));
  });
});

describe('loss.requires_grad', () => {
  test('is that of the scores', () => {
    for (const reduction of REDUCTIONS) {
      const lossFn = new MultiLabelMarginLoss({ reduction });
      expect(lossFn.forward(makeScores(1, true), TARGETS).requires_grad).toBe(true);
      expect(lossFn.forward(makeScores(1, false), TARGETS).requires_grad).toBe(false);
      expect(lossFn.forward(bits(makeScores(1)).slice(0, 5), [0]).requires_grad).toBe(false);
    }
  });
});

describe('gradOutput', () => {
  test("of 'none' multiplies each row by its own number", () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const round = dtype === 'float32' ? Math.fround : (value: number) => value;
      const expected = gradientOf(none, makeScores(10, false, dtype));
      const factors = [2, 0, 1 / 3, -1e-3];
      for (const gradOutput of [factors, tensor(factors, { dtype: float64 }), Float64Array.from(factors)]) {
        const scores = makeScores(10, true, dtype);
        const loss = none.forward(scores, TARGETS);
        loss.backward(untyped(gradOutput));
        expectSameBits(
          bits(scores.grad),
          expected.map((g, i) => round(g * factors[Math.floor(i / 5)]!)),
        );
      }
    }
  });

  test('of ones leaves the gradient of the sum, and of 1/N nearly that of the mean', () => {
    const scores = makeScores(11);
    none.forward(scores, TARGETS).backward([1, 1, 1, 1]);
    expectSameBits(bits(scores.grad), gradientOf(sum, scores));
    scores.grad = null;
    // 1/4 is exact.
    none.forward(scores, TARGETS).backward([0.25, 0.25, 0.25, 0.25]);
    expectSameBits(bits(scores.grad), gradientOf(new MultiLabelMarginLoss(), scores));
  });

  test('of a scalar loss is a number', () => {
    const scores = makeScores(12);
    const expected = gradientOf(sum, scores);
    for (const gradOutput of [0.25, tensor(0.25), { data: Float32Array.of(0.25), shape: [] }]) {
      scores.grad = null;
      sum.forward(scores, TARGETS).backward(gradOutput);
      expectSameBits(
        bits(scores.grad),
        expected.map((g) => g * 0.25),
      );
    }
  });

  test("missing for 'none' is an error, after which it can be given", () => {
    const scores = makeScores(13);
    const loss = none.forward(scores, TARGETS);
    expectLossError(() => loss.backward(), 'ERR_BACKWARD', ['[4]', 'gradOutput']);
    expect(scores.grad).toBeNull();
    loss.backward([1, 1, 1, 1]);
    expectSameBits(bits(scores.grad), gradientOf(sum, scores));
  });

  test.each<[string, unknown, 'ERR_SHAPE' | 'ERR_DTYPE', string[]]>([
    ['too long', [1, 2, 3, 4, 5], 'ERR_SHAPE', ['[4]', '[5]']],
    ['one number', 1, 'ERR_SHAPE', ['[4]', '[]']],
    ['of length 1', [1], 'ERR_SHAPE', ['[4]', '[1]']],
    ['2-D', [[1, 2, 3, 4]], 'ERR_SHAPE', ['[4]', '[1, 4]']],
    ['int32', tensor([1, 2, 3, 4], { dtype: 'int32' }), 'ERR_DTYPE', ['int32']],
    ['a string', '1', 'ERR_DTYPE', ["'1'"]],
    ['null', null, 'ERR_DTYPE', ['null']],
    ['with a hole', withHole([1, 2, 3, 4], 1), 'ERR_DTYPE', ['gradOutput[1]', 'undefined']],
  ])('%s is an error, after which the right one can be given', (_name, gradOutput, code, parts) => {
    const scores = makeScores(14);
    const loss = none.forward(scores, TARGETS);
    expectLossError(() => loss.backward(untyped(gradOutput)), code, parts);
    expect(scores.grad).toBeNull();
    loss.backward([1, 1, 1, 1]);
    expectSameBits(bits(scores.grad), gradientOf(sum, scores));
  });

  test('is not modified', () => {
    const gradOutput = Float32Array.of(1, 2, 3, 4);
    none.forward(makeScores(15), TARGETS).backward(untyped(gradOutput));
    expect(Array.from(gradOutput)).toEqual([1, 2, 3, 4]);
  });

  test('does not leak into a loss computed before or after', () => {
    const scores = makeScores(16);
    const first = none.forward(scores, TARGETS);
    const second = none.forward(scores, TARGETS);
    first.backward([3, 3, 3, 3]);
    scores.grad = null;
    second.backward([1, 1, 1, 1]);
    expectSameBits(bits(scores.grad), gradientOf(sum, scores));
  });
});

describe('valueAndGrad', () => {
  const optionSets: MultiLabelMarginLossOptions[] = [
    {},
    { margin: 0.3 },
    { normalization: 'targets' },
    { targetOrder: 'ranked' },
    { nan: 'propagate' },
  ];

  test.each(REDUCTIONS.flatMap((reduction) => optionSets.map((options) => ({ ...options, reduction }))))(
    'equals forward and backward to the bit: %j',
    (options) => {
      const lossFn = new MultiLabelMarginLoss(options);
      for (const dtype of ['float32', 'float64'] as const) {
        const scores = makeScores(17, true, dtype);
        const { loss, grad } = lossFn.valueAndGrad(scores, TARGETS);
        expect(scores.grad).toBeNull();
        expect([loss.requires_grad, grad.requires_grad]).toEqual([false, false]);
        const differentiable = lossFn.forward(scores, TARGETS);
        expectSameBits(bits(differentiable), bits(loss));
        differentiable.backward(options.reduction === 'none' ? [1, 1, 1, 1] : undefined);
        expectSameBits(bits(scores.grad), bits(grad));
        // And the loss is the same where no gradient is computed with it.
        expectSameBits(bits(lossFn.forward(makeScores(17, false, dtype), TARGETS)), bits(loss));
      }
    },
  );
});

describe('memory', () => {
  const large = (): Tensor => tensor(Float32Array.from({ length: 3000 * 40 }, normal(18)), { shape: [3000, 40] });
  const largeTargets = Array.from({ length: 3000 }, (_, row) => [row % 40, (row * 7) % 40]);

  test('inputs are not modified', () => {
    for (const options of [{}, { targetOrder: 'ranked' }, { nan: 'propagate' }] as const) {
      const lossFn = new MultiLabelMarginLoss(options);
      const scores = Float32Array.of(1, Number.NaN, -0, 2, 1e-42, Number.POSITIVE_INFINITY);
      const int32 = Int32Array.of(3, 3, -1, 5);
      const int64 = BigInt64Array.of(3n, 3n, -1n, 5n);
      lossFn.valueAndGrad(scores, int32);
      lossFn.forward(scores, int64);
      expectSameBits(scores, Float32Array.of(1, Number.NaN, -0, 2, 1e-42, Number.POSITIVE_INFINITY));
      expect(int32).toEqual(Int32Array.of(3, 3, -1, 5));
      expect(int64).toEqual(BigInt64Array.of(3n, 3n, -1n, 5n));
    }
    const nested = [[1, 2, 3]];
    const ragged = [[0, 2]];
    sum.valueAndGrad(nested, ragged);
    expect([nested, ragged]).toEqual([[[1, 2, 3]], [[0, 2]]]);

    const batch = large();
    none.valueAndGrad(batch, largeTargets);
    expectSameBits(batch.data as Float32Array, large().data as Float32Array, 'score');
  });

  test('scores are not modified by forward and backward', () => {
    const scores = makeScores(19);
    const before = bits(scores);
    sum.forward(scores, TARGETS).backward();
    expectSameBits(bits(scores), before);
  });

  test('results belong to the caller: writing to one, or a later call, changes no other', () => {
    const scores = makeScores(20);
    const first = none.valueAndGrad(scores, TARGETS);
    const lossBits = bits(first.loss);
    const gradBits = bits(first.grad);
    // Later calls, one of them so large that it goes through in parts.
    none.valueAndGrad(large(), largeTargets);
    none.valueAndGrad(makeScores(21), TARGETS);
    expectSameBits(bits(first.loss), lossBits);
    expectSameBits(bits(first.grad), gradBits);

    first.loss.data.fill(untyped(7));
    first.grad.data.fill(untyped(7));
    const second = none.valueAndGrad(scores, TARGETS);
    expectSameBits(bits(second.loss), lossBits);
    expectSameBits(bits(second.grad), gradBits);
    expect(second.grad.data.buffer).not.toBe(first.grad.data.buffer);
    // They are as large as they need to be, and can be transferred to a worker.
    expect(second.grad.data.buffer.byteLength).toBe(4 * 20);
    const buffer = second.grad.data.buffer;
    expect(new Float32Array(structuredClone(buffer, { transfer: [buffer] }))).toEqual(Float32Array.from(gradBits));
    expectStillWorks(none);
  });

  test('grads of two tensors are not the same memory', () => {
    const a = makeScores(22);
    const b = makeScores(22);
    sum.forward(a, TARGETS).backward();
    sum.forward(b, TARGETS).backward();
    const before = bits(b.grad);
    a.grad!.data.fill(untyped(9));
    expectSameBits(bits(b.grad), before);
  });
});

describe('retain_graph', () => {
  test('keeps what backward() needs: gradients add up, unscaled by the calls before', () => {
    const scores = tensor([0.1, 0.2, 0.4, 0.8], { requires_grad: true });
    const loss = new MultiLabelMarginLoss().forward(scores, [3, 0]);
    loss.backward(2, { retain_graph: true });
    const first = scores.grad;
    expect(first?.tolist()).toEqual([-1, 1, 1, -1]);
    scores.grad = null;
    loss.backward(undefined, { retain_graph: true });
    expect(bits(scores.grad)).toEqual([-0.5, 0.5, 0.5, -0.5]);
    loss.backward();
    expect(bits(scores.grad)).toEqual([-1, 1, 1, -1]);
    expect(first?.tolist()).toEqual([-1, 1, 1, -1]);
    expectLossError(() => loss.backward(), 'ERR_BACKWARD', ['once', 'retain_graph']);
  });

  test('may be the only argument, as in PyTorch', () => {
    for (const reduction of ['mean', 'sum'] as const) {
      const scores = tensor([0.1, 0.2, 0.4, 0.8], { requires_grad: true });
      const loss = new MultiLabelMarginLoss({ reduction }).forward(scores, [3, 0]);
      loss.backward({ retain_graph: true });
      loss.backward({});
      expect(bits(scores.grad)).toEqual([-1, 1, 1, -1]);
      expectLossError(() => loss.backward({ retain_graph: true }), 'ERR_BACKWARD', ['once']);
    }
    const losses = none.forward(makeScores(21), TARGETS);
    expectLossError(() => losses.backward({ retain_graph: true }), 'ERR_BACKWARD', ['[4]', 'gradOutput']);
    expectLossError(() => losses.backward(untyped({ retainGraph: true })), 'ERR_OPTION', [
      "'retainGraph'",
      'retain_graph',
    ]);
    expectLossError(() => losses.backward(untyped({ data: [1] })), 'ERR_DTYPE', ['gradOutput']);
    expectLossError(() => losses.backward(untyped({ retain_graph: true }), {}), 'ERR_DTYPE', ['gradOutput']);
    expectLossError(() => losses.backward(untyped(null)), 'ERR_DTYPE', ['gradOutput', 'null']);
    losses.backward({ data: new Float32Array(4), shape: [4] });
  });

  test('is true or false', () => {
    const loss = new MultiLabelMarginLoss().forward(tensor([1, 2], { requires_grad: true }), [0]);
    expectLossError(() => loss.backward(undefined, { retain_graph: 1 as never }), 'ERR_OPTION', ['retain_graph', '1']);
    expectLossError(() => loss.backward(undefined, { retain: true } as never), 'ERR_OPTION', ["'retain'"]);
    loss.backward();
  });
});

describe('clone()', () => {
  test('copies, and backward() goes through it', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const scores = makeScores(22, true, dtype);
      const copy = scores.clone();
      expect(copy.data).not.toBe(scores.data);
      expectSameBits(bits(copy), bits(scores));
      expect([copy.shape, copy.dtype, copy.requires_grad]).toEqual([[4, 5], dtype, true]);
      const expected = gradientOf(sum, scores);
      sum.forward(copy.clone(), TARGETS).backward();
      expect(copy.grad).toBeNull();
      expectSameBits(bits(scores.grad), expected);
      // Two copies, and the scores themselves: 3 more of it, the sums of small multiples of a power of two.
      const [first, second] = [scores.clone(), scores.clone()];
      for (const each of [first, second, scores]) sum.forward(each, TARGETS).backward();
      expectSameBits(
        bits(scores.grad),
        expected.map((value) => 4 * value),
      );
    }
  });

  test('of a loss', () => {
    const scores = makeScores(23);
    const loss = none.forward(scores, TARGETS);
    const gradOutput = Float32Array.of(1, 0, 2, -1);
    loss.clone().backward(gradOutput);
    const expected = makeScores(23);
    none.forward(expected, TARGETS).backward(gradOutput);
    expectSameBits(bits(scores.grad), bits(expected.grad));
    expectLossError(() => loss.backward(gradOutput), 'ERR_BACKWARD', ['once']);
  });

  test('takes a gradOutput of any float type, and does not keep it', () => {
    const scores = makeScores(24);
    const gradOutput = Float32Array.from({ length: 20 }, (_, i) => i);
    scores.clone().backward(tensor(gradOutput, { shape: [4, 5] }));
    gradOutput.fill(-1);
    expect(bits(scores.grad)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    scores.clone().backward([1, 2, 3, 4].map(() => [1, 1, 1, 1, 1]));
    expect(scores.grad!.dtype).toBe('float32');
    expect(bits(scores.grad)[19]).toBe(20);
  });

  test('of integers, scalars and what needs no gradient', () => {
    const targets = tensor([[3, -1]], { dtype: 'int64' });
    expect(targets.clone().tolist()).toEqual([[3n, -1n]]);
    expect(tensor(2).clone().item()).toBe(2);
    expect(zeros(0, 2).clone().shape).toEqual([0, 2]);
    const copy = makeScores(25, false).clone();
    expect(copy.requires_grad).toBe(false);
    expectLossError(() => sum.forward(copy, TARGETS).backward(), 'ERR_BACKWARD', ['does not require a gradient']);
  });

  test('shared memory becomes memory of its own', () => {
    // A page that is not isolated has no SharedArrayBuffer, but it has this.
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const shared = tensor(new Float32Array(buffer, 0, 2));
    expect(Object.prototype.toString.call(shared.data.buffer)).toBe('[object SharedArrayBuffer]');
    expect(Object.prototype.toString.call(shared.clone().data.buffer)).toBe('[object ArrayBuffer]');
  });
});

describe('detach()', () => {
  test('shares memory, and ends autograd', () => {
    const scores = makeScores(26);
    const detached = scores.detach();
    expect(detached.data).toBe(scores.data);
    expect(detached.requires_grad).toBe(false);
    expect(sum.forward(detached, TARGETS).requires_grad).toBe(false);
    const loss = sum.forward(scores, TARGETS);
    expect(loss.detach().item()).toBe(loss.item());
    expectLossError(() => loss.detach().backward(), 'ERR_BACKWARD', ['does not require a gradient']);
    loss.backward();
    expect(scores.grad).not.toBeNull();
  });
});
