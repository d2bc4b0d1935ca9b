// Packages that are loaded only for what needs them, and that are not installed with this one.

import { createRequire } from 'node:module';
import { InputError } from './errors.js';

const requireHere = createRequire(import.meta.url);

/**
 * @param what needs them, as in "rows.arrow: Arrow"
 * @param names of the packages, as npm is to install them
 * @throws InputError that says how to install what is missing
 */
export async function load<T>(importPackages: () => Promise<T>, what: string, ...names: readonly string[]): Promise<T> {
  try {
    return await importPackages();
  } catch (error) {
    throw missing(error, what, names);
  }
}

/** The same, at once. */
export function require<T>(what: string, name: string): T {
  try {
    return requireHere(name) as T;
  } catch (error) {
    throw missing(error, what, [name]);
  }
}

function missing(error: unknown, what: string, names: readonly string[]): InputError {
  const { code, message } = error as NodeJS.ErrnoException;
  const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  const why = isMissing ? `not installed: npm install ${names.join(' ')}` : `not to be loaded: ${message}`;
  return new InputError(`${what} needs ${names.join(' and ')}, which ${names.length === 1 ? 'is' : 'are'} ${why}`);
}
