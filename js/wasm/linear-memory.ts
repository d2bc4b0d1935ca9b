import type { Batch, FloatArray, IndexArray } from '../backend.js';

/** An address in linear memory, in bytes. 0 is none. */
export type Address = number;

export const ALIGNMENT = 16;

/** Rounds an address or a size up to the next aligned one. */
export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/**
 * Bytes of a batch that are staged at a time. It is half of a common second-level cache, so that the kernels read from the
 * cache what was just copied.
 */
export const STAGED_BYTES = 256 * 1024;

/** Bytes per row of the arrays that are staged: 0 for what is not. */
export interface RowBytes {
  scores: number;
  targets: number;
  sampleWeights: number;
  unknown: number;
}

/** Linear memory has indices as int32, and losses and weights as float64. */
export const BYTES_PER_INDEX = 4;
export const BYTES_PER_WEIGHT = 8;
const BYTES_PER_LOSS = 8;

/** Bytes per row of the arrays of a batch in linear memory. */
export function rowBytesOf({ scores, classes, width, sampleWeight, unknownWidth }: Batch): RowBytes {
  return {
    scores: classes * scores.BYTES_PER_ELEMENT,
    targets: width * BYTES_PER_INDEX,
    sampleWeights: sampleWeight === null ? 0 : BYTES_PER_WEIGHT,
    unknown: unknownWidth * BYTES_PER_INDEX,
  };
}

/** Where a part of a batch is staged: offsets from an aligned address, at which its losses begin, as float64. */
export interface Layout extends RowBytes {
  /** The largest number of rows in a part. */
  capacity: number;
  end: number;
}

/** Lays a part out: as many rows as fit in `stagedBytes`, and at least one. */
export function layoutOf(rows: number, bytes: RowBytes, stagedBytes: number): Layout {
  const fitting = Math.floor(
    stagedBytes / (BYTES_PER_LOSS + bytes.scores + bytes.targets + bytes.sampleWeights + bytes.unknown),
  );
  const capacity = Math.min(rows, Math.max(1, fitting));
  const scores = align(capacity * BYTES_PER_LOSS);
  const targets = scores + align(capacity * bytes.scores);
  const sampleWeights = targets + align(capacity * bytes.targets);
  const unknown = sampleWeights + align(capacity * bytes.sampleWeights);
  return { capacity, scores, targets, sampleWeights, unknown, end: unknown + align(capacity * bytes.unknown) };
}

const BYTES_PER_GB = 2 ** 30;
const BYTES_PER_MB = 2 ** 20;

/** Views of a module's memory. They are made again only after it has grown: a view takes longer than a small loss. */
export class LinearMemory {
  i32!: Int32Array;
  f64!: Float64Array;
  #f32!: Float32Array;

  private readonly maximumBytes: number;

  /** @param maximumBytes to which the memory can grow; the module exports the number, which CMakeLists.txt has */
  constructor(
    private readonly memory: { readonly buffer: ArrayBufferLike },
    maximumBytes: number,
  ) {
    // What WebAssembly exports is signed.
    this.maximumBytes = maximumBytes >>> 0;
    this.#view();
  }

  /** The most that the memory can hold, for messages. */
  get maximum(): string {
    const { maximumBytes } = this;
    return maximumBytes < BYTES_PER_GB ? `${maximumBytes / BYTES_PER_MB} MB` : `${maximumBytes / BYTES_PER_GB} GB`;
  }

  /**
   * Asks a module for memory.
   *
   * @param reserve a function of the module, which returns 0 when its memory is exhausted
   * @returns the address, or 0 when there is no room for as many bytes. The module would see a number from 2^32 on as a
   * smaller one.
   */
  allocate(bytes: number, reserve: (bytes: number) => Address): Address {
    const address = bytes < this.maximumBytes ? reserve(bytes) : 0;
    if (address !== 0) this.renew(address + bytes);
    return address;
  }

  get buffer(): ArrayBufferLike {
    return this.i32.buffer;
  }

  #view(): void {
    const { buffer } = this.memory;
    this.i32 = new Int32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.#f32 = new Float32Array(buffer);
  }

  /**
   * Renews the views after a call that may have made memory grow. Growth detaches the views of memory that is not shared,
   * whose length is 0 then; views of shared memory keep their length.
   *
   * @param end the first address that need not be in view
   */
  renew(end: Address = 1): void {
    if (this.i32.byteLength < end) this.#view();
  }

  /** The view whose elements have the type of an array. */
  like(array: FloatArray): FloatArray {
    return array.BYTES_PER_ELEMENT === 8 ? this.f64 : this.#f32;
  }

  /** Copies the elements from `begin` to before `end` to an address. */
  copyScores(scores: FloatArray, begin: number, end: number, to: Address): void {
    this.like(scores).set(part(scores, begin, end), to / scores.BYTES_PER_ELEMENT);
  }

  /** Copies weights as float64. */
  copyWeights(weights: FloatArray, begin: number, end: number, to: Address): void {
    this.f64.set(part(weights, begin, end), to / 8);
  }

  /** Copies targets or unknown classes as int32. An entry that int32 cannot hold becomes one that no class has. */
  copyIndices(indices: IndexArray, begin: number, end: number, to: Address): void {
    const at = to / 4;
    if (indices.BYTES_PER_ELEMENT === 4) {
      this.i32.set(part(indices as Int32Array, begin, end), at);
      return;
    }
    // By halves: reading each element as a bigint takes ten times as long. WebAssembly hosts are little-endian.
    const halves = new Int32Array(indices.buffer, indices.byteOffset, 2 * indices.length);
    const { i32 } = this;
    for (let i = begin; i < end; i++) {
      const low = halves[2 * i] as number;
      i32[at + i - begin] = halves[2 * i + 1] === low >> 31 ? low : NO_CLASS;
    }
  }
}

/** Not below any number of classes. */
const NO_CLASS = 2 ** 31 - 1;

/** Elements of an array. The array itself if that is all of them: a view takes longer to make than a small batch to copy. */
function part<A extends FloatArray | Int32Array>(array: A, begin: number, end: number): A {
  return (begin === 0 && end === array.length ? array : array.subarray(begin, end)) as A;
}
