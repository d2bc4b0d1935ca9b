// The WebGPU backend against the backend of one thread, to the bit; buffers on the GPU; its errors and its end.

import { describe, expect, test, vi } from 'vitest';
import {
  LossError,
  type LossErrorCode,
  MultiLabelMarginLoss as Loss,
  type MultiLabelMarginLossOptions,
  Tensor,
} from '../../dist/index.js';
import { createThreadsBackend } from '../../dist/threads/index.js';
import { type AutoBackend, createAutoBackend, createWebGPUBackend, fromGPUBuffer } from '../../dist/webgpu/index.js';
import { BufferPool, Pipelines } from '../../dist/webgpu/device.js';
import { partsOf, rowTooLarge } from '../../dist/webgpu/plan.js';
import { reference } from '../js/reference.js';
import { expectSameBits, expectWithin, normal, permutation, uniform, untyped } from '../js/support.js';

vi.spyOn(console, 'warn').mockImplementation(() => {});

const backend = await createWebGPUBackend();
const { device } = backend;
const STORAGE = 0x80 | 0x8 | 0x4; // with COPY_DST and COPY_SRC

/** The device, but for what it says of itself: what it is asked to do is within that. */
function deviceWith(properties: Partial<Record<keyof GPUDevice, unknown>>): GPUDevice {
  const own = Object.create(device) as GPUDevice;
  for (const name of ['queue', 'lost', 'adapterInfo', 'limits', 'features'] as const) {
    Object.defineProperty(own, name, { value: properties[name] ?? device[name] });
  }
  for (const name of [
    'createBuffer',
    'createShaderModule',
    'createComputePipelineAsync',
    'createBindGroup',
    'createCommandEncoder',
    'pushErrorScope',
    'popErrorScope',
  ] as const) {
    Object.defineProperty(own, name, { value: properties[name] ?? device[name].bind(device) });
  }
  return own;
}

// The kernels without subgroup operations, which the adapter has.
const plain = await createWebGPUBackend({ device: deviceWith({ features: new Set() }) });

interface Input {
  scores: { data: Float32Array; shape: [number, number] };
  targets: { data: Int32Array | BigInt64Array; shape: [number, number] };
}

const SPECIAL = [NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-40, 1e30, -3e38];

function makeInput(rows: number, classes: number, width: number, seed: number, special = 0): Input {
  const score = normal(seed);
  const chance = uniform(seed + 1);
  return {
    scores: {
      data: Float32Array.from({ length: rows * classes }, () =>
        chance() < special ? SPECIAL[Math.floor(chance() * SPECIAL.length)]! : score(),
      ),
      shape: [rows, classes],
    },
    targets: {
      // Few are -1, so that most of a row counts, and many are listed twice.
      data: Int32Array.from({ length: rows * width }, (_, i) =>
        chance() < 0.5 / width && i % width > 0 ? -1 : Math.floor(chance() * classes),
      ),
      shape: [rows, width],
    },
  };
}

const floats = (t: Tensor): Float64Array => t.data as Float64Array;

function upload(data: Float32Array | Int32Array | BigInt64Array, on = device): GPUBuffer {
  const buffer = on.createBuffer({ size: Math.max(16, data.byteLength), usage: STORAGE });
  on.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
  return buffer;
}

async function download(buffer: GPUBuffer, length: number): Promise<Float32Array> {
  const copy = device.createBuffer({ size: length * 4, usage: 0x1 | 0x8 });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, copy, 0, length * 4);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(1);
  const data = new Float32Array(copy.getMappedRange()).slice();
  copy.destroy();
  return data;
}

