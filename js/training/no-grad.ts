import { describe, LossError } from '../errors.js';
import { withoutGrad } from '../grad-mode.js';
import { isTensor, storage, type Tensor } from '../tensor.js';
import { trainingMemory } from './memory.js';
import { LinearStorage } from './storage.js';

/** Refuses, when compiled, a function that returns a promise. */
type NoPromise<T> = [T] extends [never]
  ? unknown
  : [T] extends [PromiseLike<unknown>]
    ? 'the function of no_grad() must be synchronous'
    : unknown;

/**
 * Calls a function in which nothing is kept for `backward()`: for predictions and metrics. The activations that were made
 * in it are recycled at its end, but for tensors that it returns, also within arrays, plain objects, maps and sets: these
 * become arrays of their own.
 *
 * @param callback synchronous
 * @returns what `callback` returns
 * @throws LossError ERR_OPTION if that is a promise or an iterator, which computes later; whatever `callback` throws
 * @example
 * import { nn, no_grad, randn } from 'multilabel-margin-loss';
 *
 * const model = new nn.Linear(3, 2);
 * const scores = no_grad(() => model.forward(randn([4, 3])));
 * scores.requires_grad; // => false
 */
export function no_grad<T>(callback: (() => T) & NoPromise<T>): T {
  if (typeof callback !== 'function') {
    throw new LossError('ERR_OPTION', `no_grad() needs a function to call, got ${describe(callback)}`);
  }
  const memory = trainingMemory();
  const { mark } = memory;
  try {
    const result = withoutGrad(callback);
    if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
      throw new LossError(
        'ERR_OPTION',
        'the function of no_grad() must be synchronous, got one that returns a promise: await before or after it',
      );
    }
    if (typeof (result as Partial<Iterator<unknown>> | null | undefined)?.next === 'function') {
      throw new LossError(
        'ERR_OPTION',
        'the function of no_grad() must compute what it returns, got an iterator, which computes later: make a list of it',
      );
    }
    keep(result, mark, new Set());
    return result;
  } finally {
    memory.recycle(mark, 'recycled at the end of no_grad(), which keeps what its function returns');
  }
}

/** Copies the tensors that were made since a mark out of the memory that is about to be recycled. */
function keep(value: unknown, mark: number, seen: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (isTensor(value)) {
    const memory = value[storage];
    if (memory instanceof LinearStorage && isActivationSince(memory as LinearStorage, mark)) becomeArray(value);
  } else if (value instanceof Map || value instanceof Set) {
    for (const [key, part] of value.entries()) {
      keep(key, mark, seen);
      keep(part, mark, seen);
    }
  } else if (Array.isArray(value) || isPlain(value)) {
    for (const part of Object.values(value)) keep(part, mark, seen);
  }
}

function isActivationSince({ block, memory }: LinearStorage, mark: number): boolean {
  return block.sequence >= mark && memory.activations.has(block);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function becomeArray(tensor: Tensor): void {
  const data = tensor.data.slice();
  tensor[storage] = null;
  Object.defineProperty(tensor, 'data', { value: data, writable: true, enumerable: true, configurable: true });
}
