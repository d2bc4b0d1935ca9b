// What Emscripten's glue of the build with threads exports; the functions are those of bindings/bindings.cc.
import type { Address } from '../wasm/linear-memory.js';

/** A worker of a browser, or of Node, which tells of its end. */
export interface PoolWorker {
  onerror: ((event: { message?: string; preventDefault?(): void }) => void) | null;
  on?(event: 'exit', listener: (code: number) => void): void;
}

export interface ThreadsModule {
  readonly wasmMemory: WebAssembly.Memory;
  /** Emscripten's workers: those that are yet to run a thread, and those that do. */
  readonly PThread: {
    readonly unusedWorkers: PoolWorker[];
    allocateUnusedWorker(): void;
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
  start(job: number): void;
  /** False if a worker is dead. */
  finish(job: number): boolean;
}

export default function createModule(options: { printErr(message: string): void }): Promise<ThreadsModule>;
