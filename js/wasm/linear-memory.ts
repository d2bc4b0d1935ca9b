import type { FloatArray, IndexArray } from '../backend.js';

/** In bytes; 0 is none. */
export type Address = number;

export const ALIGNMENT = 16;

/** The next aligned address or size. */
export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Half of a common second-level cache: the kernels then read from the cache what was just copied. */
export const STAGED_BYTES = 256 * 1024;

/** Where the rows of a part of a batch are staged, from an aligned address on: first their losses, as float64. */
export interface Layout {
  /** The most rows in a part. */
  capacity: number;
  /** From that address to the scores and the targets, and to the end of all. */
  scores: number;
  targets: number;
  end: number;
}

/** Of as many rows as fit in so many bytes, and of one at least. A row of what is not staged takes no bytes. */
export function layoutOf(rows: number, scoresBytes: number, targetsBytes: number, stagedBytes: number): Layout {
  const fitting = Math.floor(stagedBytes / (8 + scoresBytes + targetsBytes));
  const capacity = Math.min(rows, Math.max(1, fitting));
  const scores = align(capacity * 8);
  const targets = scores + align(capacity * scoresBytes);
  return { capacity, scores, targets, end: targets + align(capacity * targetsBytes) };
}

/** Views of a module's memory, made anew only when it has grown: a view takes longer to make than a small loss. */
export class LinearMemory {
  i32!: Int32Array;
  f64!: Float64Array;
  #f32!: Float32Array;

  /** @param mostGigabytes that it can grow to, as CMakeLists.txt says */
  constructor(
    private readonly memory: WebAssembly.Memory,
    readonly mostGigabytes: number,
  ) {
    this.#view();
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
   * To be called whenever memory may have grown, with the end of what is to be seen. Growth detaches views, whose length
   * is 0 then; those of shared memory stay as long as they were.
   */
  renew(end: Address = 1): void {
    if (this.i32.byteLength < end) this.#view();
  }

  /** The view of the type of an array. */
  like(array: FloatArray): FloatArray {
    return array.BYTES_PER_ELEMENT === 8 ? this.f64 : this.#f32;
  }

  /** Copies the elements from `begin` to before `end` to an address. */
  copyScores(scores: FloatArray, begin: number, end: number, to: Address): void {
    this.like(scores).set(part(scores, begin, end), to / scores.BYTES_PER_ELEMENT);
  }

  /** As {@link copyScores}, as int32. A target that int32 cannot hold becomes one that no class has. */
  copyTargets(targets: IndexArray, begin: number, end: number, to: Address): void {
    const at = to / 4;
    if (targets.BYTES_PER_ELEMENT === 4) {
      this.i32.set(part(targets as Int32Array, begin, end), at);
      return;
    }
    // Halves, for a bigint of each element would take ten times as long. WebAssembly is little-endian, and so are its hosts.
    const halves = new Int32Array(targets.buffer, targets.byteOffset, 2 * targets.length);
    const { i32 } = this;
    for (let i = begin; i < end; i++) {
      const low = halves[2 * i] as number;
      i32[at + i - begin] = halves[2 * i + 1] === low >> 31 ? low : NO_CLASS;
    }
  }
}

/** More classes than this there cannot be. */
const NO_CLASS = 2 ** 31 - 1;

/** A view takes longer to make than a small batch to copy. */
function part<A extends FloatArray | Int32Array>(array: A, begin: number, end: number): A {
  return (begin === 0 && end === array.length ? array : array.subarray(begin, end)) as A;
}
