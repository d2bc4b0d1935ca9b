/**
 * The loss on a GPU.
 *
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
 * import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
 *
 * const backend = await createWebGPUBackend(); // in Node, with the package webgpu
 * const lossFn = new MultiLabelMarginLoss({ backend });
 * const { loss, grad } = await lossFn.valueAndGradAsync([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * loss.item(); // => 0.85
 * grad.tolist(); // => [[-0.5, 0.5, 0.5, -0.5]]
 * backend.dispose();
 *
 * @module multilabel-margin-loss/webgpu
 */
import { DeviceTensor } from '../device-tensor.js';
import { describe, LossError } from '../errors.js';
import { checkOptions } from '../options.js';
import { formatShape, isShape, type Shape, sizeOf } from '../shapes.js';
import { WebGPUBackend } from './backend.js';
import { findDevice, USAGE } from './device.js';
import type { AdapterOptions, Buffer, Device } from './types.js';

export { type AutoBackend, createAutoBackend, type AutoBackendOptions, type Measurement } from './auto.js';
export type { WebGPUBackend } from './backend.js';

/**
 * A tensor in a GPU's memory: what {@link fromGPUBuffer} returns, and the gradient of scores that are one.
 *
 * @example
 * import { createWebGPUBackend, fromGPUBuffer, type GPUTensor } from 'multilabel-margin-loss/webgpu';
 *
 * using backend = await createWebGPUBackend();
 * const buffer = backend.device.createBuffer({ size: 128 * 5 * 4, usage: 128 }); // GPUBufferUsage.STORAGE
 * const targets: GPUTensor<'int32'> = fromGPUBuffer(buffer, { shape: [128, 5], dtype: 'int32' });
 * targets.buffer === buffer; // => true
 */
export interface GPUTensor<D extends GPUDType = GPUDType> extends DeviceTensor<D> {
  /** Holds the elements from its first byte on, row-major; int64 as two 32-bit words, the low one first. */
  readonly buffer: Buffer;
}

/**
 * The dtypes of tensors on a GPU: float32 for scores and gradients, int32 and int64 for targets. WGSL has no float64.
 */
export type GPUDType = 'float32' | 'int32' | 'int64';

/**
 * Options of {@link createWebGPUBackend}: one of them, or none.
 *
 * @example
 * import { createWebGPUBackend, type WebGPUBackendOptions } from 'multilabel-margin-loss/webgpu';
 *
 * const options: WebGPUBackendOptions = { adapterOptions: { powerPreference: 'high-performance' } };
 * using backend = await createWebGPUBackend(options);
 * backend.name; // => 'webgpu'
 */
export interface WebGPUBackendOptions {
  /**
   * The device that your buffers belong to, such as that of TensorFlow.js. `dispose()` does not destroy it.
   * @default a new one, with the largest buffers that the adapter allows
   */
  device?: Device | undefined;
  /**
   * Options of the adapter that is asked for a device where none is given, such as `{ powerPreference: 'high-performance' }`.
   * @default the one that the browser or the driver prefers
   */
  adapterOptions?: AdapterOptions | undefined;
}

/**
 * Makes a backend on a GPU, for the `backend` option of `MultiLabelMarginLoss`. It works in browsers with WebGPU, in
 * their workers, and in Node with the package `webgpu`.
 *
 * @param options `device`, or `adapterOptions` for a new one
 * @returns a promise of a backend, whose `adapterInfo` says which GPU it is; its `dispose()` frees its memory there
 * @throws (rejects with) LossError ERR_OPTION; ERR_BACKEND_UNAVAILABLE where there is no WebGPU, saying why
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
 * import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
 *
 * using backend = await createWebGPUBackend();
 * const lossFn = new MultiLabelMarginLoss({ backend, reduction: 'sum' });
 * (await lossFn.forwardAsync([[0.1, 0.2, 0.4, 0.8]], [[3, 0]])).item(); // => 0.85
 */
