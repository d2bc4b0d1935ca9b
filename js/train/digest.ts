// Tells rows from others, for a training that goes on from a checkpoint.

import type { Rows } from './rows.js';

/**
 * A digest of 32 bits over rows, however they are cut into batches: each kind of numbers has a digest of its own, in the order
 * of the rows. It does not withstand an attack. Numbers are taken by their bits, so that features of float64 are others than the same
 * ones of float32.
 */
export class RowsDigest {
  readonly #features = new Digest();
  readonly #columns = new Digest();
  readonly #targets = new Digest();
  readonly #unknown = new Digest();
  readonly #weights = new Digest();
  /** The lengths of lists, and the parts of rows. */
  readonly #lengths = new Digest();

  add({ features, targets, unknown, sampleWeight, parts }: Rows): void {
    const rows = parts.length;
    if (features.isSparse) {
      const entries = features.indptr[rows] as number;
      this.#features.add(wordsOf(features.data.subarray(0, entries)));
      this.#columns.add(features.indices.subarray(0, entries));
    } else {
      this.#features.add(wordsOf(features.data));
    }
    this.#targets.add(targets.values);
    if (unknown !== null) this.#unknown.add(unknown.values);
    // Rows without weights are rows of weight 1.
    this.#weights.add(wordsOf(sampleWeight ?? new Float64Array(rows).fill(1)));
    const ends = [targets.offsets, unknown?.offsets ?? null, features.isSparse ? features.indptr : null];
    const lengths = new Int32Array(4 * rows);
    for (let row = 0, to = 0; row < rows; row++) {
      lengths[to++] = parts[row] as number;
      for (const offsets of ends) {
        lengths[to++] = offsets === null ? 0 : (offsets[row + 1] as number) - (offsets[row] as number);
      }
    }
    this.#lengths.add(lengths);
  }

  value(): number {
    const all = new Digest();
    const each = [this.#features, this.#columns, this.#targets, this.#unknown, this.#weights, this.#lengths];
    all.add(Int32Array.from(each, ({ state }) => state));
    return all.state;
  }
}

/** Each step is a bijection of the state for any word, and of the word for any state. */
class Digest {
  state = 0;

  add(words: Int32Array): void {
    let { state } = this;
    for (let i = 0; i < words.length; i++) {
      state = Math.imul(state ^ (words[i] as number), 0x85ebca6b);
      // Without it, the upper bits of words, such as signs, would stay in the upper bits, and two of them cancel out.
      state = (state << 13) | (state >>> 19);
    }
    this.state = state;
  }
}

function wordsOf({ buffer, byteOffset, byteLength }: Float32Array | Float64Array): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / Int32Array.BYTES_PER_ELEMENT);
}
