// Declares Disposable for users whose `lib` lacks it.
/// <reference lib="esnext.disposable" preserve="true" />
import type { AsyncBackend, DeviceBatch, DeviceResult, FloatArray, LossOptions } from '../backend.js';
import { DeviceTensor, isDeviceTensor } from '../device-tensor.js';
import { LossError } from '../errors.js';
import { allocate, dtypeOf } from '../dtypes.js';
import { Usability } from '../usability.js';
import { BufferPool, type DeviceFound, MAP_READ, Pipelines, USAGE } from './device.js';
import { SEGMENT } from './kernels/count-scores.js';
import { PARAMS, THREADS } from './kernels/kernel.js';
import { ENTRY_BYTES, LOSS_BYTES, type Memory, SUM_BYTES } from './kernels/memory.js';
import { partsOf, rowsTogether, rowTooLarge, type Sizes } from './plan.js';
import { plainView } from './plain-view.js';
import { type Output, type Readback, readResults, STATUS_BYTES } from './readback.js';
import { rowScales, sharedScales, weightsFit } from './row-scales.js';
import { type Step, stepsOf, type Submission } from './steps.js';
import type { AdapterInfo, Device } from './types.js';
import { unknownClasses } from './unknown-classes.js';

// Bytes of unused buffers that are kept for later calls.
const POOLED_BYTES = 256 * 2 ** 20;

// WebGPU binds no empty buffer, and an array of vec4 has 16 bytes at least.
const LEAST_BYTES = 16;

// Some GPUs would flush a smaller margin, or the difference that it makes to a score, to 0.
const LEAST_MARGIN = 2 ** -100;

// On every device, the parameters of steps may be this far apart. The size of a uniform struct is a multiple of 16.
const PARAMS_STRIDE = 256;
const PARAMS_BYTES = Math.ceil(PARAMS.length / 4) * 16;

// Every device takes so many workgroups in a dimension.
const MOST_WORKGROUPS = 65535;

// How long a call that failed waits to learn that the device was lost.
const LOST_MILLISECONDS = 100;

/**
 * A backend on a GPU, made by {@link createWebGPUBackend}. It computes asynchronously: use `forwardAsync()` and
 * `valueAndGradAsync()`. Scores must be float32. Any number of calls may be under way at the same time.
 *
 * @example
 * import { createWebGPUBackend, type WebGPUBackend } from 'multilabel-margin-loss/webgpu';
 *
 * const backend: WebGPUBackend = await createWebGPUBackend();
 * typeof backend.adapterInfo.vendor; // => 'string'
 * backend.dispose();
 */
export class WebGPUBackend implements AsyncBackend, Disposable {
  /** 'webgpu' */
  readonly name = 'webgpu';
  /** The device given to {@link createWebGPUBackend}, or its own. Buffers of tensors must belong to it. */
  readonly device: Device;
  /** The vendor, architecture and description of the GPU, or of the program that stands in for one. */
  readonly adapterInfo: AdapterInfo;
  readonly #found: DeviceFound;
  readonly #pipelines: Pipelines;
  readonly #pool: BufferPool;
  /** The buffers of calls under way. */
  readonly #inUse = new Set<GPUBuffer>();
  /** Rejects when this backend ends. */
  readonly #ended: Promise<never>;
  #end: (reason: LossError) => void = () => {};
  readonly #usability = new Usability();

