import { closeSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { toCommandError } from '../errors.js';

/** What files are to hold, by their names. */
export type Contents = ReadonlyMap<string, readonly (string | Uint8Array)[]>;

/** To temporary names, and then all are renamed, so that a file of such a name is whole, and none is there without the others. */
export function writeWhole(contents: Contents): void {
  const temporary = (file: string): string => `${file}.${process.pid}.tmp`;
  const attempt = (file: string, action: () => void): void => {
    try {
      action();
    } catch (error) {
      for (const each of contents.keys()) rmSync(temporary(each), { force: true });
      throw toCommandError(error, `${file}: cannot be written`);
    }
  };
  for (const [file, parts] of contents) attempt(file, () => write(temporary(file), parts));
  for (const file of contents.keys()) attempt(file, () => renameSync(temporary(file), file));
}

function write(file: string, parts: readonly (string | Uint8Array)[]): void {
  const descriptor = openSync(file, 'w');
  try {
    for (const part of parts) writeFileSync(descriptor, part);
  } finally {
    closeSync(descriptor);
  }
}
