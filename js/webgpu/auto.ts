import type { AsyncBackend, Backend, DeviceBatch, DeviceResult, FloatArray, LossOptions } from '../backend.js';
import { type DeviceTensor, isDeviceTensor } from '../device-tensor.js';
import { describe, LossError } from '../errors.js';
import { checkOptions } from '../options.js';
import { wasmBackend } from '../wasm/backend.js';
import type { WebGPUBackend } from './backend.js';

/**
 * Options of {@link createAutoBackend}.
 *
 * @example
 * import { createThreadsBackend } from 'multilabel-margin-loss/threads';
 * import { type AutoBackendOptions, createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
 *
 * using webgpu = await createWebGPUBackend();
 * using threads = await createThreadsBackend({ threads: 2 });
 * const options: AutoBackendOptions = { webgpu, threads }; // await createAutoBackend(options) measures these two
 * options.threads?.name; // => 'threads'
 */
export interface AutoBackendOptions {
  /** A backend of `createWebGPUBackend()`. */
  webgpu: WebGPUBackend;
  /**
   * A backend of `createThreadsBackend()`.
   * @default one thread
   */
  threads?: Backend | undefined;
}

/**
 * Measurements for batches of one size.
 *
 * @example
 * import type { Measurement } from 'multilabel-margin-loss/webgpu';
 *
 * const speedup = ({ cpu, webgpu }: Measurement): number => cpu / webgpu;
 * speedup({ scores: 2 ** 20, cpu: 3, webgpu: 2 }); // => 1.5
 */
export interface Measurement {
  /** Number of scores of the batch, N * C; float32, C = 1024. */
  scores: number;
  /** Milliseconds for loss and gradient on the CPU: the least of three measurements. */
  cpu: number;
  /** Milliseconds for loss and gradient on the GPU, including the copies of arrays there and back. */
  webgpu: number;
}

const CLASSES = 1024;
// Sizes from 16 thousand scores to 4 million.
const SIZES = [2 ** 14, 2 ** 16, 2 ** 18, 2 ** 20, 2 ** 22];
const TARGETS = 5;
const REPETITIONS = 3;
// Clocks of browsers are coarse: calls are timed together until they have taken this long.
const LEAST_MILLISECONDS = 4;
// Once the GPU takes so many times as long as the CPU, from batches of this size on, larger batches are not measured.
const HOPELESS = 8;
const HOPELESS_FROM = 2 ** 18;

/**
 * Two backends: each batch is computed by the one that was measured to be quicker for its size.
 *
 * Batches in the GPU's memory are computed there, whatever their size. What the WebGPU backend refuses is computed on the
 * CPU: scores of float64, margins and weights that are too small for a GPU, rows that exceed the limits of the device.
 *
 * @example
 * import { type AutoBackend, createAutoBackend, createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
 *
 * using webgpu = await createWebGPUBackend();
 * const backend: AutoBackend = await createAutoBackend({ webgpu });
 * backend.cpu.name; // => 'wasm'
 * backend.measurements[0]?.scores; // => 16384
 */
export class AutoBackend implements AsyncBackend {
  /** 'auto' */
  readonly name = 'auto';
  /** The WebGPU backend that was given. */
  readonly webgpu: WebGPUBackend;
  /** The threads backend that was given, or the backend of one thread. */
  readonly cpu: Backend;
  /** The measurements, from the fewest scores to the most. */
  readonly measurements: readonly Measurement[];
  /** Number of scores, N * C, from which batches of arrays go to the GPU; Infinity if it was never quicker. */
  readonly crossover: number;

