import { brand } from './brand.js';

/**
 * What went wrong, for programs to tell apart:
 *
 * - `ERR_SHAPE`: shapes that do not fit, or an array whose length does not fit its shape
 * - `ERR_DTYPE`: an array or value of a type that is not accepted there
 * - `ERR_TARGET_RANGE`: a target outside [-1, C)
 * - `ERR_OPTION`: an unknown option or option value
 * - `ERR_NAN`: a NaN score, under `nan: 'error'`; a training that diverges
 * - `ERR_NON_FINITE`: a NaN or infinite score, under `nonFinite: 'error'` of an evaluator, or feature of a tagger
 * - `ERR_STATE`: evaluators that cannot be merged or compared, JSON that is not an evaluator's, bytes that are not a
 * safetensors file, a state that does not fit its model or optimizer, or a function called at the wrong time
 * - `ERR_BACKWARD`: `backward()` without a gradient to propagate, a second time, or without the gradOutput it needs
 * - `ERR_OUT_OF_MEMORY`: a result or a row of scores that does not fit in memory
 * - `ERR_BACKEND_UNAVAILABLE`: this environment cannot run the backend, or not any more; the message and `cause` say why
 * - `ERR_DISPOSED`: a backend, model or optimizer used after its `dispose()`, or a result of a layer that was recycled
 */
export type LossErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_TARGET_RANGE'
  | 'ERR_OPTION'
  | 'ERR_NAN'
  | 'ERR_NON_FINITE'
  | 'ERR_STATE'
  | 'ERR_BACKWARD'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_BACKEND_UNAVAILABLE'
  | 'ERR_DISPOSED';

/**
 * The one class of error that this package throws, before anything is computed; only a training that diverges throws one later.
 * The message says what was given, what was wanted, and where.
 *
 * @example
 * import { LossError, MultiLabelMarginLoss } from 'multilabel-margin-loss';
 *
 * try {
 *   new MultiLabelMarginLoss().forward([[0.5, 0.1]], [[2]]);
 * } catch (error) {
 *   if (!(error instanceof LossError)) throw error;
 *   error.code; // => 'ERR_TARGET_RANGE'
 * }
 */
export class LossError extends Error {
  /** What went wrong, for programs: messages may change. */
  readonly code: LossErrorCode;

  /** @hidden */
  constructor(code: LossErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LossError';
    this.code = code;
  }
}

/** The error for a NaN score under `nan: 'error'`. */
export function nanScore(row: number, column: number): LossError {
  return new LossError('ERR_NAN', `score at row ${row}, column ${column} is NaN, and nan is 'error'`);
}

brand(LossError, 'LossError');

/** A value as it would be written in a message: short, and never an exception of its own. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  const name = nameOfClass(value);
  return typeof name !== 'string' || name === 'Object' ? 'an object' : `a ${name}`;
}

function nameOfClass(value: object): unknown {
  try {
    return value.constructor?.name;
  } catch {
    return undefined;
  }
}
