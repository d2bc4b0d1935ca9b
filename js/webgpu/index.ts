/**
 * The loss on a GPU.
 *
 * @packageDocumentation
 */
import { DeviceTensor } from '../device-tensor.js';
import { describe, LossError } from '../errors.js';
import { checkOptions, formatShape, isShape, type Shape, sizeOf } from '../tensor.js';
import { WebGPUBackend } from './backend.js';
import { findDevice, USAGE } from './device.js';

export { type AutoBackend, autoBackend, type AutoBackendOptions, type Measurement } from './auto.js';
export type { WebGPUBackend } from './backend.js';

/** A tensor in a GPU's memory: see {@link fromGPUBuffer}. */
export interface GPUTensor<D extends GPUDType = GPUDType> extends DeviceTensor<D> {
  readonly buffer: GPUBuffer;
}

export type GPUDType = 'float32' | 'int32' | 'int64';

export interface WebGPUBackendOptions {
  /**
   * The device of your buffers, say that of TensorFlow.js. It stays yours: `dispose()` does not destroy it.
   * @default a new one, with the largest buffers that the adapter allows
   */
  device?: GPUDevice;
  /** Which adapter to ask for a device, where none is given: `{ powerPreference: 'high-performance' }`, say. */
  adapterOptions?: GPURequestAdapterOptions;
}

/**
 * Makes a backend on a GPU, for the `backend` option of `MultiLabelMarginLoss`. It works in browsers with WebGPU, in
 * their workers, and in Node with the package `webgpu`.
 *
 * @returns a backend, whose `adapterInfo` says which GPU it is; its `dispose()` frees its memory there
 * @throws (rejects with) LossError ERR_OPTION; ERR_BACKEND_UNAVAILABLE where there is no WebGPU, saying why
 * @example
 * const backend = await createWebGPUBackend();
 * const lossFn = new MultiLabelMarginLoss({ backend });
 * const { loss, grad } = await lossFn.valueAndGradAsync(scores, targets);
 */
export async function createWebGPUBackend(options: WebGPUBackendOptions = {}): Promise<WebGPUBackend> {
  const { device, adapterOptions } = checkOptions(options, ['device', 'adapterOptions'], 'createWebGPUBackend()');
  if (device !== undefined && adapterOptions !== undefined) {
    throw new LossError('ERR_OPTION', 'adapterOptions are for a new device: give them or a device, not both');
  }
  return new WebGPUBackend(await findDevice({ device, adapterOptions }));
}

/**
 * A tensor of the elements in a GPU buffer, as scores, targets or `grad` of `forwardAsync()` and `valueAndGradAsync()`:
 * nothing is copied. The buffer stays the caller's.
 *
 * @param buffer of the device of the backend, with usage STORAGE, which holds the elements from its first byte on,
 * row-major; int64 as two 32-bit words, the low one first
 * @throws LossError ERR_DTYPE, ERR_SHAPE, ERR_OPTION
 * @example
 * const scores = fromGPUBuffer(buffer, { shape: [1024, 1000] });
 * const { loss, grad } = await lossFn.valueAndGradAsync(scores, targets); // grad.buffer is a new GPUBuffer
 */
export function fromGPUBuffer<D extends GPUDType = 'float32'>(
  buffer: GPUBuffer,
  options: { shape: Shape; dtype?: D },
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
