// The threads backend against the backend of one thread, to the bit; its tensors in shared memory; its end.

import {
  float64,
  int32,
  int64,
  LossError,
  MultiLabelMarginLoss as Loss,
  type MultiLabelMarginLossOptions,
  type Tensor,
} from '../../dist/index.js';
import { createThreadsBackend, type ThreadsBackend } from '../../dist/threads/index.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectLossError, expectSameBits, expectStillWorks, normal, uniform, untyped } from '../js/support.js';

let backend: ThreadsBackend;
beforeAll(async () => {
  backend = await createThreadsBackend({ threads: 2 });
});
afterAll(() => backend.dispose());

interface Input {
  scores: { data: Float32Array | Float64Array; shape: [number, number] };
  targets: { data: Int32Array | BigInt64Array; shape: [number, number] };
}

function makeInput(rows: number, classes: number, width: number, seed: number, dtypes = ''): Input {
  const score = normal(seed);
  const chance = uniform(seed + 1);
  const target = () => Math.floor(chance() * (classes + 1)) - 1;
  const count = { length: rows * classes };
  return {
    scores: {
      data: dtypes.includes('float64') ? Float64Array.from(count, score) : Float32Array.from(count, score),
      shape: [rows, classes],
    },
    targets: {
      data: dtypes.includes('int64')
        ? BigInt64Array.from({ length: rows * width }, () => BigInt(target()))
        : Int32Array.from({ length: rows * width }, target),
      shape: [rows, width],
    },
  };
}

/** Copies of the inputs in shared memory. */
function share(on: ThreadsBackend, { scores, targets }: Input): { scores: Tensor; targets: Tensor; grad: Tensor } {
  const dtype = scores.data instanceof Float64Array ? float64 : 'float32';
  const shared = {
    scores: on.zeros(scores.shape, { dtype }),
    targets: on.zeros(targets.shape, { dtype: targets.data instanceof Int32Array ? int32 : int64 }),
    grad: on.zeros(scores.shape, { dtype }),
  };
  shared.scores.data.set(scores.data);
  shared.targets.data.set(targets.data as never);
  return shared;
}

const floats = (t: Tensor): Float64Array => t.data as Float64Array;

function expectSame(actual: { loss: Tensor; grad: Tensor }, expected: { loss: Tensor; grad: Tensor }, what: string) {
  expect(actual.loss.shape).toEqual(expected.loss.shape);
  expectSameBits(floats(actual.loss), floats(expected.loss), `${what}: loss`);
  expectSameBits(floats(actual.grad), floats(expected.grad), `${what}: gradient`);
}

// Batches of one part and of several, with one row in each part, and with one that the staging memory must grow for. Some
// are left to one thread where all is copied.
const SHAPES = [
  [1000, 100, 3],
  [100, 1000, 5],
  [901, 333, 40],
  [7, 150_000, 60],
  [1, 400_000, 2],
  [5000, 10, 2],
] as const;

describe.each(['', 'float64', 'int64', 'float64 int64'])('%s', (dtypes) => {
  test.each(SHAPES)('%i x %i with %i targets: the bits of one thread', (rows, classes, width) => {
    const input = makeInput(rows, classes, width, rows, dtypes);
    const shared = share(backend, input);
    const optionSets: MultiLabelMarginLossOptions[] = [
      {},
      { reduction: 'none', margin: 0.5, nan: 'error' },
      { reduction: 'sum', targetOrder: 'ranked', normalization: 'targets' },
    ];
    for (const options of optionSets) {
      const expected = new Loss(options).valueAndGrad(input.scores, input.targets);
      const alone = new Loss(options).forward(input.scores, input.targets);
      const lossFn = new Loss({ ...options, backend });
      const into = { data: input.scores.data.slice().fill(7), shape: input.scores.shape };
      expectSame(lossFn.valueAndGrad(input.scores, input.targets), expected, 'copied');
      expectSame(lossFn.valueAndGrad(input.scores, input.targets, { grad: into }), expected, 'copied into');
      expectSame(lossFn.valueAndGrad(shared.scores as never, input.targets), expected, 'scores shared');
      expectSame(lossFn.valueAndGrad(input.scores, shared.targets), expected, 'targets shared');
      expectSame(
        lossFn.valueAndGrad(input.scores, input.targets, { grad: shared.grad as never }),
        expected,
        'gradient shared',
      );
      const { loss, grad } = lossFn.valueAndGrad(shared.scores as never, shared.targets, {
        grad: shared.grad as never,
      });
      expect(grad).toBe(shared.grad);
      expectSame({ loss, grad }, expected, 'all shared');
      expectSameBits(floats(lossFn.forward(input.scores, input.targets)), floats(alone), 'forward');
      expectSameBits(floats(lossFn.forward(shared.scores as never, shared.targets)), floats(alone), 'forward, shared');
      expectSameBits(floats(shared.scores), input.scores.data, 'shared scores afterwards');
    }
    // The gradient replaces the scores.
    const expected = new Loss().valueAndGrad(input.scores, input.targets);
    const inPlace = new Loss({ backend }).valueAndGrad(shared.scores as never, shared.targets, {
      grad: shared.scores as never,
    });
    expectSame(inPlace, expected, 'in place');
  });
});

