import type { BareModule } from '../wasm/instantiate.js';
import type { Address } from '../wasm/linear-memory.js';

/**
 * What the module of the training core exports: the functions of bindings/training_bindings.cc. Sizes count elements, all
 * arrays are float32 and row-major but where it says so, and a result may take the place of an operand of its size in the
 * elementwise functions. Nothing is checked: shapes and addresses must fit. Functions without a result cannot fail.
 */
export interface TrainingModule extends BareModule {
  /** A block, aligned to 64 bytes, of undefined contents; 0 when memory is exhausted. Memory may grow, which detaches views. */
  allocate(bytes: number): Address;
  release(block: Address): void;

  /** Where a call of the loss is described: see wasm/call.ts. Scores are float32. */
  lossCall(): Address;
  /** Returns a status, as `compute()` of the module of the loss does. Memory may grow. */
  computeLoss(): number;

  fill(x: Address, size: number, value: number): void;
  /** y = max(x, 0) */
  relu(x: Address, size: number, y: Address): void;
  /** dx = dy where y, the result of relu, is above 0 or NaN, else 0 */
  reluBackward(dy: Address, y: Address, size: number, dx: Address): void;
  /**
   * y = x / (1 - p) with a probability of 1 - p, else 0. The gradient is dx = dropout(dy) of the same seed: two integers of
   * 32 bits.
   */
  dropout(x: Address, size: number, p: number, seedLow: number, seedHigh: number, y: Address): void;
  /** y = a + b. Accumulates a gradient where y is a. */
  add(a: Address, b: Address, size: number, y: Address): void;
  /** y[n, j] = x[n, j] + row[j] */
  addRow(x: Address, row: Address, rows: number, columns: number, y: Address): void;
  /** sums[j] = sum over n of x[n, j] */
  columnSums(x: Address, rows: number, columns: number, sums: Address): void;
  /** y = factor x */
  scale(x: Address, size: number, factor: number, y: Address): void;

  /** y = x weight^T + bias, of x [rows, inputs], weight [outputs, inputs], bias [outputs] or 0, y [rows, outputs] */
  linearForward(
    rows: number,
    inputs: number,
    outputs: number,
    x: Address,
    weight: Address,
    bias: Address,
    y: Address,
  ): void;
  /** dx = dy weight. `y` is what linearForward gave, by which products with zeros are known to be zeros. */
  linearBackwardInput(
    rows: number,
    inputs: number,
    outputs: number,
    dy: Address,
    y: Address,
    weight: Address,
    dx: Address,
  ): void;
  /**
   * dweight = dy^T x. Writes `present`, one byte for each row of dweight: where it is 0 the row is all zero, and nothing is
   * written to dweight.
   */
  linearBackwardWeight(
    rows: number,
    inputs: number,
    outputs: number,
    dy: Address,
    y: Address,
    x: Address,
    dweight: Address,
    present: Address,
  ): void;

  /** The first of the int32 entries that is not in [0, tableRows), or -1. */
  findBadIndex(input: Address, entries: number, tableRows: number): number;
  /**
   * The first of the int32 offsets that is wrong, or -1: the first of them must be 0, none less than the one before it or
   * above `entries`.
   */
  findBadOffset(offsets: Address, bags: number, entries: number): number;
  /**
   * y [bags, columns] = sums of rows of the table [tableRows, columns]. `input` and `offsets` are int32 and were found
   * good; weights, [entries], may be 0 for ones.
   */
  bagForward(
    input: Address,
    weights: Address,
    offsets: Address,
    entries: number,
    bags: number,
    table: Address,
    columns: number,
    y: Address,
  ): void;
  /** Makes room for the three functions below, which then cannot fail: 1, or 0 when memory is exhausted. Memory may grow. */
  reserveBagBackward(entries: number, bags: number, tableRows: number, columns: number): number;
  /** The gradient of the table, with `present` as linearBackwardWeight writes it. */
  bagBackward(
    input: Address,
    weights: Address,
    offsets: Address,
    entries: number,
    bags: number,
    dy: Address,
    tableRows: number,
    columns: number,
    dtable: Address,
    present: Address,
  ): void;
  /** bagBackward and sgdStep in one, without momentum and weight decay. */
  bagSgdStep(
    input: Address,
    weights: Address,
    offsets: Address,
    entries: number,
    bags: number,
    dy: Address,
    columns: number,
    lr: number,
    table: Address,
  ): void;
  /** bagBackward and adagradStep in one, without weight decay and with an eps above 0. */
  bagAdagradStep(
    input: Address,
    weights: Address,
    offsets: Address,
    entries: number,
    bags: number,
    dy: Address,
    columns: number,
    step: number,
    lr: number,
    lrDecay: number,
    eps: number,
    table: Address,
    sum: Address,
  ): void;

  /** Writes the rows of a gradient that are not present as zeros. */
  completeGradient(values: Address, present: Address, rows: number, columns: number): void;

  // Optimizers: of a gradient [rows, columns] with `present`, which is 0 where all rows are there. `step` counts from 1.
  /** The momentum buffer is 0 where momentum is; the first step that has one fills it. */
  sgdStep(
    gradient: Address,
    present: Address,
    rows: number,
    columns: number,
    parameter: Address,
    momentumBuffer: Address,
    isFirst: boolean,
    lr: number,
    momentum: number,
    dampening: number,
    weightDecay: number,
    nesterov: boolean,
  ): void;
  adamStep(
    gradient: Address,
    present: Address,
    rows: number,
    columns: number,
    parameter: Address,
    expAvg: Address,
    expAvgSq: Address,
    step: number,
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weightDecay: number,
    decoupled: boolean,
  ): void;
  adagradStep(
    gradient: Address,
    present: Address,
    rows: number,
    columns: number,
    parameter: Address,
    sum: Address,
    step: number,
    lr: number,
    lrDecay: number,
    eps: number,
    weightDecay: number,
  ): void;
}
