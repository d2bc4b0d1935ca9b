import type { Backend, BackendResult, Batch, LossOptions } from '../backend.js';
import { LossError } from '../errors.js';
import { targetOutOfRange } from '../targets.js';
import { allocate } from '../tensor.js';
import createModule, { type Address, type LossModule } from './multilabel_margin_loss.mjs';

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

interface Staging {
  /** The most rows in a part. */
  capacity: number;
  lossSum: Address;
  losses: Address;
  scores: Address;
  targets: Address;
}

/** The module, made on first use and shared by all losses of this thread. */
let shared: LossModule | undefined;

/** One thread, SIMD128. */
export const wasmBackend: Backend = {
  name: 'wasm',

  compute(batch: Batch, options: LossOptions, withGradient: boolean): BackendResult {
    const { scores, targets, rows, classes, width } = batch;
    const module = instantiate();
    const dtype = scores.BYTES_PER_ELEMENT === 8 ? 'float64' : 'float32';
    const keepsLosses = options.reduction === 'none';
    const loss = allocate(dtype, keepsLosses ? rows : 1);
    const grad = withGradient ? allocate(dtype, scores.length) : null;

    const staging = reserve(module, batch);
    const isFloat64 = dtype === 'float64';
    const isInt64 = targets.BYTES_PER_ELEMENT === 8;
    const nanPolicy = NAN_POLICY[options.nan];
    const stage = (source: Batch['scores' | 'targets'], to: Address, from: number, end: number): void => {
      const whole = from === 0 && end === source.length;
      viewOf(module, source, to, end - from).set((whole ? source : source.subarray(from, end)) as never);
    };

    // Every part is validated before it is computed. With several, all are before the first is.
    if (rows > staging.capacity) {
      for (let row = 0; row < rows; row += staging.capacity) {
        const end = Math.min(rows, row + staging.capacity);
        stage(targets, staging.targets, row * width, end * width);
        if (options.nan === 'error') stage(scores, staging.scores, row * classes, end * classes);
        const status = module.validate(
          isFloat64,
          isInt64,
          staging.scores,
          staging.targets,
          end - row,
          classes,
          width,
          nanPolicy,
        );
        check(module, status, row, batch);
      }
    }
    const lossSum = (): Float64Array => viewOf(module, SUM, staging.lossSum, 1) as Float64Array;
    lossSum()[0] = 0;
    for (let row = 0; row < rows; row += staging.capacity) {
      const end = Math.min(rows, row + staging.capacity);
      stage(scores, staging.scores, row * classes, end * classes);
      stage(targets, staging.targets, row * width, end * width);
      const status = module.compute(
        isFloat64,
        isInt64,
        staging.scores,
        staging.targets,
        end - row,
        classes,
        width,
        rows,
        options.margin,
        REDUCTION[options.reduction],
        NORMALIZATION[options.normalization],
        TARGET_ORDER[options.targetOrder],
        nanPolicy,
        staging.lossSum,
        staging.losses,
        withGradient,
      );
      check(module, status, row, batch);
      // The kernels may have made linear memory grow: views are taken after them.
      grad?.set(viewOf(module, scores, staging.scores, (end - row) * classes) as Float32Array, row * classes);
      if (keepsLosses) loss.set(viewOf(module, scores, staging.losses, end - row) as Float32Array, row);
    }
    if (!keepsLosses) {
      const sum = lossSum()[0] as number;
      loss[0] = options.reduction === 'mean' ? sum / rows : sum;
    }
    return { loss, grad };
  },
};

const SUM = new Float64Array(0);

function instantiate(): LossModule {
  try {
    shared ??= createModule();
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

function reserve(module: LossModule, { scores, targets, rows, classes, width }: Batch): Staging {
  const lossBytes = scores.BYTES_PER_ELEMENT;
  const scoresBytes = classes * scores.BYTES_PER_ELEMENT;
  const targetsBytes = width * targets.BYTES_PER_ELEMENT;
  const fitting = Math.floor(STAGED_BYTES / (lossBytes + scoresBytes + targetsBytes));
  const capacity = Math.min(rows, Math.max(1, fitting));
  const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
  const losses = ALIGNMENT;
  const scoresAt = losses + align(capacity * lossBytes);
  const targetsAt = scoresAt + align(capacity * scoresBytes);
  const bytes = Math.max(STAGED_BYTES, targetsAt + capacity * targetsBytes);
  const base = bytes < 2 ** 31 ? module.reserve(bytes) : 0;
  if (base === 0) throw outOfMemory(classes, width);
  return { capacity, lossSum: base, losses: base + losses, scores: base + scoresAt, targets: base + targetsAt };
}

/** A view of linear memory, of the type of `like`. */
function viewOf(
  module: LossModule,
  like: Batch['scores' | 'targets'],
  address: Address,
  length: number,
): Batch['scores' | 'targets'] {
  return new (like.constructor as Float32ArrayConstructor)(module.HEAP8.buffer as ArrayBuffer, address, length);
}

function check(module: LossModule, status: number, firstRow: number, { targets, classes, width }: Batch): void {
  if (status === STATUS.ok) return;
  if (status === STATUS.outOfMemory) throw outOfMemory(classes, width);
  const fault = module.lastFault();
  const row = firstRow + fault.row;
  const { column } = fault;
  if (status === STATUS.nanScore) {
    throw new LossError('ERR_NAN', `score at row ${row}, column ${column} is NaN, and nan is 'error'`);
  }
  throw targetOutOfRange(targets[row * width + column] as number | bigint, row, column, classes);
}

function outOfMemory(classes: number, width: number): LossError {
  return new LossError(
    'ERR_OUT_OF_MEMORY',
    `a row of ${classes} scores and ${width} targets does not fit in WebAssembly's linear memory (2 GB at most)`,
  );
}
