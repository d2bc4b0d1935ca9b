// Where the package runs in browsers.

import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { createThreadsBackend } from 'multilabel-margin-loss/threads';
import { expect, test } from 'vitest';
import { expectStillWorks } from '../js/support.js';

test('a page that is not cross-origin isolated', () => {
  expect(crossOriginIsolated).toBe(false);
  expectStillWorks(new MultiLabelMarginLoss());
});

test('threads in a page that is not: the error names the two headers', async () => {
  await expect(createThreadsBackend()).rejects.toMatchObject({
    name: 'LossError',
    code: 'ERR_BACKEND_UNAVAILABLE',
    message: expect.stringMatching(
      /"Cross-Origin-Opener-Policy: same-origin".*"Cross-Origin-Embedder-Policy: require-corp"/,
    ),
  });
});

test('a module worker, scores and gradient transferred', async () => {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const scores = Float32Array.of(0.1, 0.2, 0.4, 0.8);
  const answer = await new Promise<{ loss: number; grad: Float32Array; isolated: boolean }>((resolve, reject) => {
    worker.addEventListener('message', ({ data }) => resolve(data));
    worker.addEventListener('error', ({ message }) => reject(new Error(message)));
    worker.postMessage({ scores, shape: [1, 4], targets: [[3, 0, -1, 1]] }, [scores.buffer]);
  });
  worker.terminate();
  expect(scores).toHaveLength(0);
  expect(answer.isolated).toBe(false);
  // Two thresholds and the result are rounded to float32, all of them below 1.
  expect(Math.abs(answer.loss - 0.85)).toBeLessThan(3 * 2 ** -24);
  expect(Array.from(answer.grad)).toEqual([-0.5, 0.5, 0.5, -0.5]);
});
