/**
 * The loss and training on several threads.
 *
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
 * import { createThreadsBackend } from 'multilabel-margin-loss/threads';
 *
 * const backend = await createThreadsBackend();
 * const lossFn = new MultiLabelMarginLoss({ backend });
 * lossFn.forward([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]).item(); // => 0.85
 * backend.dispose();
 *
 * @module multilabel-margin-loss/threads
 */
import { describe, LossError } from '../errors.js';
import { checkOptions } from '../options.js';
import { startError } from '../wasm/instantiate.js';
import { ThreadsBackend, workerDied } from './backend.js';
import createModule, { INITIAL_MEMORY, MAXIMUM_MEMORY, type ThreadsModule } from './glue.mjs';
import { builtinModule, isNode } from './node.js';
import { startWorkers } from './workers.js';

export type { ThreadsBackend } from './backend.js';

// Each thread takes a worker with a stack. More threads than this gain nothing, on any number of cores.
const MOST_THREADS = 64;

// Bytes.
const PAGE = 2 ** 16;
// The stacks of all threads and the parts under way fit in it.
const LEAST_MEMORY = 2 ** 24;
const SMALLEST_TRIED = 2 ** 26;

/**
 * Options of {@link createThreadsBackend}.
 *
 * @example
 * import { createThreadsBackend, type ThreadsBackendOptions } from 'multilabel-margin-loss/threads';
 *
 * const options: ThreadsBackendOptions = { threads: 3 };
 * using backend = await createThreadsBackend(options);
 * backend.threads; // => 3
 */
export interface ThreadsBackendOptions {
  /**
   * The number of threads that compute, the caller's included: from 1 to 64.
   * @default the number that the hardware runs at a time, and at most 64
   */
  threads?: number | undefined;
  /**
   * Makes a worker that runs `multilabel_margin_loss_threads.mjs` of this package: a Worker of type 'module' whose name is
   * 'em-pthread', or in Node one whose `workerData` is 'em-pthread'. Needed only where a bundle does not find that script.
   * @default a worker of the script beside this module
   */
  worker?: () => object;
  /**
   * The bytes of addresses to reserve for the memory that the threads share, which takes what it needs of them: from
   * 2 ** 24 to 2 ** 30.
   * @default 2 ** 30, or where the system refuses as many, half of them, and so on down to 2 ** 26
   */
  maximumMemory?: number | undefined;
}

/**
 * Makes a backend of several threads, for the `backend` option of `MultiLabelMarginLoss` and for `useTrainingModule()`. It
 * works in Node and its worker threads, in pages that are cross-origin isolated, and in their workers.
 *
 * @param options `threads`, from 1 to 64; `worker` and `maximumMemory` for where the defaults do not work
 * @returns a backend with the property `threads`, their number; its `dispose()` ends them
 * @throws (rejects with) LossError ERR_OPTION; ERR_OUT_OF_MEMORY; ERR_BACKEND_UNAVAILABLE where there is no shared
 * memory, saying which headers make a page cross-origin isolated, or where workers cannot be started
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
 * import { createThreadsBackend } from 'multilabel-margin-loss/threads';
 *
 * const backend = await createThreadsBackend({ threads: 2 });
 * const lossFn = new MultiLabelMarginLoss({ backend });
 * lossFn.forward([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]).item(); // => 0.85
 */
export async function createThreadsBackend(options: ThreadsBackendOptions = {}): Promise<ThreadsBackend> {
  const {
    threads = Math.min(hardwareThreads(), MOST_THREADS),
    worker,
    maximumMemory,
  } = checkOptions(options, ['threads', 'worker', 'maximumMemory'], 'createThreadsBackend()');
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new LossError('ERR_OPTION', `threads must be an integer from 1 to ${MOST_THREADS}, got ${describe(threads)}`);
  }
  if (worker !== undefined && typeof worker !== 'function') {
    throw new LossError('ERR_OPTION', `worker must be a function that makes a Worker, got ${describe(worker)}`);
  }
  if (
    maximumMemory !== undefined &&
    !(Number.isInteger(maximumMemory) && maximumMemory >= LEAST_MEMORY && maximumMemory <= MAXIMUM_MEMORY)
  ) {
    throw new LossError(
      'ERR_OPTION',
      `maximumMemory must be an integer from ${LEAST_MEMORY} to ${MAXIMUM_MEMORY} bytes, got ${describe(maximumMemory)}`,
    );
  }
  checkEnvironment();
  let module: ThreadsModule;
  let reserved: { wasmMemory: WebAssembly.Memory; maximum: number };
  try {
    reserved = reserve(maximumMemory);
    module = await createModule({ printErr: () => {}, wasmMemory: reserved.wasmMemory });
  } catch (cause) {
    throw startError(cause, 'use the loss without threads there');
  }
  let backend: ThreadsBackend | null = null;
  const deaths: LossError[] = [];
  await startWorkers(module, threads - 1, worker, (how, cause) => {
    const death = workerDied(how, cause);
    deaths.push(death);
    backend?.end(death);
  });
  // One that died while others loaded would never do its part.
  if (deaths[0] !== undefined) {
    module.PThread.terminateAllThreads();
    throw deaths[0];
  }
  module.startThreads(threads);
  backend = new ThreadsBackend(module, threads, reserved.maximum);
  return backend;
}

/** Reserves addresses for shared memory: as many bytes as were asked for, or else what the system gives. */
function reserve(asked: number | undefined): { wasmMemory: WebAssembly.Memory; maximum: number } {
  for (let maximum = asked ?? MAXIMUM_MEMORY; ; maximum /= 2) {
    try {
      const pages = Math.floor(maximum / PAGE);
      return {
        wasmMemory: new WebAssembly.Memory({ initial: INITIAL_MEMORY / PAGE, maximum: pages, shared: true }),
        maximum: pages * PAGE,
      };
    } catch (cause) {
      if (asked !== undefined || maximum / 2 < SMALLEST_TRIED) throw cause;
    }
  }
}

function hardwareThreads(): number {
  return isNode() ? builtinModule('node:os').availableParallelism() : navigator.hardwareConcurrency;
}

/** @throws LossError ERR_BACKEND_UNAVAILABLE where there are no workers, or no memory to share with them */
function checkEnvironment(): void {
  let reason: string;
  if (!isNode() && typeof Worker === 'undefined') {
    reason = 'threads need workers, and there is no Worker here';
  } else if (sharesMemory()) {
    return;
  } else if ('SharedWorkerGlobalScope' in globalThis) {
    reason = 'threads need shared memory, which this browser does not give to shared workers';
  } else if (globalThis.crossOriginIsolated === false) {
    reason =
      'threads need shared memory, which browsers give to pages that are cross-origin isolated: serve the page with ' +
      'the headers "Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp", or with ' +
      '"Document-Isolation-Policy: isolate-and-require-corp"' +
      (isFrame() ? '; the page around this frame too, and give the frame allow="cross-origin-isolated"' : '');
  } else {
    reason = 'threads need shared memory, which this build of the engine does not have';
  }
  throw new LossError('ERR_BACKEND_UNAVAILABLE', reason);
}

function isFrame(): boolean {
  return typeof window !== 'undefined' && window.parent !== window;
}

/** Asks by sending some, because Electron and the flags of browsers share memory without isolation. */
function sharesMemory(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  // Node always shares, and jsdom in it has no MessageChannel.
  if (isNode()) return true;
  const { port1, port2 } = new MessageChannel();
  try {
    port1.postMessage(new SharedArrayBuffer(1));
    return true;
  } catch {
    return false;
  } finally {
    port1.close();
    port2.close();
  }
}
