import type { Backend, BackendResult, Batch, LossOptions } from '../backend.js';
import { LossError } from '../errors.js';
import { targetOutOfRange } from '../targets.js';
import { allocate } from '../tensor.js';
import createModule, { type Address, type LossModule } from './multilabel_margin_loss.mjs';

// The fields of Call in bindings/bindings.cc, as numbers of 32-bit words; margin and lossSum are float64.
const CALL = {
  float64: 0,
  int64: 1,
  scores: 2,
  targets: 3,
  losses: 4,
  grad: 5,
  rows: 6,
  classes: 7,
  width: 8,
  batchRows: 9,
  reduction: 10,
  normalization: 11,
  targetOrder: 12,
  nanPolicy: 13,
  margin: 14,
  lossSum: 16,
  badRow: 18,
  badColumn: 19,
};
// The numbers of the enumerations in src/multilabel_margin_loss.h.
const REDUCTION = { none: 0, mean: 1, sum: 2 };
const NORMALIZATION = { classes: 0, targets: 1 };
const TARGET_ORDER = { ignored: 0, ranked: 1 };
const NAN_POLICY = { ignore: 0, propagate: 1, error: 2 };
const STATUS = { ok: 0, targetOutOfRange: 1, nanScore: 2, outOfMemory: 3 };

// As many rows are staged at a time as fit in half of a common second-level cache, and one at least: the kernels then
// read from the cache what was just copied.
const STAGED_BYTES = 256 * 1024;

const ALIGNMENT = 16;

type AnyArray = Batch['scores' | 'targets'];

/** Views of a module's memory, made anew only when it has grown: a view takes longer to make than a small loss. */
class LinearMemory {
  i32!: Int32Array;
  f64!: Float64Array;
  #f32!: Float32Array;
  #i64!: BigInt64Array;

  constructor(private readonly memory: WebAssembly.Memory) {
    this.#view();
  }

