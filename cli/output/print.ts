import { RunError } from '../errors.js';

/**
 * Writes lines to standard output. A reader that closed the pipe, as `head` does, has what it wanted: that is no error.
 *
 * @throws RunError where standard output cannot take them, such as a full disk
 */
export async function print(lines: string): Promise<void> {
  const { stdout } = process;
  const problem = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => {
    // A stream reports a failed write to the callback and as an event, which would end the process if nobody listened.
    stdout.once('error', resolve);
    stdout.write(`${printable(lines)}\n`, (error) => {
      if (!error) stdout.off('error', resolve);
      resolve(error);
    });
  });
  if (problem && problem.code !== 'EPIPE') {
    throw new RunError(`standard output: cannot be written: ${problem.message}`);
  }
}

/** Writes one line to stderr, after the name of the command. */
export function warn(message: string): void {
  console.error(`multilabel-margin-loss: ${printable(message).replaceAll('\n', '\\n')}`);
}

/** Text without the control characters that a file may hold, which a terminal would obey. */
export function printable(text: string): string {
  return text.replace(
    // All control characters but the line feed, also those of ISO 8859-1 and those that change the direction of text.
    // eslint-disable-next-line no-control-regex
    /[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
