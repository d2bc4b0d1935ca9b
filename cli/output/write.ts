import { closeSync, mkdtempSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { InputError, RunError, toCommandError } from '../errors.js';

type Content = readonly (string | Uint8Array)[];

/** Bytes that a disk must have room for before work begins. */
const PROBE_BYTES = 4096;

/**
 * Finds out whether a file can be written, before the work that it is the result of. Leaves nothing behind.
 *
 * @throws InputError for a folder that is missing or read-only, and for the name of a folder
 * @throws CommandError with exit code 1 for a disk that is full or broken
 */
export function checkWritable(file: string): void {
  const place = `${file}: cannot be written`;
  try {
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
      throw new InputError('it is a folder');
    }
    // Opened apart, so that what is removed is what was made here.
    closeSync(openSync(temporary(file), 'w'));
    try {
      write(temporary(file), [Buffer.alloc(PROBE_BYTES)]);
    } finally {
      rmSync(temporary(file));
    }
  } catch (error) {
    throw toCommandError(error, place);
  }
}

/**
 * Writes files, each under a temporary name first, so that a file that is there is whole. A file that cannot be written goes
 * to the folder for temporary files, and the others are written all the same.
 *
 * @param contents of files, by their names
 * @throws RunError that says for each file that could not be written why, and where its content is
 */
export function writeWhole(contents: ReadonlyMap<string, Content>): void {
  const problems: string[] = [];
  for (const [file, content] of contents) {
    try {
      write(temporary(file), content);
      renameSync(temporary(file), file);
    } catch (error) {
      rmSync(temporary(file), { force: true });
      problems.push(`${file}: cannot be written: ${(error as Error).message}; ${rescue(file, content)}`);
    }
  }
  if (problems.length > 0) throw new RunError(problems.join('; '));
}

/** Keeps what was computed. */
function rescue(file: string, content: Content): string {
  try {
    const kept = join(mkdtempSync(join(tmpdir(), 'multilabel-margin-loss-')), basename(file));
    write(kept, content);
    return `its content is in ${kept}`;
  } catch (error) {
    return `nor can its content be kept in ${tmpdir()}: ${(error as Error).message}`;
  }
}

/** The name under which a file is written until it is whole. */
export function temporary(file: string): string {
  return `${file}.${process.pid}.tmp`;
}

function write(file: string, content: Content): void {
  const descriptor = openSync(file, 'w');
  try {
    for (const part of content) writeFileSync(descriptor, part);
  } finally {
    closeSync(descriptor);
  }
}
