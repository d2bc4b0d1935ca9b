import type { Batch, LossOptions } from '../backend.js';
import { LossError, nanScore } from '../errors.js';
import { targetOutOfRange, unknownTarget } from '../targets.js';
import type { Address, LinearMemory } from './linear-memory.js';

// The offsets of the fields of KernelCall in bindings/call.h, in 32-bit words; margin and lossSum are float64.
const FIELD = {
  float64: 0,
  scores: 1,
  targets: 2,
  losses: 3,
  grad: 4,
  rows: 5,
  classes: 6,
  width: 7,
  batchRows: 8,
  reduction: 9,
  normalization: 10,
  targetOrder: 11,
  nanPolicy: 12,
  sampleWeights: 13,
  unknown: 14,
  unknownWidth: 15,
  lossOnly: 16,
  margin: 18,
  lossSum: 20,
  badRow: 22,
  badColumn: 23,
};
// The values of the enumerations in src/loss/multilabel_margin_loss.h.
const REDUCTION = { none: 0, mean: 1, sum: 2 };
const NORMALIZATION = { classes: 0, targets: 1 };
const TARGET_ORDER = { ignored: 0, ranked: 1 };
const NAN_POLICY = { ignore: 0, propagate: 1, error: 2 };
const STATUS = { ok: 0, targetOutOfRange: 1, nanScore: 2, outOfMemory: 3, unknownOutOfRange: 4, unknownTarget: 5 };

/** The addresses of the arrays of a part. */
export interface Places {
  scores: Address;
  targets: Address;
  losses: Address;
  /** 0 for none. Written to without a gradient, too. */
  grad: Address;
  /** 0 for none. */
  sampleWeights: Address;
  /** 0 for none. */
  unknown: Address;
}

/** One call of the kernels: the struct in linear memory that a module reads it from. */
export class KernelCall {
  /** The offset of the struct, in 32-bit words. */
  readonly #at: number;
  #options: LossOptions | null = null;

  constructor(
    private readonly memory: LinearMemory,
    address: Address,
  ) {
    this.#at = address / 4;
  }

  /** Writes the sizes of the batch and the options: all but the addresses and the number of rows of a part. */
  describe(batch: Batch, options: LossOptions, withGradient: boolean): void {
    const { i32, f64 } = this.memory;
    const at = this.#at;
    i32[at + FIELD.float64] = batch.scores.BYTES_PER_ELEMENT === 8 ? 1 : 0;
    i32[at + FIELD.classes] = batch.classes;
    i32[at + FIELD.width] = batch.width;
    i32[at + FIELD.batchRows] = batch.rows;
    i32[at + FIELD.unknownWidth] = batch.unknownWidth;
    i32[at + FIELD.lossOnly] = withGradient ? 0 : 1;
    if (this.#options === options) return;
    this.#options = options;
    i32[at + FIELD.reduction] = REDUCTION[options.reduction];
    i32[at + FIELD.normalization] = NORMALIZATION[options.normalization];
    i32[at + FIELD.targetOrder] = TARGET_ORDER[options.targetOrder];
    i32[at + FIELD.nanPolicy] = NAN_POLICY[options.nan];
    f64[(at + FIELD.margin) / 2] = options.margin;
  }

  /** Writes the addresses of the rows, of the losses and of the gradient, where 0 is for none. */
  place({ scores, targets, losses, grad, sampleWeights, unknown }: Places): void {
    const { i32 } = this.memory;
    i32[this.#at + FIELD.scores] = scores;
    i32[this.#at + FIELD.targets] = targets;
    i32[this.#at + FIELD.losses] = losses;
    i32[this.#at + FIELD.grad] = grad;
    i32[this.#at + FIELD.sampleWeights] = sampleWeights;
    i32[this.#at + FIELD.unknown] = unknown;
  }

  set rows(rows: number) {
    this.memory.i32[this.#at + FIELD.rows] = rows;
  }

  /** The sum to which the module adds the losses, in row order. */
  get lossSum(): number {
    return this.memory.f64[(this.#at + FIELD.lossSum) / 2] as number;
  }

  set lossSum(sum: number) {
    this.memory.f64[(this.#at + FIELD.lossSum) / 2] = sum;
  }

  /**
   * @param firstRow the number of the call's first row in the batch
   * @throws LossError for any status but `ok`
   */
  check(status: number, firstRow: number, batch: Batch): void {
    if (status === STATUS.ok) return;
    this.memory.renew();
    if (status === STATUS.outOfMemory) throw outOfMemory(batch, this.memory);
    const row = firstRow + (this.memory.i32[this.#at + FIELD.badRow] as number);
    const column = this.memory.i32[this.#at + FIELD.badColumn] as number;
    if (status === STATUS.nanScore) {
      throw nanScore(row, column);
    }
    const { targets, unknown, classes, width, unknownWidth } = batch;
    if (status === STATUS.targetOutOfRange || unknown === null) {
      throw targetOutOfRange(targets[row * width + column] as number | bigint, row, column, classes);
    }
    const entry = unknown[row * unknownWidth + column] as number | bigint;
    throw status === STATUS.unknownTarget
      ? unknownTarget(entry, row, column)
      : targetOutOfRange(entry, row, column, classes, 'unknown');
  }
}

export function outOfMemory({ classes, width }: Batch, memory: LinearMemory): LossError {
  return new LossError(
    'ERR_OUT_OF_MEMORY',
    `a row of ${classes} scores and ${width} targets does not fit in WebAssembly's linear memory ` +
      `(${memory.maximum} at most)`,
  );
}
