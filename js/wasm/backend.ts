import type { Backend, BackendResult, Batch, FloatArray, LossOptions } from '../backend.js';
import { allocate } from '../dtypes.js';
import { checkOptions } from '../options.js';
import binary from './binary.mjs';
import { KernelCall, outOfMemory, type Places } from './call.js';
import { checkModule, compile, instantiate, type WasmModule } from './instantiate.js';
import { type Address, ALIGNMENT, align, layoutOf, LinearMemory, rowBytesOf, STAGED_BYTES } from './linear-memory.js';
import type { LossModule } from './module.js';

/** Where the parts of a batch are staged. */
interface Staging extends Places {
  /** The largest number of rows in a part. */
  capacity: number;
  /** A view of the scores of the last part, which the gradient replaces. Growth of the memory makes its length 0. */
  view: FloatArray | null;
}

/** The sizes that a layout depends on. */
interface Sizes extends Pick<Batch, 'rows' | 'classes' | 'width' | 'unknownWidth'> {
  scoreBytes: number;
  hasWeights: boolean;
  hasUnknown: boolean;
}

/** Losses, scores, targets, weights and unknown classes. */
const STAGED_ARRAYS = 5;

class WasmBackend implements Backend {
  readonly name = 'wasm';
  readonly threads = 1;
  readonly #module: LossModule;
  readonly #memory: LinearMemory;
  readonly #call: KernelCall;
  #stagedAt: Address = 0;
  #stagedBytes = 0;
  /** The batch that was staged last, without its arrays, and where. */
  #staged: Sizes | null = null;
  #staging: Staging | null = null;

  constructor(module: LossModule) {
    this.#module = module;
    this.#memory = new LinearMemory(module.memory, module.maximumMemory());
    this.#call = new KernelCall(this.#memory, module.callAddress());
  }

  compute(batch: Batch, options: LossOptions, withGradient: boolean, into: FloatArray | null): BackendResult {
    const { scores, rows, classes } = batch;
    const memory = this.#memory;
    const call = this.#call;
    const dtype = scores.BYTES_PER_ELEMENT === 8 ? 'float64' : 'float32';
    const keepsLosses = options.reduction === 'none';
    const loss = allocate(dtype, keepsLosses ? rows : 1);
    const staging = this.#stage(batch);
    const inOnePart = rows <= staging.capacity;
    // The gradient of a small batch is a slice of linear memory, which is quicker than to make an array and then fill it.
    const slices = into === null && inOnePart && scores.byteLength <= STAGED_BYTES;
    let grad = withGradient && !slices ? (into ?? allocate(dtype, scores.length)) : null;

    call.describe(batch, options, withGradient);
    call.place(staging);
    call.lossSum = 0;
    // compute() validates its part. With several parts, all are validated before the first is computed. Either call may
    // make linear memory grow.
    if (!inOnePart) {
      for (let row = 0; row < rows; row += staging.capacity) {
        const end = Math.min(rows, row + staging.capacity);
        this.#copyIn(batch, staging, row, end, options.nan === 'error');
        call.check(this.#module.validate(), row, batch);
        memory.renew();
      }
    }
    for (let row = 0; row < rows; row += staging.capacity) {
      const end = Math.min(rows, row + staging.capacity);
      this.#copyIn(batch, staging, row, end, true);
      call.check(this.#module.compute(), row, batch);
      memory.renew();
      if (withGradient) {
        const view = this.#gradientIn(staging, scores, (end - row) * classes);
        if (slices) grad = view.slice();
        else grad?.set(view, row * classes);
      }
      if (keepsLosses) loss.set(memory.f64.subarray(staging.losses / 8, staging.losses / 8 + end - row), row);
    }
    if (!keepsLosses) loss[0] = options.reduction === 'mean' ? call.lossSum / rows : call.lossSum;
    return { loss, grad: withGradient ? (grad ?? allocate(dtype, 0)) : null };
  }

  #copyIn(batch: Batch, staging: Staging, row: number, end: number, withScores: boolean): void {
    const { scores, targets, classes, width, sampleWeight, unknown, unknownWidth } = batch;
    const memory = this.#memory;
    if (withScores) memory.copyScores(scores, row * classes, end * classes, staging.scores);
    memory.copyIndices(targets, row * width, end * width, staging.targets);
    if (sampleWeight !== null) memory.copyWeights(sampleWeight, row, end, staging.sampleWeights);
    if (unknown !== null) memory.copyIndices(unknown, row * unknownWidth, end * unknownWidth, staging.unknown);
    this.#call.rows = end - row;
  }

  /** The gradient of a part. The view is kept: to make one takes a tenth of a call with one row. */
  #gradientIn(staging: Staging, scores: FloatArray, size: number): FloatArray {
    if (staging.view?.length !== size) {
      const from = staging.scores / scores.BYTES_PER_ELEMENT;
      staging.view = this.#memory.like(scores).subarray(from, from + size);
    }
    return staging.view;
  }

