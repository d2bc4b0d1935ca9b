import { brand } from './brand.js';
import type { DType } from './dtypes.js';
import type { Shape } from './shapes.js';

/**
 * A tensor whose elements are in a GPU's memory; `fromGPUBuffer()` of `multilabel-margin-loss/webgpu` makes one. Only
 * `forwardAsync()` and `valueAndGradAsync()` of a loss with a WebGPU backend take it.
 *
 * @example
 * import type { DeviceTensor } from 'multilabel-margin-loss';
 * import { createWebGPUBackend, fromGPUBuffer } from 'multilabel-margin-loss/webgpu';
 *
 * using backend = await createWebGPUBackend();
 * const buffer = backend.device.createBuffer({ size: 1024 * 4, usage: 128 }); // GPUBufferUsage.STORAGE
 * const scores: DeviceTensor = fromGPUBuffer(buffer, { shape: [1, 1024] });
 * scores.dtype; // => 'float32'
 */
export class DeviceTensor<D extends DType = DType> {
  /** A GPUBuffer that holds the elements from its first byte on, row-major. */
  readonly buffer: object;
  /** [N, C] for scores and gradients, [N, K] for targets; or without N. */
  readonly shape: Shape;
  /** 'float32' for scores and gradients, 'int32' or 'int64' for targets. */
  readonly dtype: D;

  /** @hidden */
  constructor(buffer: object, shape: Shape, dtype: D) {
    this.buffer = buffer;
    this.shape = shape.slice();
    this.dtype = dtype;
  }
}

const BRAND = brand(DeviceTensor, 'DeviceTensor');

export function isDeviceTensor(value: unknown): value is DeviceTensor {
  return typeof value === 'object' && value !== null && BRAND in value;
}
