// Chooses the rows to train on and the rows to keep back.

import { hashOfRow } from '../evaluate/row-lists.js';
import { splitMix64 } from '../random.js';

export const TRAINING = 0;
export const VALIDATION = 1;
export const TEST = 2;

export interface Shares {
  validation: number;
  test: number;
}

/** Names of rows: ids, or their places in the sources. */
export interface RowNames {
  rowIds: ArrayLike<string | number | bigint> | null;
  /** The number of the source among all, from 0. */
  sourceIndex: number;
  /** The number of the first row in its source. */
  firstRow: number;
}

/**
 * The part that each row is in, by the hash of what it is known by: the same whatever the seed and the order of rows. The
 * hash is the one by which an Evaluator puts rows into groups; here its upper bits decide, and there its lower ones, so
 * that the rows of each part are in all groups.
 */
export function splitRows(rows: number, names: RowNames, { validation, test }: Shares): Uint8Array {
  const parts = new Uint8Array(rows);
  if (validation === 0 && test === 0) return parts;
  const { rowIds, sourceIndex, firstRow } = names;
  const start = splitMix64(BigInt(sourceIndex)) + BigInt(firstRow);
  for (let row = 0; row < rows; row++) {
    const id = rowIds === null ? start + BigInt(row) : hashOf(rowIds[row], row);
    const share = Number(splitMix64(id) >> 11n) / 2 ** 53;
    parts[row] = share < validation ? VALIDATION : share < validation + test ? TEST : TRAINING;
  }
  return parts;
}

function hashOf(id: unknown, row: number): bigint {
  const [low, high] = hashOfRow(id, row);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
