import type { DType, Shape } from './tensor.js';

/**
 * A tensor whose elements are in a GPU's memory; `fromGPUBuffer()` of `multilabel-margin-loss/webgpu` makes one. Only
 * `forwardAsync()` and `valueAndGradAsync()` of a loss with a WebGPU backend take it.
 */
export class DeviceTensor<D extends DType = DType> {
  /** A GPUBuffer that holds the elements from its first byte on, row-major. */
  readonly buffer: object;
  readonly shape: Shape;
  readonly dtype: D;

  /** @hidden */
  constructor(buffer: object, shape: Shape, dtype: D) {
    this.buffer = buffer;
    this.shape = shape.slice();
    this.dtype = dtype;
  }
}
