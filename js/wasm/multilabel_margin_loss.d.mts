// What Emscripten's glue exports; the functions are those of bindings/bindings.cc.
import type { Address } from './linear-memory.js';

export interface LossModule {
  readonly wasmMemory: WebAssembly.Memory;
  /** Where a call is described: see call.ts. */
  callAddress(): Address;
  /** Room for a part of a batch, or 0. */
  stage(bytes: number): Address;
  /** Both return a status: see call.ts. */
  validate(): number;
  compute(): number;
}

/** Hands over an instance of the module, and returns what it gets for it. */
export type InstantiateWasm = (
  imports: WebAssembly.Imports,
  receive: (instance: WebAssembly.Instance) => WebAssembly.Exports,
) => WebAssembly.Exports;

/** Synchronous, because its build says WASM_ASYNC_COMPILATION=0. */
export default function createModule(options: { instantiateWasm: InstantiateWasm }): LossModule;
