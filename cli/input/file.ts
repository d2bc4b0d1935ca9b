import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { InputError, toCommandError } from '../errors.js';

/** A regular file that is read at any place. Errors name the file. */
export class RandomAccessFile {
  readonly size: number;
  readonly #descriptor: number;
  #buffer = new ArrayBuffer(0);

  /** @throws InputError for a file that cannot be opened, and for a folder or a pipe */
  constructor(readonly name: string) {
    this.#descriptor = this.#named(() => openSync(name, 'r'));
    const stats = this.#named(() => fstatSync(this.#descriptor));
    this.size = stats.size;
    if (stats.isFile()) return;
    this.close();
    throw new InputError(`${name}: ${stats.isDirectory() ? 'is a folder, not a file' : 'is not a regular file'}`);
  }

  /** `length` bytes from byte `at`, in memory of their own. */
  read(at: number, length: number): Buffer {
    return this.#fill(Buffer.alloc(length), at);
  }

  /** `length` bytes from byte `at`, in memory that the next call overwrites. */
  readReused(at: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#buffer.byteLength < length) this.#buffer = new ArrayBuffer(length);
    return this.#fill(new Uint8Array(this.#buffer, 0, length), at);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #fill<T extends Uint8Array>(bytes: T, at: number): T {
    for (let done = 0; done < bytes.length;) {
      const count = this.#named(() => readSync(this.#descriptor, bytes, done, bytes.length - done, at + done));
      if (count === 0) throw new InputError(`${this.name}: ended while it was read`);
      done += count;
    }
    return bytes;
  }

  #named<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw toCommandError(error, this.name);
    }
  }
}
