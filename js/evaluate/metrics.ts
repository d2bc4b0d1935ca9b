import type { FloatArray, IndexArray } from '../backend.js';
import { LossError } from '../errors.js';
import { type Address, ALIGNMENT, align, layoutOf, LinearMemory, STAGED_BYTES } from '../wasm/linear-memory.js';
import { instantiationError } from '../wasm/instantiate.js';
import createModule, { type RankingMetricsModule } from './ranking_metrics.mjs';

/** A batch of valid shapes whose targets are valid too; only the values of the scores are unchecked. */
export interface MetricsBatch {
  /** [rows, classes], row-major */
  scores: FloatArray;
  /** [rows, width], row-major; in [-1, classes) */
  targets: IndexArray;
  /** [rows] */
  losses: FloatArray;
  rows: number;
  width: number;
  /** The number of the first row among all. */
  firstRow: number;
}

/** Sums of rows that fall into groups at random: see src/group_sums.h. */
export interface GroupSums {
  groups: number;
  /** [groups, sumsOfGroup], row-major: number of rows, and the sums in the order of RankingMetrics::groups */
  sums: Float64Array;
  sumsOfGroup: number;
}

// In src/group_sums.h and src/ranking_metrics.h: kGroups, kSums and kSumsAtK.
const GROUPS = 256;
const SUMS = 6;
const SUMS_AT_K = 3;

// The numbers of MetricsStatus in src/ranking_metrics.h.
const STATUS = { ok: 0, nonFiniteScore: 2, outOfMemory: 3, tooManyRows: 4, badState: 5 };

/**
 * The sums of RankingMetrics in src/ranking_metrics.h. Each has a module to itself, whose memory is garbage-collected with
 * it: there is nothing to dispose of. WebAssembly engines compile the module once.
 */
export class RankingMetrics {
  readonly #module: RankingMetricsModule;
  readonly #memory: LinearMemory;

  constructor(
    readonly classes: number,
    private readonly ks: readonly number[],
  ) {
    try {
      this.#module = createModule();
    } catch (cause) {
      throw instantiationError(cause, 'evaluate where it does');
    }
    this.#memory = new LinearMemory(this.#module.wasmMemory, this.#module._maximumMemory());
    const at = this.#stage(ks.length * 4 + 1);
    this.#memory.i32.set(ks, at / 4);
    if (this.#module._begin(classes, at, ks.length) === 0) throw this.#outOfMemory();
  }

  /** Adds all rows or, where it throws, none. */
  update(batch: MetricsBatch, skipNonFinite: boolean): void {
    const { scores, targets, losses, rows, width, firstRow } = batch;
    const { classes } = this;
    const float64 = scores.BYTES_PER_ELEMENT === 8 ? 1 : 0;
    const layout = layoutOf(rows, classes * scores.BYTES_PER_ELEMENT, width * 4, STAGED_BYTES);
    const { capacity } = layout;
    const lossesAt = this.#stage(layout.end);
    const scoresAt = lossesAt + layout.scores;
    const targetsAt = lossesAt + layout.targets;

    const copyIn = (row: number, end: number): void => {
      // Room that was made may have made memory grow.
      this.#memory.renew();
      this.#memory.copyScores(scores, row * classes, end * classes, scoresAt);
      this.#memory.copyTargets(targets, row * width, end * width, targetsAt);
      this.#memory.f64.set(losses.subarray(row, end), lossesAt / 8);
    };
    const forEachPart = (callback: (row: number, end: number) => void): void => {
      for (let row = 0; row < rows; row += capacity) callback(row, Math.min(rows, row + capacity));
    };
    const prepare = (row: number, end: number): void => {
      copyIn(row, end);
      const skip = skipNonFinite ? 1 : 0;
      const status = this.#module._prepare(float64, scoresAt, targetsAt, end - row, width, rows, skip);
      this.#check(status, row, batch);
    };
    // All parts are checked, and room is made for them, before the first is added.
    if (capacity < rows) forEachPart(prepare);
    forEachPart((row, end) => {
      if (capacity < rows) copyIn(row, end);
      else prepare(row, end);
      this.#module._add(float64, scoresAt, targetsAt, lossesAt, end - row, width, firstRow + row);
    });
  }

  /** Adds what `write()` wrote of as many classes and the same ks. */
  merge(state: Uint8Array): void {
    const at = this.#stage(state.length);
    new Uint8Array(this.#memory.buffer).set(state, at);
    this.#check(this.#module._merge(at, state.length), 0, null);
  }

  write(): Uint8Array {
    const at = this.#given(this.#module._write());
    return new Uint8Array(this.#memory.buffer).slice(at, at + this.#module._writtenSize());
  }

  /**
   * Numbers in the order of RankingMetrics::Means, and then of MeansAtK for each k, of OfLabel for each label, and the
   * bins of margins.
   */
  compute(): Float64Array {
    const at = this.#given(this.#module._compute());
    return this.#memory.f64.slice(at / 8, at / 8 + this.#module._computedSize());
  }

  groupSums(): GroupSums {
    const at = this.#given(this.#module._sumsOfGroups());
    const sumsOfGroup = 1 + SUMS + SUMS_AT_K * this.ks.length;
    return { groups: GROUPS, sums: this.#memory.f64.slice(at / 8, at / 8 + GROUPS * sumsOfGroup), sumsOfGroup };
  }

  /** Of the rows' numbers and labels. */
  fingerprint(): bigint {
    const halves = [this.#module._fingerprintHigh(), this.#module._fingerprintLow()].map((half) => BigInt(half >>> 0));
    return ((halves[0] as bigint) << 32n) | (halves[1] as bigint);
  }

  /** Aligned room. */
  #stage(bytes: number): Address {
    return align(this.#given(this.#memory.allocate(bytes + ALIGNMENT, this.#module._stage)));
  }

  /** An address that the module gave, 0 when there was no memory; that may have grown. */
  #given(at: Address): Address {
    this.#memory.renew();
    if (at === 0) throw this.#outOfMemory();
    return at;
  }

  #check(status: number, firstRow: number, batch: MetricsBatch | null): void {
    if (status === STATUS.ok) return;
    this.#memory.renew();
    if (status === STATUS.outOfMemory) throw this.#outOfMemory();
    if (status === STATUS.tooManyRows) throw new LossError('ERR_SHAPE', 'an evaluator takes at most 2^32 - 1 rows');
    if (status === STATUS.nonFiniteScore && batch !== null) {
      const row = firstRow + this.#module._badRow();
      const column = this.#module._badColumn();
      throw new LossError(
        'ERR_NON_FINITE',
        `score at row ${row}, column ${column} is ${batch.scores[row * this.classes + column]}: scores must be finite, ` +
          "unless nonFinite is 'skip'",
      );
    }
    throw new LossError('ERR_STATE', 'the state of an evaluator is damaged: it is not what its toJSON() gave');
  }

  #outOfMemory(): LossError {
    return new LossError(
      'ERR_OUT_OF_MEMORY',
      `the metrics of ${this.classes} labels do not fit in WebAssembly's linear memory ` +
        `(${this.#memory.maximum} at most)`,
    );
  }
}
