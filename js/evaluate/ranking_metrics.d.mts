// What Emscripten's glue exports; the functions are those of bindings/metrics_bindings.cc.
import type { Address } from '../wasm/linear-memory.js';

export interface MetricsModule {
  readonly wasmMemory: WebAssembly.Memory;
  /** Bytes to which the memory can grow. */
  _maximumMemory(): number;
  /** Returns the address of room for what the module will read, or 0. What was there before is lost. */
  readonly _stage: (bytes: number) => Address;
  /** Returns 0 when memory is exhausted. */
  _begin(classes: number, ks: Address, numKs: number): number;
  /** Returns where to describe the part of a batch that the next two functions take. */
  _partAddress(): Address;
  /** Returns a status. */
  _prepare(): number;
  _add(): void;
  _badRow(): number;
  _badColumn(): number;
  /** Returns a status. */
  _merge(state: Address, size: number): number;
  /** Returns the address of the state, or 0. */
  _write(): Address;
  _writtenSize(): number;
  /** Returns the address of the results, float64, or 0. */
  _compute(): Address;
  /** Returns how many numbers the results are. */
  _computedSize(): number;
  /** Returns the address of the sums of groups, float64, or 0. */
  _groupSums(): Address;
  _numSums(): number;
  _numRows(): number;
  _fingerprintLow(): number;
  _fingerprintHigh(): number;
  _labelsFingerprintLow(): number;
  _labelsFingerprintHigh(): number;
}

/** Synchronous, because the module is inlined and its build says WASM_ASYNC_COMPILATION=0. */
export default function createModule(): MetricsModule;
