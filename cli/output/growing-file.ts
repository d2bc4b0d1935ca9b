import {
  closeSync,
  fchmodSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { toCommandError } from '../errors.js';

/**
 * A file that is written bit by bit under a temporary name, so that a file that is there is whole. It keeps the mode of the
 * file that it replaces. Pipes and devices are written as they are.
 */
export class GrowingFile {
  /** The name under which the file is written. */
  readonly #path: string;
  /** The name that it gets in the end; null for a pipe or a device, which keeps its own. */
  readonly #replaced: string | null;
  readonly #descriptor: number;
  #isOpen = true;

  constructor(private readonly name: string) {
    [this.#path, this.#replaced, this.#descriptor] = this.#named(() => {
      if (!isReplaced(name)) return [name, null, openSync(name, 'w')];
      const replaced = followed(name);
      const temporary = `${replaced}.${process.pid}.tmp`;
      const mode = statSync(replaced, { throwIfNoEntry: false })?.mode;
      // Made with this mode, so that nobody reads it meanwhile who may not, and given it again, since the umask takes from it.
      const descriptor = openSync(temporary, 'w', mode);
      if (mode !== undefined) fchmodSync(descriptor, mode & 0o7777);
      return [temporary, replaced, descriptor];
    });
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      done += this.#named(() => writeSync(this.#descriptor, bytes, done, bytes.length - done));
    }
  }

  /** Writes over the beginning, which is for regular files alone. */
  writeStart(bytes: Uint8Array): void {
    this.#named(() => writeSync(this.#descriptor, bytes, 0, bytes.length, 0));
  }

  end(): void {
    this.#named(() => {
      this.#close();
      if (this.#replaced !== null) renameSync(this.#path, this.#replaced);
    });
  }

  /** Leaves nothing behind, also after an end() that failed. */
  abandon(): void {
    this.#close();
    if (this.#replaced !== null) rmSync(this.#path, { force: true });
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#descriptor);
  }

  #named<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw toCommandError(error, `${this.name}: cannot be written`);
    }
  }
}

/** Whether a name has nothing yet, or a regular file. */
export function isReplaced(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isFile() ?? true;
}

/** The name that symbolic links lead to, whether there is a file or none yet. */
function followed(name: string): string {
  if (lstatSync(name, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return name;
  const target = readlinkSync(name);
  // Not join(), which takes .. for the folder above a link to a folder.
  return followed(isAbsolute(target) ? target : `${dirname(name)}/${target}`);
}
