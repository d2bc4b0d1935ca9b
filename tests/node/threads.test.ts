// Threads in plain Node processes and their worker threads.

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);

/** Runs a module; one that does not exit by itself is killed, and has no status then. */
function node(module: string) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
      import { createThreadsBackend } from 'multilabel-margin-loss/threads';
      import { Worker } from 'node:worker_threads';
      ${module}`,
    ],
    { cwd: root, encoding: 'utf8', timeout: 120_000 },
  );
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

const USE = `
  const lossFn = new MultiLabelMarginLoss({ backend });
  const scores = backend.zeros(500, 1000);
  const targets = { data: new Int32Array(500).fill(7), shape: [500, 1] };
  const value = () => lossFn.valueAndGrad(scores, targets).loss.item().toFixed(6);
`;

test('importing it starts nothing', () => {
  const { status, stdout, stderr } = node(`
    process.on('worker', () => console.log('a worker'));
    await new Promise((resolve) => setTimeout(resolve, 50));`);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
});

test.runIf((process.features as { require_module?: boolean }).require_module)('require() of it', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=commonjs',
      '--no-warnings',
      '-e',
      `const { MultiLabelMarginLoss } = require('multilabel-margin-loss');
      const { createThreadsBackend } = require('multilabel-margin-loss/threads');
      createThreadsBackend({ threads: 2 }).then((backend) => {
        const scores = backend.zeros(500, 1000);
        const targets = { data: new Int32Array(500).fill(7), shape: [500, 1] };
        console.log(new MultiLabelMarginLoss({ backend }).forward(scores, targets).item().toFixed(6));
      });`,
    ],
    { cwd: root, encoding: 'utf8', timeout: 120_000 },
  );
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '0.999000\n', stderr: '' });
});

test('as many threads as the hardware runs', () => {
  const { status, stdout, stderr } = node(`
    const backend = await createThreadsBackend();
    console.log(backend.threads);`);
  expect({ status, stdout, stderr }).toEqual({
    status: 0,
    stdout: String(Math.min(64, availableParallelism())),
    stderr: '',
  });
});

test.each(['', 'backend.dispose();'])('a process that used threads exits by itself %s', (end) => {
  const { status, stdout, stderr } = node(`
    const backend = await createThreadsBackend({ threads: 4 });
    ${USE}
    console.log(value());
    ${end}`);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '0.999000', stderr: '' });
});

test('it leaves no globals and no listeners, and errors stay as they are', () => {
  const { status, stdout, stderr } = node(`
    const before = new Set(Reflect.ownKeys(globalThis));
    const listeners = () => process.eventNames().flatMap((name) => process.listeners(name)).length;
    const count = listeners();
    const backend = await createThreadsBackend({ threads: 2 });
    ${USE}
    value();
    const globals = Reflect.ownKeys(globalThis).filter((key) => !before.has(key)).map(String);
    console.log(JSON.stringify({ globals, listeners: listeners() - count }));
    throw new Error('as any other');`);
  expect(JSON.parse(stdout)).toEqual({ globals: [], listeners: 0 });
  expect(stderr).toContain('Error: as any other');
  expect(status).toBe(1);
});

test('in a worker thread', () => {
  const { status, stdout, stderr } = node(`
    const worker = new Worker(\`
      import('multilabel-margin-loss').then(async ({ MultiLabelMarginLoss }) => {
        const { createThreadsBackend } = await import('multilabel-margin-loss/threads');
        const backend = await createThreadsBackend({ threads: 3 });
        ${USE}
        (await import('node:worker_threads')).parentPort.postMessage(value());
      });
    \`, { eval: true });
    worker.on('message', (message) => console.log(message));
    worker.on('exit', (code) => console.log('exit', code));`);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '0.999000\nexit 0', stderr: '' });
});

test('a worker that dies gives a LossError, not a hang', () => {
  const { status, stdout, stderr } = node(`
    const workers = [];
    process.on('worker', (worker) => workers.push(worker));
    const backend = await createThreadsBackend({ threads: 3 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    ${USE}
    console.log(workers.length, value());
    await new Promise((resolve) => setTimeout(resolve, 50));
    const ended = workers[1].terminate();
    console.log(value()); // the others do its work
    await ended;
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const call of [value, () => backend.zeros(3)]) {
      try {
        call();
      } catch ({ name, code, message }) {
        console.log(name, code, message);
      }
    }
    backend.dispose();
    const fresh = await createThreadsBackend({ threads: 3 });
    console.log(new MultiLabelMarginLoss({ backend: fresh }).forward(scores, targets).item().toFixed(6));`);
  expect(stderr).toBe('');
  expect(stdout.split('\n')).toEqual([
    '2 0.999000',
    '0.999000',
    expect.stringMatching(/^LossError ERR_BACKEND_UNAVAILABLE .*worker.*died.*exited with code 1.*new backend/),
    expect.stringMatching(/^LossError ERR_BACKEND_UNAVAILABLE/),
    '0.999000',
  ]);
  expect(status).toBe(0);
});

