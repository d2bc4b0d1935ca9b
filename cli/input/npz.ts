// NumPy's .npz: a ZIP archive of .npy files. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { InputError } from '../errors.js';
import { type Bytes, FileBytes, StreamBytes } from './bytes.js';
import { RandomAccessFile } from './file.js';
import { HEAD_BYTES, kindOfBytes } from './kinds.js';

const END_BYTES = 22;
const MOST_COMMENT_BYTES = 2 ** 16;
const END_SIGNATURE = 0x06054b50;
const END_64_SIGNATURE = 0x06064b50;
const END_64_LOCATOR_SIGNATURE = 0x07064b50;
const END_64_LOCATOR_BYTES = 20;
const END_64_BYTES = 56;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
/** Stands for a number that is in the extra field of 64 bits. */
const IS_64 = 0xffffffff;
const EXTRA_64 = 1;
const STORED = 0;
const DEFLATED = 8;
/** Bytes that are read at a time where all are checked. */
const CHECKED_BYTES = 2 ** 20;

interface Member {
  /** The name without .npy. */
  name: string;
  method: number;
  /** CRC-32 of the array's bytes. */
  crc: number;
  /** Number of the array's bytes. */
  bytes: number;
  compressedBytes: number;
  /** The position of the member's local header. */
  at: number;
}

/** A member under its name for messages, and where its bytes begin. */
interface Located extends Member {
  begin: number;
}

/**
 * Opens an array of an .npz file.
 *
 * @param member its name, as it was given to np.savez
 * @param isOnly whether nothing else is read of the file: an array that is alone in it may then have any name
 * @throws InputError for a file that is no .npz, or has no such array
 */
export function openMember(file: string, member: string, isOnly: boolean): Bytes {
  const archive = new RandomAccessFile(file);
  let found: Located;
  try {
    found = locate(archive, member, isOnly);
  } catch (error) {
    archive.close();
    throw error;
  }
  const { begin, compressedBytes, method, name } = found;
  if (method === STORED) return new FileBytes(archive, begin, compressedBytes, name);
  archive.close();
  if (method !== DEFLATED) throw new InputError(`${name}: is compressed by a method that is not known here`);
  // Deflated data has one byte at least, and no stream ends before its start.
  if (compressedBytes === 0) throw damaged(file);
  const bytes = createReadStream(file, { start: begin, end: begin + compressedBytes - 1 });
  return new StreamBytes(name, inflated(found, bytes));
}

/**
 * Reads an array that is not compressed, for the checksum of the whole. Compressed ones are checked while they are read.
 *
 * @throws InputError for bytes that are not those that were written
 */
export async function checkStored(file: string, member: string, isOnly: boolean): Promise<void> {
  const archive = new RandomAccessFile(file);
  try {
    const found = locate(archive, member, isOnly);
    if (found.method !== STORED) return;
    const checksum = new Checksum(found);
    const end = found.begin + found.compressedBytes;
    for (let at = found.begin; at < end; at += CHECKED_BYTES) {
      checksum.add(archive.readReused(at, Math.min(CHECKED_BYTES, end - at)));
      // A signal has its turn.
      await immediate();
    }
    checksum.check();
  } finally {
    archive.close();
  }
}

/** The names of the arrays of an .npz file. */
export function memberNames(file: string): string[] {
  const archive = new RandomAccessFile(file);
  try {
    return membersOf(archive).map(({ name }) => name);
  } finally {
    archive.close();
  }
}

/** Whether the array can be read at any place. */
export function isStored(file: string, member: string, isOnly: boolean): boolean {
  const archive = new RandomAccessFile(file);
  try {
    return find(membersOf(archive), file, member, isOnly).method === STORED;
  } finally {
    archive.close();
  }
}

async function* inflated(member: Located, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const checksum = new Checksum(member);
  try {
    for await (const chunk of pipeline(bytes, createInflateRaw(), () => {}) as AsyncIterable<Buffer>) {
      checksum.add(chunk);
      yield chunk;
    }
  } catch (error) {
    throw new InputError(`${member.name}: its compressed data is damaged: ${(error as Error).message}`);
  }
  checksum.check();
}

/** Compares the bytes of a member with the checksum and the length that the directory has of them. */
class Checksum {
  #crc = 0;
  #bytes = 0;

  constructor(private readonly member: Located) {}

  add(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc);
    this.#bytes += bytes.length;
  }

  /** @throws InputError for others than were written */
  check(): void {
    const { name, crc, bytes } = this.member;
    if (this.#crc !== crc || this.#bytes !== bytes) {
      throw new InputError(`${name}: its data is damaged: its checksum is another`);
    }
  }
}

