// Installs the tarball for each supported version of Node, and runs programs and the suite there.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { recordWhenPassed, type Work } from './compatibility.js';
import { execute } from './execute.js';
import { expectResult, lineOf, MEANING, SERVER_PROGRAMS } from './results.js';
import { makeProject, root, versionOf } from './workspace.js';

const workspace = inject('workspace');
const tools = join(workspace, 'node_modules');

const NODES = ['node20', 'node22', 'node24'];

/** The suites that run on each version of Node: all but those of documentation, servers and examples. */
const SUITE = [
  'tests/js',
  'tests/training',
  'tests/evaluate',
  'tests/tfjs',
  'tests/threads',
  'tests/node/process',
  'tests/node/threads',
  'tests/cli/evaluate',
];

const works: Work[] = [];

test.each(NODES)('%s', async (name) => {
  const project = await makeProject(workspace, name);
  const node = async (...args: string[]) =>
    (await execute(join(tools, name, 'bin/node'), args, { cwd: project })).split('\n');

  for (const program of SERVER_PROGRAMS) expectResult(program, await node(`${program}.js`));

  const entry = 'multilabel-margin-loss';
  const required = await node(
    '--input-type=commonjs',
    '-e',
    `const { nn } = require('${entry}');
    const { createThreadsBackend } = require('${entry}/threads');
    require('${entry}/tfjs');
    const scores = [[0.1, 2.5, -1.0, 1.2, 0.3], [-0.2, 1.0, 3.1, 0.5, 2.2]];
    const loss = new nn.MultiLabelMarginLoss().forward(scores, [[1, 3], [2, 4]]);
    console.log('loss', loss.item());
    console.log('file', require.resolve('${entry}'));
    createThreadsBackend({ threads: 2 }).then(({ threads }) => console.log('threads', threads));`,
  );
  expectResult('loss', required);
  expect(required).toContain('threads 2');
  expect(required).toContain(`file ${join(project, 'node_modules', entry, 'dist/index.js')}`);

  const compiled = await node(
    '--input-type=module',
    '-e',
    `import { readFileSync } from 'node:fs';
    import { createWasmBackend, MultiLabelMarginLoss } from '${entry}';
    const file = new URL(import.meta.resolve('${entry}/multilabel_margin_loss.wasm'));
    const backend = createWasmBackend({ module: new WebAssembly.Module(readFileSync(file)) });
    const scores = [[0.1, 2.5, -1.0, 1.2, 0.3], [-0.2, 1.0, 3.1, 0.5, 2.2]];
    console.log('loss', new MultiLabelMarginLoss({ backend }).forward(scores, [[1, 3], [2, 4]]).item());`,
  );
  expectResult('loss', compiled);

  await mkdir(join(project, 'control/multilabel-margin-loss'), { recursive: true });
  await writeFile(join(project, 'control/multilabel-margin-loss/look.js'), 'typeof document;');
  const looked = await node('server-side.js');
  expect(lineOf('entries', looked)).toMatch(
    /^entries multilabel-margin-loss multilabel-margin-loss\/loss multilabel-margin-loss\/threads /,
  );
  expect(looked).toContain('touched');
  expect(lineOf('control', looked)).toMatch(/^control document at [^ ]*control[^ ]*look\.js:1:1$/);
});

test.each(NODES)('%s: the suite', async (name) => {
  const what = ['the test suite', ...SERVER_PROGRAMS.map((program) => MEANING[program]), '`require()`'];
  const version = versionOf(name);
  works.push({ consumer: 'Node', version, browser: '', what });
  // The projects `node` and `node-threads` of vitest.config.ts have just run it in this very version.
  if (version === process.versions.node) return;
  const path = join(tools, name, 'bin');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const projects = ['--project', 'node', '--project', 'node-threads'];
  const command = [join(path, 'node'), vitest, 'run', '--reporter', 'dot', ...projects, ...SUITE];
  const output = await execute('env', ['REPEATED_SUITE=1', ...command], { cwd: root, path });
  // Fails when the pattern matched no tests.
  expect(output).toMatch(/Tests +\d{4,} passed/);
});

recordWhenPassed(workspace, 'node', works);
