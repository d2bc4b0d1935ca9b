import type { FloatDType } from './dtypes.js';
import { describe, LossError } from './errors.js';

const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/**
 * Checks the values of the weights of rows.
 *
 * @param dtype that of the scores, in which the loss is computed
 * @throws LossError ERR_OPTION for the first that is no number, negative, NaN, or infinite in that type
 */
export function checkSampleWeight(weights: ArrayLike<unknown>, dtype: FloatDType): void {
  const largest = dtype === 'float32' ? LARGEST_FLOAT32 : Number.MAX_VALUE;
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row];
    if (typeof weight !== 'number' || !(weight >= 0 && weight <= largest)) {
      throw new LossError(
        'ERR_OPTION',
        `sampleWeight must be finite in ${dtype} and not negative, got ${describe(weight)} for row ${row}`,
      );
    }
  }
}
