import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { toCommandError } from '../errors.js';
import { temporary } from './write.js';

/** A file that is written bit by bit under a temporary name, so that a file that is there is whole. */
export class GrowingFile {
  readonly #temporary: string;
  readonly #descriptor: number;

  constructor(private readonly name: string) {
    this.#temporary = temporary(name);
    this.#descriptor = this.#named(() => openSync(this.#temporary, 'w'));
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      done += this.#named(() => writeSync(this.#descriptor, bytes, done, bytes.length - done));
    }
  }

  /** Writes over the beginning. */
  writeStart(bytes: Uint8Array): void {
    this.#named(() => writeSync(this.#descriptor, bytes, 0, bytes.length, 0));
  }

  end(): void {
    this.#named(() => {
      closeSync(this.#descriptor);
      renameSync(this.#temporary, this.name);
    });
  }

  /** Leaves nothing behind. */
  abandon(): void {
    closeSync(this.#descriptor);
    rmSync(this.#temporary, { force: true });
  }

  #named<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw toCommandError(error, `${this.name}: cannot be written`);
    }
  }
}