async function expectRejection(promise: Promise<unknown>, code: LossErrorCode, parts: (string | RegExp)[]) {
  const error: unknown = await promise.then(
    () => expect.fail('resolved instead of failing'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LossError);
  expect((error as LossError).code, (error as LossError).message).toBe(code);
  for (const part of parts) expect((error as LossError).message).toMatch(part);
}

// Rows that share a workgroup and that have several; targets that are merged in one run and in several, and more than
// fit in workgroup memory.
const SHAPES = [
  [70, 10, 3],
  [9, 300, 20],
  [3, 2000, 7],
  [2, 600, 600],
  [2, 40_000, 30],
  [1, 3000, 2500],
] as const;

const OPTIONS: MultiLabelMarginLossOptions[] = [
  {},
  { reduction: 'none', margin: 0.1, normalization: 'targets', nan: 'propagate' },
  { reduction: 'sum', targetOrder: 'ranked', margin: 0 },
];

describe.each(SHAPES)('%i x %i, %i targets', (rows, classes, width) => {
  test.each(OPTIONS)("%j: one thread's gradient to the bit, and its loss but for a rounding", async (options) => {
    for (const special of [0, 0.02]) {
      const { scores, targets } = makeInput(rows, classes, width, rows, special);
      const expected = new Loss(options).valueAndGrad(scores, targets);
      const lossFn = new Loss({ ...options, backend });
      const { loss, grad } = await lossFn.valueAndGradAsync(scores, targets);
      expect(loss.shape).toEqual(expected.loss.shape);
      expectSameBits(floats(grad), floats(expected.grad), 'gradient');
      const bounds = Array.from(floats(expected.loss), (one) => 2 ** -23 * one);
      expectWithin(floats(loss), floats(expected.loss), bounds, 'loss');
      expectSameBits(floats(await lossFn.forwardAsync(scores, targets)), floats(loss), 'loss without gradient');
      const without = await new Loss({ ...options, backend: plain }).valueAndGradAsync(scores, targets);
      expectSameBits(floats(without.grad), floats(expected.grad), 'gradient without subgroups');
      expectSameBits(floats(without.loss), floats(loss), 'loss without subgroups');
    }
  });
});

test('subgroup operations are for devices that have them', async () => {
  for (const features of [[], ['subgroups']]) {
    const createShaderModule = vi.fn((descriptor: GPUShaderModuleDescriptor) => device.createShaderModule(descriptor));
    if (features.some((feature) => !device.features.has(feature))) continue;
    const guest = await createWebGPUBackend({
      device: deviceWith({ features: new Set(features), createShaderModule }),
    });
    expect((await new Loss({ backend: guest }).forwardAsync([[1, 2]], [[0]])).item()).toBe(1);
    const enabling = createShaderModule.mock.calls.filter(([{ code }]) => code.includes('enable subgroups;'));
    expect(enabling.length > 0).toBe(features.length > 0);
    guest.dispose();
  }
});

test('16 x 100,000 with 200 targets: the loss within a rounding of the reference', async () => {
  const { scores, targets } = makeInput(16, 100_000, 200, 5);
  const lists = Array.from({ length: 16 }, (_, row) =>
    Array.from(targets.data.slice(row * 200, row * 200 + 200), Number),
  );
  const exact = reference({ scores: scores.data, rows: 16, classes: 100_000, targets: lists });
  const { loss } = await new Loss({ backend }).valueAndGradAsync(scores, targets);
  expect(exact.lossBound).toBeLessThan(1e-6 * exact.loss);
  expectWithin(floats(loss), [exact.loss], exact.lossBound, 'loss');
});

describe('a target that is listed many times', () => {
  // Row 0 of these shapes has one class, 0, as every target; every other class violates its threshold.
  test.each([
    [5, 9, 'ignored'],
    [3, 70_000, 'ignored'],
    [2, 70_000, 'ranked'],
    [70_000, 70_000, 'ignored'], // more pairs than 32 bits count
  ] as const)('%i classes, %i times, %s', async (classes, times, targetOrder) => {
    const scores = Float32Array.from({ length: classes }, (_, j) => (j === 0 ? -10 : j / classes));
    const targets = { data: new Int32Array(times), shape: [1, times] };
    const lossFn = new Loss({ backend, targetOrder });
    const { loss, grad } = await lossFn.valueAndGradAsync({ data: scores, shape: [1, classes] }, targets);
    // The count is exact; its product with 1 / C is rounded to float64 and then to float32. A copy's ranked pairs with
    // other copies change its count by as much as theirs.
    const pairs = times * (classes - 1);
    const expected = new Float32Array(classes).fill(times * Math.fround(1 / classes));
    expected[0] = -pairs / classes;
    expectSameBits(grad.data, expected, 'gradient');
    let sum = targetOrder === 'ranked' ? (times * (times - 1)) / 2 : 0;
    for (let j = 1; j < classes; j++) sum += times * (scores[j]! + 11);
    // A sum of up to 70,000 terms in float64 here, another there, and the rounding to float32.
    expectWithin(loss.data, [sum / classes], (2 * classes * 2 ** -53 + 2 ** -24) * (sum / classes), 'loss');
  });
});

test('thresholds are those of float32: the loss is that of the pairs as they were compared', async () => {
  const scores = Float32Array.of(-0.3, -1.2999);
  const { loss } = await new Loss({ backend }).valueAndGradAsync({ data: scores, shape: [1, 2] }, [[0]]);
  const hinge = Math.fround(1 - scores[0]!) + scores[1]!;
  // 6e-4 of the loss away from the hinge in real arithmetic.
  expect(Math.abs(1 - scores[0]! + scores[1]! - hinge)).toBeGreaterThan(1e-4 * hinge);
  expect(loss.item()).toBe(Math.fround(hinge / 2));
});

test('scores far from 0: the loss keeps what float64 would', async () => {
  const { scores, targets } = makeInput(5, 500, 40, 3);
  for (const shift of [1e6, -3e7]) {
    const data = scores.data.map((score) => score + shift);
    const lists = Array.from({ length: 5 }, (_, row) =>
      Array.from(targets.data.slice(row * 40, row * 40 + 40), Number),
    );
    const active = lists.map((row) => row.slice(0, row.includes(-1) ? row.indexOf(-1) : undefined));
    const exact = reference({ scores: data, rows: 5, classes: 500, targets: active }, { reduction: 'none' });
    const { loss } = await new Loss({ backend, reduction: 'none' }).valueAndGradAsync(
      { data, shape: [5, 500] },
      active,
    );
    expectWithin(floats(loss), exact.losses, exact.lossBounds, 'loss');
  }
});

describe('empty', () => {
  test.each([
    ['none', [0], []],
    ['sum', [], [0]],
    ['mean', [], [NaN]],
  ] as const)('batch, %s', async (reduction, shape, values) => {
    const scores = { data: new Float32Array(0), shape: [0, 5] };
    const { loss, grad } = await new Loss({ backend, reduction }).valueAndGradAsync(scores, []);
    expect(loss.shape).toEqual(shape);
    expectSameBits(floats(loss), values);
    expect(grad.shape).toEqual([0, 5]);
  });

  test('targets', async () => {
    for (const targets of [{ data: new Int32Array(0), shape: [2, 0] }, [[], []], [[-1], [-1, 0]]]) {
      const { loss, grad } = await new Loss({ backend }).valueAndGradAsync([[1, 2], [3, 4]], targets); // prettier-ignore
      expect(loss.item()).toBe(0);
      expect(grad.tolist()).toEqual([[0, 0], [0, 0]]); // prettier-ignore
    }
  });
});

describe('weights of rows and unknown classes', () => {
  /** Targets as of makeInput(), and up to `most` unknown classes a row that are no targets. */
  function makePartial(rows: number, classes: number, width: number, most: number, seed: number) {
    const input = makeInput(rows, classes, width, seed, 0.01);
    const chance = uniform(seed + 2);
    const data = new Int32Array(rows * most).fill(-1);
    for (let row = 0; row < rows; row++) {
      const targets = Array.from(input.targets.data.subarray(row * width, (row + 1) * width), Number);
      const others = permutation(classes, chance).filter((column) => !targets.includes(column));
      others.slice(0, Math.floor(chance() * (most + 1))).forEach((column, i) => {
        data[row * most + i] = column;
      });
    }
    const sampleWeight = Float32Array.from({ length: rows }, (_, row) => (row % 3 === 1 ? 0 : 2 * chance()));
    return { ...input, unknown: { data, shape: [rows, most] as [number, number] }, sampleWeight };
  }

  const shapes = [
    [70, 10, 3, 3],
    [9, 300, 20, 200],
    [3, 700, 300, 150],
    [2, 40_000, 10, 100],
  ] as const;
  test.each(shapes)('%i x %i, %i targets, %i unknown', async (rows, classes, width, most) => {
    const { scores, targets, unknown, sampleWeight } = makePartial(rows, classes, width, most, rows);
    const onGPU = fromGPUBuffer(upload(scores.data), { shape: scores.shape });
    const targetsOnGPU = fromGPUBuffer(upload(targets.data), { shape: targets.shape, dtype: 'int32' });
    const wide = { data: BigInt64Array.from(unknown.data, BigInt), shape: unknown.shape };
    for (const options of OPTIONS) {
      for (const given of [{ unknown }, { sampleWeight }, { unknown: wide, sampleWeight }]) {
        const expected = new Loss(options).valueAndGrad(scores, targets, given);
        const bounds = Array.from(floats(expected.loss), (one) => 2 ** -23 * one);
        for (const one of [backend, plain]) {
          const { loss, grad } = await new Loss({ ...options, backend: one }).valueAndGradAsync(scores, targets, given);
          expectSameBits(floats(grad), floats(expected.grad), 'gradient');
          expectWithin(floats(loss), floats(expected.loss), bounds, 'loss');
        }
        const resident = await new Loss({ ...options, backend }).valueAndGradAsync(onGPU, targetsOnGPU, given);
        expectSameBits(
          await download(resident.grad.buffer, rows * classes),
          floats(expected.grad),
          'resident gradient',
        );
        resident.grad.buffer.destroy();
      }
    }
  });

  test('in several parts, and in slices of a row', async () => {
    const limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 17 + 512 };
    const split = await createWebGPUBackend({ device: deviceWith({ limits }) });
    for (const [rows, classes, width, most] of [
      [2, 70_000, 30, 40],
      [90, 1000, 100, 60],
    ] as const) {
      const { scores, targets, unknown, sampleWeight } = makePartial(rows, classes, width, most, 3);
      for (const options of OPTIONS) {
        const expected = new Loss(options).valueAndGrad(scores, targets, { unknown, sampleWeight });
        const { grad } = await new Loss({ ...options, backend: split }).valueAndGradAsync(scores, targets, {
          unknown,
          sampleWeight,
        });
        expectSameBits(floats(grad), floats(expected.grad), 'gradient');
      }
    }
    split.dispose();
  });

  test('an unknown class that is a target, or no class, is named, and nothing is written', async () => {
    const grad = { data: new Float32Array(8).fill(7), shape: [2, 4] };
    const lossFn = new Loss({ backend });
    const scores = [[1, 2, 3, 4], [4, 3, 2, 1]]; // prettier-ignore
    const targets = [[0, 2], [1, -1]]; // prettier-ignore
    for (const [unknown, parts] of [
      [
        [[1], [3, 1]],
        ['unknown class 1 at row 1, column 1', 'target'],
      ],
      [
        [[1], [3, 4]],
        ['unknown class 4 at row 1, column 1', '[0, 4)'],
      ],
      [[[-2], [3, 4]], ['unknown class -2 at row 0, column 0']],
    ] as [number[][], string[]][]) {
      await expectRejection(lossFn.valueAndGradAsync(scores, targets, { unknown, grad }), 'ERR_TARGET_RANGE', parts);
    }
    expectSameBits(grad.data, new Float32Array(8).fill(7), 'gradient');
    // What comes after a -1 is no target, and none is unknown either.
    const { loss } = await lossFn.valueAndGradAsync([[1, 2, 3]], [[0, -1, 1]], { unknown: [[1, -1, 0]] });
    expect(loss.item()).toBe(1);
  });

  test('weight 0: no loss and no gradient, whatever the scores', async () => {
    const lossFn = new Loss({ backend, reduction: 'none', nan: 'propagate' });
    const scores = [[NaN, 1, 2], [-Infinity, 1, 2], [NaN, 1, 2]]; // prettier-ignore
    const { loss, grad } = await lossFn.valueAndGradAsync(scores, [[0], [0], [0]], { sampleWeight: [0, 0, 1] });
    expect(loss.tolist()).toEqual([0, 0, NaN]);
    expect(grad.tolist()).toEqual([[0, 0, 0], [0, 0, 0], [NaN, NaN, NaN]]); // prettier-ignore
  });

  test('weights that a GPU could round to 0 or to infinity are refused', async () => {
    const lossFn = new Loss({ backend });
    for (const weight of [2 ** -99, 1e-40, 2 ** 63]) {
      await expectRejection(
        lossFn.forwardAsync(
          [
            [1, 2],
            [1, 2],
          ],
          [[0], [0]],
          { sampleWeight: [1, weight] },
        ),
        'ERR_OPTION',
        [
          // prettier-ignore
          'sampleWeight',
          `got ${weight} for row 1`,
        ],
      );
    }
    const { loss } = await lossFn.valueAndGradAsync([[1, 2]], [[0]], { sampleWeight: [2 ** -90] });
    expect(loss.item()).toBe(2 ** -90);
  });
});

