/** This package with two threads: tensors copied as for one thread, or in the shared memory of the threads. */
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import type { Batch } from '../grid.js';
import { type Contender, NAMES, synchronous } from './contender.js';
import { callOf, type ShapedInput, shapedInputs } from './this-package.js';

const THREADS = 2;

/** What of `multilabel-margin-loss/threads` is used here. */
interface ThreadsModule {
  createThreadsBackend: (options: { threads: number }) => Promise<ThreadsBackend>;
}

interface ThreadsBackend {
  zeros(shape: readonly number[], options: { dtype: Batch['dtype'] }): ShapedInput['scores'];
  dispose(): void | Promise<void>;
}

/** @throws Error where the package has no threads */
export async function threads(): Promise<Contender[]> {
  const entry = 'multilabel-margin-loss/threads';
  const { createThreadsBackend } = (await import(entry)) as ThreadsModule;
  return [false, true].map((shared) => {
    let backend: ThreadsBackend | undefined;
    const contender = synchronous(shared ? NAMES.sharedThreads : NAMES.threads, (batch, gradient) => {
      const options = { backend } as ConstructorParameters<typeof MultiLabelMarginLoss>[0];
      const inputs = shapedInputs(batch);
      if (shared) for (const input of inputs.values()) input.scores = toShared(backend!, input.scores, batch);
      return { default: callOf(new MultiLabelMarginLoss(options), inputs, gradient) };
    });
    return {
      ...contender,
      // A backend for each batch: its memory goes with it.
      async load(batch: Batch) {
        await backend?.dispose();
        backend = await createThreadsBackend({ threads: THREADS });
        await contender.load(batch);
      },
      dispose: () => backend?.dispose(),
    };
  });
}

function toShared(backend: ThreadsBackend, scores: ShapedInput['scores'], { dtype }: Batch): ShapedInput['scores'] {
  const tensor = backend.zeros(scores.shape, { dtype });
  tensor.data.set(scores.data);
  return tensor;
}
