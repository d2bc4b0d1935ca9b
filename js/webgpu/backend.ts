import type { AsyncBackend, DeviceBatch, DeviceResult, FloatArray, LossOptions } from '../backend.js';
import { DeviceTensor } from '../device-tensor.js';
import { LossError } from '../errors.js';
import { targetOutOfRange } from '../targets.js';
import { allocate } from '../tensor.js';
import { BufferPool, type DeviceFound, MAP_READ, Pipelines, USAGE } from './device.js';
import { ENTRY_BYTES, PARAMS, SEGMENT, STATUS, STATUS_WORDS, THREADS } from './kernels.js';
import { LOSS_BYTES, partsOf, rowsTogether } from './plan.js';
import { type Memory, type Step, stepsOf, type Work } from './steps.js';

// As many bytes of buffers that are not in use are kept for later calls.
const POOLED_BYTES = 256 * 2 ** 20;

// A smaller margin that is not 0, or what it leaves of a score, would be flushed to 0 by some GPUs.
const LEAST_MARGIN = 2 ** -100;

// Distance of the parameters of two steps, as every device allows it; a binding's size is a multiple of 16.
const PARAMS_STRIDE = 256;
const PARAMS_BYTES = Math.ceil(PARAMS.length / 4) * 16;

// No device takes more workgroups in a dimension.
const MOST_WORKGROUPS = 65535;

const STATUS_BYTES = STATUS_WORDS * 4;
const NO_TARGET = 0xffffffff;

/** What can be read once the GPU is done. */
interface Readback {
  /** The status, then the losses of the rows. */
  notes: GPUBuffer;
  /** Null where there is none, or where it stays on the device. */
  gradient: GPUBuffer | null;
}

