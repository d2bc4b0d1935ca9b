// The module exports the functions of bindings/metrics_bindings.cc.
import type { BareModule } from '../wasm/instantiate.js';
import type { Address } from '../wasm/linear-memory.js';

export interface MetricsModule extends BareModule {
  /** Returns the address of room for what the module will read, or 0. What was there before is lost. */
  readonly stage: (bytes: number) => Address;
  /** Returns 0 when memory is exhausted. */
  begin(
    classes: number,
    ks: Address,
    numKs: number,
    thresholds: Address,
    most: number,
    beta: number,
    zeroDivision: number,
  ): number;
  /** Returns where to describe the part of a batch that the next two functions take. */
  partAddress(): Address;
  /** Returns a status. */
  prepare(): number;
  add(): void;
  badRow(): number;
  badColumn(): number;
  /** Returns a status. */
  merge(state: Address, size: number): number;
  /** Returns the address of the state, or 0. */
  write(): Address;
  writtenSize(): number;
  /** Returns the address of the results, float64, or 0. */
  compute(): Address;
  /** Returns how many numbers the results are. */
  computedSize(): number;
  /** Returns the address of the sums of groups, float64, or 0. */
  groupSums(): Address;
  numSums(): number;
  /** Returns the address of what is known of a label in each group, float64, or 0. */
  labelGroups(label: number): Address;
  /** Returns the address of the pairs of classes of the most rows, float64, or 0. */
  confusions(most: number): Address;
  numConfusions(): number;
  /** Returns an AveragePrecision::Missing. */
  computeCurve(label: number): number;
  /** Returns the address of the points that were computed last. */
  curvePoints(): Address;
  curveSize(): number;
  numRows(): number;
  fingerprintLow(): number;
  fingerprintHigh(): number;
  labelsFingerprintLow(): number;
  labelsFingerprintHigh(): number;
}
