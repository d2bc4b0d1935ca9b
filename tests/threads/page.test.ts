// Threads where only a browser has them. In Node, see ../node/threads.test.ts.

import { describe, expect, test, vi } from 'vitest';
import { MultiLabelMarginLoss } from '../../dist/index.js';
import { createThreadsBackend } from '../../dist/threads/index.js';
import { expectStillWorks } from '../js/support.js';

describe.runIf(typeof window !== 'undefined')('a page that is cross-origin isolated', () => {
  test('as many threads as the hardware runs', async () => {
    expect(crossOriginIsolated).toBe(true);
    const backend = await createThreadsBackend();
    expect(backend.threads).toBe(Math.min(64, navigator.hardwareConcurrency));
    backend.dispose();
  });

  test('and its workers', async () => {
    const worker = new Worker(new URL('./loss-worker.ts', import.meta.url), { type: 'module' });
    const answer = await new Promise<{ loss: number; grad: Float32Array; threads: number }>((resolve, reject) => {
      worker.addEventListener('message', ({ data }) => resolve(data));
      worker.addEventListener('error', ({ message }) => reject(new Error(message)));
      worker.postMessage('go');
    });
    worker.terminate();
    expect(answer.threads).toBe(2);
    // 999 pairs of 1 in each row, divided by 1000: exact but for the rounding to float32.
    expect(answer.loss).toBe(Math.fround(0.999));
    expect(answer.grad[0]).toBe(Math.fround(1 / (500 * 1000)));
  });

  test('nothing is printed', async () => {
    const spies = (['log', 'warn', 'error'] as const).map((method) => vi.spyOn(console, method));
    const backend = await createThreadsBackend({ threads: 3 });
    const lossFn = new MultiLabelMarginLoss({ backend });
    for (let i = 0; i < 50; i++)
      lossFn.forward(
        backend.zeros(60, 1000),
        Array.from({ length: 60 }, () => [7]),
      );
    expectStillWorks(lossFn);
    backend.dispose();
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });

  test('uses the workers that the caller makes', async () => {
    let made = 0;
    const backend = await createThreadsBackend({
      threads: 3,
      worker: () => {
        made++;
        const script = new URL('../../dist/threads/multilabel_margin_loss_threads.mjs', import.meta.url);
        return new Worker(script, { type: 'module', name: 'em-pthread' });
      },
    });
    expect(made).toBe(2);
    expectStillWorks(new MultiLabelMarginLoss({ backend }));
    backend.dispose();
  });

  test('says that a worker of the caller does not load', async () => {
    const worker = () => new Worker(new URL('/no/such/script.js', location.href), { type: 'module' });
    await expect(createThreadsBackend({ threads: 2, worker })).rejects.toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: 'a worker did not start: its script did not load',
    });
  });

  test('says that a worker does not load although its script is there', async () => {
    const RealWorker = globalThis.Worker;
    globalThis.Worker = class extends RealWorker {
      constructor(_url: string | URL, options?: WorkerOptions) {
        super(new URL('/no/such/script.js', location.href), options);
      }
    };
    try {
      await expect(createThreadsBackend({ threads: 2 })).rejects.toMatchObject({
        code: 'ERR_BACKEND_UNAVAILABLE',
        message: expect.stringContaining('multilabel_margin_loss_threads.mjs is there, but its script did not load'),
      });
    } finally {
      globalThis.Worker = RealWorker;
    }
  });

  test('a worker that is ended while it sleeps does not hold up the others', async () => {
    const workers: Worker[] = [];
    const RealWorker = globalThis.Worker;
    globalThis.Worker = class extends RealWorker {
      constructor(url: string | URL, options?: WorkerOptions) {
        super(url, options);
        workers.push(this);
      }
    };
    const backend = await createThreadsBackend({ threads: 3 });
    globalThis.Worker = RealWorker;
    expect(workers).toHaveLength(2);
    const lossFn = new MultiLabelMarginLoss({ backend });
    const scores = backend.zeros(500, 1000);
    const targets = Array.from({ length: 500 }, () => [7]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    workers[0]!.terminate();
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (let i = 0; i < 20; i++) expect(lossFn.forward(scores, targets).item()).toBe(Math.fround(0.999));
    backend.dispose();
  });
});
