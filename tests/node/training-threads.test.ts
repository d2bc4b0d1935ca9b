// These tests compare training on several threads with training on one, to the bit, and end the backend.

import { createHash } from 'node:crypto';
import type * as Package from 'multilabel-margin-loss';
import type { ThreadsBackend, ThreadsBackendOptions } from 'multilabel-margin-loss/threads';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { expectLossError } from '../js/support.js';

type Torch = typeof Package;

/** Returns a copy of the package with a training core of its own: that of a threads backend, or without options the default. */
async function newCopy(options?: ThreadsBackendOptions): Promise<{ torch: Torch; backend: ThreadsBackend | null }> {
  vi.resetModules();
  const torch = await import('multilabel-margin-loss');
  if (options === undefined) return { torch, backend: null };
  const { createThreadsBackend } = await import('multilabel-margin-loss/threads');
  const backend = await createThreadsBackend(options);
  torch.useTrainingModule({ backend });
  return { torch, backend };
}

const copies: { torch: Torch; backend: ThreadsBackend | null }[] = [];
beforeAll(async () => {
  copies.push(await newCopy());
  for (const threads of [1, 2, 3, 16]) copies.push(await newCopy({ threads }));
});
afterAll(() => copies.forEach(({ backend }) => backend?.dispose()));

interface Run {
  rows: number;
  inputs: number;
  hidden: number;
  outputs: number;
  seed: number;
  optimizer: string;
  /** A weight that is not a finite number, or 0 for none. */
  weight: number;
}

const OPTIMIZERS: Record<string, (torch: Torch, parameters: Package.nn.Parameter[]) => { step(): void }> = {
  SGD: ({ optim }, parameters) => new optim.SGD(parameters, { lr: 0.5 }),
  'SGD with momentum': ({ optim }, parameters) =>
    new optim.SGD(parameters, { lr: 0.1, momentum: 0.9, weight_decay: 0.01 }),
  Adagrad: ({ optim }, parameters) => new optim.Adagrad(parameters, { lr: 0.1 }),
  AdamW: ({ optim }, parameters) => new optim.AdamW(parameters, { lr: 0.01 }),
};

/** Trains for three steps, and returns a digest of the losses, the gradients and the parameters. */
function train(torch: Torch, { rows, inputs, hidden, outputs, seed, optimizer: name, weight }: Run): string {
  const { nn } = torch;
  torch.manual_seed(seed);
  using model = new nn.Sequential(new nn.Linear(inputs, hidden), new nn.ReLU(), new nn.Linear(hidden, outputs));
  const parameters = model.parameters();
  parameters[0]!.data[0] = weight || 0.5;
  const optimizer = OPTIMIZERS[name]!(torch, parameters);
  const lossFn = new torch.MultiLabelMarginLoss();
  const targets = Array.from({ length: rows }, (_, row) => [row % outputs]);
  const digest = createHash('sha256');
  // A view of shared memory is copied, because the digest is computed elsewhere.
  const add = (tensor: Package.Tensor | null): void => void digest.update((tensor!.data as Float32Array).slice());
  for (let step = 0; step < 3; step++) {
    const loss = lossFn.forward(model.forward(torch.randn([rows, inputs])), targets);
    loss.backward();
    for (const { grad } of parameters) add(grad);
    optimizer.step();
    for (const parameter of parameters) {
      add(parameter);
      parameter.grad = null;
    }
    add(loss);
  }
  return digest.digest('hex');
}

function expectSameOnAllThreads(run: Run): void {
  const [one, ...others] = copies.map(({ torch }) => train(torch, run));
  expect(others).toEqual(others.map(() => one));
}

