// How the command fails: with one line on stderr, and an exit code that is chosen here and nowhere else.

import { constants } from 'node:os';
import { LossError, type LossErrorCode } from 'multilabel-margin-loss/loss';

/** An error with an exit code: its message is all that the user sees. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';

  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** The input or the arguments are wrong: exit code 2. */
export class InputError extends CommandError {
  override readonly name = 'InputError';

  constructor(message: string) {
    super(message, 2);
  }
}

/** Memory, a disk, a worker or a backend failed: exit code 1. */
export class RunError extends CommandError {
  override readonly name = 'RunError';

  constructor(message: string) {
    super(message, 1);
  }
}

/** Ctrl+C, a request to end, and a terminal that was closed. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type Signal = (typeof SIGNALS)[number];

/** A signal ended the work: its exit code is the one that shells report, such as 130 for SIGINT. */
export class InterruptedError extends CommandError {
  override readonly name = 'InterruptedError';

  constructor(signal: Signal, message = 'interrupted') {
    super(message, 128 + constants.signals[signal]);
  }
}

/** A CommandError as plain data, for messages between threads and machines. */
export interface Failure {
  message: string;
  exitCode: number;
}

/** Codes of the library that the input is not to blame for. */
const RUN_CODES: readonly LossErrorCode[] = ['ERR_OUT_OF_MEMORY', 'ERR_BACKEND_UNAVAILABLE', 'ERR_DISPOSED'];

/** System errors that say that a path is wrong. All others, such as ENOSPC and EIO, are a failure of the machine. */
const PATH_CODES = ['EACCES', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'ENOENT', 'ENOTDIR', 'EPERM', 'EROFS', 'ESPIPE'];

/** Codes of Node for values that are too large for its memory. */
const MEMORY_CODES = [
  'ERR_WORKER_OUT_OF_MEMORY',
  'ERR_STRING_TOO_LONG',
  'ERR_FS_FILE_TOO_LARGE',
  'ERR_BUFFER_TOO_LARGE',
];

/**
 * The failure that an error stands for, or null for an error that only a fault of the program explains.
 *
 * @param place of the error, to begin the message with, such as the name of a file
 */
export function failureOf(error: unknown, place?: string): Failure | null {
  if (!(error instanceof Error)) return null;
  const exitCode = exitCodeOf(error);
  if (exitCode === null) return null;
  const { message } = error;
  return { message: place === undefined ? message : `${place}: ${message}`, exitCode };
}

/** An error to throw for it. An error that only a bug explains is returned unchanged. */
export function toCommandError(error: unknown, place?: string): unknown {
  const failure = failureOf(error, place);
  return failure === null ? error : new CommandError(failure.message, failure.exitCode);
}

function exitCodeOf(error: Error): number | null {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof LossError) return RUN_CODES.includes(error.code) ? 1 : 2;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== undefined) return PATH_CODES.includes(code ?? '') ? 2 : 1;
  // V8 gives no code to an array or a WebAssembly memory that it finds no room for.
  const isMemory = error instanceof RangeError && /allocat|array length|memory/i.test(error.message);
  return isMemory || MEMORY_CODES.includes(code ?? '') ? 1 : null;
}
