/** This package with two threads: arrays copied as for one thread, or in the shared memory of the threads. */
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { createThreadsBackend, type ThreadsBackend } from 'multilabel-margin-loss/threads';
import type { Batch } from '../grid.js';
import { type Contender, type Name, NAMES, synchronous } from './contender.js';
import { callsOf, type Gradient } from './this-package.js';

const THREADS = 2;

export const threads = (): Contender[] => [
  contender(NAMES.threads, 'new'),
  contender(NAMES.threadsReused, 'reused'),
  contender(NAMES.threadsShared, 'shared'),
];

function contender(name: Name, gradient: Gradient | 'shared'): Contender {
  let backend: ThreadsBackend | undefined;
  const calls = synchronous(name, (batch, withGradient) => {
    const lossFn = new MultiLabelMarginLoss({ backend: backend! });
    return callsOf(lossFn, batch, withGradient, gradient === 'shared' ? backend! : gradient);
  });
  return {
    ...calls,
    // Each batch has a backend of its own, whose memory is freed with it.
    async load(batch: Batch) {
      backend?.dispose();
      backend = await createThreadsBackend({ threads: THREADS });
      await calls.load(batch);
    },
    dispose: () => backend?.dispose(),
  };
}
