// What Emscripten's glue exports; the functions are those of bindings/bindings.cc.

/** An address in linear memory, in bytes; 0 is none. */
export type Address = number;

export interface LossModule {
  readonly wasmMemory: WebAssembly.Memory;
  /** Where a call is described: see CALL in backend.ts. */
  callAddress(): Address;
  /** Room for a part of a batch, or 0. */
  stage(bytes: number): Address;
  /** Both return a status: see STATUS in backend.ts. */
  validate(): number;
  compute(): number;
}

/** Synchronous, because the module is inlined and its build says WASM_ASYNC_COMPILATION=0. */
export default function createModule(): LossModule;