describe('results have the bits of one thread', () => {
  // Threads share these products by outputs, by rows or by inputs; the last are too small to be shared.
  test.each([
    [64, 1280, 96, 80],
    [1000, 768, 64, 10],
    [300, 100, 700, 1000],
    [1, 2000, 600, 1500],
    [5, 7, 3, 2],
  ])('%i x %i -> %i -> %i', (rows, inputs, hidden, outputs) => {
    for (const [seed, optimizer] of Object.keys(OPTIMIZERS).entries()) {
      expectSameOnAllThreads({ rows, inputs, hidden, outputs, seed, optimizer, weight: 0 });
    }
  });

  test('of any sizes, and of weights that are no finite numbers', () => {
    fc.assert(
      fc.property(
        fc.record({
          rows: fc.integer({ min: 1, max: 400 }),
          inputs: fc.integer({ min: 1, max: 900 }),
          hidden: fc.integer({ min: 1, max: 400 }),
          outputs: fc.integer({ min: 1, max: 900 }),
          seed: fc.nat(1000),
          optimizer: fc.constantFrom(...Object.keys(OPTIMIZERS)),
          weight: fc.constantFrom(0, 0, Infinity, NaN),
        }),
        expectSameOnAllThreads,
      ),
      { numRuns: 25 },
    );
  });
});

test('says which module is wanted', async () => {
  const { torch, backend } = copies[1]!;
  const use = (options: unknown) => () => torch.useTrainingModule(options as never);
  expectLossError(use({ backend }), 'ERR_STATE', ['nn and optim have their module already']);
  expectLossError(use({}), 'ERR_OPTION', ['needs either a module or a backend, got neither']);
  const module = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  expectLossError(use({ module, backend }), 'ERR_OPTION', ['needs either a module or a backend, got both']);
  for (const other of [null, 3, { name: 'threads', threads: 2 }]) {
    expectLossError(use({ backend: other }), 'ERR_OPTION', ['must be what createThreadsBackend() of this package']);
  }
  const { createThreadsBackend } = await import('multilabel-margin-loss/threads');
  const ended = await createThreadsBackend({ threads: 1 });
  ended.dispose();
  vi.resetModules();
  const fresh = await import('multilabel-margin-loss');
  expectLossError(() => fresh.useTrainingModule({ backend: ended }), 'ERR_DISPOSED', [
    'this threads backend was disposed',
  ]);
  // Nothing was chosen.
  expect(new fresh.nn.Linear(2, 3).forward([[1, 2]]).shape).toEqual([1, 3]);
});

test('ends with the backend: parameters stay readable, and their memory can be given back', async () => {
  const { torch, backend } = await newCopy({ threads: 2 });
  const model = new torch.nn.Linear(2, 1);
  const optimizer = new torch.optim.Adam(model.parameters());
  model.weight.data.set([1, 2]);
  model.forward([[1, 1]]).backward([[1]]);
  backend!.dispose();
  const disposed = (call: () => unknown): void =>
    expectLossError(call, 'ERR_DISPOSED', ['this threads backend was disposed']);
  disposed(() => optimizer.step());
  disposed(() => model.forward([[1, 1]]));
  disposed(() => new torch.nn.Linear(2, 1));
  expect(model.weight.tolist()).toEqual([[1, 2]]);
  expect(Object.keys(model.state_dict())).toEqual(['weight', 'bias']);
  optimizer.dispose();
  model.dispose();
});

test('memory that is exhausted is told, and can be used after some was given back', async () => {
  const { torch, backend } = await newCopy({ threads: 2, maximumMemory: 2 ** 26 });
  const layer = new torch.nn.Linear(2 ** 12, 2 ** 11);
  const large = () => new torch.nn.Linear(2 ** 12, 2 ** 12);
  expectLossError(large, 'ERR_OUT_OF_MEMORY', ['the training core']);
  layer.dispose();
  expect(new torch.nn.Linear(2 ** 11, 2 ** 11).forward(torch.zeros([1, 2 ** 11])).shape).toEqual([1, 2 ** 11]);
  backend!.dispose();
});

test('what traps ends the backend', async () => {
  const { torch, backend } = await newCopy({ threads: 2 });
  const layer = new torch.nn.Linear(2, 3);
  const outside = 2 ** 30;
  type Kernels = { linearForward: (...args: number[]) => void };
  const { linearForward } = (backend as unknown as { training(): Kernels }).training();
  const died = ['a worker of this threads backend died', 'make a new backend'];
  expectLossError(() => linearForward(1, 2, 3, outside, outside, 0, outside), 'ERR_BACKEND_UNAVAILABLE', died);
  expectLossError(() => layer.forward([[1, 2]]), 'ERR_BACKEND_UNAVAILABLE', died);
  expect(layer.weight.tolist()).toHaveLength(3);
});
