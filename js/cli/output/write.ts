import { closeSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { InputError } from '../input-error.js';

/** To a temporary name and then renamed, so that a file of this name is whole. */
export function writeWhole(file: string, ...parts: readonly (string | Uint8Array)[]): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const descriptor = openSync(temporary, 'w');
    try {
      for (const part of parts) writeFileSync(descriptor, part);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new InputError(`${file}: cannot be written: ${(error as Error).message}`);
  }
}
