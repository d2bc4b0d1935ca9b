import type { Backend, BackendResult, Batch, FloatArray, IndexArray, LossOptions } from '../backend.js';
import { GRAD_OVERLAP } from '../backend.js';
import { LossError } from '../errors.js';
import { allocate, arrayIn, type DType, type ShapeArguments, shapeArguments, sizeOf, Tensor } from '../tensor.js';
import { wasmBackend } from '../wasm/backend.js';
import { Call, outOfMemory } from '../wasm/call.js';
import { type Address, ALIGNMENT, align, LinearMemory } from '../wasm/linear-memory.js';
import type { ThreadsModule } from './multilabel_margin_loss_threads.mjs';

// Parts of a batch that are under way together, as kJobs in src/thread_pool.h: while the workers compute one, this
// thread copies the next in and the last one out.
const JOBS = 2;

// Of a part: many tasks, and of two parts still in a common last-level cache.
const STAGED_BYTES = 512 * 1024;

// Smaller batches of scores that are to be copied are left to the backend of one thread.
const FEWEST_SCORES = 96 * 1024;

/** Where the parts of a batch are: their addresses, or 0 for what is not there. */
interface Places {
  scores: Address;
  targets: Address;
  losses: Address;
  grad: Address;
}

/**
 * A backend of several threads over shared memory; {@link createThreadsBackend} makes it. Results have the same bits for
 * any number of threads, and as those of the backend of one.
 */
export class ThreadsBackend implements Backend, Disposable {
  readonly name = 'threads';
  readonly threads: number;
  readonly #module: ThreadsModule;
  readonly #memory: LinearMemory;
  readonly #calls: readonly Call[];
  /** As memory grows, its buffer becomes another object, and tensors made before have the old one. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  #stagedAt: Address = 0;
  #stagedBytes = 0;
  #unusable: LossError | null = null;

  /** @internal */
  constructor(module: ThreadsModule, threads: number) {
    this.threads = threads;
    this.#module = module;
    this.#memory = new LinearMemory(module.wasmMemory, 1);
    this.#calls = Array.from({ length: JOBS }, (_, job) => new Call(this.#memory, module.callAddress(job)));
  }

