import type { DeviceBatch, LossOptions } from '../backend.js';
import { LossError } from '../errors.js';
import { SILENT } from './kernels/memory.js';

// A product of a count and a scale that is not 0 is far from the ends of float32's range, where GPUs may round as they
// like.
const LEAST_SCALE = 2 ** -100;
const LARGEST_SCALE = 2 ** 60;

/**
 * The scales of a batch without weights: what the counts of a row are multiplied by, for all rows, or for each number of
 * targets. Four words each: float64, float32, and 0.
 */
export function sharedScales({ rows, classes, width }: DeviceBatch, options: LossOptions): Uint32Array<ArrayBuffer> {
  const byTargets = options.normalization === 'targets';
  return pack(
    Array.from({ length: byTargets ? width + 1 : 1 }, (_, numTargets) =>
      scaleOf(rows, byTargets ? numTargets : classes, options),
    ),
  );
}

/**
 * The scales of the rows of a batch with weights.
 *
 * @param numTargets of each row
 * @throws LossError ERR_OPTION for a weight that makes a scale too small or too large for a GPU
 */
export function rowScales(
  { rows, classes }: DeviceBatch,
  options: LossOptions,
  weights: ArrayLike<number>,
  numTargets: ArrayLike<number>,
): Uint32Array<ArrayBuffer> {
  const scales = Array.from({ length: rows }, (_, row) => {
    const divisor = options.normalization === 'targets' ? (numTargets[row] as number) : classes;
    const scale = scaleOf(rows, divisor, options) * (weights[row] as number);
    if (scale !== 0 && !(scale >= LEAST_SCALE && scale <= LARGEST_SCALE)) {
      throw new LossError(
        'ERR_OPTION',
        `sampleWeight for the webgpu backend must be 0, or between 2^-100 and 2^60 after it is divided by the number of ` +
          `${options.reduction === 'mean' ? 'rows and by that of ' : ''}${options.normalization}, got ${weights[row]} for row ${row}`,
      );
    }
    return scale;
  });
  const packed = pack(scales);
  for (let row = 0; row < rows; row++) if (weights[row] === 0) packed[4 * row + 3] = SILENT;
  return packed;
}

/** Whether a GPU takes the scales of the rows' weights, however many targets they have. */
export function weightsFit({ sampleWeight, rows, classes, width }: DeviceBatch, options: LossOptions): boolean {
  if (sampleWeight === null) return true;
  const [fewest, most] = options.normalization === 'targets' ? [1, Math.max(1, width)] : [classes, classes];
  const largest = scaleOf(rows, fewest, options);
  const least = scaleOf(rows, most, options);
  return sampleWeight.every(
    (weight) => weight === 0 || (least * weight >= LEAST_SCALE && largest * weight <= LARGEST_SCALE),
  );
}

function scaleOf(rows: number, divisor: number, { reduction }: LossOptions): number {
  // Without targets there are no pairs, and 0 times infinity would not be 0.
  if (divisor === 0) return 0;
  // The operations of src/loss in their order: another order would round to other bits.
  return (reduction === 'mean' ? 1 / rows : 1) / divisor;
}

function pack(scales: readonly number[]): Uint32Array<ArrayBuffer> {
  const doubles = new Float64Array(2 * scales.length);
  const singles = new Float32Array(doubles.buffer);
  scales.forEach((scale, i) => {
    doubles[2 * i] = scale;
    singles[4 * i + 2] = scale;
  });
  return new Uint32Array(doubles.buffer);
}