  #view(): void {
    const { buffer } = this.memory;
    this.i32 = new Int32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.#f32 = new Float32Array(buffer);
    this.#i64 = new BigInt64Array(buffer);
  }

  /** To be called whenever memory may have grown. That detaches the views: their length is 0 then. */
  renew(): void {
    if (this.i32.length === 0) this.#view();
  }

  /** The view of the type of an array. */
  like<A extends AnyArray>(array: A): A {
    const isFloat = array[Symbol.toStringTag].startsWith('Float');
    if (array.BYTES_PER_ELEMENT === 8) return (isFloat ? this.f64 : this.#i64) as A;
    return (isFloat ? this.#f32 : this.i32) as A;
  }
}

/** Where the parts of a batch are staged. */
interface Staging {
  /** The most rows in a part. */
  capacity: number;
  losses: Address;
  scores: Address;
  targets: Address;
}

class WasmBackend implements Backend {
  readonly name = 'wasm';
  readonly #module: LossModule;
  readonly #memory: LinearMemory;
  /** In 32-bit words. */
  readonly #call: number;
  #stagedAt: Address = 0;
  #stagedBytes = 0;
  #described: LossOptions | null = null;

  constructor(module: LossModule) {
    this.#module = module;
    this.#memory = new LinearMemory(module.wasmMemory);
    this.#call = module.callAddress() / 4;
  }

  compute(batch: Batch, options: LossOptions, withGradient: boolean): BackendResult {
    const { scores, rows, classes } = batch;
    const memory = this.#memory;
    const isFloat64 = scores.BYTES_PER_ELEMENT === 8;
    const dtype = isFloat64 ? 'float64' : 'float32';
    const keepsLosses = options.reduction === 'none';
    const loss = allocate(dtype, keepsLosses ? rows : 1);
    const staging = this.#stage(batch);
    const inOnePart = rows <= staging.capacity;
    // The gradient of a small batch is one slice of linear memory: quicker than to make an array and then fill it.
    const slices = inOnePart && scores.byteLength <= STAGED_BYTES;
    let grad = withGradient && !slices ? allocate(dtype, scores.length) : null;

    this.#describe(batch, options, staging, withGradient);
    // A part is validated before it is computed. With several, all are before the first is.
    if (!inOnePart) {
      for (let row = 0; row < rows; row += staging.capacity) {
        const end = Math.min(rows, row + staging.capacity);
        this.#copyIn(batch, staging, row, end, options.nan === 'error');
        this.#check(this.#module.validate(), row, batch);
      }
    }
    for (let row = 0; row < rows; row += staging.capacity) {
      const end = Math.min(rows, row + staging.capacity);
      this.#copyIn(batch, staging, row, end, true);
      this.#check(this.#module.compute(), row, batch);
      // The kernels may have made linear memory grow.
      memory.renew();
      const from = staging.scores / scores.BYTES_PER_ELEMENT;
      const size = (end - row) * classes;
      if (slices && withGradient) grad = memory.like(scores).slice(from, from + size);
      else grad?.set(memory.like(scores).subarray(from, from + size), row * classes);
      if (keepsLosses) loss.set(memory.f64.subarray(staging.losses / 8, staging.losses / 8 + end - row), row);
    }
    if (!keepsLosses) {
      const sum = memory.f64[(this.#call + CALL.lossSum) / 2] as number;
      loss[0] = options.reduction === 'mean' ? sum / rows : sum;
    }
    return { loss, grad: withGradient ? (grad ?? allocate(dtype, 0)) : null };
  }

  #describe(batch: Batch, options: LossOptions, staging: Staging, withGradient: boolean): void {
    const { i32, f64 } = this.#memory;
    const call = this.#call;
    i32[call + CALL.float64] = batch.scores.BYTES_PER_ELEMENT === 8 ? 1 : 0;
    i32[call + CALL.int64] = batch.targets.BYTES_PER_ELEMENT === 8 ? 1 : 0;
    i32[call + CALL.scores] = staging.scores;
    i32[call + CALL.targets] = staging.targets;
    i32[call + CALL.losses] = staging.losses;
    i32[call + CALL.grad] = withGradient ? staging.scores : 0;
    i32[call + CALL.classes] = batch.classes;
    i32[call + CALL.width] = batch.width;
    i32[call + CALL.batchRows] = batch.rows;
    f64[(call + CALL.lossSum) / 2] = 0;
    if (this.#described === options) return;
    this.#described = options;
    i32[call + CALL.reduction] = REDUCTION[options.reduction];
    i32[call + CALL.normalization] = NORMALIZATION[options.normalization];
    i32[call + CALL.targetOrder] = TARGET_ORDER[options.targetOrder];
    i32[call + CALL.nanPolicy] = NAN_POLICY[options.nan];
    f64[(call + CALL.margin) / 2] = options.margin;
  }

  #copyIn(batch: Batch, staging: Staging, row: number, end: number, withScores: boolean): void {
    const { scores, targets, classes, width } = batch;
    const copy = <A extends AnyArray>(source: A, columns: number, to: Address): void => {
      const whole = row === 0 && end === batch.rows;
      const part = whole ? source : source.subarray(row * columns, end * columns);
      this.#memory.like(source).set(part as never, to / source.BYTES_PER_ELEMENT);
    };
    if (withScores) copy(scores, classes, staging.scores);
    copy(targets, width, staging.targets);
    this.#memory.i32[this.#call + CALL.rows] = end - row;
  }

  #stage({ scores, targets, rows, classes, width }: Batch): Staging {
    const scoresBytes = classes * scores.BYTES_PER_ELEMENT;
    const targetsBytes = width * targets.BYTES_PER_ELEMENT;
    const fitting = Math.floor(STAGED_BYTES / (8 + scoresBytes + targetsBytes));
    const capacity = Math.min(rows, Math.max(1, fitting));
    const scoresAt = align(capacity * 8);
    const targetsAt = scoresAt + align(capacity * scoresBytes);
    // The address that comes may need aligning too.
    const bytes = ALIGNMENT + Math.max(STAGED_BYTES + 2 * ALIGNMENT, targetsAt + capacity * targetsBytes);
    if (bytes > this.#stagedBytes) {
      this.#stagedBytes = 0;
      this.#stagedAt = bytes < 2 ** 31 ? this.#module.stage(bytes) : 0;
      if (this.#stagedAt === 0) throw outOfMemory(classes, width);
      this.#stagedBytes = bytes;
      this.#memory.renew();
    }
    const losses = align(this.#stagedAt);
    return { capacity, losses, scores: losses + scoresAt, targets: losses + targetsAt };
  }

  #check(status: number, firstRow: number, { targets, classes, width }: Batch): void {
    if (status === STATUS.ok) return;
    this.#memory.renew();
    if (status === STATUS.outOfMemory) throw outOfMemory(classes, width);
    const row = firstRow + (this.#memory.i32[this.#call + CALL.badRow] as number);
    const column = this.#memory.i32[this.#call + CALL.badColumn] as number;
    if (status === STATUS.nanScore) {
      throw new LossError('ERR_NAN', `score at row ${row}, column ${column} is NaN, and nan is 'error'`);
    }
    throw targetOutOfRange(targets[row * width + column] as number | bigint, row, column, classes);
  }
}

let shared: WasmBackend | undefined;

/** One thread, SIMD128. Made on first use and shared by all losses of this thread. */
export function wasmBackend(): Backend {
  try {
    shared ??= new WasmBackend(createModule());
    return shared;
  } catch (cause) {
    throw new LossError(
      'ERR_BACKEND_UNAVAILABLE',
      'the WebAssembly module could not be instantiated: it needs WebAssembly with SIMD (Chrome 91, Firefox 89, ' +
        "Safari 16.4, Node.js 16.4), and where a content security policy is set, script-src 'wasm-unsafe-eval'",
      { cause },
    );
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function outOfMemory(classes: number, width: number): LossError {
  return new LossError(
    'ERR_OUT_OF_MEMORY',
    `a row of ${classes} scores and ${width} targets does not fit in WebAssembly's linear memory (2 GB at most)`,
  );
}
