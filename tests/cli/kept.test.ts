// Work is not lost: what can be known to be wrong is said before it, and what was computed is kept.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nn, saveSafetensors } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type * as Result from '../../cli/output/result.js';
import { folder, main, npy, run, runHere, write } from './command.js';
import { Process } from './servers.js';

const LINE = '{"scores":[0.1,0.2,0.4,0.8],"targets":[3,0]}';
const ROWS = 400;
const features = Float32Array.from({ length: ROWS * 3 }, (_, i) => Math.sin(i));
const x = write('x.npy', npy('<f4', [ROWS, 3], features));
const y = write(
  'y.npy',
  npy(
    '<i4',
    [ROWS],
    Int32Array.from({ length: ROWS }, (_, i) => i % 4),
  ),
);
const input = ['--features', x, '--targets', y];

describe('a place that cannot be written to is named before the input is read', () => {
  const places = ['missing/out', `${x}/out`, '/proc/out'];
  test.each([
    ...places.flatMap((place) => [
      ['evaluate', ['evaluate', 'no-such-file.ndjson', '--out', `${place}.json`]] as const,
      ['merge', ['merge', 'no-such-file.json', '--out', `${place}.json`]] as const,
      ['compare', ['compare', 'no-such-file.json', 'nor-this.json', '--out', `${place}.html`]] as const,
      ['train', ['train', '--features', 'no-such-file.npy', '--targets', y, '--out', `${place}.safetensors`]] as const,
    ]),
    ['a folder', ['evaluate', 'no-such-file.ndjson', '--out', 'folder.json']] as const,
  ])('%s: %j', async (_, args) => {
    mkdirSync(join(folder, 'folder.json'), { recursive: true });
    const { status, stdout, stderr } = await runHere(args);
    expect(stderr).toMatch(/^multilabel-margin-loss: \S+: cannot be written: .*\n$/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('and a file that is there stays as it is', async () => {
    write('there.json', 'before');
    await runHere(['evaluate', 'no-such-file.ndjson', '--out', 'there.json']);
    expect(readFileSync(join(folder, 'there.json'), 'utf8')).toBe('before');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('an output', () => {
  write('rows.json', `${LINE}\n`);
  write('f.ndjson', '{"features":[1,0],"targets":[0]}\n{"features":[0,1],"targets":[1]}\n');
  const train = ['train', 'f.ndjson', '--validation', '0', '--epochs', '1'];
  const predict = ['predict', '--head', 'h.safetensors', 'f.ndjson'];
  const lines = (): Promise<string> => runHere(predict).then(({ stdout }) => stdout);
  beforeAll(async () => {
    await runHere([...train, '--out', 'h.safetensors']);
    for (const name of ['a', 'b']) await runHere(['evaluate', 'rows.json', '--model', name, '--out', `${name}.json`]);
    symlinkSync('rows.json', join(folder, 'link.json'));
    linkSync(join(folder, 'rows.json'), join(folder, 'hard-link.json'));
    write('labels.json', '["a","b","c","d"]');
    write('thresholds.json', '[0,0,0,0]');
  });

  test.each([
    [['evaluate', 'rows.json', '--out', 'rows.json']],
    [['evaluate', 'rows.json', '--out', 'link.json']],
    [['evaluate', 'link.json', '--out', './rows.json']],
    [['evaluate', 'rows.json', '--out', 'hard-link.json']],
    [['evaluate', 'rows.json', '--labels', 'labels.json', '--out', 'labels.json']],
    [['evaluate', 'rows.json', '--thresholds', 'thresholds.json', '--out', 'thresholds.json']],
    [['evaluate', 'rows.json', '--against', 'a.json', '--out', 'r.html', '--out', 'a.json']],
    [['evaluate', 'none-yet.json', '--out', './none-yet.json']],
    [['tune', 'rows.json', '--out', 'rows.json']],
    [['merge', 'a.json', 'b.json', '--out', 'b.json']],
    [['compare', 'a.json', 'b.html', '--out', 'b.html']],
    [[...train, '--out', 'f.ndjson']],
    [['train', '--features', x, '--targets', y, '--out', y]],
    [[...train, '--test', 'test.ndjson', '--out', 'test.ndjson']],
    [[...predict, '--out', 'f.ndjson']],
    [[...predict, '--out', 'h.safetensors']],
  ])('that is an input is refused: %j', async (args) => {
    const before = readdirSync(folder).map((name) => [name, lstatSync(join(folder, name)).mtimeMs]);
    const { status, stdout, stderr } = await runHere(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toBe(`multilabel-margin-loss: ${args.at(-1)!}: is also an input\n`);
    expect(readdirSync(folder).map((name) => [name, lstatSync(join(folder, name)).mtimeMs])).toEqual(before);
  });

  test('that is standard input is refused', () => {
    const stdin = openSync(join(folder, 'rows.json'), 'r');
    const args = [main, 'evaluate', '-', '--out', 'rows.json'];
    const { status, stderr } = spawnSync(process.execPath, args, {
      cwd: folder,
      stdio: [stdin, 'pipe', 'pipe'],
      encoding: 'utf8',
    });
    closeSync(stdin);
    expect({ status, stderr }).toEqual({ status: 2, stderr: 'multilabel-margin-loss: rows.json: is also an input\n' });
  });

  test('of a training may be what --resume goes on from', async () => {
    expect((await runHere([...train, '--out', 'again.safetensors'])).status).toBe(0);
    const resumed = await runHere([...train, '--epochs', '2', '--resume', '--out', 'again.safetensors']);
    expect(resumed.status).toBe(0);
  });

  test('keeps the mode of the file that it replaces', async () => {
    write('private.txt', '');
    chmodSync(join(folder, 'private.txt'), 0o600);
    expect((await runHere([...predict, '--out', 'private.txt'])).status).toBe(0);
    expect(readFileSync(join(folder, 'private.txt'), 'utf8')).toBe(await lines());
    expect(statSync(join(folder, 'private.txt')).mode & 0o777).toBe(0o600);
    await runHere(['evaluate', 'rows.json', '--out', 'mode.json']);
    chmodSync(join(folder, 'mode.json'), 0o666);
    await runHere(['evaluate', 'rows.json', '--out', 'mode.json']);
    expect(statSync(join(folder, 'mode.json')).mode & 0o777).toBe(0o666);
  });

  test.each(['there is a file', 'there is none yet'])('by a link goes where the link leads: %s', async (what) => {
    mkdirSync(join(folder, what, 'below'), { recursive: true });
    symlinkSync(join(folder, what, 'below'), join(folder, what, 'link-to-folder'));
    symlinkSync('../aim.txt', join(folder, what, 'below', 'link.txt'));
    if (what === 'there is a file') write(join(what, 'aim.txt'), 'before');
    expect((await runHere([...predict, '--out', `${what}/link-to-folder/link.txt`])).status).toBe(0);
    expect(readFileSync(join(folder, what, 'aim.txt'), 'utf8')).toBe(await lines());
    expect(readlinkSync(join(folder, what, 'below', 'link.txt'))).toBe('../aim.txt');
    expect(readdirSync(join(folder, what)).sort()).toEqual(['aim.txt', 'below', 'link-to-folder']);
  });

  test('may be a named pipe, which stays one', async () => {
    const pipe = join(folder, 'pipe.json');
    spawnSync('mkfifo', [pipe]);
    const readings: [string[], RegExp][] = [
      [predict, /^0 {2}\d .*\n1 {2}\d .*\n$/],
      [['evaluate', 'rows.json'], /^\{"format":"multilabel-margin-loss\/evaluator"/],
    ];
    for (const [args, content] of readings) {
      const reader = new Process('cat', [pipe]);
      const { status, stderr } = run([...args, '--out', 'pipe.json']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(await reader.end()).toBe(0);
      expect(reader.output).toMatch(content);
    }
    expect(statSync(pipe).isFIFO()).toBe(true);
    expect(await runHere([...predict, '--format', 'npy', '--out', 'pipe.json'])).toEqual({
      status: 2,
      stdout: '',
      stderr: 'multilabel-margin-loss: pipe.json: cannot be written: it is no regular file, and the format needs one\n',
    });
  });

  test('may be standard output', async () => {
    const line = `"${process.execPath}" "${main}" ${predict.join(' ')} --out /dev/stdout | cat`;
    const { stdout, stderr } = spawnSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: await lines(), stderr: '' });
  });
});

test('a folder that goes away meanwhile costs neither the metrics nor the sums', async () => {
  mkdirSync(join(folder, 'gone'));
  const child = spawn(process.execPath, [main, 'evaluate', '-', '--out', 'gone/part.json', '--out', 'stays.json'], {
    cwd: folder,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A line beyond what a pipe holds is written when its reader, which has checked the output before, reads it.
  const long = LINE.replace('{', `{"text":"${'x'.repeat(2 ** 20)}",`);
  await new Promise((resolve) => child.stdin.write(`${long}\n`, resolve));
  rmSync(join(folder, 'gone'), { recursive: true });
  child.stdin.end();
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(1);
  expect(stdout).toMatch(/^1 rows of 4 classes/);
  const kept = /^multilabel-margin-loss: gone\/part\.json: cannot be written: ENOENT.*; its content is in (.*)\n$/.exec(
    stderr,
  )?.[1];
  expect(kept?.startsWith(tmpdir())).toBe(true);
  const merged = await runHere(['merge', '--json', kept!]);
  expect(merged.status).toBe(0);
  expect((await runHere(['merge', '--json', 'stays.json'])).stdout).toBe(merged.stdout);
  rmSync(join(kept!, '..'), { recursive: true });
});

test('a report that cannot be drawn costs neither the metrics nor the sums', async () => {
  const evaluator = new Evaluator();
  evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
  vi.spyOn(evaluator, 'precisionRecallCurve').mockImplementation(() => {
    throw new Error('no curve');
  });
  let stdout = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text, ...rest: unknown[]) => {
    stdout += String(text);
    (rest.at(-1) as () => void)();
    return true;
  });
  onTestFinished(() => spy.mockRestore());
  const { prepareOutput } = (await import(new URL('output/result.js', pathToFileURL(main)).href)) as typeof Result;
  const origin = { targetsAre: 'indices', parts: [], model: null, files: ['a.npy'] } as const;
  const out = ['drawn.html', 'drawn.json'].map((name) => join(folder, name));
  const putOut = await prepareOutput({ out }, []);
  await expect(putOut(evaluator, origin)).rejects.toThrow('no curve');
  expect(stdout).toMatch(/^1 rows of 4 classes/);
  expect((await runHere(['merge', 'drawn.json'])).status).toBe(0);
  expect(readdirSync(folder).filter((name) => name.startsWith('drawn'))).toEqual(['drawn.json']);
});

test('a file that finds no room is exit code 1, and the metrics are printed', () => {
  // No file may be larger than this: a kind of disk that is full.
  const labels = Array.from({ length: 4000 }, (_, i) => i / 4000);
  write('wide.ndjson', JSON.stringify({ scores: labels, targets: [1] }));
  const line = `ulimit -f 8; "${process.execPath}" "${main}" evaluate wide.ndjson --out small.json`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' });
  expect(stderr).toMatch(
    /^multilabel-margin-loss: small\.json: cannot be written: EFBIG.*; nor can its content be kept in .*\n$/,
  );
  expect(stdout).toMatch(/^1 rows of 4,000 classes/);
  expect(status).toBe(1);
  expect(existsSync(join(folder, 'small.json'))).toBe(false);
});

test('predict that is interrupted by a closed terminal leaves nothing behind', async () => {
  const head = write('head.safetensors', Buffer.from(saveSafetensors(new nn.Linear(3, 2).state_dict())));
  const rows = spawn('yes', ['{"features":[1,2,3]}'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const args = [main, 'predict', '--head', head, '-', '--out', 'closed.txt'];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: [rows.stdout, 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const parts = (): string[] => readdirSync(folder).filter((name) => name.startsWith('closed.txt'));
  // The process listens for signals before it reads its input, so its first output shows that it does. Before that, it
  // writes 4096 bytes and takes them back, to find out whether it can.
  const sizeOf = (name: string): number => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  await expect.poll(() => parts().some((name) => sizeOf(name) > 4096)).toBe(true);
  child.kill('SIGHUP');
  const [code] = (await once(child, 'close')) as [number];
  rows.kill();
  expect({ code, stderr }).toEqual({ code: 129, stderr: 'multilabel-margin-loss: interrupted\n' });
  expect(parts()).toEqual([]);
});

describe('train', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s keeps the best head so far', async (signal, exitCode) => {
    const name = `${signal}.safetensors`;
    const patient = ['--epochs', '1000000', '--patience', '1000000'];
    const training = new Process(process.execPath, [main, 'train', ...input, ...patient, '--out', name], {
      cwd: folder,
    });
    await training.said(/^epoch 2\//m);
    training.child.kill(signal);
    expect(await training.end()).toBe(exitCode);
    expect(training.output).toMatch(
      new RegExp(
        `training ended early: the head, of epoch \\d+, the best so far, is in ${signal}\\.safetensors\\n.*interrupted\\n$`,
      ),
    );
    const bytes = readFileSync(join(folder, name));
    // By the format's description: 3 x 4 weights and 4 biases.
    expect(bytes.length).toBe(8 + Number(bytes.readBigUInt64LE(0)) + 16 * Float32Array.BYTES_PER_ELEMENT);
  });

  test('a mistyped target or feature is named, and nothing is allocated for it', async () => {
    const typo = Int32Array.from({ length: ROWS }, (_, i) => (i === 77 ? 400_000_000 : i % 4));
    write('typo.npy', npy('<i4', [ROWS], typo));
    const { status, stdout, stderr } = await runHere([
      'train',
      '--features',
      x,
      '--targets',
      'typo.npy',
      '--out',
      'typo.safetensors',
    ]);
    expect(stderr).toMatch(
      /^multilabel-margin-loss: typo\.npy: target 400000000 at row 77 asks for a head of 3 x 400,000,001, and at most 268,435,456 weights can be trained: --classes says how many there are\n$/,
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(existsSync(join(folder, 'typo.safetensors'))).toBe(false);
    write('typo.ndjson', '{"features":[[0,1]],"targets":[2]}\n{"features":[[2147483646,1]],"targets":[1]}');
    for (const options of [[], ['--classes', '3'], ['--hidden', '4']]) {
      const sparse = await runHere(['train', 'typo.ndjson', ...options, '--out', 'typo.safetensors']);
      expect(sparse.stderr).toMatch(
        /^multilabel-margin-loss: typo\.ndjson: feature 2147483646 at row 1 asks for a head of 2,147,483,647 x (4 x )?3, and at most 268,435,456 weights can be trained\n$/,
      );
      expect(sparse).toMatchObject({ status: 2, stdout: '' });
    }
    const asked = await runHere(['train', ...input, '--classes', '2147483647', '--out', 'typo.safetensors']);
    expect(asked.stderr).toMatch(
      /^multilabel-margin-loss: a head of 3 x 2,147,483,647 is too large: at most 268,435,456 weights can be trained\n$/,
    );
    expect(asked).toMatchObject({ status: 1, stdout: '' });
  });
});

test('a thread that runs out of memory is told in one line, with exit code 1', () => {
  const classes = 20_000;
  const row = JSON.stringify({ scores: Array.from({ length: classes }, (_, i) => i), targets: [0] });
  write('rows.ndjson', Array.from({ length: 64 }, () => row).join('\n'));
  // Each line needs more than the heap that a thread may have.
  const { status, stdout, stderr } = run(['evaluate', 'rows.ndjson', '--threads', '2'], '', {
    NODE_OPTIONS: `--require=${join(
      folder,
      write(
        'limit.cjs',
        `
      const threads = require('node:worker_threads');
      const { Worker } = threads;
      threads.Worker = class extends Worker {
        constructor(file, options) { super(file, { ...options, resourceLimits: { maxOldGenerationSizeMb: 3, maxYoungGenerationSizeMb: 1 } }); }
      };
      require('node:module').syncBuiltinESMExports();
    `,
      ),
    )}`,
  });
  expect(stderr).toMatch(/^multilabel-margin-loss: a thread died: .*memory.*\n$/);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
});
