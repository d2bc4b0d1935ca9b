import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { crc32 } from 'node:zlib';
import { afterAll, expect, vi } from 'vitest';
import type * as Command from '../../cli/run.js';
import { normal, permutation, uniform } from '../js/support.js';

export const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

// The build of the command has no declarations.
const command = (await import(new URL('run.js', pathToFileURL(main)).href)) as typeof Command;

/** The folder in which the command runs during a file of tests. */
export const folder = mkdtempSync(join(tmpdir(), 'mlml-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the command multilabel-margin-loss as a process. */
export function run(args: readonly string[], input: string | Uint8Array = '', env: Record<string, string> = {}) {
  return runFile(main, args, input, env);
}

/** Runs the command in this process. Most tests ask what it reads and says, and to start a process takes longer than that. */
export async function runHere(args: readonly string[]) {
  const before = process.cwd();
  let [stdout, stderr] = ['', ''];
  const spies = [
    vi.spyOn(console, 'error').mockImplementation((line: string) => void (stderr += `${line}\n`)),
    vi.spyOn(process.stdout, 'write').mockImplementation((text, ...rest: unknown[]) => {
      stdout += String(text);
      (rest.at(-1) as () => void)();
      return true;
    }),
  ];
  process.chdir(folder);
  try {
    return { status: await command.run(args), stdout, stderr };
  } finally {
    process.chdir(before);
    for (const spy of spies) spy.mockRestore();
  }
}

/** Runs the command in this process, or in one of its own where it has standard input. */
export async function runWith(args: readonly string[], input: string | Uint8Array | undefined) {
  return input === undefined ? runHere(args) : run(args, input);
}

/** Runs a copy of the package that has no other package beside it. */
export function runAlone(args: readonly string[]) {
  const alone = join(folder, 'alone');
  const root = fileURLToPath(new URL('../../', import.meta.url));
  cpSync(join(root, 'dist'), join(alone, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(alone, 'package.json'));
  return runFile(join(alone, 'dist/cli/main.js'), args, '', {});
}

function runFile(file: string, args: readonly string[], input: string | Uint8Array, env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    input,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** A result without the rows of the highest loss, which name the files that they are in, and have losses of one dtype. */
export function metricsOf(result: unknown): object {
  const { highestLosses, ...metrics } = JSON.parse(JSON.stringify(result)) as { highestLosses: unknown };
  expect(Array.isArray(highestLosses)).toBe(true);
  return metrics;
}

export function write(name: string, content: Buffer | string): string {
  writeFileSync(join(folder, name), content);
  return name;
}

type Elements = Float32Array | Float64Array | Int8Array | Int32Array | BigInt64Array | Uint16Array | Uint8Array;

/** A file in NumPy's format. */
export function npy(descr: string, shape: readonly number[], data: Elements, order = 'False'): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const text = Buffer.from(`${header.padEnd(117)}\n`);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length);
  const elements = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, text, elements]);
}

/** An .npz file of arrays, which are not compressed, as np.savez() writes it. */
export function npz(arrays: Record<string, Buffer>): Buffer {
  const [locals, directory]: [Buffer[], Buffer[]] = [[], []];
  let at = 0;
  for (const [name, bytes] of Object.entries(arrays)) {
    const file = Buffer.from(`${name}.npy`);
    // The fields that both headers have, from the version to the length of the name.
    const common = Buffer.alloc(26);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(file.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(at, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, file, bytes]);
    locals.push(local);
    directory.push(Buffer.from('PK\x01\x02\0\0', 'latin1'), common, place, file);
    at += local.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  const entries = Buffer.concat(directory);
  for (const offset of [8, 10]) end.writeUInt16LE(locals.length, offset);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, entries, end]);
}

/** Rows of scores that float16 holds too, multiples of 1/8, and of up to so many targets. */
export function randomRows(rows: number, classes: number, mostTargets: number) {
  const next = normal(4);
  const choose = uniform(5);
  const scores = Float32Array.from({ length: rows * classes }, () => Math.round(8 * next()) / 8);
  const targets = Array.from({ length: rows }, () =>
    permutation(classes, choose)
      .slice(0, Math.floor((mostTargets + 1) * choose()))
      .sort((a, b) => a - b),
  );
  return { scores, targets };
}

/** The bits of float16 of a multiple of 1/8 below 16. */
export function half(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return ((value < 0 ? 1 : 0) << 15) | ((exponent + 15) << 10) | (1024 * (Math.abs(value) / 2 ** exponent - 1));
}
