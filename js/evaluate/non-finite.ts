import { describe, LossError } from '../errors.js';

/** @throws LossError ERR_OPTION for what is no value of the option `nonFinite` */
export function checkNonFinite(value: unknown): asserts value is 'error' | 'skip' {
  if (value !== 'error' && value !== 'skip') {
    throw new LossError('ERR_OPTION', `nonFinite must be one of 'error', 'skip', got ${describe(value)}`);
  }
}