describe('arrays in other memory', () => {
  /** The constructors of another realm. */
  async function otherRealm(): Promise<typeof globalThis> {
    if (typeof document === 'undefined') {
      const name = 'node:vm';
      const { runInNewContext } = (await import(/* @vite-ignore */ name)) as typeof import('node:vm');
      return runInNewContext('globalThis') as typeof globalThis;
    }
    const frame = document.createElement('iframe');
    document.body.append(frame);
    return frame.contentWindow as unknown as typeof globalThis;
  }

  type Make = (bytes: number) => { buffer: ArrayBufferLike; realm: typeof globalThis };
  const kinds: [string, () => Make | Promise<Make>][] = [
    ['shared', () => (bytes) => ({ buffer: new SharedArrayBuffer(bytes), realm: globalThis })],
    [
      'resizable',
      () => (bytes) => ({
        buffer: Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: 2 * bytes }]) as ArrayBuffer,
        realm: globalThis,
      }),
    ],
    [
      'of another realm',
      async () => {
        const realm = await otherRealm();
        return (bytes) => ({ buffer: new realm.ArrayBuffer(bytes), realm });
      },
    ],
  ];
  // Shared memory is not for every page, and resizable memory not for every engine.
  const here = kinds.filter(
    ([kind]) =>
      (kind !== 'shared' || typeof SharedArrayBuffer !== 'undefined') &&
      (kind !== 'resizable' || 'resizable' in ArrayBuffer.prototype),
  );

  test.each(here)('%s: the results of arrays of this realm', async (_kind, prepare) => {
    const make = await prepare();
    const { scores, targets } = makeInput(5, 60, 4, 12);
    // At an offset, so that a copy has to know where the elements begin.
    const move = (name: 'Float32Array' | 'Int32Array' | 'BigInt64Array', from: ArrayLike<never>) => {
      const { buffer, realm } = make(16 + from.length * realmBytes[name]);
      const data = new realm[name](buffer as ArrayBuffer, 16, from.length);
      data.set(from);
      return data as never;
    };
    const realmBytes = { Float32Array: 4, Int32Array: 4, BigInt64Array: 8 };
    const lossFn = new Loss({ backend });
    const expected = await lossFn.valueAndGradAsync(scores, targets);
    const moved = { data: move('Float32Array', scores.data as never), shape: scores.shape };
    const wide = BigInt64Array.from(targets.data as Int32Array, BigInt);
    for (const data of [move('Int32Array', targets.data as never), move('BigInt64Array', wide as never)]) {
      const grad = { data: move('Float32Array', new Float32Array(300) as never), shape: scores.shape };
      const { loss } = await lossFn.valueAndGradAsync(moved, { data, shape: targets.shape }, { grad });
      expectSameBits(floats(loss), floats(expected.loss), 'loss');
      expectSameBits(grad.data, floats(expected.grad), 'gradient');
    }
  });

  test('float64 of another realm is refused, and computed on the CPU by createAutoBackend()', async () => {
    const realm = await otherRealm();
    const scores = { data: realm.Float64Array.of(0.1, 0.2, 0.4, 0.8), shape: [1, 4] };
    await expectRejection(new Loss({ backend }).forwardAsync(scores, [[3, 0]]), 'ERR_DTYPE', ['float64']);
    const auto = await createAutoBackend({ webgpu: backend });
    const { loss } = await new Loss({ backend: withCrossover(auto, 0) }).valueAndGradAsync(scores, [[3, 0]]);
    expect(loss.dtype).toBe('float64');
    expect(loss.item()).toBeCloseTo(0.85, 12);
  });

  test.runIf(typeof SharedArrayBuffer !== 'undefined')('tensors of threads go to the GPU', async () => {
    using threads = await createThreadsBackend({ threads: 2 });
    const { scores, targets } = makeInput(5, 60, 4, 12);
    const shared = threads.zeros(5, 60);
    shared.data.set(scores.data);
    const auto = withCrossover(await createAutoBackend({ webgpu: backend, threads }), 0);
    expect(auto.choose(300).backend).toBe(backend);
    const { loss } = await new Loss({ backend: auto }).valueAndGradAsync(shared, targets, { grad: shared });
    const expected = await new Loss({ backend }).valueAndGradAsync(scores, targets);
    expectSameBits(floats(loss), floats(expected.loss), 'loss');
    expectSameBits(shared.data, floats(expected.grad), 'gradient');
  });

  test('what the GPU refuses is computed on the CPU by createAutoBackend(), whatever the size', async () => {
    const { scores, targets } = makeInput(5, 60, 4, 12);
    const margin = 2 ** -110;
    await expectRejection(new Loss({ backend, margin }).forwardAsync(scores, targets), 'ERR_OPTION', ['margin']);
    const auto = withCrossover(await createAutoBackend({ webgpu: backend }), 0);
    const { loss, grad } = await new Loss({ backend: auto, margin }).valueAndGradAsync(scores, targets);
    const expected = new Loss({ margin }).valueAndGrad(scores, targets);
    expectSameBits(floats(loss), floats(expected.loss), 'loss');
    expectSameBits(floats(grad), floats(expected.grad), 'gradient');

    for (const normalization of ['classes', 'targets'] as const) {
      for (const weight of [2 ** -98, 2 ** 70]) {
        const sampleWeight = Float32Array.of(1, 0, weight, 1, 1);
        const options = { normalization, reduction: 'sum' } as const;
        const wanted = new Loss(options).valueAndGrad(scores, targets, { sampleWeight });
        const given = await new Loss({ ...options, backend: auto }).valueAndGradAsync(scores, targets, {
          sampleWeight,
        });
        expectSameBits(floats(given.loss), floats(wanted.loss), 'loss');
        expectSameBits(floats(given.grad), floats(wanted.grad), 'gradient');
      }
    }

    const limits = { maxBufferSize: 128, maxStorageBufferBindingSize: 128 };
    const small = await createWebGPUBackend({ device: deviceWith({ limits }) });
    await expectRejection(new Loss({ backend: small }).forwardAsync(scores, targets), 'ERR_OUT_OF_MEMORY', [
      '60 scores',
    ]);
    const other = new Loss({ backend: Object.defineProperty(auto, 'webgpu', { value: small }) });
    expectSameBits(
      floats(await other.forwardAsync(scores, targets)),
      floats(new Loss().forward(scores, targets)),
      'loss',
    );
  });

  /** The backend, as if the GPU had been measured to be quicker from so many scores. */
  function withCrossover(auto: AutoBackend, crossover: number): AutoBackend {
    return Object.defineProperty(auto, 'crossover', { value: crossover });
  }
});

