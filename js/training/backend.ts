import type { Backend, BackendResult, Batch, FloatArray, LossOptions } from '../backend.js';
import { allocate } from '../dtypes.js';
import { type Address, layoutOf, rowBytesOf } from '../wasm/linear-memory.js';
import { KernelCall, outOfMemory } from '../wasm/call.js';
import type { Block, TrainingMemory } from './memory.js';
import type { LinearStorage } from './storage.js';

/** Computes losses of scores that are in the memory of the training core, and leaves their gradient there. */
export class TrainingBackend implements Backend {
  readonly name = 'training';
  readonly threads = 1;
  readonly #call: KernelCall;
  /** Room for losses, targets, weights and unknown classes. */
  #staging: Block | null = null;
  #stagedBytes = 0;

  constructor(
    private readonly memory: TrainingMemory,
    private readonly newActivation: (length: number, what: () => string) => LinearStorage,
  ) {
    this.#call = new KernelCall(memory.views, memory.module.lossCall());
  }

  compute(batch: Batch, options: LossOptions, withGradient: boolean, into: FloatArray | null): BackendResult {
    const { scores, rows, classes } = batch;
    const { module, views } = this.memory;
    const targets = this.memory.attached(batch.targets);
    const sampleWeight = batch.sampleWeight && this.memory.attached(batch.sampleWeight);
    const unknown = batch.unknown && this.memory.attached(batch.unknown);
    const keepsLosses = options.reduction === 'none';
    const loss = allocate('float32', keepsLosses ? rows : 1);
    // Before memory grows and detaches the views.
    const scoresAt = scores.byteOffset;
    const intoAt = into !== null && into.buffer === module.memory.buffer ? into.byteOffset : null;
    const grad = withGradient ? this.newActivation(rows * classes, () => 'the gradient of the scores') : null;
    // One part: the scores are in the module's memory.
    const layout = layoutOf(rows, { ...rowBytesOf(batch), scores: 0 }, Number.POSITIVE_INFINITY);
    const losses = this.#stage(layout.end, batch);
    const places = {
      scores: scoresAt,
      targets: losses + layout.targets,
      losses,
      grad: grad?.address ?? 0,
      sampleWeights: sampleWeight === null ? 0 : losses + layout.sampleWeights,
      unknown: unknown === null ? 0 : losses + layout.unknown,
    };
    views.renew();
    views.copyIndices(targets, 0, targets.length, places.targets);
    if (sampleWeight !== null) views.copyWeights(sampleWeight, 0, rows, places.sampleWeights);
    if (unknown !== null) views.copyIndices(unknown, 0, unknown.length, places.unknown);
    const call = this.#call;
    call.describe(batch, options, withGradient);
    call.place(places);
    call.rows = rows;
    call.lossSum = 0;
    try {
      call.check(module.computeLoss(), 0, batch);
    } catch (error) {
      grad?.block.free('never computed');
      throw error;
    }
    views.renew();
    if (keepsLosses) loss.set(views.f64.subarray(losses / 8, losses / 8 + rows));
    else loss[0] = options.reduction === 'mean' ? call.lossSum / rows : call.lossSum;
    if (into === null || grad === null) return { loss, grad };
    const copy = intoAt === null ? into : this.memory.array('float32', intoAt, rows * classes);
    (copy as Float32Array).set(grad.view());
    grad.block.free('copied');
    return { loss, grad: copy };
  }

  #stage(bytes: number, batch: Batch): Address {
    if (this.#staging === null || bytes > this.#stagedBytes) {
      this.#staging?.free('too small');
      this.#staging = null;
      try {
        this.#staging = this.memory.allocate(bytes, () => 'targets');
      } catch {
        throw outOfMemory(batch, this.memory.views);
      }
      this.#stagedBytes = bytes;
    }
    return this.#staging.address;
  }
}