test('says that a worker cannot start', () => {
  const { status, stdout, stderr } = node(`
    process.on('worker', (worker) => worker.terminate());
    try {
      await createThreadsBackend({ threads: 3 });
    } catch ({ name, code, message }) {
      console.log(name, code, message);
    }`);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^LossError ERR_BACKEND_UNAVAILABLE a worker did not start: it exited with code \d/);
  expect(status).toBe(0);
});

// The script of a worker, and a program that starts a backend with workers of the caller's.
const SCRIPT = JSON.stringify(new URL('dist/threads/multilabel_margin_loss_threads.mjs', root).href);
const START = `try {
      console.log((await createThreadsBackend({ threads: 3, worker })).threads);
    } catch ({ name, code, message }) {
      console.log(name, code, message);
    }`;

test('a worker that dies while others load: no backend, and no worker is left', () => {
  const { status, stdout, stderr } = node(`
    const script = ${SCRIPT};
    const options = { workerData: 'em-pthread', execArgv: [] };
    const late = 'setTimeout(() => import(' + JSON.stringify(script) + '), 300)';
    const worker = () => {
      if (made++ > 0) return new Worker(late, { ...options, eval: true });
      const first = new Worker(new URL(script), options);
      first.on('message', ({ cmd }) => cmd === 'loaded' && first.terminate());
      return first;
    };
    let made = 0;
    ${START}`);
  expect(stderr).toBe('');
  expect(stdout).toMatch(
    /^LossError ERR_BACKEND_UNAVAILABLE a worker of this threads backend died: it exited with code 1/,
  );
  expect(status).toBe(0);
});

test('of workers that the caller makes, none is left where one cannot be made', () => {
  const { status, stdout, stderr } = node(`
    const script = new URL(${SCRIPT});
    const makeWorker = () => new Worker(script, { workerData: 'em-pthread', execArgv: [] });
    const thrown = () => {
      throw new Error('no more');
    };
    for (const makeLast of [thrown, () => null, () => ({}), () => 5, makeWorker]) {
      let made = 0;
      const worker = () => (made++ === 0 ? makeWorker() : makeLast());
      ${START}
    }`);
  expect(stderr).toBe('');
  expect(stdout.split('\n')).toEqual([
    'LossError ERR_BACKEND_UNAVAILABLE a worker did not start: no more',
    ...['null', 'an object', '5'].map(
      (made) => `LossError ERR_OPTION worker must be a function that makes a Worker, which made ${made}`,
    ),
    '3',
  ]);
  expect(status).toBe(0);
});

test('reserves as much memory as was asked for, and else what the system gives', () => {
  const { status, stdout, stderr } = node(`
    const { Memory } = WebAssembly;
    const asked = [];
    let given = 2 ** 27;
    WebAssembly.Memory = function (descriptor) {
      asked.push(descriptor.maximum * 2 ** 16);
      if (descriptor.maximum * 2 ** 16 > given) throw new RangeError('could not allocate memory');
      return new Memory(descriptor);
    };
    const make = async (options) => {
      try {
        const backend = await createThreadsBackend({ threads: 2, ...options });
        ${USE}
        console.log(value());
        backend.zeros(2 ** 26);
      } catch (error) {
        console.log(error.code, error.message);
      }
    };
    await make({});
    await make({ maximumMemory: 2 ** 24 + 1 });
    await make({ maximumMemory: 2 ** 28 });
    given = 2 ** 25;
    await make({});
    console.log(...asked.map((bytes) => bytes / 2 ** 20));
    for (const maximumMemory of [2 ** 24 - 1, 2 ** 30 + 1, 2 ** 25 + 0.5, '1 GB', null]) await make({ maximumMemory });
  `);
  expect(stderr).toBe('');
  expect(stdout.split('\n')).toEqual([
    '0.999000',
    expect.stringMatching(/^ERR_OUT_OF_MEMORY .* 128 MB for all of its tensors/),
    '0.999000',
    expect.stringMatching(/^ERR_OUT_OF_MEMORY .* 16 MB for all of its tensors/),
    'ERR_OUT_OF_MEMORY no memory for a WebAssembly module: could not allocate memory',
    'ERR_OUT_OF_MEMORY no memory for a WebAssembly module: could not allocate memory',
    '1024 512 256 128 16 256 1024 512 256 128 64',
    ...['16777215', '1073741825', '33554432.5', "'1 GB'", 'null'].map(
      (got) => `ERR_OPTION maximumMemory must be an integer from 16777216 to 1073741824 bytes, got ${got}`,
    ),
  ]);
  expect(status).toBe(0);
});
