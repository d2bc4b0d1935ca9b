// Installs the tarball in projects as its users have them, and records what works.

import { readdirSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Browser, ISOLATED, launchBrowsers, open } from './browsers.js';
import { recordWhenPassed, type Work } from './compatibility.js';
import { execute } from './execute.js';
import { PAGES, type Program, writePage } from './pages.js';
import { makeProject, root, versionOf } from './workspace.js';

const workspace = inject('workspace');
const tools = join(workspace, 'node_modules');

const NODES = ['node20', 'node22', 'node24'];

const RUNTIMES = [
  { name: 'Deno', tool: 'deno', command: ['deno/deno', 'run', '--allow-all', '--node-modules-dir=manual'] },
  { name: 'Bun', tool: 'bun', command: ['bun/bin/bun.exe'] },
];

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

/** Programs for servers. They leave out the loss in web workers, which Node does not have. */
const SERVER_PROGRAMS = ['loss', 'threads', 'tfjs'] as const;

/** The packages of TypeScript 5.4, 5.9, 6 and 7. */
const COMPILERS = ['typescript54', 'typescript59', 'typescript', 'typescript7'].map((tool) => ({ tool }));

const RESOLUTIONS = ['node16', 'nodenext', 'bundler'];

/** What Next.js computes on its server. */
const ON_SERVER = ['server-component', 'edge-runtime'] as const;
type Result = Program | (typeof ON_SERVER)[number];

const MEANING: Record<Result, string> = {
  loss: 'loss',
  'server-component': 'in a server component',
  'edge-runtime': 'in the edge runtime',
  worker: 'in a module worker',
  'service-worker': 'in a service worker',
  threads: 'threads',
  tfjs: 'TensorFlow.js',
};

/** What works for each consumer; pages have an entry for each browser. */
const works: Work[] = [];

/** @param output lines that include what the program printed */
function expectResult(program: Result, output: readonly string[]): void {
  const line = lineOf(program, output);
  const words = line.split(' ');
  if (program === 'threads') {
    // Each row has 999 pairs that add 1, divided by 1000. The only rounding is that to float32.
    expect(words).toEqual(['threads', '2', String(Math.fround(0.999))]);
  } else {
    // The documented example: 0.01 is a tenth of 1 - 1.2 + 0.3. Two scores and three results are rounded to float32, which
    // adds less than 2**-23 to that.
    expect(words, line).toEqual([program, expect.any(String)]);
    expect(Math.abs(Number(words[1]) - 0.01), line).toBeLessThan(2 ** -23 / 10);
  }
}

function lineOf(program: string, output: readonly string[]): string {
  const line = output.find((line) => line.startsWith(`${program} `));
  expect(line, `${program} in:\n${output.join('\n')}`).toBeDefined();
  return line!;
}

describe('Node', () => {
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
    const args = [vitest, 'run', '--reporter', 'dot', ...projects, ...SUITE];
    const output = await execute(join(path, 'node'), args, { cwd: root, path });
    // Fails when the pattern matched no tests.
    expect(output).toMatch(/Tests +\d{4,} passed/);
  });
});

test.each(RUNTIMES)('$name', async ({ name, tool, command: [command, ...args] }) => {
  const project = await makeProject(workspace, tool);
  for (const program of SERVER_PROGRAMS) {
    const output = await execute(join(tools, command!), [...args, `${program}.js`], { cwd: project });
    expectResult(program, output.split('\n'));
  }
  const what = SERVER_PROGRAMS.map((program) => MEANING[program]);
  works.push({ consumer: name, version: versionOf(tool), browser: '', what });
});

test.each(COMPILERS)('TypeScript: $tool', async ({ tool }) => {
  const project = await makeProject(workspace, tool);
  const assertions = join(root, 'tests/package/types');
  for (const file of readdirSync(assertions)) await copyFile(join(assertions, file), join(project, `types-${file}`));
  for (const moduleResolution of RESOLUTIONS) {
    const compilerOptions = {
      module: moduleResolution === 'bundler' ? 'esnext' : moduleResolution,
      moduleResolution,
      target: 'es2022',
      lib: ['es2022', 'dom'],
      strict: true,
      exactOptionalPropertyTypes: true,
      types: [],
      noEmit: true,
      listFiles: true,
    };
    const include = ['types-*.ts', ...SERVER_PROGRAMS.map((program) => `${program}.ts`)];
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }));
    const lines = await compile(tool, project);
    expect(lines).toContain(join(project, 'node_modules/multilabel-margin-loss/dist/index.d.ts'));
    // The package's own declarations are checked too, which `skipLibCheck` would leave out; those of its peers are not.
    expect(lines.filter((line) => /error TS/.test(line) && !line.startsWith('../'))).toEqual([]);
  }
  const what = RESOLUTIONS.map((resolution) => `\`moduleResolution: ${resolution}\``);
  works.push({ consumer: 'TypeScript', version: versionOf(tool), browser: '', what });
});

