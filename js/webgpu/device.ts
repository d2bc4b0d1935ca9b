import { describe, LossError } from '../errors.js';
import type { Kernel } from './kernels/kernel.js';

// The numbers of GPUBufferUsage and GPUMapMode, which are globals only in browsers.
export const USAGE = { mapRead: 1, copySource: 4, copyDestination: 8, uniform: 64, storage: 128 };
export const MAP_READ = 1;

/** Compiled kernels, by label. Calls that ask for a kernel while it is compiled wait for the same compilation. */
export class Pipelines {
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();

  constructor(private readonly device: GPUDevice) {}

  /** @throws (rejects with) LossError ERR_BACKEND_UNAVAILABLE, with what the compiler says */
  get(kernel: Kernel): Promise<GPUComputePipeline> {
    const { label } = kernel;
    let pipeline = this.#pipelines.get(label);
    if (pipeline === undefined) {
      pipeline = this.#compile(kernel);
      this.#pipelines.set(label, pipeline);
      pipeline.catch(() => this.#pipelines.delete(label));
    }
    return pipeline;
  }

  async #compile({ label, code }: Kernel): Promise<GPUComputePipeline> {
    this.device.pushErrorScope('validation');
    const module = this.device.createShaderModule({ label, code });
    const invalid = this.device.popErrorScope();
    try {
      const pipeline = await this.device.createComputePipelineAsync({ label, layout: 'auto', compute: { module } });
      await invalid;
      return pipeline;
    } catch (cause) {
      await invalid.catch(() => null);
      const { messages } = await module.getCompilationInfo();
      const said = messages.map(({ type, lineNum, linePos, message }) => `${type} ${lineNum}:${linePos} ${message}`);
      throw new LossError(
        'ERR_BACKEND_UNAVAILABLE',
        `the kernel '${label}' could not be compiled for this GPU: ${[...said, (cause as Error).message].join('; ')}`,
        { cause },
      );
    }
  }
}

/** Buffers that no call uses, for later calls. */
export class BufferPool {
  /** Buffers in the order of their release. */
  readonly #free: GPUBuffer[] = [];
  #bytes = 0;
  #isClosed = false;

  /** @param mostBytes bytes of buffers that are kept */
  constructor(
    private readonly device: GPUDevice,
    private readonly mostBytes: number,
  ) {}

  /** Bytes of the buffers that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A buffer of at least so many bytes, with whatever an earlier call left in it. */
  take(bytes: number, usage: number): GPUBuffer {
    const size = Math.min(roundUp(bytes), Math.max(bytes, this.device.limits.maxBufferSize));
    const at = this.#free.findIndex((buffer) => buffer.size === size && buffer.usage === usage);
    if (at < 0) return this.device.createBuffer({ size, usage });
    this.#bytes -= size;
    return this.#free.splice(at, 1)[0] as GPUBuffer;
  }

  giveBack(buffer: GPUBuffer): void {
    if (this.#isClosed || buffer.size > this.mostBytes) {
      buffer.destroy();
      return;
    }
    this.#free.push(buffer);
    this.#bytes += buffer.size;
    while (this.#bytes > this.mostBytes) {
      const oldest = this.#free.shift() as GPUBuffer;
      this.#bytes -= oldest.size;
      oldest.destroy();
    }
  }

  /** Destroys the buffers that are kept, and from now on every buffer that is given back. */
  close(): void {
    this.#isClosed = true;
    for (const buffer of this.#free) buffer.destroy();
    this.#free.length = 0;
    this.#bytes = 0;
  }
}

/** Rounds up to a few sizes, so that batches of similar sizes share buffers: an eighth of a power of two apart. */
function roundUp(bytes: number): number {
  const power = 2 ** Math.floor(Math.log2(Math.max(bytes, 256)));
  return Math.ceil(bytes / (power / 8)) * (power / 8);
}

export interface DeviceOptions {
  device?: GPUDevice | undefined;
  adapterOptions?: GPURequestAdapterOptions | undefined;
}

export interface DeviceFound {
  device: GPUDevice;
  adapterInfo: GPUAdapterInfo;
  /** Whether the device was made here; its maker destroys it. */
  isOwn: boolean;
  /** The GPU object of the package webgpu: it must live as long as the device does. */
  gpu: unknown;
}

/** The device given, or a new one. */
export async function findDevice({ device, adapterOptions }: DeviceOptions): Promise<DeviceFound> {
  if (device !== undefined) {
    if (typeof (device as Partial<GPUDevice> | null)?.createComputePipelineAsync !== 'function') {
      throw new LossError('ERR_OPTION', `device must be a GPUDevice, got ${describe(device)}`);
    }
    return { device, adapterInfo: device.adapterInfo, isOwn: false, gpu: null };
  }
  const gpu = await findGPU();
  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter(adapterOptions);
  } catch (cause) {
    throw unavailable(`the adapter request failed: ${(cause as Error).message}`, cause);
  }
  if (adapter === null) {
    throw unavailable('there is no GPU adapter for it: no driver, or the browser does not trust the one there is');
  }
  // The larger the bindings are, the fewer parts a batch is computed in.
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  try {
    const own = await adapter.requestDevice({
      label: 'multilabel-margin-loss',
      requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
      requiredFeatures: adapter.features.has('subgroups') ? ['subgroups'] : [],
    });
    return { device: own, adapterInfo: adapter.info, isOwn: true, gpu };
  } catch (cause) {
    throw unavailable(`the adapter gave no device: ${(cause as Error).message}`, cause);
  }
}

/** The part of the optional package `webgpu` that this file uses in Node. */
interface WebGPUPackage {
  readonly create: (flags: string[]) => GPU;
}

async function findGPU(): Promise<GPU> {
  const { navigator, process } = globalThis as {
    navigator?: { gpu?: GPU };
    process?: { versions?: { node?: unknown }; type?: string };
  };
  if (navigator?.gpu !== undefined) return navigator.gpu;
  if (typeof process?.versions?.node !== 'string' || process.type === 'renderer') {
    throw unavailable(
      'this browser has none, or this page may not use it: WebGPU is for secure contexts (https: or localhost)',
    );
  }
  try {
    // Bundlers must not see the name: they would demand an optional package that browsers have no use for.
    const name: string = 'webgpu';
    const { create } = (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)) as WebGPUPackage;
    return create([]);
  } catch (cause) {
    throw unavailable('Node.js has it from the package webgpu, which did not load: npm install webgpu', cause);
  }
}

function unavailable(why: string, cause?: unknown): LossError {
  return new LossError('ERR_BACKEND_UNAVAILABLE', `WebGPU is not available: ${why}`, { cause });
}
