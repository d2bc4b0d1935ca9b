import type { DeviceTensor } from './device-tensor.js';
import type { FloatDType } from './dtypes.js';
import type { Storage } from './tensor.js';
import { LossError } from './errors.js';

/**
 * What becomes of the losses of the rows: they are averaged or added, or left as they are, [N].
 *
 * @default 'mean'
 */
export type Reduction = 'none' | 'mean' | 'sum';

/** Everything about the loss but its inputs, with no default left open. */
export interface LossOptions {
  reduction: Reduction;
  margin: number;
  normalization: 'classes' | 'targets';
  targetOrder: 'ignored' | 'ranked';
  nan: 'ignore' | 'propagate' | 'error';
}

export type FloatArray = Float32Array | Float64Array;
export type IndexArray = Int32Array | BigInt64Array;

/** A batch that has the right types and shapes. The values of scores, targets and unknown are unchecked. */
export interface Batch {
  /** [rows, classes], row-major */
  scores: FloatArray;
  /** [rows, width], row-major */
  targets: IndexArray;
  rows: number;
  classes: number;
  width: number;
  /**
   * [rows]; the loss and the gradient of a row are multiplied by its weight, and are 0 for weight 0, whatever its scores.
   * 'mean' divides by the number of rows all the same. Every weight is finite in the type of the scores, and not negative:
   * checkSampleWeight(). Null for 1.
   */
  sampleWeight: FloatArray | null;
  /**
   * [rows, unknownWidth], row-major: class indices, of which a row's list ends at the first -1, as in targets. The pairs of
   * an unknown class add 0 to loss and gradient; the divisor stays the same. A class of both lists of a row is an error.
   * The policy for NaN looks at the scores of unknown classes too. Null for none.
   */
  unknown: IndexArray | null;
  /** 0 without unknown classes. */
  unknownWidth: number;
}

export interface BackendResult {
  /** The type of the scores; [rows] under reduction 'none', else [1]. */
  loss: FloatArray;
  /**
   * d(reduced loss)/d(scores), [rows, classes]; for 'none' of the sum of the losses. Null when it was not asked for. In
   * the memory of the scores, where the backend is that of their storage.
   */
  grad: FloatArray | Storage<FloatDType> | null;
}

/**
 * Where losses are computed: {@link MultiLabelMarginLossOptions.backend}.
 *
 * @example
 * import type { Backend } from 'multilabel-margin-loss';
 * import { createThreadsBackend } from 'multilabel-margin-loss/threads';
 *
 * const backend: Backend = await createThreadsBackend({ threads: 2 });
 * backend.name; // => 'threads'
 * backend.threads; // => 2
 */
export interface Backend {
  /** Which one it is, in one word. */
  readonly name: string;
  /** How many threads compute, the caller's included. */
  readonly threads: number;
  /**
   * For the losses of this package.
   *
   * @param into of the type and length of the scores: where to write the gradient; null for a new array. It is all of
   * the scores' memory or none of it.
   * @throws LossError ERR_TARGET_RANGE, ERR_NAN, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE, ERR_DISPOSED; nothing is
   * left half-written
   * @hidden
   */
  compute(batch: Batch, options: LossOptions, withGradient: boolean, into: FloatArray | null): BackendResult;
  /**
   * Returns the functions of the training core for useTrainingModule(). A backend without them lacks this method.
   *
   * @hidden
   */
  training?(): object;
}

/** A batch of which some may be in the memory of a device. */
export interface DeviceBatch extends Omit<Batch, 'scores' | 'targets'> {
  scores: FloatArray | DeviceTensor;
  targets: IndexArray | DeviceTensor;
}

export interface DeviceResult extends Omit<BackendResult, 'grad'> {
  /** The gradient, as in {@link BackendResult}. It is in the device's memory if the scores are and no `grad` was given. */
  grad: BackendResult['grad'] | DeviceTensor;
}

/**
 * Where losses are computed in promises only: {@link MultiLabelMarginLossOptions.backend}. With it, `forwardAsync()` and
 * `valueAndGradAsync()` work; `forward()` and `valueAndGrad()` throw ERR_BACKEND_UNAVAILABLE.
 *
 * @example
 * import type { AsyncBackend } from 'multilabel-margin-loss';
 * import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
 *
 * using webgpu = await createWebGPUBackend();
 * const backend: AsyncBackend = webgpu;
 * backend.name; // => 'webgpu'
 */
export interface AsyncBackend {
  /** Which one it is, in one word. */
  readonly name: string;
  /**
   * For the losses of this package: as {@link Backend.compute}, in a promise.
   *
   * @param into of the shape of the scores: where to write the gradient; null for a new array or buffer. It shares no
   * memory with the targets, nor with the scores but where both are the same array.
   * @hidden
   */
  computeAsync(
    batch: DeviceBatch,
    options: LossOptions,
    withGradient: boolean,
    into: FloatArray | DeviceTensor | null,
  ): Promise<DeviceResult>;
}

/** The message for a gradient that would be written over what has yet to be read. */
export const GRAD_OVERLAP = 'grad must not share memory with the targets or the scores, unless it is all of the scores';

/** Refuses a backend that computes in promises only, on behalf of a caller that has no asynchronous form. */
export function refuseAsyncBackend(backend: Backend | AsyncBackend | undefined, caller: string): void {
  // Anything that is no backend at all is left to the loss to refuse.
  const { compute, computeAsync, name } = (backend ?? {}) as Partial<Backend & AsyncBackend>;
  if (typeof compute === 'function' || typeof computeAsync !== 'function') return;
  throw new LossError(
    'ERR_OPTION',
    `the backend of ${caller} must compute synchronously, and the ${name} backend computes in promises only: ` +
      'use createThreadsBackend(), or the default backend',
  );
}
