// What Emscripten's glue exports: the functions of bindings/loss_bindings.cc.
import type { InstantiateWasm } from './instantiate.js';
import type { Address } from './linear-memory.js';

export interface LossModule {
  readonly wasmMemory: WebAssembly.Memory;
  /** Bytes to which the memory can grow. */
  maximumMemory(): number;
  /** The address of the call: see call.ts. */
  callAddress(): Address;
  /** The address of room for a part of a batch, or 0. */
  readonly stage: (bytes: number) => Address;
  /** Returns a status: see call.ts. */
  validate(): number;
  /** Returns a status: see call.ts. */
  compute(): number;
}

/** Returns the module itself, because it is built with WASM_ASYNC_COMPILATION=0. */
export default function createModule(options: { instantiateWasm: InstantiateWasm }): LossModule;