test('from 1 to 16 threads: the same bits', async () => {
  const inputs = SHAPES.map(([rows, classes, width], i) => makeInput(rows, classes, width, 100 + i));
  const expected = inputs.map(({ scores, targets }) => new Loss().valueAndGrad(scores, targets));
  for (let threads = 1; threads <= 16; threads++) {
    const pool = await createThreadsBackend({ threads });
    expect(pool.threads).toBe(threads);
    const lossFn = new Loss({ backend: pool });
    for (let repetition = 0; repetition < 3; repetition++) {
      inputs.forEach(({ scores, targets }, i) => {
        expectSame(lossFn.valueAndGrad(scores, targets), expected[i]!, `${threads} threads`);
      });
    }
    pool.dispose();
  }
});

test('losses of two backends take turns', async () => {
  const other = await createThreadsBackend({ threads: 3 });
  const input = makeInput(300, 700, 4, 5);
  const expected = new Loss().valueAndGrad(input.scores, input.targets);
  const shared = share(other, input);
  for (let i = 0; i < 20; i++) {
    expectSame(new Loss({ backend }).valueAndGrad(input.scores, input.targets), expected, 'first');
    expectSame(new Loss({ backend: other }).valueAndGrad(shared.scores as never, input.targets), expected, 'second');
  }
  // One's tensor is just an array to the other.
  expectSame(new Loss({ backend }).valueAndGrad(shared.scores as never, input.targets), expected, 'foreign');
  other.dispose();
  expectSame(new Loss({ backend }).valueAndGrad(shared.scores as never, input.targets), expected, 'orphaned');
});

describe('createThreadsBackend', () => {
  test('says what it is', () => {
    expect(backend.name).toBe('threads');
    expect(backend.threads).toBe(2);
  });

  test.each([
    [{ threads: 0 }, ['threads', 'from 1 to 64', 'got 0']],
    [{ threads: 65 }, ['from 1 to 64', 'got 65']],
    [{ threads: 1.5 }, ['integer', 'got 1.5']],
    [{ threads: '2' }, ['integer', "got '2'"]],
    [{ threads: NaN }, ['integer', 'got NaN']],
    [{ thread: 2 }, ["unknown option 'thread'", 'threads']],
    [null, ['options', 'null']],
  ])('refuses %j', async (options, parts) => {
    const reason = await createThreadsBackend(untyped(options)).then(
      () => expect.fail('resolved'),
      (error: unknown) => error,
    );
    expectLossError(
      () => {
        throw reason;
      },
      'ERR_OPTION',
      parts,
    );
  });
});

