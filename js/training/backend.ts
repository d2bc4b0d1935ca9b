import type { Backend, BackendResult, Batch, FloatArray, LossOptions } from '../backend.js';
import { allocate } from '../dtypes.js';
import { type Address, align } from '../wasm/linear-memory.js';
import { KernelCall, outOfMemory } from '../wasm/call.js';
import type { Block, TrainingMemory } from './memory.js';
import type { LinearStorage } from './storage.js';

/** Computes losses of scores that are in the memory of the training core, and leaves their gradient there. */
export class TrainingBackend implements Backend {
  readonly name = 'training';
  readonly threads = 1;
  readonly #call: KernelCall;
  /** Of losses, targets and unknown classes. */
  #staging: Block | null = null;
  #stagedBytes = 0;

  constructor(
    private readonly memory: TrainingMemory,
    private readonly newActivation: (length: number, what: () => string) => LinearStorage,
  ) {
    this.#call = new KernelCall(memory.views, memory.module.lossCall());
  }

  compute(batch: Batch, options: LossOptions, withGradient: boolean, into: FloatArray | null): BackendResult {
    const { scores, targets, rows, classes, width } = batch;
    const { module, views } = this.memory;
    const keepsLosses = options.reduction === 'none';
    const loss = allocate('float32', keepsLosses ? rows : 1);
    // Before memory grows and detaches the view.
    const scoresAt = scores.byteOffset;
    const grad = withGradient ? this.newActivation(rows * classes, () => 'the gradient of the scores') : null;
    const lossesAt = this.#stage(align(8 * rows) + 4 * rows * width, classes, width);
    const targetsAt = lossesAt + align(8 * rows);
    views.renew();
    views.copyTargets(targets, 0, rows * width, targetsAt);
    const call = this.#call;
    call.describe(batch, options);
    call.place(scoresAt, targetsAt, lossesAt, grad?.address ?? 0);
    call.rows = rows;
    call.lossSum = 0;
    try {
      call.check(module.computeLoss(), 0, batch);
    } catch (error) {
      grad?.block.free('never computed');
      throw error;
    }
    views.renew();
    if (keepsLosses) loss.set(views.f64.subarray(lossesAt / 8, lossesAt / 8 + rows));
    else loss[0] = options.reduction === 'mean' ? call.lossSum / rows : call.lossSum;
    if (into === null || grad === null) return { loss, grad };
    (into as Float32Array).set(grad.view());
    grad.block.free('copied');
    return { loss, grad: into };
  }

  #stage(bytes: number, classes: number, width: number): Address {
    if (this.#staging === null || bytes > this.#stagedBytes) {
      this.#staging?.free('too small');
      this.#staging = null;
      try {
        this.#staging = this.memory.allocate(bytes, () => 'targets');
      } catch {
        throw outOfMemory(classes, width, this.memory.views);
      }
      this.#stagedBytes = bytes;
    }
    return this.#staging.address;
  }
}