  #stage(batch: Batch): Staging {
    const { rows, classes, width, unknownWidth } = batch;
    const scoreBytes = batch.scores.BYTES_PER_ELEMENT;
    const hasWeights = batch.sampleWeight !== null;
    const hasUnknown = batch.unknown !== null;
    const before = this.#staged;
    // Batches of a training loop have equal sizes: a layout takes a tenth of a call with one row.
    if (
      before !== null &&
      this.#staging !== null &&
      before.rows === rows &&
      before.classes === classes &&
      before.width === width &&
      before.unknownWidth === unknownWidth &&
      before.scoreBytes === scoreBytes &&
      before.hasWeights === hasWeights &&
      before.hasUnknown === hasUnknown
    ) {
      return this.#staging;
    }
    this.#staging = null;
    const layout = layoutOf(batch.rows, rowBytesOf(batch), STAGED_BYTES);
    // The address and each array may need to be aligned.
    const bytes = ALIGNMENT + Math.max(STAGED_BYTES + STAGED_ARRAYS * ALIGNMENT, layout.end);
    if (bytes > this.#stagedBytes) {
      this.#stagedBytes = 0;
      this.#stagedAt = this.#memory.allocate(bytes, this.#module.stage);
      if (this.#stagedAt === 0) throw outOfMemory(batch, this.#memory);
      this.#stagedBytes = bytes;
    }
    const losses = align(this.#stagedAt);
    const scores = losses + layout.scores;
    this.#staged = { rows, classes, width, unknownWidth, scoreBytes, hasWeights, hasUnknown };
    this.#staging = {
      capacity: layout.capacity,
      view: null,
      losses,
      scores,
      targets: losses + layout.targets,
      // The kernels write the gradient over the staged copy of the scores. Elsewhere they would copy the scores again.
      grad: scores,
      sampleWeights: hasWeights ? losses + layout.sampleWeights : 0,
      unknown: hasUnknown ? losses + layout.unknown : 0,
    };
    return this.#staging;
  }
}

const PRECOMPILED =
  "import the module from 'multilabel-margin-loss/multilabel_margin_loss.wasm' and give the loss " +
  '{ backend: createWasmBackend({ module }) }';

let shared: WasmBackend | undefined;

/** The backend of one thread with SIMD128. It is made on first use, and all losses of this thread share it. */
export function wasmBackend(): Backend {
  shared ??= new WasmBackend(instantiate<LossModule>(compile(binary, PRECOMPILED)));
  return shared;
}

/**
 * Makes a backend of one thread from a compiled WebAssembly module. It is for environments that refuse to compile
 * WebAssembly from bytes, such as the workers of some content delivery networks. Elsewhere losses make such a backend
 * themselves.
 *
 * @param options `module`: the compiled `multilabel-margin-loss/multilabel_margin_loss.wasm` of this version of the
 * package
 * @returns a backend for the `backend` option of `MultiLabelMarginLoss`
 * @throws LossError ERR_OPTION for anything but that module; ERR_BACKEND_UNAVAILABLE where it cannot be instantiated
 * @example
 * import { readFileSync } from 'node:fs';
 * import { createWasmBackend, MultiLabelMarginLoss } from 'multilabel-margin-loss';
 *
 * // There: import module from 'multilabel-margin-loss/multilabel_margin_loss.wasm'. In Node, for one:
 * const file = new URL(import.meta.resolve('multilabel-margin-loss/multilabel_margin_loss.wasm'));
 * const module = new WebAssembly.Module(readFileSync(file));
 *
 * const lossFn = new MultiLabelMarginLoss({ backend: createWasmBackend({ module }) });
 * lossFn.forward([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]).item(); // => 0.85
 */
export function createWasmBackend(options: { module: WasmModule }): Backend {
  const { module } = checkOptions(options, ['module'], 'createWasmBackend()');
  checkModule(module, 'multilabel_margin_loss.wasm', 'validate');
  return new WasmBackend(instantiate<LossModule>(module));
}
