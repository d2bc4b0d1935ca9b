import type { FloatArray, IndexArray } from '../backend.js';

/** In bytes; 0 is none. */
export type Address = number;

export const ALIGNMENT = 16;

/** The next aligned address or size. */
export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Views of a module's memory, made anew only when it has grown: a view takes longer to make than a small loss. */
export class LinearMemory {
  i32!: Int32Array;
  f64!: Float64Array;
  #f32!: Float32Array;
  #i64!: BigInt64Array;

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
    this.#i64 = new BigInt64Array(buffer);
  }

  /**
   * To be called whenever memory may have grown, with the end of what is to be seen. Growth detaches views, whose length
   * is 0 then; those of shared memory stay as long as they were.
   */
  renew(end: Address = 1): void {
    if (this.i32.byteLength < end) this.#view();
  }

  /** The view of the type of an array. */
  like<A extends FloatArray | IndexArray>(array: A): A {
    const isFloat = array[Symbol.toStringTag].startsWith('Float');
    if (array.BYTES_PER_ELEMENT === 8) return (isFloat ? this.f64 : this.#i64) as A;
    return (isFloat ? this.#f32 : this.i32) as A;
  }
}
