// Starts the workers of the pool, and says why they do not start.

import { describe, LossError } from '../errors.js';
import type { PoolWorker, ThreadsModule } from './glue.mjs';
import { builtinModule, isNode } from './node.js';

/** The name, in Node the data, by which the script of a worker knows that it belongs to a pool. */
const POOL = 'em-pthread';

/** What a worker reported when it ended: a message, and the event or error where there is one. */
export type OnDeath = (how: string, cause?: unknown) => void;

/**
 * Starts the workers of a module.
 *
 * @param custom makes a worker that runs `multilabel_margin_loss_threads.mjs`, where the caller says how
 * @param onDeath called when a worker that did start ends
 * @throws LossError ERR_BACKEND_UNAVAILABLE that says why a worker does not start; ERR_OPTION where `custom` makes
 * something else. No worker is left
 */
export async function startWorkers(
  module: ThreadsModule,
  count: number,
  custom: (() => object) | undefined,
  onDeath: OnDeath,
): Promise<void> {
  const makers = custom ? [custom] : isNode() ? [makeNodeWorker] : [makeWebWorker, makeBlobWorker];
  let first: unknown;
  const violations: string[] = [];
  const note = (event: Event): void => void violations.push((event as SecurityPolicyViolationEvent).effectiveDirective);
  // Pages fire the event at the document, workers at their global scope.
  const target: Partial<EventTarget> = typeof document === 'undefined' ? globalThis : document;
  target.addEventListener?.('securitypolicyviolation', note);
  try {
    for (const make of makers) {
      try {
        await startAll(module, count, make, onDeath);
        return;
      } catch (cause) {
        module.PThread.terminateAllThreads();
        if (cause instanceof LossError && cause.code === 'ERR_OPTION') throw cause;
        first ??= cause;
      }
    }
    // Safari fires the event later than it refuses a worker.
    await new Promise((resolve) => setTimeout(resolve));
  } finally {
    target.removeEventListener?.('securitypolicyviolation', note);
  }
  const reason = await reasonOf(first, custom === undefined, violations[0]);
  throw new LossError('ERR_BACKEND_UNAVAILABLE', `a worker did not start: ${reason}`, { cause: first });
}

async function startAll(module: ThreadsModule, count: number, make: () => object, onDeath: OnDeath): Promise<void> {
  const { unusedWorkers } = module.PThread;
  // The module has each worker before the next is made, and so ends it where the next cannot be.
  for (let made = 0; made < count; made++) unusedWorkers.push(checkWorker(make()));
  await Promise.all(unusedWorkers.map((worker) => load(module, worker, onDeath)));
}

/** @throws LossError ERR_OPTION */
function checkWorker(value: unknown): PoolWorker {
  const { postMessage, terminate } = Object(value) as Partial<PoolWorker>;
  if (typeof postMessage === 'function' && typeof terminate === 'function') return value as PoolWorker;
  throw new LossError('ERR_OPTION', `worker must be a function that makes a Worker, which made ${describe(value)}`);
}

/** Bundlers look for this one form of a worker. */
function makeWebWorker(): PoolWorker {
  return new Worker(new URL('./multilabel_margin_loss_threads.mjs', import.meta.url), {
    type: 'module',
    name: 'em-pthread',
  });
}

/**
 * A worker of the page's own origin that imports the script. It starts where the script comes from another origin, which
 * `new Worker()` refuses, or without the header Cross-Origin-Embedder-Policy. It is a classic one, because Chromium starts
 * no module worker from a blob where the page's origin is opaque, as in a sandboxed frame.
 */
