// Installs the tarball in projects as its users have them, and records what works.

import { readdirSync } from 'node:fs';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Browser, ISOLATED, launchBrowsers, open } from './browsers.js';
import { recordWhenPassed, type Work } from './compatibility.js';
import { execute } from './execute.js';
import { PAGES, writePage } from './pages.js';
import { expectResult, lineOf, MEANING, ON_SERVER, type Result, resultsOf, SERVER_PROGRAMS } from './results.js';
import { makeProject, root, versionOf } from './workspace.js';

const workspace = inject('workspace');
const tools = join(workspace, 'node_modules');

const RUNTIMES = [
  { name: 'Deno', tool: 'deno', command: ['deno/deno', 'run', '--allow-all', '--node-modules-dir=manual'] },
  { name: 'Bun', tool: 'bun', command: ['bun/bin/bun.exe'] },
];

/** The packages of TypeScript 5.4, 5.9, 6 and 7. */
const COMPILERS = ['typescript54', 'typescript59', 'typescript', 'typescript7'].map((tool) => ({ tool }));

const RESOLUTIONS = ['node16', 'nodenext', 'bundler'];

/** What works for each consumer; pages have an entry for each browser. */
const works: Work[] = [];

test.each(RUNTIMES)('$name', async ({ name, tool, command: [command, ...args] }) => {
  const project = await makeProject(workspace, tool);
  for (const program of SERVER_PROGRAMS) {
    const output = await execute(join(tools, command!), [...args, `${program}.js`], { cwd: project });
    expectResult(program, output.split('\n'));
  }
  const what = SERVER_PROGRAMS.map((program) => MEANING[program]);
  works.push({ consumer: name, version: versionOf(tool), browser: '', what });
});

test.each(RUNTIMES)(
  '$name: the command reads arrays of 8 bytes in any order',
  async ({ tool, command: [command, ...args] }) => {
    const project = await makeProject(workspace, `${tool}-command`);
    // -1, and in big-endian order 61823 and two scores, have the bits of a NaN where they are taken for float64 as they lie.
    const [rows, classes] = [3, 70_000];
    const targets = [
      [61_823, 61_822, 5],
      [-1, 2, -1],
      [-1, -1, -1],
    ].map((column) => column.map(BigInt));
    const scores = new Float64Array(rows * classes).map((_, i) => i % 1009);
    [0x3ff000000001f07fn, 0x4070000000f0f17fn].forEach((bits, i) =>
      new BigInt64Array(scores.buffer).set([bits], i * 7),
    );
    const file = (type: string, columns: number, isBig: boolean, data: Float64Array | BigInt64Array): Buffer => {
      const elements = Buffer.from(data.slice().buffer);
      if (isBig) elements.swap64();
      const header = `{'descr': '${isBig ? '>' : '<'}${type}', 'fortran_order': True, 'shape': (${rows}, ${columns}), }`;
      const prefix = Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1');
      return Buffer.concat([prefix, Buffer.from(`${header.padEnd(117)}\n`), elements]);
    };
    const main = 'node_modules/multilabel-margin-loss/dist/cli/main.js';
    const ways = [
      [process.execPath, false],
      [join(tools, command!), false],
      [join(tools, command!), true],
    ] as const;
    const results = await Promise.all(
      ways.map(async ([program, isBig], i) => {
        await writeFile(join(project, `scores-${i}.npy`), file('f8', classes, isBig, scores));
        await writeFile(join(project, `targets-${i}.npy`), file('i8', 3, isBig, BigInt64Array.from(targets.flat())));
        const files = ['--scores', `scores-${i}.npy`, '--targets', `targets-${i}.npy`];
        const options = program === process.execPath ? [] : args;
        const output = await execute(program, [...options, main, 'evaluate', ...files, '--json'], { cwd: project });
        const { perLabel, coverageError, loss } = JSON.parse(output) as Record<string, unknown>;
        return { coverageError, loss, labels: (perLabel as { support: number }[]).map(({ support }) => support) };
      }),
    );
    expect(results[0]!.labels.filter((support) => support > 0)).toHaveLength(4);
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  },
);

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
        const inPage = resultsOf(programs);
        const results = serverComponent ? [...ON_SERVER, ...inPage] : inPage;
        for (const program of results) expectResult(program, strict);

        const notIsolated = await open(browser, handler, {});
        const onThreads = (program: Result): boolean => program.endsWith('threads');
        for (const program of inPage) if (!onThreads(program)) expectResult(program, notIsolated);
        expect(lineOf('threads', notIsolated)).toMatch(/^threads LossError ERR_BACKEND_UNAVAILABLE /);
        for (const program of inPage.filter(onThreads)) {
          const refused = lineOf(program, notIsolated);
          for (const [header, value] of Object.entries(ISOLATED)) expect(refused).toContain(`"${header}: ${value}"`);
        }

        const forbidden = await open(browser, handler, { ...ISOLATED, ...policy() });
        for (const program of inPage) expect(lineOf(program, forbidden)).toContain("script-src 'wasm-unsafe-eval'");

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
