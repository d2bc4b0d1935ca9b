import type { DeviceBatch } from '../backend.js';
import { targetOutOfRange } from '../targets.js';

const NO_CLASS = 0xffffffff;

/**
 * The unknown classes of a batch as the kernels read them: [rows, unknownWidth], and 2^32 - 1 from the first -1 of a row.
 *
 * @throws LossError ERR_TARGET_RANGE for an entry that is neither a class nor -1
 */
export function unknownClasses({ unknown, unknownWidth, rows, classes }: DeviceBatch): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(unknown === null ? 0 : rows * unknownWidth).fill(NO_CLASS);
  if (unknown === null) return words;
  for (let row = 0; row < rows; row++) {
    let isList = true;
    for (let column = 0; column < unknownWidth; column++) {
      const at = row * unknownWidth + column;
      const value = Number(unknown[at]);
      if (value < -1 || value >= classes) {
        throw targetOutOfRange(unknown[at] as number | bigint, row, column, classes, 'unknown');
      }
      if (value === -1) isList = false;
      if (isList) words[at] = value;
    }
  }
  return words;
}