  /** @hidden */
  constructor(webgpu: WebGPUBackend, cpu: Backend, measurements: readonly Measurement[]) {
    this.webgpu = webgpu;
    this.cpu = cpu;
    this.measurements = measurements;
    // The first size from which the GPU was quicker at every size.
    const slower = measurements.map((one) => one.webgpu >= one.cpu).lastIndexOf(true);
    this.crossover = measurements[slower + 1]?.scores ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Says which backend computes a batch of float32 arrays, and why.
   *
   * @param scores number of scores of the batch, N * C
   * @returns the `backend`, and the `reason` in words, with what was measured
   * @throws LossError ERR_OPTION if `scores` is not a number from 0
   * @example
   * import { createAutoBackend, createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
   *
   * using webgpu = await createWebGPUBackend();
   * const backend = await createAutoBackend({ webgpu });
   * const { backend: chosen, reason } = backend.choose(128 * 100);
   * chosen.name; // => 'wasm'
   * reason.startsWith('12800 scores are fewer than '); // => true
   */
  choose(scores: number): {
    /** The backend that computes it. */
    backend: WebGPUBackend | Backend;
    /** A sentence that gives the measurements. */
    reason: string;
  } {
    if (typeof scores !== 'number' || !(scores >= 0)) {
      throw new LossError('ERR_OPTION', `choose() needs a number of scores, from 0, got ${describe(scores)}`);
    }
    const isLarge = scores >= this.crossover;
    const measured = this.measurements
      .map(({ scores: size, cpu, webgpu }) => `${size} scores ${cpu.toFixed(2)} ms and ${webgpu.toFixed(2)} ms`)
      .join(', ');
    return {
      backend: isLarge ? this.webgpu : this.cpu,
      reason:
        `${scores} scores are ${isLarge ? 'not ' : ''}fewer than ${this.crossover}, from which ` +
        `${this.webgpu.adapterInfo.description || 'the GPU'} was quicker here; ` +
        `measured on ${this.cpu.name} and webgpu: ${measured}`,
    };
  }

  /** @hidden */
  async computeAsync(
    batch: DeviceBatch,
    options: LossOptions,
    withGradient: boolean,
    into: FloatArray | DeviceTensor | null,
  ): Promise<DeviceResult> {
    const { scores, targets, rows, classes } = batch;
    const isOnDevice = [scores, targets, into].some((one) => isDeviceTensor(one));
    const isLarge = rows * classes >= this.crossover;
    if (isOnDevice || (isLarge && this.webgpu.computes(batch, options))) {
      return this.webgpu.computeAsync(batch, options, withGradient, into);
    }
    return this.cpu.compute(batch as never, options, withGradient, into as FloatArray | null);
  }
}

/**
 * Measures, once and in about a second, from which batch size the GPU is quicker than the CPU on this machine, and makes a
 * backend that chooses by this size. The caller still owns the two backends, and disposes of them.
 *
 * @param options `webgpu`, and `threads` for more than one thread of the CPU
 * @returns a promise of a backend with its `measurements` and its `crossover`; its `choose(scores)` says which backend
 * computes a batch, and why
 * @throws (rejects with) LossError ERR_OPTION, and what the backends throw
 * @example
 * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
 * import { createAutoBackend, createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
 *
 * using webgpu = await createWebGPUBackend();
 * const backend = await createAutoBackend({ webgpu });
 * const lossFn = new MultiLabelMarginLoss({ backend });
 * (await lossFn.forwardAsync([[0.1, 0.2, 0.4, 0.8]], [[3, 0]])).item(); // => 0.85
 */
export async function createAutoBackend(options: AutoBackendOptions): Promise<AutoBackend> {
  const { webgpu, threads } = checkOptions(options, ['webgpu', 'threads'], 'createAutoBackend()');
  if (typeof (webgpu as Partial<WebGPUBackend> | undefined)?.computeAsync !== 'function') {
    throw new LossError('ERR_OPTION', `webgpu must be what createWebGPUBackend() resolves to, got ${describe(webgpu)}`);
  }
  if (threads !== undefined && typeof (threads as Partial<Backend> | null)?.compute !== 'function') {
    throw new LossError(
      'ERR_OPTION',
      `threads must be what createThreadsBackend() resolves to, got ${describe(threads)}`,
    );
  }
  const cpu = threads ?? wasmBackend();
  const measurements: Measurement[] = [];
  for (const size of SIZES) {
    const one = await measure(webgpu, cpu, size);
    measurements.push(one);
    if (one.webgpu > HOPELESS * one.cpu && size >= HOPELESS_FROM) break;
  }
  return new AutoBackend(webgpu, cpu, measurements);
}

async function measure(webgpu: WebGPUBackend, cpu: Backend, size: number): Promise<Measurement> {
  const rows = size / CLASSES;
  // Any scores will do in which most pairs count and no two neighbours are equal.
  const scores = Float32Array.from({ length: size }, (_, i) => ((i * 7919) % 4093) / 1024 - 2);
  const targets = Int32Array.from({ length: rows * TARGETS }, (_, i) => (i * 211) % CLASSES);
  const batch = {
    scores,
    targets,
    rows,
    classes: CLASSES,
    width: TARGETS,
    sampleWeight: null,
    unknown: null,
    unknownWidth: 0,
  };
  const options: LossOptions = {
    reduction: 'mean',
    margin: 1,
    normalization: 'classes',
    targetOrder: 'ignored',
    nan: 'ignore',
  };
  const into = new Float32Array(size);
  const least = async (compute: () => unknown): Promise<number> => {
    let best = Number.POSITIVE_INFINITY;
    await compute(); // compiles the kernels and allocates the buffers
    for (let i = 0; i < REPETITIONS; i++) {
      const begin = performance.now();
      let elapsed = 0;
      let calls = 0;
      for (; elapsed < LEAST_MILLISECONDS; calls++) {
        await compute();
        elapsed = performance.now() - begin;
      }
      best = Math.min(best, elapsed / calls);
    }
    return best;
  };
  return {
    scores: size,
    cpu: await least(() => cpu.compute(batch, options, true, into)),
    webgpu: await least(() => webgpu.computeAsync(batch, options, true, into)),
  };
}