function makeBlobWorker(): PoolWorker {
  // What arrives before the script has set its handler is kept for it.
  const source = `const early = [];
    onmessage = (event) => early.push(event);
    import(${JSON.stringify(script().href)}).then(
      () => early.forEach((event) => onmessage(event)),
      (error) => setTimeout(() => { throw error; }),
    );`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  try {
    return new Worker(url, { name: POOL });
  } finally {
    // The worker has the URL by then in Chromium and Firefox; Safari reads it later.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}

function makeNodeWorker(): PoolWorker {
  // The options of this process, such as --input-type and loaders, are meant for its own script.
  return new (builtinModule('node:worker_threads').Worker)(script(), { workerData: POOL, execArgv: [] });
}

/** In modules of CommonJS, the path of the file. */
declare const __filename: string | undefined;

/**
 * The address of the script. In this form, bundlers that know files beside a module copy it.
 *
 * @throws LossError ERR_BACKEND_UNAVAILABLE where a bundle does not know where it is
 */
function script(): URL {
  if (import.meta.url) return new URL('./multilabel_margin_loss_threads.mjs', import.meta.url);
  // A bundle in CommonJS, or in a single executable, whose path this is.
  if (isNode() && typeof __filename === 'string') {
    return new URL('./multilabel_margin_loss_threads.mjs', builtinModule('node:url').pathToFileURL(__filename));
  }
  throw new LossError(
    'ERR_BACKEND_UNAVAILABLE',
    'this bundle has no import.meta.url to find the script of the workers by: give createThreadsBackend() the option `worker`',
  );
}

/** Resolves when the worker can run a thread. Rejects if it ends before that, and calls `onDeath` if it ends later. */
function load(module: ThreadsModule, worker: PoolWorker, onDeath: OnDeath): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const loaded = module.PThread.loadWasmModuleToWorker(worker);
    let isLoaded = false;
    const died: OnDeath = (how, cause) => {
      if (isLoaded) onDeath(how, cause);
      else reject(new Error(how, { cause }));
    };
    // Replaces Emscripten's handler, which throws where nobody can catch. Node passes an error, browsers an event.
    worker.onerror = (event) => {
      event.preventDefault?.();
      died(event.message || DID_NOT_LOAD, event);
    };
    worker.on?.('exit', (code) => died(`it exited with code ${code}`));
    loaded.then(() => {
      isLoaded = true;
      resolve(undefined);
    }, reject);
  });
}

const DID_NOT_LOAD = 'its script did not load';

/**
 * Finds out by probing why a worker did not start, because the events of workers do not say it.
 *
 * @param probe false where the caller made the worker, whose script is then unknown
 * @param violated the directive of a content security policy that something violated meanwhile
 */
async function reasonOf(cause: unknown, probe: boolean, violated: string | undefined): Promise<string> {
  const message = (cause as Error | undefined)?.message ?? describe(cause);
  // Firefox calls the kind of the argument a sink type.
  if (/trusted ?(script|types)|sink type/i.test(message)) {
    return `Trusted Types need a policy named "default" whose createScriptURL allows the address of the script, or the option \`worker\` (${message})`;
  }
  if (violated !== undefined) {
    const what =
      probe && !isNode() && script().origin !== globalThis.origin
        ? 'its script is of another origin, so that a worker from a blob imports it: worker-src must allow blob:, and script-src the script'
        : 'worker-src must allow its script';
    return `the content security policy forbids it (violated: ${violated}): ${what}`;
  }
  if (!probe) return message;
  if (isNode()) {
    return /cannot find module/i.test(message)
      ? `there is no ${script().href}: a bundler moved the code without it. Copy ` +
          'dist/threads/multilabel_margin_loss_threads.mjs of the package beside the bundle'
      : message;
  }
  if (globalThis.origin === 'null' && (cause as Error).name === 'SecurityError') {
    return `this browser has no workers where the origin is opaque, as in a sandboxed frame (${message})`;
  }
  if (message !== DID_NOT_LOAD) return message;
  const { href } = script();
  if (href.includes('/deps/multilabel_margin_loss_threads.mjs')) {
    return `Vite's optimizer moved the package away from its workers: set optimizeDeps: { exclude: ['multilabel-margin-loss'] }`;
  }
  let response: Response;
  try {
    response = await fetch(href);
  } catch (refusal) {
    return `${href} cannot be fetched: ${(refusal as Error).message}`;
  }
  if (!response.ok) return `${href} is missing: the server answered ${response.status}`;
  const type = response.headers.get('content-type') ?? 'no type';
  if (/(java|ecma)script/i.test(type)) return `${href} is there, but ${message}`;
  return `the server sends ${href} as ${type}, and browsers run modules as text/javascript alone`;
}
