import { describe, LossError } from '../errors.js';

/** @throws LossError ERR_OPTION for anything but an integer above 0 */
export function checkCount(value: unknown, name: string): void {
  if (!Number.isSafeInteger(value) || (value as number) < 1) {
    throw new LossError('ERR_OPTION', `${name} must be an integer above 0, got ${describe(value)}`);
  }
}