describe('buffers on the GPU', () => {
  test.each(['int32', 'int64'] as const)(
    'scores and %s targets are used where they are, and so is the gradient',
    async (dtype) => {
      const { scores, targets } = makeInput(6, 333, 5, 8);
      const data = dtype === 'int32' ? targets.data : BigInt64Array.from(targets.data as Int32Array, BigInt);
      const expected = new Loss().valueAndGrad(scores, targets);
      const lossFn = new Loss({ backend });
      const onGPU = fromGPUBuffer(upload(scores.data), { shape: scores.shape });
      const targetsOnGPU = fromGPUBuffer(upload(data), { shape: targets.shape, dtype });
      const own = await lossFn.valueAndGradAsync(onGPU, targetsOnGPU);
      expect(own.grad.shape).toEqual([6, 333]);
      const into = fromGPUBuffer(upload(new Float32Array(6 * 333).fill(7)), { shape: [6, 333] });
      const given = await lossFn.valueAndGradAsync(onGPU, targets, { grad: into });
      expect(given.grad).toBe(into);
      const uploaded = await lossFn.valueAndGradAsync(scores, targetsOnGPU, { grad: into });
      const array = { data: new Float32Array(6 * 333), shape: [6, 333] };
      const downloaded = await lossFn.valueAndGradAsync(onGPU, targetsOnGPU, { grad: array });
      for (const { loss } of [own, given, uploaded, downloaded])
        expectSameBits(floats(loss), floats(expected.loss), 'loss');
      for (const { buffer } of [own.grad, into]) {
        expectSameBits(await download(buffer, 6 * 333), floats(expected.grad), 'gradient');
      }
      expectSameBits(array.data, floats(expected.grad), 'gradient in an array');
      expectSameBits(floats(await lossFn.forwardAsync(onGPU, targetsOnGPU)), floats(expected.loss), 'loss alone');
      own.grad.buffer.destroy();
    },
  );

  test('the error for a target out of range names its value, and nothing is written', async () => {
    const { scores } = makeInput(3, 50, 4, 8);
    const lossFn = new Loss({ backend });
    const grad = fromGPUBuffer(upload(new Float32Array(150).fill(7)), { shape: [3, 50] });
    const untouched = { data: new Float32Array(150).fill(7), shape: [3, 50] };
    for (const [value, row, column] of [
      [50, 0, 0],
      [-2, 1, 3],
      [2 ** 31 - 1, 2, 3],
      [-(2 ** 31), 2, 0],
    ] as const) {
      // prettier-ignore
      const data = new Int32Array(12).fill(-1);
      data[row * 4 + column] = value;
      if (row < 2) data[11] = 77; // the error names the first
      const parts = [`target ${value} at row ${row}, column ${column} `, '[0, 50)'];
      const wide = BigInt64Array.from(data, BigInt);
      for (const targets of [
        { data, shape: [3, 4] },
        { data: wide, shape: [3, 4] },
        fromGPUBuffer(upload(data), { shape: [3, 4], dtype: 'int32' }),
        fromGPUBuffer(upload(wide), { shape: [3, 4], dtype: 'int64' }),
      ]) {
        await expectRejection(lossFn.valueAndGradAsync(scores, targets, { grad }), 'ERR_TARGET_RANGE', parts);
        await expectRejection(
          lossFn.valueAndGradAsync(scores, targets, { grad: untouched }),
          'ERR_TARGET_RANGE',
          parts,
        );
        await expectRejection(lossFn.forwardAsync(scores, targets), 'ERR_TARGET_RANGE', parts);
      }
    }
    const huge = fromGPUBuffer(upload(BigInt64Array.of(0n, 2n ** 53n + 1n)), { shape: [2], dtype: 'int64' });
    await expectRejection(lossFn.forwardAsync([1, 2, 3], huge), 'ERR_TARGET_RANGE', [
      'target 9007199254740993 at row 0, column 1',
    ]);
    expectSameBits(await download(grad.buffer, 150), new Float32Array(150).fill(7), 'gradient');
    expectSameBits(untouched.data, new Float32Array(150).fill(7), 'gradient in an array');
    expect((await lossFn.valueAndGradAsync([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]])).grad.tolist()).toEqual([[-0.5, 0.5, 0.5, -0.5]]); // prettier-ignore
  });

  test('the error for a NaN score names its place', async () => {
    const { scores, targets } = makeInput(4, 700, 3, 9);
    scores.data[3 * 700 + 5] = NaN;
    scores.data[2 * 700 + 699] = NaN;
    await expectRejection(new Loss({ backend, nan: 'error' }).forwardAsync(scores, targets), 'ERR_NAN', [
      'row 2, column 699',
    ]);
  });

  test('what is no such buffer is refused', async () => {
    const buffer = upload(new Float32Array(8));
    const refused = (call: () => unknown, code: LossErrorCode, part: string) => {
      expect(call).toThrow(
        expect.objectContaining({ name: 'LossError', code, message: expect.stringContaining(part) }),
      );
    };
    refused(() => fromGPUBuffer(buffer, { shape: [3, 3] }), 'ERR_SHAPE', '36 bytes, the buffer has 32');
    refused(() => fromGPUBuffer(buffer, { shape: [5], dtype: 'int64' }), 'ERR_SHAPE', '40 bytes');
    refused(() => fromGPUBuffer(buffer, { shape: [-1] }), 'ERR_SHAPE', '-1');
    refused(() => fromGPUBuffer(buffer, { shape: [1], dtype: untyped('float64') }), 'ERR_DTYPE', "'float64'");
    refused(() => fromGPUBuffer(untyped({}), { shape: [1] }), 'ERR_DTYPE', 'an object');
    refused(
      () => fromGPUBuffer(device.createBuffer({ size: 16, usage: 0x8 }), { shape: [1] }),
      'ERR_OPTION',
      'STORAGE',
    );
    const scores = fromGPUBuffer(buffer, { shape: [2, 4] });
    const lossFn = new Loss({ backend });
    await expectRejection(lossFn.valueAndGradAsync(scores, [[0], [1]], { grad: scores }), 'ERR_SHAPE', [
      'share memory',
    ]);
    await expectRejection(lossFn.forwardAsync(scores, fromGPUBuffer(buffer, { shape: [2, 1] })), 'ERR_DTYPE', [
      'int32 or int64',
    ]);
    await expectRejection(new Loss().forwardAsync(scores, [[0], [1]]), 'ERR_DTYPE', ['WebGPU backend']);
    expect(() => new Loss().forward(untyped(scores), [[0], [1]])).toThrow(/WebGPU backend/);
  });

  test("another device's buffer", async () => {
    const other = await createWebGPUBackend();
    const scores = fromGPUBuffer(upload(new Float32Array(8), other.device), { shape: [2, 4] });
    await expectRejection(new Loss({ backend }).forwardAsync(scores, [[0], [1]]), 'ERR_BACKEND_UNAVAILABLE', [
      "this backend's device",
    ]);
    other.dispose();
  });
});