function locate(archive: RandomAccessFile, member: string, isOnly: boolean): Located {
  const { name: file, size } = archive;
  const found = find(membersOf(archive), file, member, isOnly);
  // Not a number where the directory lacks the 64 bits that it announces.
  if (!(found.at + LOCAL_BYTES <= size)) throw damaged(file);
  const local = archive.read(found.at, LOCAL_BYTES);
  if (local.readUInt32LE(0) !== LOCAL_SIGNATURE) throw damaged(file);
  const begin = found.at + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28);
  if (!(begin + found.compressedBytes <= size)) throw damaged(file);
  return { ...found, name: `${file}: ${found.name}.npy`, begin };
}

function find(members: readonly Member[], file: string, wanted: string, isOnly: boolean): Member {
  const found =
    members.find(({ name }) => name === wanted) ?? (isOnly && members.length === 1 ? members[0] : undefined);
  if (found !== undefined) return found;
  const names = members.map(({ name }) => name).join(', ');
  throw new InputError(
    `${file}: has no array ${wanted}; ${members.length === 0 ? 'it has none' : `its arrays are ${names}`}`,
  );
}

function membersOf(archive: RandomAccessFile): Member[] {
  const { name: file, size } = archive;
  const { entries, at, bytes } = directoryOf(archive);
  if (!(at + bytes <= size)) throw damaged(file);
  const directory = archive.read(at, bytes);
  const members: Member[] = [];
  for (let from = 0, entry = 0; entry < entries; entry++) {
    if (from + ENTRY_BYTES > bytes || directory.readUInt32LE(from) !== ENTRY_SIGNATURE) throw damaged(file);
    const nameBytes = directory.readUInt16LE(from + 28);
    const extraBytes = directory.readUInt16LE(from + 30);
    const extraAt = from + ENTRY_BYTES + nameBytes;
    const wide = extra64(directory.subarray(extraAt, extraAt + extraBytes));
    // The extra field holds the values that did not fit, in this order.
    const [arrayBytes, compressedBytes, localAt] = [24, 20, 42].map((offset) => {
      const value = directory.readUInt32LE(from + offset);
      return value === IS_64 ? wide() : value;
    }) as [number, number, number];
    const name = directory.toString('utf8', from + ENTRY_BYTES, extraAt);
    if (name.endsWith('.npy')) {
      members.push({
        name: name.slice(0, -'.npy'.length),
        method: directory.readUInt16LE(from + 10),
        crc: directory.readUInt32LE(from + 16),
        bytes: arrayBytes,
        compressedBytes,
        at: localAt,
      });
    }
    from = extraAt + extraBytes + directory.readUInt16LE(from + 32);
  }
  return members;
}

/** Gives the numbers of 64 bits of an extra field, one after the other. */
function extra64(extra: Buffer): () => number {
  for (let at = 0; at + 4 <= extra.length;) {
    const bytes = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === EXTRA_64) {
      let next = at + 4;
      return () => {
        const value = next + 8 <= at + 4 + bytes ? Number(extra.readBigUInt64LE(next)) : Number.NaN;
        next += 8;
        return value;
      };
    }
    at += 4 + bytes;
  }
  return () => Number.NaN;
}

/** Finds the central directory, which lists all members. */
function directoryOf(archive: RandomAccessFile): { entries: number; at: number; bytes: number } {
  const { name: file, size } = archive;
  const tailAt = Math.max(0, size - END_BYTES - MOST_COMMENT_BYTES);
  const tail = archive.read(tailAt, size - tailAt);
  let end = tail.length - END_BYTES;
  while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end--;
  if (end < 0) {
    const kind = kindOfBytes(archive.read(0, Math.min(size, HEAD_BYTES)), 'an .npz file');
    throw new InputError(`${file}: ${kind || 'is not an .npz file, or is truncated'}`);
  }
  const found = {
    entries: tail.readUInt16LE(end + 10),
    bytes: tail.readUInt32LE(end + 12),
    at: tail.readUInt32LE(end + 16),
  };
  const locatorAt = end - END_64_LOCATOR_BYTES;
  if (locatorAt < 0 || tail.readUInt32LE(locatorAt) !== END_64_LOCATOR_SIGNATURE) return found;
  const end64At = Number(tail.readBigUInt64LE(locatorAt + 8));
  if (end64At + END_64_BYTES > size) throw damaged(file);
  const end64 = archive.read(end64At, END_64_BYTES);
  if (end64.readUInt32LE(0) !== END_64_SIGNATURE) throw damaged(file);
  return {
    entries: Number(end64.readBigUInt64LE(32)),
    bytes: Number(end64.readBigUInt64LE(40)),
    at: Number(end64.readBigUInt64LE(48)),
  };
}

function damaged(file: string): InputError {
  return new InputError(`${file}: is damaged: its directory does not fit its members`);
}
