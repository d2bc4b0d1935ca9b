/**
 * The loss on several threads.
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
import { unavailable } from '../wasm/backend.js';
import { ThreadsBackend, workerDied } from './backend.js';
import type { NodeGlobal, NodeModules } from './node.js';
import createModule, { type PoolWorker, type ThreadsModule } from './multilabel_margin_loss_threads.mjs';

export type { ThreadsBackend } from './backend.js';

// Each thread takes a worker with a stack. More threads than this gain nothing, on any number of cores.
const MOST_THREADS = 64;

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
  threads?: number;
}

/**
 * Makes a backend of several threads, for the `backend` option of `MultiLabelMarginLoss`. It works in Node and its
 * worker threads, in pages that are cross-origin isolated, and in their workers.
 *
 * @param options `threads`, from 1 to 64
 * @returns a backend with the property `threads`, their number; its `dispose()` ends them
 * @throws (rejects with) LossError ERR_OPTION; ERR_BACKEND_UNAVAILABLE where there is no shared memory, saying which
 * headers make a page cross-origin isolated, or where workers cannot be started
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
 * import { createThreadsBackend } from 'multilabel-margin-loss/threads';
 *
 * const backend = await createThreadsBackend({ threads: 2 });
 * const lossFn = new MultiLabelMarginLoss({ backend });
 * lossFn.forward([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]).item(); // => 0.85
 */
export async function createThreadsBackend(options: ThreadsBackendOptions = {}): Promise<ThreadsBackend> {
  const { threads = Math.min(hardwareThreads(), MOST_THREADS) } = checkOptions(
    options,
    ['threads'],
    'createThreadsBackend()',
  );
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new LossError('ERR_OPTION', `threads must be an integer from 1 to ${MOST_THREADS}, got ${describe(threads)}`);
  }
  if (typeof SharedArrayBuffer === 'undefined' || globalThis.crossOriginIsolated === false) {
    throw new LossError(
      'ERR_BACKEND_UNAVAILABLE',
      'threads need shared memory, which browsers give to pages that are cross-origin isolated: serve the page with ' +
        'the headers "Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp"',
    );
  }
  let module: ThreadsModule;
  try {
    module = await createModule({ printErr: () => {} });
  } catch (cause) {
    throw unavailable(cause);
  }
  let backend: ThreadsBackend | null = null;
  try {
    const workers = makeWorkers(threads - 1);
    module.PThread.unusedWorkers.push(...workers);
    await Promise.all(
      workers.map((worker) => loadWorker(module, worker, (how, cause) => backend?.end(workerDied(how, cause)))),
    );
  } catch (cause) {
    module.PThread.terminateAllThreads();
    throw new LossError(
      'ERR_BACKEND_UNAVAILABLE',
      `a worker could not be started: ${(cause as Error).message} (its script lies beside that of this package, which ` +
        "a content security policy must allow by worker-src 'self')",
      { cause },
    );
  }
  module.startThreads(threads);
  backend = new ThreadsBackend(module, threads);
  return backend;
}

function makeWorkers(count: number): PoolWorker[] {
  return Array.from({ length: count }, isNode() ? makeNodeWorker : makeWebWorker);
}

/** Makes a worker by the one form of expression that bundlers recognise. */
function makeWebWorker(): PoolWorker {
  return new Worker(new URL('./multilabel_margin_loss_threads.mjs', import.meta.url), {
    type: 'module',
    name: 'em-pthread',
  });
}

function makeNodeWorker(): PoolWorker {
  // Not a literal: bundlers would find the script a second time.
  const script = './multilabel_margin_loss_threads.mjs';
  // Without the flags of this process: flags such as --input-type and --loader are for its own script.
  return new (builtinModule('node:worker_threads').Worker)(
    new URL(/* webpackIgnore: true */ /* @vite-ignore */ script, import.meta.url),
    { workerData: 'em-pthread', execArgv: [] },
  );
}

/** Resolves when the worker can run a thread; rejects if it ends before, and calls `onDeath` if it ends later. */
function loadWorker(
  module: ThreadsModule,
  worker: PoolWorker,
  onDeath: (how: string, cause?: unknown) => void,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const loaded = module.PThread.loadWasmModuleToWorker(worker);
    const died = (how: string, cause?: unknown): void => {
      reject(new Error(how, { cause }));
      onDeath(how, cause);
    };
    // It replaces Emscripten's handler, whose exception nobody can catch. Node passes an error, browsers pass an event.
    worker.onerror = (event) => {
      event.preventDefault?.();
      died(event.message || 'its script did not load', event);
    };
    worker.on?.('exit', (code) => died(`it exited with code ${code}`));
    loaded.then(resolve, reject);
  });
}

function hardwareThreads(): number {
  return isNode() ? builtinModule('node:os').availableParallelism() : navigator.hardwareConcurrency;
}

/** A module of Node. Bundlers for browsers would look for the module of an import, even of one that never runs. */
function builtinModule<Name extends keyof NodeModules>(name: Name): NodeModules[Name] {
  return (globalThis as unknown as NodeGlobal).process.getBuiltinModule(name);
}

/** The condition that Emscripten's glue tests. */
function isNode(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: unknown }; type?: string } };
  return typeof process?.versions?.node === 'string' && process.type !== 'renderer';
}