describe('what it cannot do', () => {
  const lossFn = new Loss({ backend });
  test('results at once', () => {
    expect(() => lossFn.forward([[1, 2]], [[0]])).toThrow(/webgpu backend.*forwardAsync\(\)/);
    expect(() => lossFn.valueAndGrad([[1, 2]], [[0]])).toThrow(/webgpu backend.*valueAndGradAsync\(\)/);
  });

  test('float64, and margins that a GPU would flush to 0', async () => {
    const scores = { data: new Float64Array(2), shape: [1, 2] };
    await expectRejection(lossFn.forwardAsync(scores, [[0]]), 'ERR_DTYPE', ['float32', 'float64']);
    await expectRejection(new Loss({ backend, margin: 1e-40 }).forwardAsync([[1, 2]], [[0]]), 'ERR_OPTION', [
      'margin',
      '1e-40',
    ]);
  });

  test('rows that exceed the device', () => {
    const { maxBufferSize } = device.limits;
    const limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
    const sizes = { rows: 3, classes: 4, width: 1, unknownWidth: 0, targetBytes: 4 };
    expect(rowTooLarge(sizes, limits)).toBe(null);
    expect(rowTooLarge({ ...sizes, width: 2 ** 24 }, limits)).toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message: expect.stringContaining('16777216 targets') as string,
    });
    expect(rowTooLarge({ ...sizes, classes: 2 ** 27 }, limits)?.message).toMatch(/134217728 scores/);
    expect(maxBufferSize).toBeGreaterThanOrEqual(2 ** 28);
  });
});

