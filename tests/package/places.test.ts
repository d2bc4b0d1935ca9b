// Places other than pages and plain Node: test runners, workers of content delivery networks, bundles for Node.

import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nodeResolve from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import { describe, expect, inject, test } from 'vitest';
import webpack from 'webpack';
import { recordWhenPassed, type Work } from './compatibility.js';
import { execute } from './execute.js';
import { makeProject, root, versionOf } from './workspace.js';

const workspace = inject('workspace');
const tools = join(workspace, 'node_modules');
const works: Work[] = [];
const THREADS_SCRIPT = 'multilabel_margin_loss_threads.mjs';

/** A project with the files of a folder of places/. */
async function projectOf(name: string, folder: string): Promise<string> {
  const project = await makeProject(workspace, name);
  await cp(fileURLToPath(new URL(`places/${folder}/`, import.meta.url)), project, { recursive: true });
  return project;
}

describe('Jest', () => {
  const imports = `import { nn } from 'multilabel-margin-loss';
    test('compiled by babel-jest', () => expect(new nn.Linear(2, 3).forward([[1, 2]]).shape).toEqual([1, 3]));`;

  test.each(['jest29', 'jest'])('%s, in Node and in jsdom, with babel-jest and ts-jest', async (tool) => {
    const project = await projectOf(tool, 'jest');
    await writeFile(join(project, 'package.json'), '{ "private": true }');
    await writeFile(join(project, 'imports.test.js'), imports);
    await writeFile(
      join(project, 'babel.config.js'),
      "module.exports = { plugins: ['@babel/plugin-transform-modules-commonjs'] };",
    );
    const jest = async (...args: string[]): Promise<string> =>
      execute(process.execPath, [join(tools, tool, 'bin/jest.js'), ...args], { cwd: project });
    expect(await jest('--testPathIgnorePatterns', 'typed')).toMatch(/Tests: +6 passed, 6 total/);
    const what = ['loss', 'evaluate', 'training', 'threads', 'babel-jest'];
    if (tool === 'jest') {
      // The package of Jest 29's jsdom is another one.
      expect(await jest('--env', 'jsdom', 'loss.test.js')).toMatch(/Tests: +5 passed, 5 total/);
      const compilerOptions = { strict: true, target: 'es2022', module: 'commonjs', lib: ['es2022'], types: [] };
      for (const moduleResolution of ['node10', 'bundler']) {
        const module = moduleResolution === 'bundler' ? 'esnext' : 'commonjs';
        const tsconfig = { ...compilerOptions, module, moduleResolution, ignoreDeprecations: '6.0' };
        const config = { preset: 'ts-jest', transform: { '\\.ts$': ['ts-jest', { tsconfig }] } };
        await writeFile(join(project, 'ts-jest.json'), JSON.stringify(config));
        expect(await jest('--config', 'ts-jest.json', 'typed')).toMatch(/Tests: +1 passed, 1 total/);
      }
      what.push('jsdom', 'ts-jest');
    }
    works.push({ consumer: 'Jest', version: versionOf(tool), browser: '', what });
  });
});

test('Cloudflare Workers', async () => {
  const project = await projectOf('workerd', 'workerd');
  for (const flags of [[], ['nodejs_compat']]) {
    const answer = JSON.parse(await execute(process.execPath, ['run.js', 'worker.js', ...flags], { cwd: project })) as {
      [name: string]: unknown;
    };
    const refuses = (what: string): RegExp =>
      new RegExp(
        `^LossError ERR_BACKEND_UNAVAILABLE this environment does not compile WebAssembly from bytes \\(.*\\): ${what}`,
      );
    const file = (name: string) => `import the module from 'multilabel-margin-loss/${name}.wasm' and `;
    expect(answer).toEqual({
      entries: expect.not.arrayContaining([0]),
      lossWithout: expect.stringMatching(refuses(`${file('multilabel_margin_loss')}.*createWasmBackend`)),
      evaluateWithout: expect.stringMatching(refuses(`${file('ranking_metrics')}.*new Evaluator\\(\\{ module \\}\\)`)),
      trainingWithout: expect.stringMatching(refuses(`${file('training')}call useTrainingModule`)),
      threads: expect.stringMatching(
        flags.length === 0 ? /there is no Worker here$/ : refuses('use the loss without threads there$'),
      ),
      // The documented example, rounded to float32 as in results.ts.
      loss: expect.closeTo(0.01, 8),
      evaluate: expect.closeTo(0.01, 8),
      training: 0,
    });
  }
  // The recipe.
  const page = await readFile(join(root, 'docs/deployment.md'), 'utf8');
  const [, recipe] = /```js worker\.js\n(.*?)```/s.exec(page)!;
  await writeFile(join(project, 'recipe.js'), recipe!);
  const answer = await execute(process.execPath, ['run.js', 'recipe.js'], { cwd: project });
  expect(JSON.parse(answer)).toEqual({ loss: expect.closeTo(0.85, 6), oneError: 0, shape: [1, 3] });
  works.push({
    consumer: 'Cloudflare workerd, by miniflare',
    version: versionOf('miniflare'),
    browser: '',
    what: ['loss', 'evaluate', 'training', '`nodejs_compat`'],
  });
});

