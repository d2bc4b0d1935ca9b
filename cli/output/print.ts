import { RunError } from '../errors.js';

/**
 * Writes a line to standard output. A reader that closed the pipe, as `head` does, has what it wanted: that is no error.
 *
 * @throws RunError where standard output cannot take the line, such as a full disk
 */
export async function print(line: string): Promise<void> {
  const { stdout } = process;
  const problem = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => {
    // A stream reports a failed write to the callback and as an event, which would end the process if nobody listened.
    stdout.once('error', resolve);
    stdout.write(`${line}\n`, (error) => {
      if (!error) stdout.off('error', resolve);
      resolve(error);
    });
  });
  if (problem && problem.code !== 'EPIPE') {
    throw new RunError(`standard output: cannot be written: ${problem.message}`);
  }
}