describe('parts', () => {
  const limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
  test('are whole rows that can be bound, or classes of one row', () => {
    for (const [rows, classes, width] of [
      [10, 10, 2],
      [100_000, 1000, 5],
      [3, 2 ** 25, 7],
      [2, 5e7, 3],
      [5, 100, 50_000],
    ] as const) {
      // prettier-ignore
      const parts = partsOf({ rows, classes, width, unknownWidth: 0, targetBytes: 8 }, limits);
      expect(parts.reduce((sum, part) => sum + part.rows, 0)).toBe(rows);
      let row = 0;
      for (const part of parts) {
        expect(part.firstRow).toBe(row);
        row += part.rows;
        let column = 0;
        for (const [begin, end] of part.slices) {
          expect(begin).toBe(column);
          column = end;
          // With what is left over before an aligned offset.
          expect(((part.rows - 1) * classes + end - begin) * 4 + 256).toBeLessThanOrEqual(2 ** 27);
        }
        expect(column).toBe(classes);
        if (part.slices.length > 1) expect(part.rows).toBe(1);
      }
    }
  });

  test('of a batch, and slices of a row, give what the whole does', async () => {
    const limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 17 + 512 };
    const small = deviceWith({ limits });
    const split = await createWebGPUBackend({ device: small });
    for (const [rows, classes, width] of [
      [2, 70_000, 30],
      [90, 1000, 400],
    ] as const) {
      // prettier-ignore
      const { scores, targets } = makeInput(rows, classes, width, 77, 0.001);
      const onGPU = fromGPUBuffer(upload(scores.data), { shape: scores.shape });
      for (const options of OPTIONS) {
        const expected = new Loss(options).valueAndGrad(scores, targets);
        const lossFn = new Loss({ ...options, backend: split });
        const { loss, grad } = await lossFn.valueAndGradAsync(scores, targets);
        expectSameBits(floats(grad), floats(expected.grad), 'gradient');
        expectWithin(floats(loss), floats(expected.loss), Array.from(floats(expected.loss), (one) => 2 ** -23 * one), 'loss'); // prettier-ignore
        const there = await lossFn.valueAndGradAsync(onGPU, targets);
        const buffer = there.grad.buffer;
        expectSameBits(await download(buffer, rows * classes), floats(expected.grad), 'gradient on the GPU');
        buffer.destroy();
      }
      targets.data[targets.data.length - 1] = classes;
      const into = { data: new Float32Array(rows * classes).fill(7), shape: [rows, classes] };
      await expectRejection(new Loss({ backend: split }).valueAndGradAsync(scores, targets, { grad: into }), 'ERR_TARGET_RANGE', [`row ${rows - 1}, column ${width - 1}`]); // prettier-ignore
      expect(into.data.every((value) => value === 7)).toBe(true);
    }
    split.dispose();
  });
});

