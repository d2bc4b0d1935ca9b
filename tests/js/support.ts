// What several suites use: chance with a seed, comparisons that name the first element which differs, and failing calls.

import { LossError, type LossErrorCode, type MultiLabelMarginLoss, Tensor } from 'multilabel-margin-loss';
import { expect, inject } from 'vitest';

/** Uniform in [0, 1), the same numbers for the same seed on every engine (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** About normal: the sum of twelve uniform numbers, which unlike log() and cos() is the same on every engine. */
export function normal(seed: number): () => number {
  const next = uniform(seed);
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += next();
    return sum;
  };
}

/** 0 … size - 1, shuffled. */
export function permutation(size: number, next: () => number): number[] {
  const result = Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const other = Math.floor(next() * (i + 1));
    [result[i], result[other]] = [result[other]!, result[i]!];
  }
  return result;
}

/** Rows padded with -1 to the longest, or to `width`, row-major. */
export function padded(rows: readonly (readonly number[])[], width = widest(rows)): number[] {
  return rows.flatMap((row) => Array.from({ length: width }, (_, k) => row[k] ?? -1));
}

export function widest(rows: readonly (readonly number[])[]): number {
  return rows.reduce((most, row) => Math.max(most, row.length), 0);
}

/** The same bits: unlike ===, tells 0 from -0 and finds NaN equal to NaN. */
export function expectSameBits(actual: ArrayLike<number>, expected: ArrayLike<number>, what = 'element'): void {
  expect(actual.length, `number of elements of ${what}`).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(actual[i], expected[i])) expect.fail(`${what} ${i} is ${actual[i]}, not ${expected[i]}`);
  }
}

/** Each element within its bound of what is expected; infinities and NaN exactly. */
export function expectWithin(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  bounds: ArrayLike<number> | number,
  what = 'element',
): void {
  expect(actual.length, `number of elements of ${what}`).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const bound = typeof bounds === 'number' ? bounds : bounds[i]!;
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!Object.is(actual[i], expected[i]) && !(difference <= bound)) {
      expect.fail(`${what} ${i} is ${actual[i]}, not within ${bound} of ${expected[i]} (off by ${difference})`);
    }
  }
}

/** What a call gives: at once, or in a promise where the backend under test has no other form. */
export const settled = <T>(result: T | Promise<T>): Promise<T> => Promise.resolve(result);

declare module 'vitest' {
  interface ProvidedContext {
    suiteShare?: number;
  }
}

/** How much of a large suite is run: not all where a case takes long (vitest.config.ts). */
export const SHARE = inject('suiteShare') ?? 1;

/** For inputs that the types forbid. */
export const untyped = (value: unknown): never => value as never;

/** The list with a hole at an index, as in [1, , 3]. */
export function withHole(list: readonly unknown[], at: number): never {
  const result: unknown[] = [];
  result.length = list.length;
  list.forEach((value, i) => {
    if (i !== at) result[i] = value;
  });
  return untyped(result);
}

/** The LossError that a call throws; anything else it does fails the test. */
export function lossErrorOf(call: () => unknown): LossError {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    if (error instanceof LossError) return error;
    expect.fail(`threw ${error instanceof Error ? `${error.name}: ${error.message}` : error} instead of a LossError`);
  }
  expect.fail(
    `returned ${result instanceof Tensor ? `a tensor of shape [${result.shape}]` : result} instead of failing`,
  );
}

/** The call throws a LossError with this code, whose message has all of these parts. */
export function expectLossError(call: () => unknown, code: LossErrorCode, parts: readonly (string | RegExp)[]): void {
  const error = lossErrorOf(call);
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe('LossError');
  expect(error.code, error.message).toBe(code);
  for (const part of parts) {
    if (typeof part === 'string') expect(error.message).toContain(part);
    else expect(error.message).toMatch(part);
  }
}

/** The documented example through this very instance, whose margin must be 1. */
export function expectStillWorks(lossFn: MultiLabelMarginLoss): void {
  const { loss, grad } = lossFn.valueAndGrad([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]]);
  // Two thresholds and the result are rounded to float32, all of them below 1.
  expectWithin(loss.data, [0.85], 3 * 2 ** -24, 'loss of the documented example');
  expect(grad.tolist()).toEqual([[-0.5, 0.5, 0.5, -0.5]]);
}

/**
 * Every form of the call fails alike, leaves no trace in the scores and what was accumulated in them, and leaves the
 * instance usable.
 */
export async function expectCallFails(
  lossFn: MultiLabelMarginLoss,
  scores: unknown,
  targets: unknown,
  code: LossErrorCode,
  parts: readonly (string | RegExp)[],
): Promise<void> {
  const grad = scores instanceof Tensor ? scores.grad : null;
  const gradBefore = grad && Array.from(grad.data as Float32Array);
  expectLossError(() => lossFn.forward(untyped(scores), untyped(targets)), code, parts);
  expectStillWorks(lossFn);
  expectLossError(() => lossFn.valueAndGrad(untyped(scores), untyped(targets)), code, parts);
  expectStillWorks(lossFn);
  // A promise that rejects, and not a throw.
  const promise = lossFn.forwardAsync(untyped(scores), untyped(targets));
  const reason: unknown = await promise.then(
    () => expect.fail('resolved instead of failing'),
    (error: unknown) => error,
  );
  expectLossError(
    () => {
      throw reason;
    },
    code,
    parts,
  );
  expectStillWorks(lossFn);
  if (scores instanceof Tensor) {
    expect(scores.grad).toBe(grad);
    if (gradBefore !== null) expectSameBits(scores.grad!.data as Float32Array, gradBefore, 'grad');
  }
}
