// Checks the contents of the tarball, and the size of bundles that use it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import nodeResolve from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { rollup } from 'rollup';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import webpack from 'webpack';
import { execute } from './execute.js';
import { makeProject, root, tarballIn } from './workspace.js';

const workspace = inject('workspace');
const tarball = tarballIn(workspace);

let project: string;
let manifest: Record<string, unknown> & { exports: Record<string, string | Record<string, string>> };

beforeAll(async () => {
  project = await makeProject(workspace, 'tarball');
  manifest = JSON.parse(readFileSync(join(project, 'node_modules/multilabel-margin-loss/package.json'), 'utf8'));
});

test('its files are what users need, and nothing else', async () => {
  const output = await execute('tar', ['-tzf', tarball], { cwd: workspace });
  const files = output.trim().split('\n');
  const others = files.filter((file) => !/^package\/dist\/.*\.(m?js|d\.ts|(js|d\.ts)\.map|wasm)$/.test(file));
  const description = ['LICENSE', 'README.md', 'dist/cjs/package.json', 'package.json'];
  expect(others.sort()).toEqual(description.map((file) => `package/${file}`));
  // Each module has its types and its map, but for the glue, which comes from Emscripten, the command, which nobody
  // imports, and the copies in CommonJS.
  const modules = files.filter((file) => file.endsWith('.js') && !/^package\/dist\/(cli|cjs)\//.test(file));
  for (const file of modules) {
    const stem = file.slice(0, -'.js'.length);
    expect(files).toEqual(expect.arrayContaining([`${stem}.d.ts`, `${stem}.js.map`, `${stem}.d.ts.map`]));
  }
});

test('the maps hold the sources, which are not in it', () => {
  const map = readFileSync(join(project, 'node_modules/multilabel-margin-loss/dist/index.js.map'), 'utf8');
  const sourcesContent = [readFileSync(join(root, 'js/index.ts'), 'utf8')];
  expect(JSON.parse(map)).toMatchObject({ sourcesContent });
});

test('package.json', () => {
  expect(manifest.type).toBe('module');
  expect(manifest.sideEffects).toBe(false);
  expect(manifest.engines).toEqual({ node: '>=20.16' });
  expect(manifest.dependencies ?? {}).toEqual({});
  expect(manifest.exports['./package.json']).toBe('./package.json');
  const alias = manifest.alias as Record<string, string>;
  for (const [entry, target] of Object.entries(manifest.exports)) {
    if (typeof target === 'string') {
      // This file is exported unchanged.
      expect(target.endsWith(entry.slice(1)), entry).toBe(true);
    } else if (entry.includes('.wasm')) {
      expect(Object.keys(target), entry).toEqual(['types', 'default']);
    } else {
      // Node takes the first, so that a program has one copy of the package whether it imports or requires it.
      expect(Object.keys(target), entry).toEqual(['module-sync', 'require', 'default']);
      expect(target['module-sync'], entry).toBe(target.default);
      // Parcel does not read `exports` by default.
      expect((entry === '.' ? manifest : alias)[entry === '.' ? 'main' : entry], entry).toBe(target.default);
    }
  }
});

test('publint', async () => {
  const { messages } = await publint({
    pack: { tarball: new Uint8Array(readFileSync(tarball)).buffer },
    strict: true,
  });
  // It takes the query for a part of the name. With it, a bundler for an edge runtime hands the module over.
  const query = ['exports', './*.wasm?module', 'default'];
  const others = messages.filter(
    ({ code, path }) => code !== 'EXPORTS_GLOB_NO_MATCHED_FILES' || path.join() !== query.join(),
  );
  expect(others.map((message) => formatMessage(message, manifest))).toEqual([]);
});

test('Are the types wrong?', async () => {
  const cli = join(workspace, 'node_modules/@arethetypeswrong/cli/dist/index.js');
  const args = [cli, tarball, '--profile', 'strict'];
  const output = await execute(process.execPath, args, { cwd: workspace });
  expect(output).toContain('"multilabel-margin-loss/threads"');
});

/** Size in bytes of a program that a page would load. */
interface Sizes {
  minified: number;
  gzipped: number;
}

const BUNDLERS: { name: string; bundle: (entry: string) => Promise<Uint8Array> }[] = [
  {
    name: 'esbuild',
    bundle: async (entry) => {
      const { outputFiles } = await esbuild.build({
        entryPoints: [entry],
        bundle: true,
        minify: true,
        format: 'esm',
        write: false,
        // Peer dependencies stay outside of the bundle.
        external: ['@tensorflow/*'],
      });
      return outputFiles[0]!.contents;
    },
  },
  {
    name: 'Rollup',
    bundle: async (entry) => {
      const bundle = await rollup({ input: entry, plugins: [nodeResolve()], onwarn: () => {} });
      const { output } = await bundle.generate({ format: 'es' });
      // It leaves minifying to others.
      const { code } = await esbuild.transform(output[0].code, { minify: true, format: 'esm' });
      return new TextEncoder().encode(code);
    },
  },
  {
    name: 'webpack',
    bundle: async (entry) => {
      const path = join(project, 'webpack-sizes');
      await new Promise<void>((resolve, reject) => {
        webpack(
          {
            mode: 'production',
            context: project,
            entry,
            experiments: { outputModule: true },
            output: { path, filename: 'bundle.js', module: true },
          },
          (error, stats) => {
            if (error !== null || stats?.hasErrors()) reject(error ?? new Error(stats?.toString()));
            else resolve();
          },
        );
      });
      return readFileSync(join(path, 'bundle.js'));
    },
  },
];

async function sizesOf(bundle: (entry: string) => Promise<Uint8Array>, source: string): Promise<Sizes> {
  const entry = join(project, 'sizes.js');
  writeFileSync(entry, source);
  const contents = await bundle(entry);
  return { minified: contents.length, gzipped: gzipSync(contents, { level: 9 }).length };
}

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;

test('sizes of the entries', async () => {
  const entries = Object.keys(manifest.exports).filter((entry) => !entry.includes('.', 1));
  for (const entry of entries) {
    const source = `export * from 'multilabel-margin-loss${entry.slice(1)}'`;
    const { minified, gzipped } = await sizesOf(BUNDLERS[0]!.bundle, source);
    console.log(`${entry}: ${kB(minified)} minified, ${kB(gzipped)} gzipped`);
  }
});

/** The limits that the README states, in bytes: of a program with the loss, with the training core, with threads. */
function limits(): Record<'loss' | 'training' | 'threads', Sizes> {
  const readme = readFileSync(join(root, 'README.md'), 'utf8').replace(/\s+/g, ' ');
  const stated =
    /`MultiLabelMarginLoss` is at most (\d+) kB minified and (\d+) kB gzipped in .*; with `nn` and `optim`, at most (\d+) and (\d+); `.\/threads` alone is (\d+) and (\d+) in esbuild,/;
  const numbers = stated
    .exec(readme)!
    .slice(1)
    .map((number) => Number(number) * 1000);
  const at = (i: number): Sizes => ({ minified: numbers[i]!, gzipped: numbers[i + 1]! });
  return { loss: at(0), training: at(2), threads: at(4) };
}

/** Not more than the README says of the largest, and not so little that the kernels are missing. */
function expectAsStated({ minified, gzipped }: Sizes, limit: Sizes): void {
  expect(minified).toBeLessThanOrEqual(limit.minified);
  expect(gzipped).toBeLessThanOrEqual(limit.gzipped);
  expect(gzipped).toBeGreaterThan(0.5 * limit.gzipped);
}

describe.each(BUNDLERS)('a program that $name bundles', ({ bundle }) => {
  test.each([
    "import { MultiLabelMarginLoss } from 'multilabel-margin-loss'; globalThis.loss = MultiLabelMarginLoss;",
    "import * as loss from 'multilabel-margin-loss/loss'; globalThis.loss = loss;",
  ])('has the loss without the training core: %s', async (source) => {
    expectAsStated(await sizesOf(bundle, source), limits().loss);
  });

  test('has the training core where it names nn', async () => {
    const source = "import { nn, optim } from 'multilabel-margin-loss'; globalThis.all = [nn.Linear, optim.Adam];";
    expectAsStated(await sizesOf(bundle, source), limits().training);
  });
});

test('a program with threads, but for the script of the workers', async () => {
  const source =
    "import { createThreadsBackend } from 'multilabel-margin-loss/threads'; globalThis.create = createThreadsBackend;";
  expectAsStated(await sizesOf(BUNDLERS[0]!.bundle, source), limits().threads);
});
