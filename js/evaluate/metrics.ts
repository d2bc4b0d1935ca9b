import type { FloatArray, IndexArray } from '../backend.js';
import { LossError } from '../errors.js';
import { compile, instantiate, type WasmModule } from '../wasm/instantiate.js';
import { type Address, ALIGNMENT, align, LinearMemory, STAGED_BYTES } from '../wasm/linear-memory.js';
import binary from './binary.mjs';
import { type ClassificationJSON, thresholdsOf } from './classification.js';
import { CURVE_POINT, GROUPS, LABEL_GROUP, MISSING, MOST_CLASSES_IN_DETAIL, PAIR, PART, STATUS } from './layout.js';
import type { MetricsModule } from './module.js';

/** A batch of valid shapes with valid targets and weights; only the values of the scores are unchecked. */
export interface MetricsBatch {
  /** [rows, classes], row-major */
  scores: FloatArray;
  /** [rows, width], row-major; in [-1, classes) */
  targets: IndexArray;
  /** [rows] */
  losses: FloatArray;
  rows: number;
  width: number;
  /** [rows]; null for 1 */
  sampleWeight: FloatArray | null;
  /** [rows, unknownWidth], row-major, as targets; null for none */
  unknown: IndexArray | null;
  unknownWidth: number;
  /** [rows, 2]: the lower and the upper half of a hash of each row's id; null to use the row's number. */
  ids: Int32Array | null;
  /** The number of the first row in its file. */
  firstRow: number;
  /** The number of the file. */
  file: number;
}

/** Sums of rows, which fall into groups at random: see src/metrics/group_sums.h. */
export interface GroupSums {
  groups: number;
  /** [groups, sumsOfGroup], row-major: the number of rows, the sum of their weights, and the sums of the metrics. */
  sums: Float64Array;
  sumsOfGroup: number;
}

const PRECOMPILED =
  "import the module from 'multilabel-margin-loss/ranking_metrics.wasm' and give it to new Evaluator({ module }) or " +
  'Evaluator.fromJSON(json, { module })';

/** The module of the package, which the first evaluator without a `module` of its own compiles. */
let compiled: WasmModule | undefined;

/**
 * The metrics of one evaluator, in an instance of the module of its own, whose memory is garbage-collected with it: there
 * is nothing to dispose of.
 */
export class WasmMetrics {
  readonly #module: MetricsModule;
  readonly #memory: LinearMemory;
  readonly #part: Address;

  constructor(
    readonly classes: number,
    ks: readonly number[],
    classification: ClassificationJSON | null,
    module: WasmModule | null,
  ) {
    const thresholds = classification === null ? null : thresholdsOf(classification, classes);
    this.#module = instantiate<MetricsModule>(module ?? (compiled ??= compile(binary, PRECOMPILED)));
    this.#memory = new LinearMemory(this.#module.memory, this.#module.maximumMemory());
    this.#part = this.#module.partAddress();
    const at = this.#stage((thresholds?.byteLength ?? 0) + ks.length * 4 + 1);
    const ksAt = at + (thresholds?.byteLength ?? 0);
    if (thresholds !== null) this.#memory.f64.set(thresholds, at / 8);
    this.#memory.i32.set(ks, ksAt / 4);
    const { k, beta, zeroDivision } = classification ?? { k: null, beta: null, zeroDivision: 0 };
    const thresholdsAt = thresholds === null ? 0 : at;
    if (this.#module.begin(classes, ksAt, ks.length, thresholdsAt, k ?? 0, beta ?? 1, zeroDivision) === 0) {
      throw this.#outOfMemory();
    }
  }

  /** Rows so far, those left out included. */
  get rows(): number {
    return this.#module.numRows();
  }

  /** Adds all rows or, where it throws, none. */
  update(batch: MetricsBatch, skipNonFinite: boolean): void {
    const { scores, targets, losses, sampleWeight, unknown, ids, rows, width, unknownWidth } = batch;
    const { classes } = this;
    const scoresBytes = classes * scores.BYTES_PER_ELEMENT;
    // In the order in which they are staged: what takes 8 bytes a row comes first.
    const bytes = [8, sampleWeight ? 8 : 0, ids ? 8 : 0, scoresBytes, width * 4, unknownWidth * 4];
    const bytesPerRow = bytes.reduce((sum, each) => sum + each, 0);
    const capacity = Math.min(rows, Math.max(1, Math.floor(STAGED_BYTES / bytesPerRow)));
    const sizes = bytes.map((each) => align(capacity * each));
    let end = this.#stage(sizes.reduce((sum, size) => sum + size, 0));
    const [lossesAt, weightsAt, idsAt, scoresAt, targetsAt, unknownAt] = sizes.map((size) => {
      const begin = end;
      end += size;
      return begin;
    }) as [Address, Address, Address, Address, Address, Address];

    const copyIn = (row: number, endRow: number): void => {
      // Room that was made may have made memory grow.
      this.#memory.renew();
      const { f64, i32 } = this.#memory;
      f64.set(losses.subarray(row, endRow), lossesAt / 8);
      if (sampleWeight) f64.set(sampleWeight.subarray(row, endRow), weightsAt / 8);
      if (ids) i32.set(ids.subarray(2 * row, 2 * endRow), idsAt / 4);
      this.#memory.copyScores(scores, row * classes, endRow * classes, scoresAt);
      this.#memory.copyIndices(targets, row * width, endRow * width, targetsAt);
      if (unknown) this.#memory.copyIndices(unknown, row * unknownWidth, endRow * unknownWidth, unknownAt);

      const part = this.#part;
      f64[(part + PART.firstRow) / 8] = batch.firstRow + row;
      f64[(part + PART.file) / 8] = batch.file;
      i32[(part + PART.scores) / 4] = scoresAt;
      i32[(part + PART.targets) / 4] = targetsAt;
      i32[(part + PART.losses) / 4] = lossesAt;
      i32[(part + PART.weights) / 4] = sampleWeight ? weightsAt : 0;
      i32[(part + PART.ids) / 4] = ids ? idsAt : 0;
      i32[(part + PART.unknown) / 4] = unknown ? unknownAt : 0;
      i32[(part + PART.float64) / 4] = scores.BYTES_PER_ELEMENT === 8 ? 1 : 0;
      i32[(part + PART.rows) / 4] = endRow - row;
      i32[(part + PART.width) / 4] = width;
      i32[(part + PART.unknownWidth) / 4] = unknown ? unknownWidth : 0;
      i32[(part + PART.batchRows) / 4] = rows;
      i32[(part + PART.firstPart) / 4] = row === 0 ? 1 : 0;
      i32[(part + PART.skipNonFinite) / 4] = skipNonFinite ? 1 : 0;
    };
    const forEachPart = (callback: (row: number, endRow: number) => void): void => {
      for (let row = 0; row < rows; row += capacity) callback(row, Math.min(rows, row + capacity));
    };
    const prepare = (row: number, endRow: number): void => {
      copyIn(row, endRow);
      this.#check(this.#module.prepare(), row, batch);
    };
    // All parts are checked, and room is made for them, before the first is added.
    if (capacity < rows) forEachPart(prepare);
    forEachPart((row, endRow) => {
      if (capacity < rows) copyIn(row, endRow);
      else prepare(row, endRow);
      this.#module.add();
    });
  }

