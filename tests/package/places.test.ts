// Places other than pages and plain Node: test runners, workers of content delivery networks, bundles for Node, extensions.

import { createHash } from 'node:crypto';
import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nodeResolve from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { chromium } from 'playwright';
import { rollup } from 'rollup';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import webpack from 'webpack';
import { launchOptions } from '../chromium.js';
import { files, ISOLATED, open } from './browsers.js';
import { recordWhenPassed, type Work } from './compatibility.js';
import { execute, startServer } from './execute.js';
import { buildWithParcel } from './pages.js';
import { makeProject, root, versionOf } from './workspace.js';

const workspace = inject('workspace');
const tools = join(workspace, 'node_modules');
const works: Work[] = [];
const THREADS_SCRIPT = 'multilabel_margin_loss_threads.mjs';

/** The code of a file that docs/deployment.md shows. */
async function recipe(file: string): Promise<string> {
  const page = await readFile(join(root, 'docs/deployment.md'), 'utf8');
  return page.split(` ${file}\n`)[1]!.split('```')[0]!;
}

/** The script of the workers, in a project. */
const threadsScript = (project: string): string =>
  join(project, 'node_modules/multilabel-margin-loss/dist/threads', THREADS_SCRIPT);

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
  await writeFile(join(project, 'recipe.js'), await recipe('worker.js'));
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

  // Listed here, because they run side by side and end in any order.
  beforeAll(() => {
    for (const { tool, name, copies } of BUNDLERS) {
      const what = ['loss', copies ? 'threads, with their script copied' : 'threads'];
      works.push({ consumer: `${name}, for Node`, version: versionOf(tool), browser: '', what });
    }
  });

  test.concurrent.each(BUNDLERS)('$name', async ({ tool, copies, bundle }) => {
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
        await copyFile(threadsScript(project), join(folder, THREADS_SCRIPT));
      }
      expect(await run()).toEqual(['loss 0.010000', 'threads 0.010000']);
    }
  });

  test('Nitro', async () => {
    const project = await makeProject(workspace, 'nitro');
    await mkdir(join(project, 'routes'));
    await writeFile(
      join(project, 'routes/index.js'),
      `import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
      import { createThreadsBackend } from 'multilabel-margin-loss/threads';
      export default defineEventHandler(async () => {
        const backend = await createThreadsBackend({ threads: 2 });
        const say = (options) =>
          new MultiLabelMarginLoss(options).forward([[0.1, 2.5, -1.0, 1.2, 0.3], [-0.2, 1.0, 3.1, 0.5, 2.2]], [[1, 3], [2, 4]]).item().toFixed(6);
        const answer = { loss: say({}), threads: say({ backend }) };
        backend.dispose();
        return answer;
      });`,
    );
    await writeFile(join(project, 'nitro.config.mjs'), "export default { compatibilityDate: '2026-01-01' };");
    const nitro = join(tools, 'nitropack/dist/cli/index.mjs');
    await execute(process.execPath, [nitro, 'build'], { cwd: project });
    // The server has its own copy of the package.
    const { address, close } = await startServer(
      ['.output/server/index.mjs'],
      { cwd: project, env: { NITRO_HOST: '127.0.0.1', NITRO_PORT: '0' } },
      (output) => /http:\S+/.exec(output)?.[0],
    );
    try {
      expect(await (await fetch(address)).json()).toEqual({ loss: '0.010000', threads: '0.010000' });
    } finally {
      await close();
    }
    works.push({
      consumer: 'Nitro, for Node',
      version: versionOf('nitropack'),
      browser: '',
      what: ['loss', 'threads'],
    });
  });

  test('a single executable', async () => {
    const project = await makeProject(workspace, 'single-executable');
    await writeFile(join(project, 'both.js'), program);
    const outfile = join(project, 'both.cjs');
    const common = { bundle: true, platform: 'node', format: 'cjs', logLevel: 'silent' } as const;
    await esbuild.build({ ...common, entryPoints: [join(project, 'both.js')], outfile });
    const node = join(tools, 'node24/bin/node');
    const config = { main: outfile, output: 'blob', disableExperimentalSEAWarning: true };
    await writeFile(join(project, 'sea.json'), JSON.stringify(config));
    await execute(node, ['--experimental-sea-config', 'sea.json'], { cwd: project });
    const executable = join(project, 'program');
    await copyFile(node, executable);
    // The mark in Node's executable at which it looks for a program.
    const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
    const args = [executable, 'NODE_SEA_BLOB', 'blob', '--sentinel-fuse', fuse];
    await execute(process.execPath, [join(tools, 'postject/dist/cli.js'), ...args], { cwd: project });

    const run = async (): Promise<string[]> => (await execute(executable, [], { cwd: workspace })).trim().split('\n');
    expect(await run()).toEqual([
      'loss 0.010000',
      expect.stringMatching(`^threads ERR_BACKEND_UNAVAILABLE .*there is no file:.*/${THREADS_SCRIPT}: .* Copy `),
    ]);
    await copyFile(threadsScript(project), join(project, THREADS_SCRIPT));
    expect(await run()).toEqual(['loss 0.010000', 'threads 0.010000']);
    const what = ['loss', 'threads, with their script copied'];
    works.push({ consumer: 'A single executable of Node', version: versionOf('node24'), browser: '', what });
  });
});

