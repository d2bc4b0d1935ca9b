import { arrayLength, hasMemory, isTypedArray } from './dtypes.js';
import { describe, LossError } from './errors.js';

/** The lengths of the dimensions, the outermost first: [N, C] for N rows of C; [] for a scalar. */
export type Shape = readonly number[];

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

export function isShape(shape: unknown): shape is Shape {
  if (!Array.isArray(shape)) return false;
  // By index: every() leaves holes out.
  for (let i = 0; i < shape.length; i++) {
    const length: unknown = shape[i];
    if (!Number.isSafeInteger(length) || (length as number) < 0) return false;
  }
  return true;
}

export function checkShape(shape: unknown, data: { length: number }, name: string): void {
  if (!isShape(shape)) {
    throw new LossError(
      'ERR_SHAPE',
      `the shape of ${name} must be a list of integers from 0, got ${formatShape(shape)}`,
    );
  }
  const size = sizeOf(shape);
  const length = isTypedArray(data) ? arrayLength(data) : data.length;
  const isGone = length === 0 && isTypedArray(data) && !hasMemory(data);
  if (size !== length || isGone) {
    const detached = isGone ? ' (its ArrayBuffer is detached, or shorter than it was)' : '';
    throw new LossError(
      'ERR_SHAPE',
      `${name} of shape ${formatShape(shape)} needs ${size} elements, its data has ${length}${detached}`,
    );
  }
}

/** A shape, or what was given for one, as it would be written in a message. */
export function formatShape(shape: unknown): string {
  return Array.isArray(shape) ? `[${Array.from(shape, describe).join(', ')}]` : describe(shape);
}
