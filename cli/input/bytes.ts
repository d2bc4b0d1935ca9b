// Bytes of an array in a file: read at any place where the file allows it, and else from the beginning to the end.

import { InputError } from '../errors.js';
import { RandomAccessFile } from './file.js';

export interface Bytes {
  /** The name of the file, for messages. */
  readonly name: string;
  /** Number of bytes, or null if it is unknown until the end. */
  readonly size: number | null;
  /**
   * Up to `length` bytes from byte `at`, in memory that the next call overwrites: fewer at the end. Where bytes come in
   * sequence, `at` must not be before the end of the last read.
   */
  read: (at: number, length: number) => Promise<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>;
  close: () => void;
}

/** A range of a regular file. */
export class FileBytes implements Bytes {
  readonly size: number;

  constructor(
    private readonly file: RandomAccessFile,
    private readonly begin = 0,
    size = file.size,
    readonly name = file.name,
  ) {
    this.size = Math.max(0, Math.min(size, file.size - begin));
  }

  read(at: number, length: number): Uint8Array<ArrayBuffer> {
    return this.file.readReused(this.begin + at, Math.max(0, Math.min(length, this.size - at)));
  }

  close(): void {
    this.file.close();
  }
}

/** Bytes that come in sequence, such as those of a pipe or of a compressed file. */
export class StreamBytes implements Bytes {
  readonly size = null;
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  #buffer = new ArrayBuffer(0);

  constructor(
    readonly name: string,
    stream: AsyncIterable<Buffer>,
  ) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async read(at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (at < this.#at) throw new Error(`${this.name} has been read to byte ${this.#at}, beyond ${at}`);
    await this.#take(at - this.#at, null);
    if (this.#buffer.byteLength < length) this.#buffer = new ArrayBuffer(length);
    const taken = await this.#take(length, this.#buffer);
    return new Uint8Array(this.#buffer, 0, taken);
  }

  /** The next bytes: copied, or left out for null. */
  async #take(length: number, to: ArrayBuffer | null): Promise<number> {
    let taken = 0;
    while (taken < length) {
      if (this.#chunk.length === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) break;
        this.#chunk = next.value;
      }
      const part = this.#chunk.subarray(0, length - taken);
      if (to !== null) new Uint8Array(to, taken, part.length).set(part);
      this.#chunk = this.#chunk.subarray(part.length);
      taken += part.length;
    }
    this.#at += taken;
    return taken;
  }

  close(): void {
    void this.#chunks.return?.();
  }
}

/** Reads a whole stream into memory, for random access. */
export class MemoryBytes implements Bytes {
  readonly size: number;
  #buffer = new ArrayBuffer(0);

  private constructor(
    readonly name: string,
    private readonly bytes: Uint8Array,
  ) {
    this.size = bytes.length;
  }

  /** @param limit bytes that are too many */
  static async of(stream: Bytes, begin: number, limit: number): Promise<MemoryBytes> {
    const parts: Uint8Array[] = [];
    const step = 2 ** 20;
    let at = begin;
    for (;;) {
      const part = await stream.read(at, step);
      parts.push(part.slice());
      at += part.length;
      if (part.length < step) break;
      if (at - begin > limit) {
        throw new InputError(
          `${stream.name}: is in Fortran order and cannot be read at any place: save np.ascontiguousarray(array)`,
        );
      }
    }
    stream.close();
    return new MemoryBytes(stream.name, Buffer.concat(parts));
  }

  read(at: number, length: number): Uint8Array<ArrayBuffer> {
    const part = this.bytes.subarray(at, at + length);
    if (this.#buffer.byteLength < part.length) this.#buffer = new ArrayBuffer(part.length);
    const copy = new Uint8Array(this.#buffer, 0, part.length);
    copy.set(part);
    return copy;
  }

  close(): void {}
}
