// What Emscripten's glue exports; the functions are those of bindings/bindings.cc.

/** An address in linear memory. */
export type Address = number;

export interface LossModule {
  /** Replaced whenever linear memory grows: to be read anew after every call. */
  readonly HEAP8: Int8Array;
  reserve(bytes: number): Address;
  validate(
    isFloat64: boolean,
    isInt64: boolean,
    scores: Address,
    targets: Address,
    rows: number,
    classes: number,
    width: number,
    nanPolicy: number,
  ): number;
  compute(
    isFloat64: boolean,
    isInt64: boolean,
    scores: Address,
    targets: Address,
    rows: number,
    classes: number,
    width: number,
    batchRows: number,
    margin: number,
    reduction: number,
    normalization: number,
    targetOrder: number,
    nanPolicy: number,
    lossSum: Address,
    losses: Address,
    withGradient: boolean,
  ): number;
  lastFault(): { row: number; column: number };
}

/** Synchronous, because the module is inlined and its build says WASM_ASYNC_COMPILATION=0. */
export default function createModule(): LossModule;
