// Files that are read from their beginning to their end: standard input, pipes and compressed files.

import { createReadStream, statSync } from 'node:fs';
import { extname } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InputError, toCommandError } from '../errors.js';
import { nameOf } from './input.js';
import { type Decompress, zstdStream } from './zstd.js';

/** Sixteen times the chunk of a file stream by default: rows are counted in half the time. */
const CHUNK_BYTES = 2 ** 20;

const COMPRESSIONS: Record<string, (file: string) => Decompress> = { '.gz': gunzip, '.zst': zstdStream };

/** The name of a file without the ending of a compression. */
export function withoutCompression(file: string): string {
  return isCompressed(file) ? file.slice(0, -extname(file).length) : file;
}

export function isCompressed(file: string): boolean {
  return Object.hasOwn(COMPRESSIONS, extname(file).toLowerCase());
}

/** Whether a file can be read only once: standard input, a named pipe, a process substitution of a shell. */
export function isPipe(file: string): boolean {
  if (file === '-') return true;
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

export function isSequential(file: string): boolean {
  return isPipe(file) || isCompressed(file);
}

/** Pipes of which the first bytes have been read: these, and the rest. */
const begun = new Map<string, AsyncIterable<Buffer>>();

/** The first bytes of a pipe, at least `length` if it has as many. They stay what bytesOf() begins with. */
export async function peek(file: string, length: number): Promise<Buffer> {
  const chunks = bytesOf(file);
  let head = Buffer.alloc(0);
  while (head.length < length) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  begun.set(
    file,
    (async function* () {
      if (head.length > 0) yield head;
      yield* chunks;
    })(),
  );
  return head;
}

/**
 * The bytes of a file, decompressed.
 *
 * @param start of files that are not compressed
 * @throws InputError, while it is read, for a file that cannot be read and for damaged compressed data
 */
export async function* bytesOf(file: string, start = 0): AsyncGenerator<Buffer> {
  const rest = begun.get(file);
  if (rest !== undefined) {
    begun.delete(file);
    yield* rest;
    return;
  }
  const stream =
    file === '-'
      ? process.stdin
      : createReadStream(file, { ...(start === 0 ? {} : { start }), highWaterMark: CHUNK_BYTES });
  const decompress = COMPRESSIONS[extname(file).toLowerCase()]?.(file);
  const truncated = (): InputError => new InputError(`${file}: is truncated: its compressed data has no end`);
  let isEmpty = true;
  try {
    const bytes = (async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        isEmpty = false;
        yield chunk;
      }
    })();
    for await (const chunk of decompress === undefined ? bytes : decompress(bytes)) {
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    }
  } catch (error) {
    const { code = '', syscall, message } = error as NodeJS.ErrnoException;
    // The message is fzstd's.
    if (code === 'Z_BUF_ERROR' || message === 'unexpected EOF') throw truncated();
    if (decompress === undefined || syscall !== undefined || error instanceof InputError) {
      throw toCommandError(error, nameOf(file));
    }
    throw new InputError(`${file}: its compressed data is damaged: ${message}`);
  }
  // Compressed data has some bytes, even of nothing. Not all libraries report that they are missing.
  if (decompress !== undefined && isEmpty) throw truncated();
}

function gunzip(): Decompress {
  return (bytes) => pipeline(bytes, createGunzip(), () => {});
}
