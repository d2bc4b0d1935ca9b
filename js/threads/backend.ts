// Declares Disposable for users whose `lib` lacks it.
/// <reference lib="esnext.disposable" preserve="true" />
import type { Backend, BackendResult, Batch, FloatArray, IndexArray, LossOptions } from '../backend.js';
import { GRAD_OVERLAP } from '../backend.js';
import { LossError } from '../errors.js';
import { allocate, arrayIn, type DType } from '../dtypes.js';
import { sizeOf } from '../shapes.js';
import { type ShapeArguments, shapeArguments } from '../creation.js';
import { Tensor } from '../tensor.js';
import { Usability } from '../usability.js';
import { wasmBackend } from '../wasm/backend.js';
import { KernelCall, outOfMemory, type Places } from '../wasm/call.js';
import type { BareModule } from '../wasm/instantiate.js';
import {
  type Address,
  ALIGNMENT,
  align,
  BYTES_PER_INDEX,
  BYTES_PER_WEIGHT,
  layoutOf,
  LinearMemory,
  rowBytesOf,
} from '../wasm/linear-memory.js';
import type { ThreadsModule } from './glue.mjs';
import { Race } from './race.js';
import { trainingModule } from './training.js';

// The number of parts that are under way together: ThreadPool::kJobs in src/base/thread_pool.h. While the workers compute
// one, this thread copies the next one in and the last one out.
const JOBS = 2;

// Bytes of a part: four rows, and so tasks for several threads, but not too many bytes for a last-level cache, and not too
// few to start the threads for.
const LEAST_JOB_BYTES = 256 * 1024;
const MOST_JOB_BYTES = 1024 * 1024;
const JOB_ROWS = 4;

// Whether threads pay where this thread must copy all scores depends on the machine, its caches and the scores: for the same
// sizes, two threads took from 0.5 to 1.6 times as long as one. So calls of about the same sizes race.
const WAYS = ['threads', 'one thread'] as const;
// Smaller batches gain nothing: four tasks of kTaskCost, counted as in src/loss/parallel_loss.cc, some 80 microseconds.
const LEAST_COST = 4 * 16384;
const ROW_COST = 80;
// More kinds of calls than a program has; one that makes more begins anew.
const MOST_RACES = 256;

// The status of bindings/threads_bindings.cc that other modules lack.
const WORKER_DIED = -1;

/** A batch that is being computed. */
interface Run {
  batch: Batch;
  /** The addresses of arrays in shared memory; 0 for others. */
  shared: Places;
  /** The largest number of rows in a part. */
  capacity: number;
  options: LossOptions;
  loss: FloatArray;
  grad: FloatArray | null;
}

/**
 * A backend of several threads over shared memory; {@link createThreadsBackend} makes it. Results have the same bits for
 * any number of threads, and the same bits as with the default backend of one thread.
 *
 * @example
 * import { createThreadsBackend, type ThreadsBackend } from 'multilabel-margin-loss/threads';
 *
 * const backend: ThreadsBackend = await createThreadsBackend({ threads: 2 });
 * backend.zeros(2, 3).data.buffer instanceof SharedArrayBuffer; // => true
 * backend.dispose();
 */