export async function createWebGPUBackend(options: WebGPUBackendOptions = {}): Promise<WebGPUBackend> {
  const { device, adapterOptions } = checkOptions(options, ['device', 'adapterOptions'], 'createWebGPUBackend()');
  if (device !== undefined && adapterOptions !== undefined) {
    throw new LossError('ERR_OPTION', 'adapterOptions are for a new device: give them or a device, not both');
  }
  return new WebGPUBackend(await findDevice({ device, adapterOptions }));
}

/**
 * A tensor of the elements in a GPU buffer, for scores, targets or `grad` of `forwardAsync()` and `valueAndGradAsync()`.
 * Nothing is copied, and the caller still owns the buffer.
 *
 * @param buffer a buffer of the backend's device, with usage STORAGE. It holds the elements from its first byte on,
 * row-major; int64 as two 32-bit words, the low one first
 * @param options `shape`: [N, C] or [C] for scores and gradients, [N, K] or [K] for targets; `dtype`: 'float32' by default,
 * or 'int32' or 'int64'
 * @returns a tensor of that shape and dtype, whose `buffer` is the one given
 * @throws LossError ERR_DTYPE for another dtype, or if `buffer` is no GPUBuffer; ERR_SHAPE if the buffer is too small;
 * ERR_OPTION if it lacks the usage STORAGE
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
 * import { createWebGPUBackend, fromGPUBuffer } from 'multilabel-margin-loss/webgpu';
 *
 * using backend = await createWebGPUBackend();
 * const { device } = backend;
 * const buffer = device.createBuffer({ size: 16, usage: 8 | 128 }); // GPUBufferUsage.COPY_DST | GPUBufferUsage.STORAGE
 * device.queue.writeBuffer(buffer, 0, Float32Array.of(0.1, 0.2, 0.4, 0.8));
 *
 * const scores = fromGPUBuffer(buffer, { shape: [1, 4] });
 * const { loss, grad } = await new MultiLabelMarginLoss({ backend }).valueAndGradAsync(scores, [[3, 0]]);
 * loss.item(); // => 0.85
 * grad.buffer.size; // => 16
 * grad.buffer.destroy();
 */
export function fromGPUBuffer<D extends GPUDType = 'float32'>(
  buffer: Buffer,
  options: {
    /** [N, C] or [C] for scores and gradients, [N, K] or [K] for targets. */
    shape: Shape;
    /**
     * The type of the elements: float32 for scores and gradients, int32 or int64 for targets.
     * @default 'float32'
     */
    dtype?: D | undefined;
  },
): GPUTensor<D> {
  const { shape, dtype = 'float32' } = checkOptions(options, ['shape', 'dtype'], 'fromGPUBuffer()');
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'int64') {
    throw new LossError('ERR_DTYPE', `a tensor on a GPU must be float32, int32 or int64, got ${describe(dtype)}`);
  }
  if (!isShape(shape)) {
    throw new LossError('ERR_SHAPE', `fromGPUBuffer() needs a shape of integers from 0, got ${formatShape(shape)}`);
  }
  const { size, usage } = (buffer ?? {}) as Partial<GPUBuffer>;
  if (typeof size !== 'number' || typeof usage !== 'number') {
    throw new LossError('ERR_DTYPE', `fromGPUBuffer() needs a GPUBuffer, got ${describe(buffer)}`);
  }
  const bytes = sizeOf(shape) * (dtype === 'int64' ? 8 : 4);
  if (bytes > size) {
    throw new LossError(
      'ERR_SHAPE',
      `a ${dtype} tensor of shape ${formatShape(shape)} needs ${bytes} bytes, the buffer has ${size}`,
    );
  }
  if ((usage & USAGE.storage) === 0) {
    throw new LossError('ERR_OPTION', 'the buffer must have been made with GPUBufferUsage.STORAGE');
  }
  return new DeviceTensor(buffer, shape, dtype) as GPUTensor<D>;
}
