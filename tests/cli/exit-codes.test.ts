// The exit code of the command, and what becomes of a pipe that is closed.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, closeSync, ftruncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { LossError, type LossErrorCode } from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { failureOf, InputError, InterruptedError, RunError, toCommandError } from '../../cli/errors.js';
import { folder, main, npy, runHere, write } from './command.js';

describe('an error', () => {
  const system = (code: string): Error => Object.assign(new Error(code), { code, syscall: 'open' });
  const cases: [Error, number][] = [
    [new InputError('a'), 2],
    [new RunError('a'), 1],
    [new InterruptedError('SIGINT'), 130],
    [new InterruptedError('SIGHUP'), 129],
    ...(['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR', 'EROFS'] as const).map((code): [Error, number] => [system(code), 2]),
    ...(['ENOSPC', 'EIO', 'EMFILE', 'EDQUOT'] as const).map((code): [Error, number] => [system(code), 1]),
    ...(['ERR_SHAPE', 'ERR_TARGET_RANGE', 'ERR_OPTION', 'ERR_STATE'] satisfies LossErrorCode[]).map(
      (code): [Error, number] => [new LossError(code, 'a'), 2],
    ),
    ...(['ERR_OUT_OF_MEMORY', 'ERR_BACKEND_UNAVAILABLE', 'ERR_DISPOSED'] satisfies LossErrorCode[]).map(
      (code): [Error, number] => [new LossError(code, 'a'), 1],
    ),
  ];
  test.each(cases)('%s ends with %i, with the place of the error in front', (error, exitCode) => {
    expect(failureOf(error)).toEqual({ message: error.message, exitCode });
    expect(toCommandError(error, 'rows.npy')).toMatchObject({ message: `rows.npy: ${error.message}`, exitCode });
  });

  test('of arrays that find no memory ends with 1', () => {
    for (const allocate of [
      () => new ArrayBuffer(2 ** 53 - 1),
      () => new Float64Array(2 ** 52),
      () => new WebAssembly.Memory({ initial: 65536 }).grow(1),
    ]) {
      let thrown: unknown;
      try {
        allocate();
      } catch (error) {
        thrown = error;
      }
      expect(failureOf(thrown)).toMatchObject({ exitCode: 1 });
    }
  });

  test('of the program is left as it is', () => {
    expect(failureOf(new TypeError('x is not a function'))).toBeNull();
    const error = new TypeError('x is not a function');
    expect(toCommandError(error, 'rows.npy')).toBe(error);
  });
});

// A row of more classes than the sums of each class have room for.
const classes = 2 ** 27;
const header = npy('<f4', [2, classes], new Float32Array(0));
const huge = openSync(join(folder, write('huge.npy', '')), 'r+');
writeSync(huge, header);
// Zeros that take no room on the disk.
ftruncateSync(huge, header.length + 2 * classes * 4);
closeSync(huge);
write('huge-targets.npy', npy('<i4', [2, 1], new Int32Array(2)));

test.each(['1', '2'])('memory that does not suffice is exit code 1, with %s threads', async (threads) => {
  const files = ['--scores', 'huge.npy', '--targets', 'huge-targets.npy'];
  const { status, stdout, stderr } = await runHere(['evaluate', ...files, '--threads', threads]);
  expect(stderr).toMatch(/^multilabel-margin-loss: huge\.npy: the metrics of 134217728 labels do not fit .*\n$/);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
});

test('a thread that the system does not give is exit code 1', () => {
  // Like a container with a limit of processes.
  const limit = `
    import { syncBuiltinESMExports } from 'node:module';
    import threads from 'node:worker_threads';
    const { Worker } = threads;
    let left = 2;
    threads.Worker = class extends Worker {
      constructor(...args) {
        if (left-- === 0) throw new Error('Worker initialization failure: EAGAIN');
        super(...args);
      }
    };
    syncBuiltinESMExports();`;
  const rows = ['a', 'b', 'c', 'd'].map((name) => write(`${name}.ndjson`, '{"scores":[0.1,0.2],"targets":[1]}'));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(limit)}`, main, 'evaluate', ...rows, '--threads', '4'],
    { cwd: folder, encoding: 'utf8', timeout: 120_000 },
  );
  expect(stderr).toBe('multilabel-margin-loss: a thread did not start: Worker initialization failure: EAGAIN\n');
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
});

describe('standard output', () => {
  test('that is full is exit code 1', () => {
    const full = openSync('/dev/full', 'w');
    const stdio = ['pipe', full, 'pipe'] as const;
    const input = '{"scores":[0.1,0.2,0.4,0.8],"targets":[3,0]}';
    for (const args of [['evaluate', '-'], ['evaluate', '-', '--json'], ['evaluate', '--help'], ['--help']]) {
      const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
        stdio: [...stdio],
        input,
        encoding: 'utf8',
      });
      expect(stderr).toMatch(/^multilabel-margin-loss: standard output: cannot be written: ENOSPC.*\n$/);
      expect(status).toBe(1);
    }
    closeSync(full);
  });

  test.each([
    ['evaluate', ['rows.ndjson', '--out', 'full.json']],
    ['tune', ['rows.ndjson', '--out', 'full-thresholds.json']],
    ['compare', ['first.json', 'second.json', '--out', 'full.html']],
  ])('that is full costs %s none of its files', async (name, args) => {
    write('rows.ndjson', '{"scores":[0.1,0.2,0.4,0.8],"targets":[3,0]}');
    for (const state of ['first', 'second']) await runHere(['evaluate', 'rows.ndjson', '--out', `${state}.json`]);
    const full = openSync('/dev/full', 'w');
    const { status } = spawnSync(process.execPath, [main, name, ...args], {
      cwd: folder,
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    expect(status).toBe(1);
    expect(existsSync(join(folder, args.at(-1)!))).toBe(true);
  });

  test('that nobody reads any more is no error, and what --out asks for is written', async () => {
    const child = spawn(process.execPath, [main, 'evaluate', '-', '--out', 'piped.json'], { cwd: folder });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.destroy();
    await once(child.stdout, 'close');
    child.stdin.end('{"scores":[0.1,0.2,0.4,0.8],"targets":[3,0]}');
    const [code] = (await once(child, 'close')) as [number | null];
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect((await runHere(['merge', 'piped.json'])).status).toBe(0);
  });
});
