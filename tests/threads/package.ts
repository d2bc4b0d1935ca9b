// The package with its threads for every loss: under its name, the suites in ../js run over them too.

import * as real from '../../dist/index.js';
import { createThreadsBackend } from '../../dist/threads/index.js';

// The local class is the one that importers get.
export * from '../../dist/index.js';

type Backend = real.Backend;
type Compute = Backend['compute'];

// More than the machine may have; a remainder for most numbers of rows.
const threads = await createThreadsBackend({ threads: 3 });
real.useTrainingModule({ backend: threads });
const room = { 4: threads.zeros(2 ** 22), 8: threads.zeros(2 ** 22, { dtype: 'float64' }) };

/** Takes the scores to shared memory first: few scores that are not there are left to the backend of one thread. */
const sharing: Backend = {
  name: 'threads, shared',
  threads: threads.threads,
  compute(...[batch, options, withGradient, into]: Parameters<Compute>) {
    if (batch.scores.length > 2 ** 22) return threads.compute(batch, options, withGradient, into);
    const scores = room[batch.scores.BYTES_PER_ELEMENT as 4 | 8].data.subarray(0, batch.scores.length);
    scores.set(batch.scores);
    const result = threads.compute({ ...batch, scores }, options, withGradient, into);
    // The gradient may replace the scores that were given.
    if (into?.buffer === batch.scores.buffer) return result;
    for (let i = 0; i < scores.length; i++) {
      if (!Object.is(scores[i], batch.scores[i])) throw new Error(`score ${i} was changed in shared memory`);
    }
    return result;
  },
};

function inheriting(options: real.MultiLabelMarginLossOptions): real.MultiLabelMarginLossOptions {
  const own = Object.getOwnPropertyDescriptors(options);
  return Object.create(Object.getPrototypeOf(options) as object | null, {
    ...own,
    backend: { value: sharing, enumerable: true },
  }) as real.MultiLabelMarginLossOptions;
}

export class MultiLabelMarginLoss extends real.MultiLabelMarginLoss {
  constructor(options: real.MultiLabelMarginLossOptions = {}) {
    const isObject = typeof options === 'object' && options !== null && !Array.isArray(options);
    // Inherits the options, because those that an object inherits count too.
    super(isObject && options.backend === undefined ? inheriting(options) : options);
  }
}

export const nn = { ...real.nn, MultiLabelMarginLoss };
