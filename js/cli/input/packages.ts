// Packages that are loaded only for a format that needs them, and that are not installed with this one.

import { createRequire } from 'node:module';
import { InputError } from '../input-error.js';

const requireHere = createRequire(import.meta.url);

/** @throws InputError, of the file that needs it, that says how to install what is missing */
export async function load<T>(importPackage: () => Promise<T>, file: string, format: string, name: string): Promise<T> {
  try {
    return await importPackage();
  } catch (error) {
    throw missing(error, file, format, name);
  }
}

/** The same, at once. */
export function require<T>(file: string, format: string, name: string): T {
  try {
    return requireHere(name) as T;
  } catch (error) {
    throw missing(error, file, format, name);
  }
}

function missing(error: unknown, file: string, format: string, name: string): InputError {
  const { code, message } = error as NodeJS.ErrnoException;
  const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  const why = isMissing ? `npm install ${name}` : message;
  return new InputError(`${file}: the package ${name} is needed to read ${format}: ${why}`);
}
