import { describe, LossError } from './errors.js';

/** Options with every default filled in. */
export type Complete<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };

// Objects that inherit nothing. Object.create(null) makes one with a hash table, which engines read slowly.
const Chosen = function () {} as unknown as new () => Record<string, unknown>;
Chosen.prototype = Object.create(null) as object;

/**
 * The options that were given, in an object of their own that inherits nothing, or ERR_OPTION for a key that is not known.
 * Options inherited from another object count, as in `Object.create(defaults)`; those of `Object.prototype` do not: any
 * program may have put them there.
 */
export function checkOptions<T extends object>(options: T | undefined, known: readonly string[], where: string): T {
  if (options === undefined) return new Chosen() as T;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new LossError('ERR_OPTION', `the options of ${where} must be an object, got ${describe(options)}`);
  }
  const chosen = new Chosen();
  for (let level: object = options; ;) {
    const parent = Object.getPrototypeOf(level) as object | null;
    if (parent === null && level !== options) return chosen as T;
    // A class has getters and a constructor that are not enumerable: getters count, and the constructor is no unknown option.
    for (const key of Object.getOwnPropertyNames(level)) {
      if (known.includes(key)) {
        if (!(key in chosen)) chosen[key] = (options as Record<string, unknown>)[key];
      } else if (Object.prototype.propertyIsEnumerable.call(level, key)) {
        throw new LossError('ERR_OPTION', `unknown option '${key}' of ${where}; it knows ${known.join(', ')}`);
      }
    }
    if (parent === null) return chosen as T;
    level = parent;
  }
}