test('Parcel, with two workers that import the package', async () => {
  const project = await makeProject(workspace, 'parcel-workers');
  await writeFile(join(project, 'package.json'), await recipe('package.json'));
  await copyFile(join(project, 'loss-worker.js'), join(project, 'other-worker.js'));
  const page = (worker: string): string => `new Promise((resolve) => {
    const worker = new Worker(new URL('./${worker}.js', import.meta.url), { type: 'module' });
    worker.onerror = ({ message }) => resolve(message);
    worker.onmessage = ({ data }) => { if (data.startsWith('worker-threads')) resolve(data); };
  })`;
  const script = `Promise.all([${page('loss-worker')}, ${page('other-worker')}]).then((all) => {
    console.log(all.join());
    console.log('done');
  });`;
  await writeFile(join(project, 'page.js'), script);
  await writeFile(join(project, 'index.html'), '<!doctype html><script type="module" src="./page.js"></script>');
  await buildWithParcel(project);
  const browser = await chromium.launch(launchOptions);
  try {
    const threads = `worker-threads 2 ${Math.fround(0.999)}`;
    expect(await open(browser, files(join(project, 'dist')), ISOLATED)).toContain(`${threads},${threads}`);
  } finally {
    await browser.close();
  }
});

test('an extension of Chrome', async () => {
  const project = await projectOf('extension', 'extension');
  const bundled = join(project, 'bundled');
  await esbuild.build({
    entryPoints: ['page.js', 'background.js'].map((file) => join(project, file)),
    bundle: true,
    format: 'esm',
    outdir: bundled,
    external: ['node:*'],
    logLevel: 'silent',
  });
  await copyFile(threadsScript(project), join(bundled, THREADS_SCRIPT));
  await copyFile(join(project, 'page.html'), join(bundled, 'page.html'));
  const recommended = JSON.parse(await recipe('manifest.json')) as Record<string, unknown>;
  const notIsolated = Object.fromEntries(
    Object.entries(recommended).filter(([key]) => !key.startsWith('cross_origin')),
  );
  const manifests = [
    recommended,
    notIsolated,
    { ...recommended, content_security_policy: { extension_pages: "script-src 'self'; object-src 'self'" } },
  ];
  const folders: string[] = [];
  for (const manifest of manifests) {
    const folder = join(project, `extension-${folders.length}`);
    await cp(bundled, folder, { recursive: true });
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
    folders.push(folder);
  }
  const loaded = folders.join();
  const args = [...launchOptions.args, `--disable-extensions-except=${loaded}`, `--load-extension=${loaded}`];
  const context = await chromium.launchPersistentContext(join(project, 'profile'), { ...launchOptions, args });
  try {
    const outcomeOf = async (folder: string): Promise<unknown> => {
      // Chrome makes the name of an extension from its path.
      const hash = createHash('sha256').update(folder).digest('hex').slice(0, 32);
      const name = hash.replace(/./g, (digit) => String.fromCharCode(97 + parseInt(digit, 16)));
      const page = await context.newPage();
      await page.goto(`chrome-extension://${name}/page.html`);
      return page.evaluate(`Promise.all([crossOriginIsolated, inPage, inBackground])`);
    };
    // The documented example, rounded to float32 as in results.ts.
    const computes = { loss: expect.closeTo(0.01, 8), evaluate: expect.closeTo(0.01, 8) };
    const threads = Math.fround(0.999);
    const noWorker = expect.stringMatching(/^ERR_BACKEND_UNAVAILABLE .*there is no Worker here$/);
    const forbidden = expect.stringMatching(
      /^ERR_BACKEND_UNAVAILABLE the content security policy forbids WebAssembly.*'wasm-unsafe-eval'/,
    );
    const refused = { loss: forbidden, evaluate: forbidden };
    expect(await Promise.all(folders.map(outcomeOf))).toEqual([
      [true, { ...computes, threads }, { ...computes, threads: noWorker }],
      // Chrome shares memory in pages of extensions that are not isolated, too.
      [false, { ...computes, threads }, { ...computes, threads: noWorker }],
      [true, { ...refused, threads: forbidden }, { ...refused, threads: noWorker }],
    ]);
    works.push({
      consumer: 'An extension of Chrome, page and service worker',
      version: '',
      browser: `Chromium ${context.browser()!.version()}`,
      what: ['loss', 'evaluate', 'threads in the page'],
    });
  } finally {
    await context.close();
  }
});

recordWhenPassed(workspace, 'places', works);
