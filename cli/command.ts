import { type ParseArgsConfig, parseArgs } from 'node:util';
import { InputError } from './errors.js';

type Options = NonNullable<ParseArgsConfig['options']>;

/** A word after multilabel-margin-loss, with options of its own, which Node itself parses. */
export interface Command {
  /** The text after "Usage: multilabel-margin-loss ": the arguments, the purpose of the command, and its options. */
  usage: string;
  run: (args: readonly string[]) => Promise<void>;
}

/** @throws InputError for an option that is not among `options`, or a value that is missing */
export function parse<const T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // The first sentence: what follows is advice in more of them, such as about files whose names begin with '-'.
    const { message } = error as Error;
    const [sentence = message] = message.split(/\.\s/);
    const [, form] = /use '(--[^']+)'/.exec(message) ?? [];
    throw new InputError(form === undefined ? sentence : `${sentence}: a value that begins with - is given as ${form}`);
  }
}

/** The number in a text, or NaN. */
export function toNumber(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

/**
 * The value of an option that is to be a number. Its range is for the caller to check.
 *
 * @throws InputError for a text that is no number
 */
export function numberOf(option: string, text: string): number {
  const number = toNumber(text);
  if (Number.isNaN(number)) throw new InputError(`--${option} must be a number, got '${text}'`);
  return number;
}

/**
 * The value of an option that is to be a whole number from 1.
 *
 * @throws InputError for another
 */
export function toCount(option: string, text: string): number {
  const count = toNumber(text);
  if (!(Number.isInteger(count) && count >= 1)) {
    throw new InputError(`--${option} must be a whole number from 1, got '${text}'`);
  }
  return count;
}
