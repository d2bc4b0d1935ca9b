// Checks of numbers and of lists that have one element for each row.

import { describe, LossError } from '../errors.js';
import { hashOfId } from './hash.js';

/** @throws LossError ERR_OPTION */
export function checkWhole(value: unknown, name: string, least = 0, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  throw new LossError('ERR_OPTION', `${name} must be a whole number ${range}, got ${describe(value)}`);
}

/** @throws LossError ERR_OPTION for what is no list, ERR_SHAPE for one of another length */
export function checkLength(list: unknown, rows: number, name: string): void {
  const length: unknown = (Object(list) as { length?: unknown }).length;
  if (typeof list !== 'object' || list === null || typeof length !== 'number') {
    throw new LossError('ERR_OPTION', `${name} must be a list with one element for each row, got ${describe(list)}`);
  }
  if (length !== rows)
    throw new LossError('ERR_SHAPE', `${name} must have ${rows} elements, one for each row, got ${length}`);
}

/**
 * The lower and the upper half of the hash of a row's id.
 *
 * @throws LossError ERR_OPTION for what is no id
 */
export function hashOfRow(id: unknown, row: number): [low: number, high: number] {
  if (typeof id !== 'string' && typeof id !== 'bigint' && !Number.isSafeInteger(id)) {
    throw new LossError('ERR_OPTION', `rowIds must be strings or whole numbers, got ${describe(id)} for row ${row}`);
  }
  return hashOfId(id as string | number | bigint);
}