  /** @internal */
  constructor(found: DeviceFound) {
    this.#found = found;
    this.device = found.device;
    this.adapterInfo = found.adapterInfo;
    this.#pipelines = new Pipelines(found.device);
    this.#pool = new BufferPool(found.device, POOLED_BYTES);
    this.#ended = new Promise((_, reject) => {
      this.#end = reject;
    });
    this.#ended.catch(() => {});
    void found.device.lost.then(({ message }) =>
      this.#stop(
        new LossError(
          'ERR_BACKEND_UNAVAILABLE',
          `the GPU device was lost; make a new backend${message && `: ${message}`}`,
        ),
      ),
    );
  }

  /**
   * Frees the memory of this backend on the GPU, and its device unless that was given. Calls that are under way, and
   * later ones, reject with ERR_DISPOSED. On a device that was given, gradients stay. Calling it again does nothing.
   *
   * @example
   * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
   * import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
   *
   * const backend = await createWebGPUBackend();
   * const lossFn = new MultiLabelMarginLoss({ backend });
   * backend.dispose();
   * await lossFn.forwardAsync([[1, 2]], [[0]]).catch(({ code }) => code); // => 'ERR_DISPOSED'
   */
  dispose(): void {
    this.#stop(new LossError('ERR_DISPOSED', 'this WebGPU backend was disposed: make a new one'));
  }

  /**
   * {@link dispose}, for `using`.
   *
   * @example
   * import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
   *
   * {
   *   using backend = await createWebGPUBackend();
   *   backend.device.label; // => 'multilabel-margin-loss'
   * }
   */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #stop(reason: LossError): void {
    if (!this.#usability.end(reason)) return;
    this.#end(reason);
    this.#pool.close();
    for (const buffer of this.#inUse) buffer.destroy();
    this.#inUse.clear();
    if (this.#found.isOwn) this.device.destroy();
  }

  /** @hidden */
  async computeAsync(
    batch: DeviceBatch,
    options: LossOptions,
    withGradient: boolean,
    into: FloatArray | DeviceTensor | null,
  ): Promise<DeviceResult> {
    this.#usability.check();
    const refusal = this.#refusal(batch, options);
    if (refusal !== null) throw refusal;
    const { rows } = batch;
    const { reduction } = options;
    const sizes = sizesOf(batch);
    const loss = allocate('float32', reduction === 'none' ? rows : 1);
    const { made: grad, accepted } =
      withGradient && into === null ? this.#newGradient(batch) : { made: withGradient ? into : null, accepted: null };
    try {
      // The error of a new gradient comes first: work with it fails because of it.
      const [rowLosses] = await Promise.all([this.#compute(batch, options, sizes, grad), accepted]);
      if (reduction === 'none') {
        loss.set(rowLosses);
      } else {
        const sum = rowLosses.reduce((total, rowLoss) => total + rowLoss, 0);
        loss[0] = reduction === 'mean' ? sum / rows : sum;
      }
    } catch (error) {
      if (isDeviceTensor(grad) && into === null) (grad.buffer as GPUBuffer).destroy();
      throw error;
    }
    return { loss, grad };
  }

  /** @hidden Whether this backend computes a batch, whatever the values of its scores and targets. */
  computes(batch: DeviceBatch, options: LossOptions): boolean {
    return this.#refusal(batch, options) === null && weightsFit(batch, options);
  }

  #refusal(batch: DeviceBatch, { margin }: LossOptions): LossError | null {
    if (dtypeOf(batch.scores) === 'float64') {
      return new LossError('ERR_DTYPE', 'the webgpu backend computes in float32: scores must be that, got float64');
    }
    if (margin !== 0 && Math.abs(margin) < LEAST_MARGIN) {
      return new LossError('ERR_OPTION', `margin must be 0 or at least 2^-100 for the webgpu backend, got ${margin}`);
    }
    return rowTooLarge(sizesOf(batch), this.device.limits);
  }

  /** @returns the losses of all rows, unreduced */
  async #compute(
    batch: DeviceBatch,
    options: LossOptions,
    sizes: Sizes,
    grad: FloatArray | DeviceTensor | null,
  ): Promise<Float64Array> {
    const { rows, unknownWidth, targetBytes } = sizes;
    const { sampleWeight } = batch;
    const { limits, features } = this.device;
    const onDevice = isDeviceTensor(grad);
    const copied = {
      scores: !isDeviceTensor(batch.scores),
      targets: !isDeviceTensor(batch.targets),
      grad: grad !== null && !onDevice,
    };
    const together = rowsTogether(sizes, copied, limits);
    const unknown = unknownClasses(batch);
    const scales = sharedScales(batch, options);
    const submissions = Array.from({ length: Math.ceil(rows / together) }, (_, i): Submission => {
      const firstRow = i * together;
      const count = Math.min(together, rows - firstRow);
      return {
        batch,
        options,
        firstRow,
        rows: count,
        targetBytes,
        parts: partsOf({ ...sizes, rows: count }, limits),
        unknown: unknown.subarray(firstRow * unknownWidth, (firstRow + count) * unknownWidth),
        scales,
        gradient: onDevice ? (grad.buffer as GPUBuffer) : null,
        withGradient: grad !== null,
        subgroups: features.has('subgroups'),
        onlyChecks: false,
      };
    });
    const output = { losses: new Float64Array(rows), numTargets: new Uint32Array(rows), grad: onDevice ? null : grad };
    // The gradient is written only after the whole batch was found to be right. And the scale of a weight may depend on
    // the number of targets.
    if (submissions.length > 1 || (sampleWeight !== null && options.normalization === 'targets')) {
      for (const submission of submissions) await this.#submit({ ...submission, onlyChecks: true }, output);
    }
    if (sampleWeight !== null) {
      const weighted = rowScales(batch, options, sampleWeight, output.numTargets);
      for (const submission of submissions) {
        const { firstRow } = submission;
        submission.scales = weighted.subarray(4 * firstRow, 4 * (firstRow + submission.rows));
      }
    }
    for (const submission of submissions) await this.#submit(submission, output);
    return output.losses;
  }

  /** Where the scores are; on the GPU, with a promise that it accepted the buffer. */
  #newGradient({ scores, rows, classes }: DeviceBatch): {
    made: FloatArray | DeviceTensor;
    accepted: Promise<void> | null;
  } {
    if (!isDeviceTensor(scores)) return { made: allocate('float32', rows * classes), accepted: null };
    return this.#inErrorScopes(() => {
      const buffer = this.device.createBuffer({
        label: 'gradient',
        size: Math.max(LEAST_BYTES, rows * classes * 4),
        usage: USAGE.storage | USAGE.copySource | USAGE.copyDestination,
      });
      return new DeviceTensor(buffer, scores.shape, 'float32');
    });
  }

  /** Submits a part of the work of a call, and writes what it gives to the output. */
  async #submit(submission: Submission, output: Output): Promise<void> {
    const steps = stepsOf(submission);
    const pipelines = await this.#orEnd(Promise.all(steps.map(({ kernel }) => this.#pipelines.get(kernel))));
    this.#usability.check();
    const taken: GPUBuffer[] = [];
    const take = (bytes: number, usage: number): GPUBuffer => {
      const buffer = this.#pool.take(Math.max(LEAST_BYTES, bytes), usage);
      this.#inUse.add(buffer);
      taken.push(buffer);
      return buffer;
    };
    let isDone = false;
    try {
      const { made: readback, accepted } = this.#inErrorScopes(() => this.#run(submission, steps, pipelines, take));
      const { results, gradient } = readback;
      const buffers = gradient === null ? [results] : [results, gradient];
      const mapped = Promise.all(buffers.map((buffer) => buffer.mapAsync(MAP_READ)));
      mapped.catch(() => {});
      await this.#orEnd(accepted);
      await this.#orEnd(mapped);
      isDone = true;
      try {
        readResults(submission, readback, output);
      } finally {
        for (const buffer of buffers) buffer.unmap();
      }
    } catch (error) {
      if (error instanceof LossError) throw error;
      // The promise of a lost device may resolve a little after the calls that failed because of it.
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, LOST_MILLISECONDS))]);
      this.#usability.check();
      throw new LossError('ERR_BACKEND_UNAVAILABLE', `the GPU did not do its work: ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      for (const buffer of taken) {
        this.#inUse.delete(buffer);
        // A buffer that the GPU may still use is not reused.
        if (isDone) this.#pool.giveBack(buffer);
        else buffer.destroy();
      }
    }
  }

  /** Copies to the device what is not there, and submits the steps. */
  #run(
    submission: Submission,
    steps: readonly Step[],
    pipelines: readonly GPUComputePipeline[],
    take: (bytes: number, usage: number) => GPUBuffer,
  ): Readback {
    const { rows, withGradient, onlyChecks, batch } = submission;
    const { queue } = this.device;
    const memory = this.#fill(submission, take);
    const params = take(steps.length * PARAMS_STRIDE, USAGE.uniform | USAGE.copyDestination);
    queue.writeBuffer(params, 0, paramsOf(steps));

    const encoder = this.device.createCommandEncoder();
    encoder.clearBuffer(memory.status);
    encoder.clearBuffer(memory.rowInfo);
    let pass: GPUComputePassEncoder | null = null;
    steps.forEach((step, i) => {
      if (step.startsPart) {
        pass?.end();
        pass = null;
        encoder.clearBuffer(memory.histogram);
      }
      const pipeline = pipelines[i] as GPUComputePipeline;
      pass ??= encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, this.#bindGroup(step, pipeline, memory, { buffer: params, offset: i * PARAMS_STRIDE }));
      const x = Math.min(step.workgroups, MOST_WORKGROUPS);
      pass.dispatchWorkgroups(x, Math.ceil(step.workgroups / x));
    });
    (pass as GPUComputePassEncoder | null)?.end();

    const copy = (source: GPUBuffer, bytes: number, to: GPUBuffer, at = 0): GPUBuffer => {
      encoder.copyBufferToBuffer(source, 0, to, at, bytes);
      return to;
    };
    const mappable = USAGE.mapRead | USAGE.copyDestination;
    const rowBytes = rows * (onlyChecks ? 4 : LOSS_BYTES);
    const results = copy(memory.status, STATUS_BYTES, take(STATUS_BYTES + rowBytes, mappable));
    copy(onlyChecks ? memory.rowInfo : memory.losses, rowBytes, results, STATUS_BYTES);
    const isCopied = withGradient && submission.gradient === null && !onlyChecks;
    const gradientBytes = isCopied ? rows * batch.classes * 4 : 0;
    const gradient = gradientBytes === 0 ? null : copy(memory.gradient, gradientBytes, take(gradientBytes, mappable));
    queue.submit([encoder.finish()]);
    return { results, gradient };
  }

  /** The buffers of a submission, with its scores and targets in them. */
  #fill(submission: Submission, take: (bytes: number, usage: number) => GPUBuffer): Memory {
    const { batch, options, firstRow, rows, parts, withGradient, onlyChecks } = submission;
    const { classes, width } = batch;
    const entryWidth = width + batch.unknownWidth;
    const storage = USAGE.storage | USAGE.copySource | USAGE.copyDestination;
    const upload = (array: ArrayBufferView<ArrayBuffer>): GPUBuffer => {
      const buffer = take(array.byteLength, storage);
      this.device.queue.writeBuffer(buffer, 0, array);
      return buffer;
    };
    const uploadRows = (data: DeviceBatch['scores' | 'targets'], columns: number, isRead: boolean): GPUBuffer => {
      if (isDeviceTensor(data)) return data.buffer as GPUBuffer;
      if (!isRead) return take(0, storage);
      return upload(plainView(data, firstRow * columns, (firstRow + rows) * columns));
    };
    const partRows = parts.reduce((most, part) => Math.max(most, part.rows), 0);
    const scratch = (bytesPerRow: number): GPUBuffer => take(onlyChecks ? 0 : partRows * bytesPerRow, storage);
    return {
      scores: uploadRows(batch.scores, classes, !onlyChecks || options.nan === 'error'),
      targets: uploadRows(batch.targets, width, true),
      unknown: upload(submission.unknown),
      gradient: submission.gradient ?? take(withGradient && !onlyChecks ? rows * classes * 4 : 0, storage),
      status: take(STATUS_BYTES, storage),
      rowInfo: take(rows * 4, storage),
      losses: take(rows * LOSS_BYTES, storage),
      scales: upload(submission.scales),
      entries: scratch(entryWidth * ENTRY_BYTES),
      merged: scratch(entryWidth > THREADS ? entryWidth * ENTRY_BYTES : 0),
      histogram: scratch((entryWidth + 1) * 4),
      partialSums: scratch(Math.ceil(classes / SEGMENT) * SUM_BYTES),
    };
  }

  #bindGroup(
    { kernel, views }: Step,
    pipeline: GPUComputePipeline,
    memory: Memory,
    params: { buffer: GPUBuffer; offset: number },
  ): GPUBindGroup {
    return this.device.createBindGroup({
      label: kernel.label,
      layout: pipeline.getBindGroupLayout(0),
      entries: [
        { binding: 0, resource: { ...params, size: PARAMS_BYTES } },
        ...kernel.bindings.map((name, i) => {
          const { buffer = name, offset = 0, end } = views[name] ?? {};
          const size = end === undefined ? {} : { size: (end - offset) * 4 };
          return { binding: i + 1, resource: { buffer: memory[buffer], offset: offset * 4, ...size } };
        }),
      ],
    });
  }

  /**
   * Calls the GPU's functions. A GPU reports errors later, to the scopes that were open at the time of the call.
   *
   * @returns what the calls made, and a promise that rejects with a LossError if the GPU did not accept them
   */
  #inErrorScopes<T>(make: () => T): { made: T; accepted: Promise<void> } {
    this.device.pushErrorScope('out-of-memory');
    this.device.pushErrorScope('validation');
    let made: T;
    let accepted: Promise<void>;
    try {
      made = make();
    } finally {
      accepted = this.#popErrorScopes();
      accepted.catch(() => {});
    }
    return { made, accepted };
  }

  async #popErrorScopes(): Promise<void> {
    const [invalid, noMemory] = await Promise.all([this.device.popErrorScope(), this.device.popErrorScope()]);
    if (noMemory !== null) {
      throw new LossError('ERR_OUT_OF_MEMORY', `the GPU has no memory for this batch: ${noMemory.message}`);
    }
    if (invalid !== null) {
      throw new LossError(
        'ERR_BACKEND_UNAVAILABLE',
        `WebGPU refused the work; are all buffers of this backend's device? ${invalid.message}`,
      );
    }
  }

  /** The result of the promise, or the reason for the end of this backend. */
  #orEnd<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#ended]);
  }
}

function sizesOf({ targets, rows, classes, width, unknownWidth }: DeviceBatch): Sizes {
  const dtype = isDeviceTensor(targets) ? targets.dtype : dtypeOf(targets);
  return { rows, classes, width, unknownWidth, targetBytes: dtype === 'int64' ? 8 : 4 };
}

function paramsOf(steps: readonly Step[]): ArrayBuffer {
  const all = new ArrayBuffer(steps.length * PARAMS_STRIDE);
  steps.forEach(({ params }, i) => {
    const words = new Uint32Array(all, i * PARAMS_STRIDE, PARAMS.length);
    const floats = new Float32Array(all, i * PARAMS_STRIDE, PARAMS.length);
    PARAMS.forEach((name, at) => {
      (name === 'margin' ? floats : words)[at] = params[name];
    });
  });
  return all;
}
