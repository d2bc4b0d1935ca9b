// What Emscripten's glue of the build with threads exports; the functions are those of bindings/bindings.cc.
import type { Address } from '../wasm/linear-memory.js';

/** A worker of a browser, or of Node, which tells of its end. Its name or data is 'em-pthread'. */
export interface PoolWorker {
  onerror: ((event: ErrorEvent) => void) | null;
  on?(event: 'exit', listener: (code: number) => void): void;
}

export interface ThreadsModule {
  readonly wasmMemory: WebAssembly.Memory;
  /** Emscripten's workers: those that are yet to run a thread, and those that do. */
  readonly PThread: {
    readonly unusedWorkers: PoolWorker[];
    /** Sets its handlers at once; resolves when it can run a thread. */
    loadWasmModuleToWorker(worker: PoolWorker): Promise<unknown>;
    terminateAllThreads(): void;
  };
  /** Takes all workers there are, and the caller's thread. */
  startThreads(threads: number): void;
  /** Where the call of a job is described: see wasm/call.ts. */
  callAddress(job: number): Address;
  /** Room for parts of a batch, or 0. */
  stage(bytes: number): Address;
  /** Memory for a tensor, of zeros; or 0. */
  allocateZeros(bytes: number): Address;
  /** A status: see wasm/call.ts. */
  validate(job: number): number;
  /** Of a job that was validated. */
  start(job: number): void;
  /** Both return a status; it may be that a worker died. The second is all of job 0. */
  finish(job: number): number;
  compute(): number;
}

export default function createModule(options: { printErr(message: string): void }): Promise<ThreadsModule>;
