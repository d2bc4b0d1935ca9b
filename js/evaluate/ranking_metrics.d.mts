// What Emscripten's glue exports; the functions are those of bindings/evaluate_bindings.cc.
import type { Address } from '../wasm/linear-memory.js';

export interface RankingMetricsModule {
  readonly wasmMemory: WebAssembly.Memory;
  /** Bytes to which the memory can grow. */
  _maximumMemory(): number;
  /** Room for what is to be read, or 0. What was there before is lost. */
  readonly _stage: (bytes: number) => Address;
  /** 0 when memory is exhausted. */
  _begin(classes: number, ks: Address, numKs: number): number;
  /** Returns a status: see metrics.ts. */
  _prepare(
    float64: number,
    scores: Address,
    targets: Address,
    rows: number,
    width: number,
    batchRows: number,
    skip: number,
  ): number;
  _badRow(): number;
  _badColumn(): number;
  _add(
    float64: number,
    scores: Address,
    targets: Address,
    losses: Address,
    rows: number,
    width: number,
    firstRow: number,
  ): void;
  /** Returns a status: see metrics.ts. */
  _merge(state: Address, size: number): number;
  /** Where the state is, or 0. */
  _write(): Address;
  _writtenSize(): number;
  /** Where the results are, float64, or 0. */
  _compute(): Address;
  /** Their number. */
  _computedSize(): number;
  /** Where the sums of groups are, float64, or 0. */
  _sumsOfGroups(): Address;
  _fingerprintLow(): number;
  _fingerprintHigh(): number;
}

/** Synchronous, because the module is inlined and its build says WASM_ASYNC_COMPILATION=0. */
export default function createModule(): RankingMetricsModule;
