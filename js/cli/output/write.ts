import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { InputError } from '../input-error.js';

/** To a temporary name and then renamed, so that a file of this name is whole. */
export function writeWhole(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new InputError(`${file}: cannot be written: ${(error as Error).message}`);
  }
}