  /** Adds what `write()` wrote of as many classes and the same options; or throws, and adds nothing. */
  merge(state: Uint8Array): void {
    const at = this.#stage(state.length);
    new Uint8Array(this.#memory.buffer).set(state, at);
    this.#check(this.#module.merge(at, state.length), 0, null);
  }

  write(): Uint8Array {
    const at = this.#given(this.#module.write());
    return new Uint8Array(this.#memory.buffer).slice(at, at + this.#module.writtenSize());
  }

  /**
   * The numbers whose places layout.ts has: MEANS, MEANS_AT_K for each k, LABEL_MEANS for each label, margins, and where
   * classes are predicted ROW_METRICS, and LABEL_COUNTS for each label.
   */
  compute(): Float64Array {
    const at = this.#given(this.#module.compute());
    return this.#memory.f64.slice(at / 8, at / 8 + this.#module.computedSize());
  }

  /**
   * The points of a curve, whose places layout.ts has in CURVE_POINT, from the highest threshold down; or why there is none, of
   * MISSING.
   *
   * @param label null for all together
   */
  curve(label: number | null): Float64Array | number {
    const missing = this.#module.computeCurve(label ?? -1);
    this.#memory.renew();
    if (missing !== MISSING.nothing) return missing;
    const at = this.#module.curvePoints() / 8;
    return this.#memory.f64.slice(at, at + this.#module.curveSize() * CURVE_POINT.size);
  }

  groupSums(): GroupSums {
    const at = this.#given(this.#module.groupSums());
    const sumsOfGroup = 1 + this.#module.numSums();
    return { groups: GROUPS, sums: this.#memory.f64.slice(at / 8, at / 8 + GROUPS * sumsOfGroup), sumsOfGroup };
  }

  /** Whether labelGroups() and confusions() are there. */
  get isDetailed(): boolean {
    return this.classes <= MOST_CLASSES_IN_DETAIL;
  }

  /** What is known of a label in each group: [groups, LABEL_GROUP.size], row-major. */
  labelGroups(label: number): Float64Array {
    const at = this.#given(this.#module.labelGroups(label));
    return this.#memory.f64.slice(at / 8, at / 8 + GROUPS * LABEL_GROUP.size);
  }

  /** The pairs of classes of the most rows, whose places layout.ts has in PAIR. */
  confusions(most: number): Float64Array {
    const at = this.#given(this.#module.confusions(most));
    return this.#memory.f64.slice(at / 8, at / 8 + this.#module.numConfusions() * PAIR.size);
  }

  /** A hash of what the rows are known by, and of their labels, unknown classes and weights. */
  fingerprint(): bigint {
    return join(this.#module.fingerprintHigh(), this.#module.fingerprintLow());
  }

  /** A hash of the labels, unknown classes and weights of the rows. */
  labelsFingerprint(): bigint {
    return join(this.#module.labelsFingerprintHigh(), this.#module.labelsFingerprintLow());
  }

  /** Aligned room. */
  #stage(bytes: number): Address {
    return align(this.#given(this.#memory.allocate(bytes + ALIGNMENT, this.#module.stage)));
  }

  /** An address that the module returned: 0 when there was no memory, which may have grown. */
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
      const row = firstRow + this.#module.badRow();
      const column = this.#module.badColumn();
      throw new LossError(
        'ERR_NON_FINITE',
        `score at row ${row}, column ${column} is ${batch.scores[row * this.classes + column]}: scores must be finite, ` +
          "unless nonFinite is 'skip'",
      );
    }
    throw new LossError('ERR_STATE', 'the state of an evaluator is damaged: its sums contradict each other');
  }

  #outOfMemory(): LossError {
    return new LossError(
      'ERR_OUT_OF_MEMORY',
      `the metrics of ${this.classes} labels do not fit in WebAssembly's linear memory (${this.#memory.maximum} at most)`,
    );
  }
}

function join(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