describe('zeros', () => {
  test('of every dtype and shape', () => {
    for (const dtype of ['float32', 'float64', 'int32', 'int64'] as const) {
      const tensor = backend.zeros(3, 5, { dtype });
      expect([tensor.dtype, tensor.shape]).toEqual([dtype, [3, 5]]);
      expect(Array.from(tensor.data as Float32Array, Number)).toEqual(new Array(15).fill(0));
      expect(tensor.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
    expect(backend.zeros([]).item()).toBe(0);
    expect(backend.zeros(0, 4).data).toHaveLength(0);
    expect(backend.zeros([2], { requires_grad: true }).requires_grad).toBe(true);
  });

  test('that require a gradient', () => {
    const scores = backend.zeros([1, 4], { requires_grad: true });
    scores.data.set([0.1, 0.2, 0.4, 0.8]);
    new Loss({ backend }).forward(scores, [[3, 0, -1, 1]]).backward();
    expect(scores.grad!.tolist()).toEqual([[-0.5, 0.5, 0.5, -0.5]]);
  });

  test('bad shapes and options', () => {
    expectLossError(() => backend.zeros(-1), 'ERR_SHAPE', ['-1']);
    expectLossError(() => backend.zeros([2], untyped({ dtype: 'int8' })), 'ERR_OPTION', ['int8']);
  });

  test('more than fits', async () => {
    const small = await createThreadsBackend({ threads: 1 });
    expectLossError(() => small.zeros(2 ** 28), 'ERR_OUT_OF_MEMORY', ['268435456', 'float32', '1 GB']);
    expectLossError(() => small.zeros(2 ** 40), 'ERR_OUT_OF_MEMORY', ['1 GB']);
    let made = 0;
    expectLossError(
      () => {
        for (; made < 100; made++) small.zeros(2 ** 24);
      },
      'ERR_OUT_OF_MEMORY',
      ['dispose'],
    );
    expect(made).toBeGreaterThan(10);
    expect(made).toBeLessThan(16);
    // Tensors made before stay usable.
    expectStillWorks(new Loss({ backend: small }));
    small.dispose();
  });
});

describe('bad input', () => {
  test('is told, with its row in the whole batch, and nothing is written', () => {
    const lossFn = new Loss({ backend, nan: 'error' });
    const input = makeInput(1000, 1000, 5, 9);
    const shared = share(backend, input);
    input.targets.data[4999] = 1000;
    shared.targets.data[4999] = 1000;
    const grad = { data: new Float32Array(1e6).fill(7), shape: [1000, 1000] };
    const untouched = grad.data.slice();
    for (const scores of [input.scores, shared.scores]) {
      for (const targets of [input.targets, shared.targets]) {
        expectLossError(() => lossFn.valueAndGrad(scores as never, targets, { grad }), 'ERR_TARGET_RANGE', [
          'row 999',
          'column 4',
          '1000',
        ]);
      }
    }
    expectSameBits(grad.data, untouched, 'grad');
    input.targets.data[4999] = -1;
    input.scores.data[999_999] = NaN;
    expectLossError(() => lossFn.valueAndGrad(input.scores, input.targets, { grad }), 'ERR_NAN', [
      'row 999',
      'column 999',
    ]);
    expectSameBits(grad.data, untouched, 'grad');
    expectStillWorks(new Loss({ backend }));
  });

  test('a row that does not fit', () => {
    const targets = { data: new Int32Array(300e6), shape: [1, 300e6] };
    expectLossError(() => new Loss({ backend }).forward(backend.zeros(1, 4), targets), 'ERR_OUT_OF_MEMORY', [
      '300000000',
      '1 GB',
    ]);
    expectStillWorks(new Loss({ backend }));
  });

  test('a gradient over what is yet to be read', () => {
    const lossFn = new Loss({ backend });
    const room = backend.zeros(3000).data;
    const scores = { data: room.subarray(0, 1000), shape: [10, 100] };
    const grad = { data: room.subarray(500, 1500), shape: [10, 100] };
    const later = { data: backend.zeros(2 ** 20).data, shape: [2 ** 20] }; // memory grows: new buffers from here on
    expect(later.data).toHaveLength(2 ** 20);
    const targets = Array.from({ length: 10 }, () => [1]);
    expectLossError(() => lossFn.valueAndGrad(scores, targets, { grad }), 'ERR_SHAPE', ['share memory']);
    expect(room.every((value) => value === 0)).toBe(true);
  });
});

describe('dispose', () => {
  test('ends it for good, and can be called again', async () => {
    const pool = await createThreadsBackend({ threads: 2 });
    const lossFn = new Loss({ backend: pool });
    const scores = pool.zeros(1, 4);
    expectStillWorks(lossFn);
    pool.dispose();
    pool.dispose();
    for (const call of [
      () => lossFn.forward([[1, 2]], [[0]]),
      () => lossFn.valueAndGrad(scores, [[0]]),
      () => pool.zeros(3),
    ]) {
      expectLossError(call, 'ERR_DISPOSED', ['dispose']);
    }
    await expect(lossFn.forwardAsync([[1, 2]], [[0]])).rejects.toBeInstanceOf(LossError);
    // Its tensors are arrays still, also to others.
    expect(Array.from(scores.data)).toEqual([0, 0, 0, 0]);
    expect(new Loss().forward(scores, [[0]]).item()).toBe(0.75);
  });

  test.runIf(typeof Symbol.dispose === 'symbol')('by Symbol.dispose', async () => {
    const pool = await createThreadsBackend({ threads: 2 });
    pool[Symbol.dispose]();
    expectLossError(() => pool.zeros(3), 'ERR_DISPOSED', []);
  });
});

test('what is not a backend is refused', () => {
  for (const other of [null, 'threads', {}, 2, createThreadsBackend]) {
    expectLossError(() => new Loss({ backend: untyped(other) }), 'ERR_OPTION', ['backend']);
  }
});
