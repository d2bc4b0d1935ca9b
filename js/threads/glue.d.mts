// What Emscripten's glue of the build with threads exports: the functions of bindings/threads_bindings.cc. scripts/build adds
// the sizes of its memory.
import type { Address } from '../wasm/linear-memory.js';

/** A worker of a browser, or of Node, which has an event for its end. Its name or data is 'em-pthread'. */
export interface PoolWorker {
  onerror: ((event: ErrorEvent) => void) | null;
  on?(event: 'exit', listener: (code: number) => void): void;
  postMessage(message: unknown): void;
  terminate(): unknown;
}

export interface ThreadsModule {
  readonly wasmMemory: WebAssembly.Memory;
  /** Emscripten's pool of workers. */
  readonly PThread: {
    readonly unusedWorkers: PoolWorker[];
    /** Sets the handlers of the worker at once; resolves when it can run a thread. */
    loadWasmModuleToWorker(worker: PoolWorker): Promise<unknown>;
    terminateAllThreads(): void;
  };
  /** Starts a pool of as many threads: the caller's and a worker for each other. */
  startThreads(threads: number): void;
  /** The address of the call of a job: see wasm/call.ts. */
  callAddress(job: number): Address;
  /** The address of room for parts of a batch, or 0. */
  readonly stage: (bytes: number) => Address;
  /** The address of zeros that are never freed, or 0. */
  readonly allocateZeros: (bytes: number) => Address;
  /** Returns a status: see wasm/call.ts. */
  validate(job: number): number;
  /** Starts a job that was validated. */
  start(job: number): void;
  /** Waits for a job. Returns a status, which may be that a worker died. */
  finish(job: number): number;
  /** Runs job 0 from validate() to finish(). */
  compute(): number;
}

/** Bytes of the memory that the module needs to start, and the most that it takes: those of CMakeLists.txt. */
export const INITIAL_MEMORY: number;
export const MAXIMUM_MEMORY: number;

export default function createModule(options: {
  printErr(message: string): void;
  wasmMemory: WebAssembly.Memory;
}): Promise<ThreadsModule>;
