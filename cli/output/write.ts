import { accessSync, constants, mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { InputError, RunError, toCommandError } from '../errors.js';
import { identityOf } from '../input/sources.js';
import { GrowingFile, isReplaced } from './growing-file.js';
import { print, warn } from './print.js';

/** Bytes that a disk must have room for before work begins. */
const PROBE_BYTES = 4096;

/**
 * Finds out whether a file can be written, before the work that it is the result of. Leaves nothing behind.
 *
 * @param inputs files that are read, which it would replace
 * @param isSought whether the writer goes back to the beginning, as no pipe can
 * @throws InputError for a folder that is missing or read-only, for the name of a folder, and for an input
 * @throws CommandError with exit code 1 for a disk that is full or broken
 */
export function checkWritable(file: string, inputs: readonly string[], isSought = false): void {
  const place = `${file}: cannot be written`;
  try {
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
      throw new InputError('it is a folder');
    }
    if (!isReplaced(file)) {
      if (isSought) throw new InputError('it is no regular file, and the format needs one');
      // To open a pipe would wait for its reader, and to close it would end what that reads.
      accessSync(file, constants.W_OK);
      return;
    }
  } catch (error) {
    throw toCommandError(error, place);
  }
  const identity = identityOf(file);
  if (inputs.some((input) => identityOf(input) === identity)) throw new InputError(`${file}: is also an input`);
  const probe = new GrowingFile(file);
  try {
    probe.append(Buffer.alloc(PROBE_BYTES));
  } finally {
    probe.abandon();
  }
}

/**
 * Prints lines, and then makes and writes the files one by one, each also where something before it failed.
 *
 * @throws RunError for what could not be printed or written
 */
export async function printAndWrite(
  lines: string,
  files: readonly string[],
  contentOf: (file: string) => Promise<string> | string,
): Promise<void> {
  const problems: Error[] = [];
  const attempt = async (action: () => Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      problems.push(error as Error);
    }
  };
  await attempt(() => print(lines));
  for (const file of files) {
    await attempt(async () => writeWhole(file, await contentOf(file)));
  }
  const [first, ...others] = problems;
  for (const { message } of others) warn(message);
  if (first !== undefined) throw first;
}

/**
 * Writes a file as a GrowingFile. Content that cannot be written there goes to the folder for temporary files.
 *
 * @throws RunError that says why the file could not be written, and where its content is
 */
export function writeWhole(file: string, content: string | Uint8Array): void {
  try {
    write(file, content);
  } catch (error) {
    throw new RunError(`${(error as Error).message}; ${rescue(file, content)}`);
  }
}

function write(file: string, content: string | Uint8Array): void {
  const growing = new GrowingFile(file);
  try {
    growing.append(typeof content === 'string' ? Buffer.from(content) : content);
    growing.end();
  } catch (error) {
    growing.abandon();
    throw error;
  }
}

/** Keeps what was computed. */
function rescue(file: string, content: string | Uint8Array): string {
  try {
    const kept = join(mkdtempSync(join(tmpdir(), 'multilabel-margin-loss-')), basename(file));
    write(kept, content);
    return `its content is in ${kept}`;
  } catch (error) {
    return `nor can its content be kept in ${tmpdir()}: ${(error as Error).message}`;
  }
}
