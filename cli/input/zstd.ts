// ZSTD: Node's own from 22.15 on, and the package fzstd before.

import { pipeline } from 'node:stream';
import * as zlib from 'node:zlib';
import { require } from '../packages.js';

/** Decompresses bytes as they come. */
export type Decompress = (bytes: AsyncIterable<Buffer>) => AsyncIterable<Uint8Array>;

type Fzstd = typeof import('fzstd');

/** A function of Node from 22.15 on, which the types do not know yet. */
const { zstdDecompressSync, createZstdDecompress } = zlib as {
  zstdDecompressSync?: (bytes: Uint8Array) => Buffer;
  createZstdDecompress?: () => zlib.Gunzip;
};

/** @param what needs it, for the message about a package that is missing */
export function decodeZstd(bytes: Uint8Array, what: string): Uint8Array {
  return zstdDecompressSync?.(bytes) ?? require<Fzstd>(what, 'fzstd').decompress(bytes);
}

export function zstdStream(file: string): Decompress {
  if (createZstdDecompress !== undefined) return (bytes) => pipeline(bytes, createZstdDecompress(), () => {});
  const { Decompress } = require<Fzstd>(`${file}: ZSTD`, 'fzstd');
  return async function* (bytes) {
    const chunks: Uint8Array[] = [];
    const stream = new Decompress((chunk) => chunks.push(chunk));
    for await (const chunk of bytes) {
      stream.push(chunk);
      yield* chunks.splice(0);
    }
    stream.push(new Uint8Array(0), true);
    yield* chunks.splice(0);
  };
}