test('calls that are under way together do not mix', async () => {
  const inputs = Array.from({ length: 12 }, (_, i) => makeInput(3 + (i % 5), 20 + 90 * (i % 4), 2 + i, i));
  const results = await Promise.all(
    inputs.map(({ scores, targets }) => new Loss({ backend }).valueAndGradAsync(scores, targets)),
  );
  inputs.forEach(({ scores, targets }, i) => {
    const expected = new Loss().valueAndGrad(scores, targets);
    expectSameBits(floats(results[i]!.loss), floats(expected.loss), `loss ${i}`);
    expectSameBits(floats(results[i]!.grad), floats(expected.grad), `gradient ${i}`);
  });
});

test('backward() of a loss that was awaited', async () => {
  const scores = new Tensor<'float32'>(Float32Array.of(0.1, 0.2, 0.4, 0.8), [1, 4], true);
  const loss = await new Loss({ backend }).forwardAsync(scores, [[3, 0, -1, 1]]);
  loss.backward();
  expect(scores.grad!.tolist()).toEqual([[-0.5, 0.5, 0.5, -0.5]]);
});

describe('pipelines', () => {
  test('are compiled once, also when asked for at once', async () => {
    const compile = vi.spyOn(device, 'createComputePipelineAsync');
    const pipelines = new Pipelines(device);
    const kernel = { label: 'nothing', code: '@compute @workgroup_size(1) fn main() {}', bindings: [] };
    const [a, b] = await Promise.all([pipelines.get(kernel), pipelines.get(kernel)]);
    expect(a).toBe(b);
    expect(a.label).toBe('nothing');
    expect(await pipelines.get(kernel)).toBe(a);
    expect(compile).toHaveBeenCalledTimes(1);
    compile.mockRestore();
  });

  test("that do not compile: the error has the compiler's message, and the next call tries again", async () => {
    const pipelines = new Pipelines(device);
    const code = '@compute @workgroup_size(1) fn main() { let a: u32 = 1.5; }';
    const kernel = { label: 'a wrong one', code, bindings: [] };
    await expectRejection(pipelines.get(kernel), 'ERR_BACKEND_UNAVAILABLE', ["'a wrong one'", 'error 1:', 'u32']);
    await expectRejection(pipelines.get(kernel), 'ERR_BACKEND_UNAVAILABLE', ['error 1:']);
  });
});

describe('buffers for later calls', () => {
  const take = (pool: BufferPool, bytes: number, usage = STORAGE) => {
    const buffer = pool.take(bytes, usage);
    return { buffer, destroy: vi.spyOn(buffer, 'destroy') };
  };

  test('are used again by calls of about that size', () => {
    const pool = new BufferPool(device, 4096);
    const { buffer } = take(pool, 1000);
    expect(buffer.size).toBeGreaterThanOrEqual(1000);
    pool.giveBack(buffer);
    expect(pool.bytes).toBe(buffer.size);
    expect(take(pool, 1000, 0x1 | 0x8).buffer).not.toBe(buffer); // to be mapped
    expect(take(pool, 2000).buffer).not.toBe(buffer);
    expect(take(pool, 990).buffer).toBe(buffer);
    expect(pool.bytes).toBe(0);
    expect(take(pool, 1000).buffer).not.toBe(buffer); // which is taken
    pool.close();
  });

  test('are kept up to a bound: those that were not used for longest are destroyed', () => {
    const pool = new BufferPool(device, 4096);
    const taken = Array.from({ length: 6 }, () => take(pool, 1024));
    for (const { buffer } of taken) {
      pool.giveBack(buffer);
      expect(pool.bytes).toBeLessThanOrEqual(4096);
    }
    expect(taken.map(({ destroy }) => destroy.mock.calls.length)).toEqual([1, 1, 0, 0, 0, 0]);
    const large = take(pool, 5000);
    pool.giveBack(large.buffer);
    expect(large.destroy).toHaveBeenCalledTimes(1);
    expect(pool.bytes).toBe(4096);
    const last = take(pool, 1024);
    pool.close();
    expect(taken.map(({ destroy }) => destroy.mock.calls.length).reduce((sum, one) => sum + one)).toBe(5);
    pool.giveBack(last.buffer);
    expect(last.destroy).toHaveBeenCalled();
    expect(pool.bytes).toBe(0);
  });

  test('suffice for calls that are like those before', async () => {
    const createBuffer = vi.fn((descriptor: GPUBufferDescriptor) => device.createBuffer(descriptor));
    const guest = await createWebGPUBackend({ device: deviceWith({ createBuffer }) });
    const lossFn = new Loss({ backend: guest });
    for (let i = 0; i < 4; i++) {
      const { scores, targets } = makeInput(40, 200, 5, i);
      await lossFn.valueAndGradAsync(scores, targets);
      if (i === 0) {
        expect(createBuffer).toHaveBeenCalled();
        createBuffer.mockClear();
      }
    }
    expect(createBuffer).not.toHaveBeenCalled();
    guest.dispose();
  });
});

