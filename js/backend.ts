/** @default 'mean' */
export type Reduction = 'none' | 'mean' | 'sum';

/** Everything about the loss but its inputs, with no default left open. */
export interface LossOptions {
  reduction: Reduction;
  margin: number;
  normalization: 'classes' | 'targets';
  targetOrder: 'ignored' | 'ranked';
  nan: 'ignore' | 'propagate' | 'error';
}

/** A batch that has the right types and shapes; only the values of its targets and scores are unchecked. */
export interface Batch {
  /** [rows, classes], row-major */
  scores: Float32Array | Float64Array;
  /** [rows, width], row-major */
  targets: Int32Array | BigInt64Array;
  rows: number;
  classes: number;
  width: number;
}

export interface BackendResult {
  /** The type of the scores; [rows] under reduction 'none', else [1]. */
  loss: Float32Array | Float64Array;
  /** d(reduced loss)/d(scores), [rows, classes]; for 'none' of the sum of the losses. Null when it was not asked for. */
  grad: Float32Array | Float64Array | null;
}

/** Where a loss is computed. */
export interface Backend {
  readonly name: string;
  /**
   * @throws LossError ERR_TARGET_RANGE, ERR_NAN, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE; nothing is left
   * half-written, and the backend stays usable
   */
  compute(batch: Batch, options: LossOptions, withGradient: boolean): BackendResult;
}
