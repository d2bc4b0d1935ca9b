// The package in a plain Node process.

import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);

function node(...args: string[]) {
  // A process that does not exit by itself is killed, and has no status then.
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

const WATCH = `
  const before = new Set(Reflect.ownKeys(globalThis));
  const made = [];
  for (const name of ['Module', 'Instance', 'Memory']) {
    const Original = WebAssembly[name];
    WebAssembly[name] = class extends Original { constructor(...args) { super(...args); made.push(name); } };
  }
  const listeners = () => process.eventNames().flatMap((name) => process.listeners(name)).length;
  const listenersBefore = listeners();
`;

test('importing it does nothing', () => {
  const { status, stdout, stderr } = node(
    '--input-type=module',
    '-e',
    `${WATCH}
    await import('multilabel-margin-loss');
    const globals = Reflect.ownKeys(globalThis).filter((key) => !before.has(key)).map(String);
    console.log(JSON.stringify({ made, globals, listeners: listeners() - listenersBefore }));`,
  );
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({ made: [], globals: [], listeners: 0 });
  expect(status).toBe(0);
});

test('using it leaves no listeners and no globals, and the process exits by itself', () => {
  const { status, stdout, stderr } = node(
    '--input-type=module',
    '-e',
    `${WATCH}
    const { MultiLabelMarginLoss } = await import('multilabel-margin-loss');
    const loss = await new MultiLabelMarginLoss().forwardAsync([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]]);
    const globals = Reflect.ownKeys(globalThis).filter((key) => !before.has(key)).map(String);
    console.log(JSON.stringify({
      loss: loss.item().toFixed(6), made: made.includes('Instance'), globals, listeners: listeners() - listenersBefore,
    }));`,
  );
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({ loss: '0.850000', made: true, globals: [], listeners: 0 });
  expect(status).toBe(0);
});

test('an error that nobody catches ends the process with its message, as any other does', () => {
  const { status, stderr } = node(
    '--input-type=module',
    '-e',
    `import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
    new MultiLabelMarginLoss().forward([[1, 2]], [[2]]);`,
  );
  expect(status).toBe(1);
  expect(stderr).toContain('LossError: target 2 at row 0, column 0');
});

test.runIf((process.features as { require_module?: boolean }).require_module)('require() of it', () => {
  const { status, stdout, stderr } = node(
    '--input-type=commonjs',
    '--no-warnings',
    '-e',
    `const { MultiLabelMarginLoss, nn } = require('multilabel-margin-loss');
    console.log(new MultiLabelMarginLoss().forward([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]]).item().toFixed(6));
    console.log(nn.MultiLabelMarginLoss === MultiLabelMarginLoss);`,
  );
  expect(stderr).toBe('');
  expect(stdout).toBe('0.850000\ntrue');
  expect(status).toBe(0);
});

test('where WebAssembly is missing, the error says so', () => {
  const { status, stdout, stderr } = node(
    '--input-type=module',
    '-e',
    `import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
    const Module = WebAssembly.Module;
    WebAssembly.Module = class { constructor() { throw new WebAssembly.CompileError('not here'); } };
    const lossFn = new MultiLabelMarginLoss();
    try {
      lossFn.forward([[1, 2]], [[1]]);
    } catch (error) {
      console.log(error.name, error.code, error.message, '|', String(error.cause));
    }
    WebAssembly.Module = Module;
    console.log(lossFn.forward([[1, 2]], [[0]]).item());`,
  );
  expect(stderr).toBe('');
  expect(stdout).toMatch(
    /^LossError ERR_BACKEND_UNAVAILABLE .*not compile WebAssembly .*not here.*createWasmBackend.*\|.*not here/,
  );
  // The loss works once the environment allows it.
  expect(stdout.split('\n').at(-1)).toBe('1');
  expect(status).toBe(0);
});