test.each(COMPILERS)('TypeScript: $tool: the entries, with and without the types of the DOM', async ({ tool }) => {
  const project = await makeProject(workspace, `${tool}-entries`);
  const manifest = await readFile(join(project, 'node_modules/multilabel-margin-loss/package.json'), 'utf8');
  const { exports } = JSON.parse(manifest) as { exports: Record<string, unknown> };
  const entries = [...Object.keys(exports).filter((entry) => !entry.includes('.', 1)), './ranking_metrics.wasm'];
  expect(entries.length).toBeGreaterThan(7);
  const files = entries.map((_, i) => `entry-${i}.ts`);
  for (const [i, entry] of entries.entries()) {
    const source = `import * as entry from 'multilabel-margin-loss${entry.slice(1)}';\nexport type Entry = typeof entry;\n`;
    await writeFile(join(project, files[i]!), source);
  }
  for (const lib of [['es2022', 'dom'], ['es2022']]) {
    const compilerOptions = { module: 'nodenext', target: 'es2022', lib, strict: true, types: [], noEmit: true };
    // One might lend another its declarations. The quickest compiler looks at each alone.
    for (const program of tool === 'typescript7' ? files.map((file) => [file]) : [files]) {
      await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: program }));
      const errors = (await compile(tool, project)).filter((line) => !line.startsWith('../'));
      expect(errors, `${program.join(', ')} with ${lib.join(', ')}`).toEqual([]);
    }
  }
});

test.each(COMPILERS)('TypeScript: $tool reports an assertion that does not hold', async ({ tool }) => {
  const project = await makeProject(workspace, `${tool}-control`);
  await writeFile(
    join(project, 'control.ts'),
    `import { zeros } from 'multilabel-margin-loss';
    // @ts-expect-error: there is no error here
    zeros(2, 3);`,
  );
  const compilerOptions = { module: 'nodenext', target: 'es2022', lib: ['es2022', 'dom'], types: [], noEmit: true };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['control.ts'] }));
  expect(await compile(tool, project)).toEqual([expect.stringMatching(/^control\.ts\(2,5\): error TS2578/)]);
});

/** The lines that a compiler prints, without those that only continue a message. */
async function compile(tool: string, project: string): Promise<string[]> {
  const tsc = join(tools, tool, 'bin/tsc');
  const output = await execute(process.execPath, [tsc, '--pretty', 'false', '--project', '.'], { cwd: project }).catch(
    (error: Error) => error.message.replace(/^.* ended with \d+:\n/, ''),
  );
  return output.split('\n').filter((line) => /^\S/.test(line));
}

describe('pages', () => {
  let browsers: Record<string, Browser> = {};
  beforeAll(async () => {
    browsers = await launchBrowsers();
  });
  afterAll(async () => {
    await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  });

  test.each(PAGES)('$name', async (page) => {
    const { name, tool, programs, scriptSources = '', serverComponent = false } = page;
    const project = await makeProject(workspace, name.replace(/\W+/g, '-').toLowerCase());
    await writePage(project, programs);
    const { handler, close } = await page.make(project);
    const policy = (...sources: string[]) => ({
      'Content-Security-Policy': `script-src ${["'self'", scriptSources, ...sources].join(' ')}`,
    });
    try {
      for (const [browserName, browser] of Object.entries(browsers)) {
        const strict = await open(browser, handler, { ...ISOLATED, ...policy("'wasm-unsafe-eval'") });
        const results = serverComponent ? ([...ON_SERVER, ...programs] as const) : programs;
        for (const program of results) expectResult(program, strict);

        const notIsolated = await open(browser, handler, {});
        for (const program of programs) if (program !== 'threads') expectResult(program, notIsolated);
        const refused = lineOf('threads', notIsolated);
        expect(refused).toMatch(/^threads LossError ERR_BACKEND_UNAVAILABLE /);
        for (const [header, value] of Object.entries(ISOLATED)) expect(refused).toContain(`"${header}: ${value}"`);

        const forbidden = await open(browser, handler, { ...ISOLATED, ...policy() });
        for (const program of programs) expect(lineOf(program, forbidden)).toContain("script-src 'wasm-unsafe-eval'");

        works.push({
          consumer: name,
          version: tool === undefined ? '' : versionOf(tool),
          // Firefox reports 'firefox/153.0'.
          browser: `${browserName} ${(await browser.version()).replace(/^.*\//, '')}`,
          what: results.map((program) => MEANING[program]),
        });
      }
    } finally {
      await close?.();
    }
  });
});

recordWhenPassed(workspace, 'consumers', works);