export class ThreadsBackend implements Backend, Disposable {
  /** `'threads'`. */
  readonly name = 'threads';
  /** How many threads compute, the caller's included. */
  readonly threads: number;
  readonly #module: ThreadsModule;
  readonly #memory: LinearMemory;
  readonly #calls: readonly KernelCall[];
  /** The buffers of tensors. When memory grows it gets a new buffer object, while earlier tensors keep the old one. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  /** Where the parts under way are staged. The kernels write a gradient over the staged scores. */
  readonly #staged: readonly Places[] = Array.from({ length: JOBS }, () => ({
    scores: 0,
    targets: 0,
    losses: 0,
    grad: 0,
    sampleWeights: 0,
    unknown: 0,
  }));
  #stagedAt: Address = 0;
  #stagedBytes = 0;
  /** The sizes that the last layout was made for, and the largest number of rows in its parts. */
  #stagedSizes: readonly (number | boolean)[] = [];
  #capacity = 0;
  readonly #races = new Map<string, Race>();
  readonly #usability = new Usability();

  /** @internal */
  constructor(
    module: ThreadsModule,
    threads: number,
    private readonly maximumMemory: number,
  ) {
    this.threads = threads;
    this.#module = module;
    this.#memory = new LinearMemory(module.wasmMemory, maximumMemory);
    this.#calls = Array.from({ length: JOBS }, (_, job) => new KernelCall(this.#memory, module.callAddress(job)));
  }

  /**
   * Makes a tensor of zeros in the memory that the threads share. The backend reads scores and targets and writes
   * gradients there without a copy. Only {@link dispose} frees that memory (1 GB at most), so make tensors once and fill
   * them for each batch.
   *
   * @param args those of `zeros()` of the package: a shape, and `{ dtype, requires_grad }`
   * @returns a tensor, float32 by default
   * @throws LossError ERR_SHAPE, ERR_OPTION, ERR_DTYPE, ERR_OUT_OF_MEMORY, ERR_DISPOSED, ERR_BACKEND_UNAVAILABLE
   * @example
   * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
   * import { createThreadsBackend } from 'multilabel-margin-loss/threads';
   *
   * const backend = await createThreadsBackend({ threads: 2 });
   * const lossFn = new MultiLabelMarginLoss({ backend });
   * const scores = backend.zeros(1, 4);
   * const grad = backend.zeros(1, 4);
   * scores.data.set([0.1, 0.2, 0.4, 0.8]);
   * lossFn.valueAndGrad(scores, [[3, 0]], { grad }).loss.item(); // => 0.85
   * grad.tolist(); // => [[-0.5, 0.5, 0.5, -0.5]]
   */
  zeros<D extends DType = 'float32'>(...args: ShapeArguments<D>): Tensor<D> {
    this.#usability.check();
    const [shape, dtype, requiresGrad] = shapeArguments<D>(args, 'zeros()');
    const size = sizeOf(shape);
    const bytes = size * (dtype === 'float64' || dtype === 'int64' ? 8 : 4);
    const address = this.#memory.allocate(Math.max(bytes, 1), this.#module.allocateZeros);
    if (address === 0) {
      throw new LossError(
        'ERR_OUT_OF_MEMORY',
        `no shared memory for ${size} elements of ${dtype}: a backend has ${this.#memory.maximum} for all of its tensors ` +
          'until its dispose()',
      );
    }
    this.#buffers.add(this.#memory.buffer);
    return new Tensor<D>(arrayIn(dtype, this.#memory.buffer, address, size), shape, requiresGrad);
  }

  /**
   * Ends the threads. Tensors stay readable. Losses with this backend throw ERR_DISPOSED afterwards. A second call does
   * nothing. A Node process exits without it.
   *
   * @example
   * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
   * import { createThreadsBackend } from 'multilabel-margin-loss/threads';
   *
   * const backend = await createThreadsBackend({ threads: 2 });
   * const lossFn = new MultiLabelMarginLoss({ backend });
   * backend.dispose();
   * await lossFn.forwardAsync([[1, 2]], [[0]]).catch(({ code }) => code); // => 'ERR_DISPOSED'
   */
  dispose(): void {
    this.end(new LossError('ERR_DISPOSED', 'this threads backend was disposed: make a new one'));
  }

  /**
   * {@link dispose}, for `using`.
   *
   * @example
   * import { createThreadsBackend } from 'multilabel-margin-loss/threads';
   *
   * {
   *   using backend = await createThreadsBackend({ threads: 2 });
   *   backend.threads; // => 2
   * }
   */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal Ends the threads. Later calls throw the reason. */
  end(reason: LossError): void {
    if (this.#usability.end(reason)) this.#module.PThread.terminateAllThreads();
  }

  compute(batch: Batch, options: LossOptions, withGradient: boolean, into: FloatArray | null): BackendResult {
    this.#usability.check();
    const { scores, targets, sampleWeight, unknown } = batch;
    const shared: Places = {
      scores: this.#addressOf(scores),
      targets: targets.BYTES_PER_ELEMENT === 4 ? this.#addressOf(targets) : 0,
      losses: 0,
      grad: this.#addressOf(into),
      sampleWeights: sampleWeight?.BYTES_PER_ELEMENT === 8 ? this.#addressOf(sampleWeight) : 0,
      unknown: unknown?.BYTES_PER_ELEMENT === 4 ? this.#addressOf(unknown) : 0,
    };
    this.#checkOverlap(shared.grad, batch);
    if (shared.scores !== 0 || shared.grad !== 0) return this.#computeOnAll(batch, shared, options, withGradient, into);
    if (batch.rows * (batch.classes + ROW_COST) < LEAST_COST) {
      return wasmBackend().compute(batch, options, withGradient, into);
    }
    const race = this.#raceOf(batch, withGradient, into !== null);
    const way = race.next();
    const start = performance.now();
    const result =
      WAYS[way] === 'threads'
        ? this.#computeOnAll(batch, shared, options, withGradient, into)
        : wasmBackend().compute(batch, options, withGradient, into);
    race.took(way, (performance.now() - start) / batch.rows);
    return result;
  }

  #computeOnAll(
    batch: Batch,
    shared: Places,
    options: LossOptions,
    withGradient: boolean,
    into: FloatArray | null,
  ): BackendResult {
    const { scores, rows } = batch;
    const dtype = scores.BYTES_PER_ELEMENT === 8 ? 'float64' : 'float32';
    const loss = allocate(dtype, options.reduction === 'none' ? rows : 1);
    const grad = withGradient ? (into ?? allocate(dtype, scores.length)) : null;
    const capacity = this.#stage(batch, shared, withGradient);
    const run: Run = { batch, shared, capacity, options, loss, grad };
    let lossSum: number;
    if (rows <= capacity) {
      const [call] = this.#calls as [KernelCall];
      call.describe(batch, options, withGradient);
      call.lossSum = 0;
      this.#copyIn(run, 0, true);
      const status = this.#module.compute();
      this.#checkAlive(status);
      call.check(status, 0, batch);
      this.#copyOut(run, 0);
      lossSum = call.lossSum;
    } else {
      lossSum = this.#computeParts(run);
    }
    if (options.reduction !== 'none') loss[0] = options.reduction === 'mean' ? lossSum / rows : lossSum;
    return { loss, grad };
  }

  /** @returns the sum of the losses, in row order */
  #computeParts(run: Run): number {
    const { batch, capacity, options } = run;
    const parts = Math.ceil(batch.rows / capacity);
    for (const call of this.#calls) call.describe(batch, options, run.grad !== null);
    for (let part = 0; part < parts; part++) {
      const call = this.#copyIn(run, part, options.nan === 'error');
      call.check(this.#module.validate(part % JOBS), part * capacity, batch);
    }
    let lossSum = 0;
    const finish = (part: number): void => {
      const call = this.#calls[part % JOBS] as KernelCall;
      call.lossSum = lossSum;
      this.#checkAlive(this.#module.finish(part % JOBS));
      lossSum = call.lossSum;
      this.#copyOut(run, part);
    };
    for (let part = 0; part < parts; part++) {
      if (part >= JOBS) finish(part - JOBS);
      this.#copyIn(run, part, true);
      this.#module.start(part % JOBS);
    }
    for (let part = parts - JOBS; part < parts; part++) finish(part);
    return lossSum;
  }

  /** Copies those arrays of a part that are not shared, and writes all addresses to its call. */
  #copyIn({ batch, shared, capacity, grad }: Run, part: number, withScores: boolean): KernelCall {
    const { scores, targets, rows, classes, width, sampleWeight, unknown, unknownWidth } = batch;
    const memory = this.#memory;
    const job = part % JOBS;
    const staged = this.#staged[job] as Places;
    const begin = part * capacity;
    const end = Math.min(rows, begin + capacity);
    const scoresBefore = begin * classes * scores.BYTES_PER_ELEMENT;
    const places = { ...staged };
    places.grad = staged.scores;
    if (shared.scores !== 0) {
      places.scores = shared.scores + scoresBefore;
      if (grad === null) places.grad = 0;
    } else if (withScores) {
      memory.copyScores(scores, begin * classes, end * classes, staged.scores);
    }
    if (shared.grad !== 0) places.grad = shared.grad + scoresBefore;
    if (shared.targets !== 0) places.targets = shared.targets + begin * width * BYTES_PER_INDEX;
    else memory.copyIndices(targets, begin * width, end * width, staged.targets);
    if (shared.sampleWeights !== 0) places.sampleWeights = shared.sampleWeights + begin * BYTES_PER_WEIGHT;
    else if (sampleWeight !== null) memory.copyWeights(sampleWeight, begin, end, staged.sampleWeights);
    if (shared.unknown !== 0) places.unknown = shared.unknown + begin * unknownWidth * BYTES_PER_INDEX;
    else if (unknown !== null) memory.copyIndices(unknown, begin * unknownWidth, end * unknownWidth, staged.unknown);
    const call = this.#calls[job] as KernelCall;
    call.place(places);
    call.rows = end - begin;
    return call;
  }

  #copyOut({ batch: { rows, classes }, shared, capacity, options, loss, grad }: Run, part: number): void {
    const staged = this.#staged[part % JOBS] as Places;
    const begin = part * capacity;
    const size = Math.min(rows, begin + capacity) - begin;
    if (grad !== null && shared.grad === 0) {
      const from = staged.scores / grad.BYTES_PER_ELEMENT;
      grad.set(this.#memory.like(grad).subarray(from, from + size * classes), begin * classes);
    }
    if (options.reduction === 'none') {
      loss.set(this.#memory.f64.subarray(staged.losses / 8, staged.losses / 8 + size), begin);
    }
  }

  /** The race of calls that take about as long a row. */
  #raceOf({ scores, rows, classes, width }: Batch, withGradient: boolean, isGiven: boolean): Race {
    const magnitude = (size: number): number => 32 - Math.clz32(size);
    const bytes = scores.BYTES_PER_ELEMENT;
    const kind = [magnitude(rows), classes, magnitude(width), bytes, withGradient, isGiven].join();
    let race = this.#races.get(kind);
    if (race === undefined) {
      if (this.#races.size === MOST_RACES) this.#races.clear();
      race = new Race();
      this.#races.set(kind, race);
    }
    return race;
  }

  /** @internal */
  training(): BareModule {
    this.#usability.check();
    return trainingModule(this.#module, this.maximumMemory, this.#usability, (cause) => this.#died(cause));
  }

  #checkAlive(status: number): void {
    if (status === WORKER_DIED) throw this.#died();
  }

  #died(cause?: unknown): LossError {
    const error = workerDied('it does not answer', cause);
    this.end(error);
    return error;
  }

  /** The address of an array in shared memory; 0 for others. */
  #addressOf(array: FloatArray | IndexArray | null): Address {
    return array !== null && this.#buffers.has(array.buffer) ? array.byteOffset : 0;
  }

  /** Refuses a gradient over its inputs. The caller cannot see it between tensors that were made before and after memory grew. */
  #checkOverlap(grad: Address, { scores, targets, sampleWeight, unknown }: Batch): void {
    if (grad === 0) return;
    for (const input of [scores, targets, sampleWeight, unknown]) {
      const address = this.#addressOf(input);
      if (input === null || address === 0 || (input === scores && address === grad)) continue;
      if (address < grad + scores.byteLength && grad < address + input.byteLength) {
        throw new LossError('ERR_SHAPE', GRAD_OVERLAP);
      }
    }
  }

  /**
   * Makes room for JOBS parts.
   *
   * @returns the largest number of rows in a part
   */
  #stage(batch: Batch, shared: Places, withGradient: boolean): number {
    const copiesScores = shared.scores === 0 || (withGradient && shared.grad === 0);
    const sizes = [
      batch.rows,
      batch.classes,
      batch.width,
      batch.unknownWidth,
      batch.scores.BYTES_PER_ELEMENT,
      batch.sampleWeight === null,
      batch.unknown === null,
      copiesScores,
      shared.targets === 0,
      shared.sampleWeights === 0,
      shared.unknown === 0,
    ];
    // Batches of a training loop have equal sizes: a layout takes a fifth of a call with one row.
    if (sizes.every((size, i) => size === this.#stagedSizes[i])) return this.#capacity;
    this.#stagedSizes = [];
    const bytesPerRow = rowBytesOf(batch);
    if (!copiesScores) bytesPerRow.scores = 0;
    if (shared.targets !== 0) bytesPerRow.targets = 0;
    if (shared.sampleWeights !== 0) bytesPerRow.sampleWeights = 0;
    if (shared.unknown !== 0) bytesPerRow.unknown = 0;
    const copiesNothing = Object.values(bytesPerRow).every((bytes) => bytes === 0);
    // A batch that is not copied gains nothing from parts.
    const jobBytes = Math.min(Math.max(JOB_ROWS * bytesPerRow.scores, LEAST_JOB_BYTES), MOST_JOB_BYTES);
    const layout = layoutOf(batch.rows, bytesPerRow, copiesNothing ? Number.POSITIVE_INFINITY : jobBytes);
    // The address may need to be aligned.
    const bytes = ALIGNMENT + JOBS * layout.end;
    if (bytes > this.#stagedBytes) {
      this.#stagedBytes = 0;
      this.#stagedAt = this.#memory.allocate(bytes, this.#module.stage);
      if (this.#stagedAt === 0) throw outOfMemory(batch, this.#memory);
      this.#stagedBytes = bytes;
    }
    this.#staged.forEach((places, job) => {
      places.losses = align(this.#stagedAt) + job * layout.end;
      places.scores = places.losses + layout.scores;
      places.targets = places.losses + layout.targets;
      places.sampleWeights = batch.sampleWeight === null ? 0 : places.losses + layout.sampleWeights;
      places.unknown = batch.unknown === null ? 0 : places.losses + layout.unknown;
    });
    this.#stagedSizes = sizes;
    this.#capacity = layout.capacity;
    return layout.capacity;
  }
}

export function workerDied(how: string, cause?: unknown): LossError {
  return new LossError('ERR_BACKEND_UNAVAILABLE', `a worker of this threads backend died: ${how}; make a new backend`, {
    cause,
  });
}
