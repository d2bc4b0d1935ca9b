import type { FeatureRows } from './features.js';
import { TRAINING } from './split.js';

/** The number to subtract from each feature, and the number to divide it by then: [F] each. */
export interface Scaler {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
}

/** Features whose scales differ by more are hard to train on: those of small scale hardly count. */
const MOST_RATIO = 100;
/** A mean of so many deviations takes most of the 24 bits that float32 has. */
const MOST_OFFSET = 1e5;

/** Mean, deviation and scale of each feature, over the rows that are trained on. */
export class FeatureScales {
  /** The sum of their weights. */
  #rows = 0;
  #isSparse = false;
  // Sums of the distances from the first row, and of their squares: they lose nothing where a mean is far from 0. Sparse
  // rows, most of whose entries are 0, are taken from 0.
  #first: Float64Array = new Float64Array();
  #sums: Float64Array = new Float64Array();
  #squares: Float64Array = new Float64Array();
  #entries: Float64Array = new Float64Array();

  /**
   * @param parts of the rows: see split.ts
   * @param sampleWeight by how much each row counts, or null for 1
   */
  add(features: FeatureRows, parts: Uint8Array, sampleWeight: Float64Array | null): void {
    this.#isSparse = features.isSparse;
    this.#reserve(features.columns);
    const { columns, data } = features;
    const [sums, squares, entries, first] = [this.#sums, this.#squares, this.#entries, this.#first];
    for (let row = 0; row < features.rows; row++) {
      const weight = sampleWeight?.[row] ?? 1;
      if (parts[row] !== TRAINING || weight === 0) continue;
      if (features.isSparse) {
        const end = features.indptr[row + 1] as number;
        for (let at = features.indptr[row] as number; at < end; at++) {
          const column = features.indices[at] as number;
          const value = data[at] as number;
          if (value === 0) continue;
          (sums[column] as number) += weight * value;
          (squares[column] as number) += weight * value * value;
          (entries[column] as number) += weight;
        }
      } else {
        if (this.#rows === 0) first.set(data.subarray(row * columns, (row + 1) * columns));
        for (let column = 0, at = row * columns; column < columns; column++, at++) {
          const distance = (data[at] as number) - (first[column] as number);
          (sums[column] as number) += weight * distance;
          (squares[column] as number) += weight * distance * distance;
        }
      }
      this.#rows += weight;
    }
  }

  /** Makes room for more columns: of sparse rows, only the last one says how many there are. */
  #reserve(columns: number): void {
    if (columns <= this.#sums.length) return;
    const grown = (old: Float64Array): Float64Array => {
      const array = new Float64Array(columns);
      array.set(old);
      return array;
    };
    this.#first = grown(this.#first);
    this.#sums = grown(this.#sums);
    this.#squares = grown(this.#squares);
    this.#entries = grown(this.#entries);
  }

  /**
   * The scaler that standardizes features, or leaves the ratios of their scales as they are. Sparse rows keep their zeros: they
   * are divided, and nothing is taken from them, as by scikit-learn's `StandardScaler(with_mean=False)`. A constant feature is
   * divided by 1.
   *
   * @param norm the root mean square of the norms of rows, which all features are divided by one number for; null to leave it
   */
  scaler(isStandardized: boolean, norm: number | null): Scaler {
    const deviations = this.#deviations();
    const own = deviations.map((deviation) => (isStandardized && deviation > 0 ? deviation : 1));
    let squares = 0;
    own.forEach((scale, j) => {
      const meanSquare = this.#isSparse
        ? (this.#squares[j] as number) / (this.#rows || 1)
        : (deviations[j] as number) ** 2;
      squares += meanSquare / scale ** 2;
    });
    const common = norm === null || squares === 0 ? 1 : Math.sqrt(squares) / norm;
    const isCentered = !this.#isSparse && (isStandardized || norm !== null);
    return {
      mean: isCentered ? this.#means() : new Float64Array(deviations.length),
      scale: own.map((scale) => scale * common),
    };
  }

  /** Warnings about the features as they are, or as they are once standardized. */
  warnings(isStandardized: boolean): string[] {
    if (isStandardized) {
      const deviations = this.#deviations();
      const means = this.#means();
      const far = deviations.findIndex(
        (deviation, j) => deviation > 0 && Math.abs(means[j] as number) > MOST_OFFSET * deviation,
      );
      if (far === -1 || this.#isSparse) return [];
      return [
        `the mean of feature ${far}, ${format(means[far])}, is more than ${MOST_OFFSET.toLocaleString('en-US')} times its ` +
          `deviation, ${format(deviations[far])}, which float32 hardly resolves: subtract the mean from the data`,
      ];
    }
    let low = -1;
    let high = -1;
    const scales = this.#scales();
    scales.forEach((scale, j) => {
      if (scale === 0) return;
      if (low === -1 || scale < (scales[low] as number)) low = j;
      if (high === -1 || scale > (scales[high] as number)) high = j;
    });
    if (low === -1 || (scales[high] as number) <= MOST_RATIO * (scales[low] as number)) return [];
    const what = this.#isSparse ? 'root mean squares of its entries' : 'deviations';
    return [
      `the scales of the features differ by a factor of more than ${MOST_RATIO} (${what}: ${format(scales[low])} of feature ` +
        `${low}, ${format(scales[high])} of feature ${high}), and features of small scale hardly count: standardize them`,
    ];
  }

  #means(): Float64Array {
    return this.#sums.map((sum, j) => (this.#first[j] as number) + sum / (this.#rows || 1));
  }

  #deviations(): Float64Array {
    const rows = this.#rows || 1;
    return this.#squares.map((square, j) => {
      const mean = (this.#sums[j] as number) / rows;
      const variance = Math.max(0, square / rows - mean * mean);
      // A variance below this bound may be what rounding leaves of a constant.
      const rounding = Number.EPSILON * (rows * Math.abs(mean) + Math.abs(this.#first[j] as number));
      return variance <= rows * Number.EPSILON * (square / rows) + rounding * rounding ? 0 : Math.sqrt(variance);
    });
  }

  /** A rare feature has a small deviation: of sparse rows, what counts is how large the entries are that are there. */
  #scales(): Float64Array {
    if (!this.#isSparse) return this.#deviations();
    return this.#squares.map((square, j) => (square === 0 ? 0 : Math.sqrt(square / (this.#entries[j] as number))));
  }
}

function format(value: number | undefined): string {
  return Number((value as number).toPrecision(3)).toLocaleString('en-US', { maximumSignificantDigits: 3 });
}