  /**
   * Zeros in the memory that the threads share: scores, targets and gradients there are used where they are, without a
   * copy. That memory (1 GB at most) is freed by {@link dispose} alone, so make tensors once and fill them again and
   * again.
   *
   * @param args as of `zeros()` of the package: a shape, and `{ dtype, requires_grad }`
   * @throws LossError ERR_SHAPE, ERR_OPTION, ERR_OUT_OF_MEMORY, ERR_DISPOSED, ERR_BACKEND_UNAVAILABLE
   * @example
   * const scores = backend.zeros([1024, 1000]);
   * const grad = backend.zeros([1024, 1000]);
   * scores.data.set(logits);
   * lossFn.valueAndGrad(scores, targets, { grad });
   */
  zeros<D extends DType = 'float32'>(...args: ShapeArguments<D>): Tensor<D> {
    this.#checkUsable();
    const [shape, dtype, requiresGrad] = shapeArguments<D>(args, 'zeros()');
    const size = sizeOf(shape);
    const bytes = size * (dtype === 'float64' || dtype === 'int64' ? 8 : 4);
    const address = bytes < 2 ** 30 ? this.#module.allocateZeros(Math.max(bytes, 1)) : 0;
    if (address === 0) {
      throw new LossError(
        'ERR_OUT_OF_MEMORY',
        `no shared memory for ${size} elements of ${dtype}: 1 GB for all tensors of a backend until its dispose()`,
      );
    }
    this.#memory.renew(address + bytes);
    this.#buffers.add(this.#memory.buffer);
    return new Tensor<D>(arrayIn(dtype, this.#memory.buffer, address, size), shape, requiresGrad);
  }

  /**
   * Ends the threads. Tensors stay readable; losses with this backend throw ERR_DISPOSED from now on. Calling it again
   * does nothing. A Node process need not call it to be able to exit.
   */
  dispose(): void {
    this.end(new LossError('ERR_DISPOSED', 'this threads backend was disposed: make a new one'));
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal Ends the threads, for a reason that later calls throw. */
  end(reason: LossError): void {
    if (this.#unusable !== null) return;
    this.#unusable = reason;
    this.#module.PThread.terminateAllThreads();
  }

  #checkUsable(): void {
    // A new error, with the stack of this call.
    if (this.#unusable !== null) throw new LossError(this.#unusable.code, this.#unusable.message, this.#unusable);
  }

  /** @internal */
  compute(batch: Batch, options: LossOptions, withGradient: boolean, into: FloatArray | null): BackendResult {
    this.#checkUsable();
    const { scores, targets, rows, classes, width } = batch;
    const shared: Places = {
      scores: this.#addressOf(scores),
      targets: this.#addressOf(targets),
      losses: 0,
      grad: into === null ? 0 : this.#addressOf(into),
    };
    if (shared.scores === 0 && shared.grad === 0 && scores.length < FEWEST_SCORES) {
      return wasmBackend().compute(batch, options, withGradient, into);
    }
    this.#checkOverlap(shared, batch);

    const dtype = scores.BYTES_PER_ELEMENT === 8 ? 'float64' : 'float32';
    const keepsLosses = options.reduction === 'none';
    const loss = allocate(dtype, keepsLosses ? rows : 1);
    const grad = withGradient ? (into ?? allocate(dtype, scores.length)) : null;
    const stagesScores = shared.scores === 0 || (withGradient && shared.grad === 0);
    const staged = this.#stage(
      rows,
      stagesScores ? classes * scores.BYTES_PER_ELEMENT : 0,
      shared.targets === 0 ? width * targets.BYTES_PER_ELEMENT : 0,
    );
    if (staged === null) throw outOfMemory(classes, width, this.#memory);

    const { capacity } = staged;
    const parts = Math.ceil(rows / capacity);
    const begin = (part: number): number => part * capacity;
    const end = (part: number): number => Math.min(rows, begin(part) + capacity);
    // Where what is computed in is: shared, or staged.
    const at = (part: number): Places => {
      const { scores: scoresAt, targets: targetsAt, losses } = staged.places[part % JOBS] as Places;
      const inScores = begin(part) * classes * scores.BYTES_PER_ELEMENT;
      return {
        scores: shared.scores === 0 ? scoresAt : shared.scores + inScores,
        targets: shared.targets === 0 ? targetsAt : shared.targets + begin(part) * width * targets.BYTES_PER_ELEMENT,
        losses,
        grad: !withGradient ? 0 : shared.grad === 0 ? scoresAt : shared.grad + inScores,
      };
    };
    const copyIn = (part: number, places: Places, withScores: boolean): void => {
      const call = this.#calls[part % JOBS] as Call;
      const from = begin(part);
      const to = end(part);
      if (shared.scores === 0 && withScores) {
        this.#memory
          .like(scores)
          .set(scores.subarray(from * classes, to * classes), places.scores / scores.BYTES_PER_ELEMENT);
      }
      if (shared.targets === 0) {
        const part = targets.subarray(from * width, to * width);
        this.#memory.like(targets).set(part as never, places.targets / targets.BYTES_PER_ELEMENT);
      }
      call.place(places.scores, places.targets, places.losses, places.grad);
      call.rows = to - from;
    };
    const copyOut = (part: number, places: Places): void => {
      const from = begin(part);
      const size = end(part) - from;
      if (grad !== null && shared.grad === 0) {
        const first = places.grad / grad.BYTES_PER_ELEMENT;
        grad.set(this.#memory.like(grad).subarray(first, first + size * classes), from * classes);
      }
      if (keepsLosses) loss.set(this.#memory.f64.subarray(places.losses / 8, places.losses / 8 + size), from);
    };

    for (const call of this.#calls) call.describe(batch, options);
    for (let part = 0; part < parts; part++) {
      copyIn(part, at(part), options.nan === 'error' || parts === 1);
      const job = part % JOBS;
      (this.#calls[job] as Call).check(this.#module.validate(job), begin(part), batch);
    }
    let lossSum = 0;
    const finish = (part: number): void => {
      const call = this.#calls[part % JOBS] as Call;
      call.lossSum = lossSum;
      if (!this.#module.finish(part % JOBS)) {
        this.end(workerDied('it did not come back from its work'));
        this.#checkUsable();
      }
      lossSum = call.lossSum;
      copyOut(part, at(part));
    };
    for (let part = 0; part < parts; part++) {
      if (part >= JOBS) finish(part - JOBS);
      if (parts > 1) copyIn(part, at(part), true);
      this.#module.start(part % JOBS);
    }
    for (let part = Math.max(0, parts - JOBS); part < parts; part++) finish(part);
    if (!keepsLosses) loss[0] = options.reduction === 'mean' ? lossSum / rows : lossSum;
    return { loss, grad };
  }

  #addressOf(array: FloatArray | IndexArray): Address {
    return this.#buffers.has(array.buffer) ? array.byteOffset : 0;
  }

  /** Arrays in two states of the memory have two buffers, in which the caller cannot see that they overlap. */
  #checkOverlap({ scores, targets, grad }: Places, batch: Batch): void {
    const { byteLength } = batch.scores;
    const overlaps = (other: Address, length: number): boolean =>
      other !== 0 && other < grad + byteLength && grad < other + length;
    if (grad === 0) return;
    if ((scores !== grad && overlaps(scores, byteLength)) || overlaps(targets, batch.targets.byteLength)) {
      throw new LossError('ERR_SHAPE', GRAD_OVERLAP);
    }
  }

  /** Room for JOBS parts of as many rows as fit, and one at least; null when there is none. */
  #stage(rows: number, scoresBytes: number, targetsBytes: number): { capacity: number; places: Places[] } | null {
    const fitting = Math.floor(STAGED_BYTES / (8 + scoresBytes + targetsBytes));
    // Nothing is gained by parts if nothing is copied.
    const capacity = Math.max(1, scoresBytes + targetsBytes === 0 ? rows : Math.min(rows, fitting));
    const scoresAt = align(capacity * 8);
    const targetsAt = scoresAt + align(capacity * scoresBytes);
    const partBytes = targetsAt + align(capacity * targetsBytes);
    // The address that comes may need aligning too.
    const bytes = ALIGNMENT + JOBS * partBytes;
    if (bytes > this.#stagedBytes) {
      this.#stagedBytes = 0;
      this.#stagedAt = bytes < 2 ** 30 ? this.#module.stage(bytes) : 0;
      if (this.#stagedAt === 0) return null;
      this.#stagedBytes = bytes;
      this.#memory.renew(this.#stagedAt + bytes);
    }
    const places = Array.from({ length: JOBS }, (_, job) => {
      const losses = align(this.#stagedAt) + job * partBytes;
      return { losses, scores: losses + scoresAt, targets: losses + targetsAt, grad: 0 };
    });
    return { capacity, places };
  }
}

export function workerDied(how: string, cause?: unknown): LossError {
  return new LossError('ERR_BACKEND_UNAVAILABLE', `a worker of this threads backend died: ${how}; make a new backend`, {
    cause,
  });
}
