import type { FloatArray, IndexArray } from '../backend.js';
import { type DeviceTensor, isDeviceTensor } from '../device-tensor.js';
import { nanScore } from '../errors.js';
import { targetOutOfRange, unknownTarget } from '../targets.js';
import { LOSS_BYTES, LOSS_FLAGS, STATUS, STATUS_WORDS } from './kernels/memory.js';
import type { Submission } from './steps.js';

export const STATUS_BYTES = STATUS_WORDS * 4;

/** Buffers that can be read once the GPU is done. */
export interface Readback {
  /** The status, then the losses of the rows; or their rowInfo, where only checks were made. */
  results: GPUBuffer;
  /** Null where there is none, or where it stays on the device. */
  gradient: GPUBuffer | null;
}

/** The results of a call for all rows of its batch. */
export interface Output {
  /** Unreduced. */
  losses: Float64Array;
  /** Number of targets; known after the checks. */
  numTargets: Uint32Array;
  /** Null where there is none, or where it stays on the device. */
  grad: FloatArray | null;
}

/**
 * Writes the losses of the submission, and its gradient where that goes to an array; or its numbers of targets, where only
 * checks were made.
 *
 * @throws LossError ERR_TARGET_RANGE or ERR_NAN for the first target, unknown class or score that is wrong; nothing is
 * written then
 */
export function readResults(submission: Submission, { results, gradient }: Readback, output: Output): void {
  const { batch, firstRow, rows, onlyChecks, options } = submission;
  const { classes, width, sampleWeight } = batch;
  const { losses, numTargets, grad } = output;
  const words = new Uint32Array(results.getMappedRange());
  checkStatus(submission, words);
  if (onlyChecks) {
    // The checks look for no NaN that is not an error, so the words are numbers alone.
    for (let row = 0; row < rows; row++) numTargets[firstRow + row] = width - (words[STATUS_WORDS + row] as number);
    return;
  }
  const signed = new Int32Array(words.buffer);
  for (let row = 0; row < rows; row++) {
    const at = STATUS_WORDS + (row * LOSS_BYTES) / 4;
    const unit = signed[at] as number;
    const sum = ((signed[at + 1] as number) * 2 ** 32 + (words[at + 2] as number)) * 2 ** unit;
    const flagged = words[at + 3] as number;
    const targets = flagged & (LOSS_FLAGS.infinite - 1);
    const weight = sampleWeight === null ? 1 : (sampleWeight[firstRow + row] as number);
    let loss: number;
    // The loss of weight 0 is 0, also where the scores make it infinite or NaN.
    if (weight === 0) loss = 0;
    else if (flagged >= LOSS_FLAGS.nan) loss = Number.NaN;
    else if ((flagged & LOSS_FLAGS.infinite) !== 0) loss = Number.POSITIVE_INFINITY;
    else if (targets === 0) loss = 0;
    else loss = (Math.max(sum, 0) / (options.normalization === 'classes' ? classes : targets)) * weight;
    losses[firstRow + row] = loss;
  }
  if (gradient !== null && grad !== null) {
    grad.set(new Float32Array(gradient.getMappedRange(), 0, rows * classes), firstRow * classes);
  }
}

function checkStatus({ batch, firstRow }: Submission, words: Uint32Array): void {
  const { targets, unknown, classes, width, unknownWidth } = batch;
  const place = (word: number, columns: number): [row: number, column: number] => {
    const index = 0xffffffff - word;
    return [firstRow + Math.floor(index / columns), index % columns];
  };
  const badTarget = words[STATUS.badTarget] as number;
  if (badTarget !== 0) {
    const [row, column] = place(badTarget, width);
    const value = isDeviceTensor(targets) ? reportedTarget(targets, words) : targets[row * width + column];
    throw targetOutOfRange(value as number | bigint, row, column, classes);
  }
  const badUnknown = words[STATUS.badUnknown] as number;
  if (badUnknown !== 0) {
    const [row, column] = place(badUnknown, unknownWidth);
    throw unknownTarget((unknown as IndexArray)[row * unknownWidth + column] as number | bigint, row, column);
  }
  const badScore = words[STATUS.badScore] as number;
  if (badScore !== 0) {
    const [row, column] = place(badScore, classes);
    throw nanScore(row, column);
  }
}

/** The value that REPORT_TARGET copied. */
function reportedTarget({ dtype }: DeviceTensor, words: Uint32Array): number | bigint {
  const low = words[STATUS.valueLow] as number;
  const high = words[STATUS.valueHigh] as number;
  return dtype === 'int32' ? low | 0 : BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
}