describe('bundles for Node', () => {
  /** Bundles loss.js and threads.js to a file. */
  type Bundle = (project: string, file: string, format: 'esm' | 'cjs') => Promise<void>;

  const BUNDLERS: { tool: string; name: string; copies: boolean; bundle: Bundle }[] = [
    {
      tool: 'webpack',
      name: 'webpack',
      copies: false,
      bundle: (context, file, format) =>
        new Promise((resolve, reject) => {
          const asModule = { experiments: { outputModule: true } };
          const output = { path: dirname(file), filename: basename(file), ...(format === 'esm' && { module: true }) };
          const common = { mode: 'production', target: 'node', context, entry: './both.js', output } as const;
          webpack({ ...common, ...(format === 'esm' && asModule) }, (error, stats) => {
            if (error !== null || stats?.hasErrors()) reject(error ?? new Error(stats?.toString('errors-only')));
            else resolve();
          });
        }),
    },
    {
      tool: 'esbuild',
      name: 'esbuild',
      copies: true,
      bundle: async (project, outfile, format) => {
        const entryPoints = [join(project, 'both.js')];
        await esbuild.build({ entryPoints, bundle: true, platform: 'node', format, outfile, logLevel: 'silent' });
      },
    },
    {
      tool: 'rollup',
      name: 'Rollup',
      copies: true,
      bundle: async (project, file, format) => {
        const bundle = await rollup({ input: join(project, 'both.js'), plugins: [nodeResolve()], external: /^node:/ });
        await bundle.write({ file, format });
        await bundle.close();
      },
    },
    {
      tool: 'bun',
      name: 'Bun',
      copies: true,
      bundle: async (project, file, format) => {
        const args = ['build', '--target=node', `--format=${format}`, `--outfile=${file}`, 'both.js'];
        await execute(join(tools, 'bun/bin/bun.exe'), args, { cwd: project });
      },
    },
  ];

  const program = `import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
    import { createThreadsBackend } from 'multilabel-margin-loss/threads';
    const scores = [[0.1, 2.5, -1.0, 1.2, 0.3], [-0.2, 1.0, 3.1, 0.5, 2.2]];
    const say = (name, backend) =>
      console.log(name, new MultiLabelMarginLoss({ backend }).forward(scores, [[1, 3], [2, 4]]).item().toFixed(6));
    say('loss');
    createThreadsBackend({ threads: 2 }).then(
      (backend) => {
        say('threads', backend);
        backend.dispose();
      },
      ({ code, message }) => console.log('threads', code, message),
    );`;

  test.concurrent.each(BUNDLERS)('$name', async ({ tool, name, copies, bundle }) => {
    const project = await makeProject(workspace, `node-${tool}`);
    await writeFile(join(project, 'both.js'), program);
    // Bun's CommonJS has the address of the script on the machine that made the bundle.
    for (const format of tool === 'bun' ? (['esm'] as const) : (['esm', 'cjs'] as const)) {
      const folder = join(project, format);
      const file = join(folder, format === 'esm' ? 'both.mjs' : 'both.cjs');
      await mkdir(folder);
      await bundle(project, file, format);
      const run = async (): Promise<string[]> =>
        (await execute(process.execPath, [file], { cwd: workspace })).trim().split('\n');
      if (copies) {
        const [loss, refused] = await run();
        expect(loss).toBe('loss 0.010000');
        expect(refused).toMatch(
          new RegExp(`^threads ERR_BACKEND_UNAVAILABLE .*there is no file:.*/${format}/${THREADS_SCRIPT}: .* Copy `),
        );
        const script = join(project, 'node_modules/multilabel-margin-loss/dist/threads', THREADS_SCRIPT);
        await copyFile(script, join(folder, THREADS_SCRIPT));
      }
      expect(await run()).toEqual(['loss 0.010000', 'threads 0.010000']);
    }
    const what = ['loss', copies ? 'threads, with their script copied' : 'threads'];
    works.push({ consumer: `${name}, for Node`, version: versionOf(tool), browser: '', what });
  });
});

recordWhenPassed(workspace, 'places', works);