/**
 * A backend on a GPU; {@link createWebGPUBackend} makes it. It computes in promises only: use `forwardAsync()` and
 * `valueAndGradAsync()`. Scores must be float32. Any number of calls may be under way.
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
  /** The one given to {@link createWebGPUBackend}, or its own: that of the buffers of its tensors. */
  readonly device: GPUDevice;
  /** The vendor, architecture and description of the GPU, or of the program that stands in for one. */
  readonly adapterInfo: GPUAdapterInfo;
  readonly #found: DeviceFound;
  readonly #pipelines: Pipelines;
  readonly #pool: BufferPool;
  /** By calls under way. */
  readonly #inUse = new Set<GPUBuffer>();
  /** Rejects when this backend ends. */
  readonly #ended: Promise<never>;
  #end: (reason: LossError) => void = () => {};
  #unusable: LossError | null = null;

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
   * Frees what this backend holds on the GPU, and the device too unless it was given. Losses that are under way, and
   * later ones, reject with ERR_DISPOSED. Gradients that were left on a device that was given stay. Calling it again does
   * nothing.
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
    if (this.#unusable !== null) return;
    this.#unusable = reason;
    this.#end(reason);
    this.#pool.close();
    for (const buffer of this.#inUse) buffer.destroy();
    this.#inUse.clear();
    if (this.#found.isOwn) this.device.destroy();
  }

  #checkUsable(): void {
    // A new error, with the stack of this call.
    if (this.#unusable !== null) throw new LossError(this.#unusable.code, this.#unusable.message, this.#unusable);
  }

  /** @hidden */
  async computeAsync(
    batch: DeviceBatch,
    options: LossOptions,
    withGradient: boolean,
    into: FloatArray | DeviceTensor | null,
  ): Promise<DeviceResult> {
    this.#checkUsable();
    const { scores, targets, rows, classes, width } = batch;
    const { limits } = this.device;
    const { reduction, margin } = options;
    if (scores instanceof Float64Array) {
      throw new LossError('ERR_DTYPE', 'the webgpu backend computes in float32: scores must be that, got float64');
    }
    if (margin !== 0 && Math.abs(margin) < LEAST_MARGIN) {
      throw new LossError('ERR_OPTION', `margin must be 0 or at least 2^-100 for the webgpu backend, got ${margin}`);
    }
    const isInt64 = targets instanceof DeviceTensor ? targets.dtype === 'int64' : targets.BYTES_PER_ELEMENT === 8;
    const sizes = {
      rows,
      classes,
      width,
      targetBytes: isInt64 ? 8 : 4,
    };
    partsOf({ ...sizes, rows: 1 }, limits); // throws where a row is too large

    const loss = allocate('float32', reduction === 'none' ? rows : 1);
    const grad = withGradient ? (into ?? this.#newGradient(batch)) : null;
    try {
      const ofRows = rows === 0 ? new Float64Array(0) : await this.#compute(batch, options, sizes, grad);
      if (reduction === 'none') {
        loss.set(ofRows);
      } else {
        const sum = ofRows.reduce((total, one) => total + one, 0);
        loss[0] = reduction === 'mean' ? sum / rows : sum;
      }
    } catch (error) {
      if (grad instanceof DeviceTensor && into === null) (grad.buffer as GPUBuffer).destroy();
      throw error;
    }
    return { loss, grad };
  }

  /** @returns the losses of all rows, unreduced */
  async #compute(
    batch: DeviceBatch,
    options: LossOptions,
    sizes: Work['sizes'],
    grad: FloatArray | DeviceTensor | null,
  ): Promise<Float64Array> {
    const { rows } = sizes;
    const onDevice = grad instanceof DeviceTensor;
    const copied = {
      scores: !(batch.scores instanceof DeviceTensor),
      targets: !(batch.targets instanceof DeviceTensor),
      grad: grad !== null && !onDevice,
    };
    const together = rowsTogether(sizes, copied, this.device.limits);
    const losses = new Float64Array(rows);
    // Nothing is written of the gradient unless all of the batch is right.
    for (const onlyChecks of together < rows ? [true, false] : [false]) {
      for (let firstRow = 0; firstRow < rows; firstRow += together) {
        const work: Work = {
          batch,
          sizes: { ...sizes, rows: Math.min(together, rows - firstRow) },
          firstRow,
          options,
          gradient: onDevice ? (grad.buffer as GPUBuffer) : null,
          withGradient: grad !== null,
          subgroups: this.device.features.has('subgroups'),
          onlyChecks,
        };
        await this.#submit(work, losses, onDevice ? null : grad);
      }
    }
    return losses;
  }

  #newGradient({ scores, rows, classes }: DeviceBatch): FloatArray | DeviceTensor {
    if (!(scores instanceof DeviceTensor)) return allocate('float32', rows * classes);
    const buffer = this.device.createBuffer({
      label: 'gradient',
      size: Math.max(16, rows * classes * 4),
      usage: USAGE.storage | USAGE.copySource | USAGE.copyDestination,
    });
    return new DeviceTensor(buffer, scores.shape, 'float32');
  }

  /** Writes the losses, and the gradient if that is to be in an array. */
  async #submit(work: Work, losses: Float64Array, grad: FloatArray | null): Promise<void> {
    const steps = stepsOf(work, this.device.limits);
    const pipelines = await this.#orEnd(Promise.all(steps.map(({ code }) => this.#pipelines.get(code))));
    this.#checkUsable();
    const taken: GPUBuffer[] = [];
    const take = (bytes: number, usage: number): GPUBuffer => {
      const buffer = this.#pool.take(Math.max(bytes, 16), usage);
      this.#inUse.add(buffer);
      taken.push(buffer);
      return buffer;
    };
    let isDone = false;
    try {
      // A GPU tells of errors later: to these scopes, of what is done until they are popped.
      this.device.pushErrorScope('out-of-memory');
      this.device.pushErrorScope('validation');
      let readback: Readback;
      let accepted: Promise<void>;
      try {
        readback = this.#run(work, steps, pipelines, take);
      } finally {
        accepted = this.#popErrorScopes();
        accepted.catch(() => {});
      }
      const { notes, gradient } = readback;
      const buffers = gradient === null ? [notes] : [notes, gradient];
      const mapped = Promise.all(buffers.map((buffer) => buffer.mapAsync(MAP_READ)));
      mapped.catch(() => {});
      await this.#orEnd(accepted);
      await this.#orEnd(mapped);
      isDone = true;
      try {
        read(work, readback, losses, grad);
      } finally {
        for (const buffer of buffers) buffer.unmap();
      }
    } catch (error) {
      if (error instanceof LossError) throw error;
      // Word of a device that was lost may come a little later than what it leads to.
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
      this.#checkUsable();
      throw new LossError('ERR_BACKEND_UNAVAILABLE', `the GPU did not do its work: ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      for (const buffer of taken) {
        this.#inUse.delete(buffer);
        // One that the GPU may be using still is for nobody else.
        if (isDone) this.#pool.giveBack(buffer);
        else buffer.destroy();
      }
    }
  }

  /** Copies to the device what is not there, and submits the steps. */
  #run(
    work: Work,
    steps: readonly Step[],
    pipelines: readonly GPUComputePipeline[],
    take: (bytes: number, usage: number) => GPUBuffer,
  ): Readback {
    const { batch, sizes, firstRow, onlyChecks, options } = work;
    const { rows, classes, width } = sizes;
    const { queue } = this.device;
    const storage = USAGE.storage | USAGE.copySource | USAGE.copyDestination;
    const most = partsOf(sizes, this.device.limits).reduce((all, part) => Math.max(all, part.rows), 0);
    const upload = (array: ArrayBufferView<ArrayBuffer>): GPUBuffer => {
      const buffer = take(array.byteLength, storage);
      queue.writeBuffer(buffer, 0, array);
      return buffer;
    };
    const ofRows = (data: DeviceBatch['scores' | 'targets'], columns: number, isRead: boolean): GPUBuffer => {
      if (data instanceof DeviceTensor) return data.buffer as GPUBuffer;
      if (!isRead) return take(0, storage);
      return upload(data.subarray(firstRow * columns, (firstRow + rows) * columns) as ArrayBufferView<ArrayBuffer>);
    };
    const scratch = (bytesOfRow: number): GPUBuffer => take(onlyChecks ? 0 : most * bytesOfRow, storage);
    const memory: Memory = {
      scores: ofRows(batch.scores, classes, !onlyChecks || options.nan === 'error'),
      targets: ofRows(batch.targets, width, true),
      gradient: work.gradient ?? take(work.withGradient && !onlyChecks ? rows * classes * 4 : 0, storage),
      status: take(STATUS_BYTES, storage),
      info: take(rows * 4, storage),
      losses: take(rows * LOSS_BYTES, storage),
      scales: upload(scalesOf(work)),
      entries: scratch(width * ENTRY_BYTES),
      merged: scratch(width > THREADS ? width * ENTRY_BYTES : 0),
      histogram: scratch((width + 1) * 4),
      partialSums: scratch(Math.ceil(classes / SEGMENT) * 16),
    };
    const params = take(steps.length * PARAMS_STRIDE, USAGE.uniform | USAGE.copyDestination);
    queue.writeBuffer(params, 0, paramsOf(steps));

    const encoder = this.device.createCommandEncoder();
    encoder.clearBuffer(memory.status);
    encoder.clearBuffer(memory.info);
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
      pass.setBindGroup(0, this.#bindGroup(pipeline, params, i, step.bindings(memory)));
      const x = Math.min(step.workgroups, MOST_WORKGROUPS);
      pass.dispatchWorkgroups(x, Math.ceil(step.workgroups / x));
    });
    (pass as GPUComputePassEncoder | null)?.end();

    const copy = (source: GPUBuffer, bytes: number, to: GPUBuffer, at = 0): GPUBuffer => {
      encoder.copyBufferToBuffer(source, 0, to, at, bytes);
      return to;
    };
    const readable = USAGE.mapRead | USAGE.copyDestination;
    const lossBytes = onlyChecks ? 0 : rows * LOSS_BYTES;
    const notes = copy(memory.status, STATUS_BYTES, take(STATUS_BYTES + lossBytes, readable));
    if (lossBytes > 0) copy(memory.losses, lossBytes, notes, STATUS_BYTES);
    const gradBytes = work.withGradient && work.gradient === null && !onlyChecks ? rows * classes * 4 : 0;
    const gradient = gradBytes === 0 ? null : copy(memory.gradient, gradBytes, take(gradBytes, readable));
    queue.submit([encoder.finish()]);
    return { notes, gradient };
  }

  #bindGroup(
    pipeline: GPUComputePipeline,
    params: GPUBuffer,
    step: number,
    bindings: ReturnType<Step['bindings']>,
  ): GPUBindGroup {
    return this.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [
        { binding: 0, resource: { buffer: params, offset: step * PARAMS_STRIDE, size: PARAMS_BYTES } },
        ...bindings.map(({ buffer, offset = 0, end }, i) => ({
          binding: i + 1,
          resource: { buffer, offset: offset * 4, ...(end === undefined ? {} : { size: (end - offset) * 4 }) },
        })),
      ],
    });
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

  /** What the promise gives, or the reason for the end of this backend. */
  #orEnd<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#ended]);
  }
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

/** What counts are multiplied by, for each number of targets or one for all: float64, then float32, then nothing. */
function scalesOf({ batch: { rows, classes, width }, options }: Work): Uint32Array<ArrayBuffer> {
  const byTargets = options.normalization === 'targets';
  // In the order of the kernels in src/, which is not without effect.
  const scale = options.reduction === 'mean' ? 1 / rows : 1;
  const doubles = new Float64Array(2 * (byTargets ? width + 1 : 1));
  const singles = new Float32Array(doubles.buffer);
  for (let i = 0; i < doubles.length / 2; i++) {
    // No targets, no pairs: 0 times infinity would not be 0.
    doubles[2 * i] = byTargets && i === 0 ? 0 : scale / (byTargets ? i : classes);
    singles[4 * i + 2] = doubles[2 * i] as number;
  }
  return new Uint32Array(doubles.buffer);
}

/** @throws LossError for the first target or score that is not right; nothing is written then */
function read(work: Work, { notes, gradient }: Readback, losses: Float64Array, grad: FloatArray | null): void {
  const { batch, sizes, firstRow, onlyChecks, options } = work;
  const { targets, classes, width } = batch;
  const words = new Uint32Array(notes.getMappedRange());
  const signed = new Int32Array(words.buffer);
  const bad = (index: number, columns: number): [row: number, column: number] => [
    firstRow + Math.floor(index / columns),
    index % columns,
  ];
  const badTarget = words[STATUS.badTarget] as number;
  if (badTarget !== 0) {
    const [row, column] = bad(NO_TARGET - badTarget, width);
    const value = targets instanceof DeviceTensor ? reported(targets, words) : targets[row * width + column];
    throw targetOutOfRange(value as number | bigint, row, column, classes);
  }
  const badScore = words[STATUS.badScore] as number;
  if (badScore !== 0) {
    const [row, column] = bad(NO_TARGET - badScore, classes);
    throw new LossError('ERR_NAN', `score at row ${row}, column ${column} is NaN, and nan is 'error'`);
  }
  if (onlyChecks) return;
  for (let row = 0; row < sizes.rows; row++) {
    const at = STATUS_WORDS + (row * LOSS_BYTES) / 4;
    const note = words[at + 3] as number;
    const numTargets = note & 0x3fffffff;
    const sum = ((signed[at + 1] as number) * 2 ** 32 + (words[at + 2] as number)) * 2 ** (signed[at] as number);
    losses[firstRow + row] =
      note >= 2 ** 31
        ? Number.NaN
        : (note & (2 ** 30)) !== 0
          ? Number.POSITIVE_INFINITY
          : numTargets === 0
            ? 0
            : Math.max(sum, 0) / (options.normalization === 'classes' ? classes : numTargets);
  }
  if (gradient !== null && grad !== null) {
    grad.set(new Float32Array(gradient.getMappedRange(), 0, sizes.rows * classes), firstRow * classes);
  }
}

/** The target that REPORT wrote down. */
function reported({ dtype }: DeviceTensor, words: Uint32Array): number | bigint {
  const low = words[STATUS.valueLow] as number;
  const high = words[STATUS.valueHigh] as number;
  return dtype === 'int32' ? low | 0 : BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
}
