import { describe, LossError } from './errors.js';

/** The options, or ERR_OPTION for a key that is not among those known. */
export function checkOptions<T extends object>(options: T, known: readonly string[], where: string): T {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new LossError('ERR_OPTION', `the options of ${where} must be an object, got ${describe(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new LossError('ERR_OPTION', `unknown option '${key}' of ${where}; it knows ${known.join(', ')}`);
    }
  }
  return options;
}