test('a gradient that the GPU has no memory for', async () => {
  // A GPU without memory makes a buffer that is not valid, and tells the scope that is open then.
  const scopes: { filter: GPUErrorFilter; hasNoMemory: boolean }[] = [];
  const guest = await createWebGPUBackend({
    device: deviceWith({
      pushErrorScope: (filter: GPUErrorFilter) => {
        scopes.push({ filter, hasNoMemory: false });
        device.pushErrorScope(filter);
      },
      popErrorScope: async () => {
        const { hasNoMemory } = scopes.pop()!;
        const error = await device.popErrorScope();
        return hasNoMemory ? { message: 'no memory, as a test wants it' } : error;
      },
      createBuffer: (descriptor: GPUBufferDescriptor) => {
        if (descriptor.label !== 'gradient') return device.createBuffer(descriptor);
        scopes.find(({ filter }) => filter === 'out-of-memory')!.hasNoMemory = true;
        device.pushErrorScope('validation');
        const invalid = device.createBuffer({ ...descriptor, size: 2 * device.limits.maxBufferSize });
        void device.popErrorScope();
        return invalid;
      },
    }),
  });
  const { scores, targets } = makeInput(40, 200, 5, 1);
  const onGPU = fromGPUBuffer(upload(scores.data), { shape: scores.shape });
  const lossFn = new Loss({ backend: guest });
  await expectRejection(lossFn.valueAndGradAsync(onGPU, targets), 'ERR_OUT_OF_MEMORY', ['no memory, as a test wants']);
  expect((await lossFn.forwardAsync(onGPU, targets)).item()).toBe(new Loss().forward(scores, targets).item());
  guest.dispose();
});

describe('the end', () => {
  // Needs no other kernels than a batch of one row: each device compiles its own.
  const input = makeInput(40, 200, 5, 1);

  test('dispose() rejects what is under way and what comes later, and can be called again', async () => {
    const other = await createWebGPUBackend();
    const lossFn = new Loss({ backend: other });
    await lossFn.forwardAsync([[1, 2]], [[0]]);
    const onGPU = fromGPUBuffer(upload(input.scores.data, other.device), { shape: input.scores.shape });
    const underWay: Promise<unknown>[] = [1, 2, 3].map(() => lossFn.valueAndGradAsync(input.scores, input.targets));
    underWay.push(lossFn.valueAndGradAsync(onGPU, input.targets));
    underWay.push(new Promise((resolve, reject) => { setTimeout(() => { other.dispose(); lossFn.valueAndGradAsync(input.scores, input.targets).then(resolve, reject); }, 1); })); // prettier-ignore
    for (const promise of underWay) await expectRejection(promise, 'ERR_DISPOSED', ['disposed']);
    other.dispose();
    if (typeof Symbol.dispose === 'symbol') other[Symbol.dispose]();
    await other.device.lost;
  });

  test('a device that is lost rejects what is under way; the next backend has a new one', async () => {
    const other = await createWebGPUBackend();
    const lossFn = new Loss({ backend: other });
    const expected = await lossFn.valueAndGradAsync(input.scores, input.targets);
    const onGPU = fromGPUBuffer(upload(input.scores.data, other.device), { shape: input.scores.shape });
    const underWay: Promise<unknown>[] = [1, 2, 3].map(() => lossFn.valueAndGradAsync(input.scores, input.targets));
    underWay.push(lossFn.valueAndGradAsync(onGPU, input.targets));
    await Promise.resolve();
    other.device.destroy();
    for (const promise of underWay)
      await expectRejection(promise, 'ERR_BACKEND_UNAVAILABLE', ['device was lost', 'new backend']);
    await expectRejection(lossFn.forwardAsync([[1, 2]], [[0]]), 'ERR_BACKEND_UNAVAILABLE', ['device was lost']);
    other.dispose();
    const next = await createWebGPUBackend();
    expect(next.device).not.toBe(other.device);
    const { grad } = await new Loss({ backend: next }).valueAndGradAsync(input.scores, input.targets);
    expectSameBits(floats(grad), floats(expected.grad), 'gradient');
    next.dispose();
  });

  test('a device that was given is not destroyed', async () => {
    const guest = await createWebGPUBackend({ device });
    expect((await new Loss({ backend: guest }).forwardAsync([[1, 2]], [[0]])).item()).toBe(1);
    guest.dispose();
    expect((await new Loss({ backend }).forwardAsync([[1, 2]], [[0]])).item()).toBe(1);
  });
});

describe('createWebGPUBackend', () => {
  test('says what it is', () => {
    expect(backend.name).toBe('webgpu');
    expect(backend.adapterInfo.description + backend.adapterInfo.vendor).not.toBe('');
  });

  test('refuses what it does not know', async () => {
    await expectRejection(createWebGPUBackend(untyped({ gpu: 1 })), 'ERR_OPTION', ["'gpu'"]);
    await expectRejection(createWebGPUBackend({ device: untyped({}) }), 'ERR_OPTION', ['GPUDevice', 'an object']);
    await expectRejection(createWebGPUBackend({ device, adapterOptions: {} }), 'ERR_OPTION', ['not both']);
  });
});

test('createAutoBackend() measures, chooses by it and says why', async () => {
  const auto = await createAutoBackend({ webgpu: backend });
  expect(auto.measurements.length).toBeGreaterThan(1);
  for (const { cpu, webgpu } of auto.measurements) expect(Math.min(cpu, webgpu)).toBeGreaterThan(0);
  const { crossover } = auto;
  expect(auto.choose(crossover).backend).toBe(backend);
  expect(auto.choose(crossover - 1).backend === backend).toBe(crossover === Infinity);
  expect(auto.choose(1000).reason).toMatch(/1000 scores.*measured on wasm and webgpu: 16384 scores/);
  for (const scores of [NaN, -1, '1000']) {
    expect(() => auto.choose(untyped(scores))).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  }
  const lossFn = new Loss({ backend: auto });
  expect((await lossFn.forwardAsync([[1, 2]], [[0]])).item()).toBe(1);
  const double = await lossFn.forwardAsync({ data: Float64Array.of(1, 2), shape: [1, 2] }, [[0]]);
  expect(double.dtype).toBe('float64');
  const onGPU = fromGPUBuffer(upload(Float32Array.of(1, 2)), { shape: [1, 2] });
  expect((await lossFn.forwardAsync(onGPU, [[0]])).item()).toBe(1);
  await expectRejection(createAutoBackend(untyped({})), 'ERR_OPTION', ['webgpu', 'undefined']);
  await expectRejection(createAutoBackend(untyped({ webgpu: backend, threads: 2 })), 'ERR_OPTION', ['threads', '2']);
});
