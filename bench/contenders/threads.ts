/** This package with two threads: tensors copied as for one thread, or in the shared memory of the threads. */
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import type { Batch } from '../grid.js';
import { type Contender, NAMES, synchronous } from './contender.js';
import { callOf, type ShapedInput, shapedInputs } from './this-package.js';

const THREADS = 2;

/** With copies, and with scores and targets that are in the shared memory already. */
export const threads = (): Contender[] => [contender(NAMES.threads, false), contender(NAMES.sharedThreads, true)];

function contender(name: Name, isShared: boolean): Contender {
  let backend: ThreadsBackend;
  const calls = synchronous(name, (batch, gradient) => {
    const inputs = shapedInputs(batch);
    if (isShared) for (const input of inputs.values()) input.scores = toShared(backend, input.scores, batch);
    return { default: callOf(new MultiLabelMarginLoss({ backend }), inputs, gradient) };
  });
  return {
    ...calls,
    // A backend for each batch: its memory goes with it.
    async load(batch: Batch) {
      backend?.dispose();
      backend = await createThreadsBackend({ threads: THREADS });
      await calls.load(batch);
    },
    dispose: () => backend.dispose(),
  };
}

function toShared(backend: ThreadsBackend, scores: ShapedInput['scores'], { dtype }: Batch): ShapedInput['scores'] {
  const tensor = backend.zeros(scores.shape, { dtype });
  tensor.data.set(scores.data);
  return tensor;
}
