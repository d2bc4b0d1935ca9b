import type { FloatArray } from './backend.js';
import type { FloatDType } from './dtypes.js';
import { LossError } from './errors.js';

const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/**
 * Checks the values of the weights of rows.
 *
 * @param dtype that of the scores, in which the loss is computed
 * @throws LossError ERR_OPTION for the first weight that is negative, NaN or infinite in that type
 */
export function checkSampleWeight(weights: FloatArray, dtype: FloatDType): void {
  const largest = dtype === 'float32' ? LARGEST_FLOAT32 : Number.MAX_VALUE;
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row] as number;
    if (!(weight >= 0 && weight <= largest)) {
      throw new LossError(
        'ERR_OPTION',
        `sampleWeight must be finite in ${dtype} and not negative, got ${weight} for row ${row}`,
      );
    }
  }
}
