// Makes pages of the programs, with each bundler and without one. A page runs its programs one after the other.

import { copyFile, cp, readFile, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import * as vite from 'vite';
import webpack from 'webpack';
import { files, forward } from './browsers.js';
import { execute, startServer } from './execute.js';

export type Program = 'loss' | 'worker' | 'threads' | 'tfjs' | 'service-worker';

export interface Page {
  name: string;
  /** The package whose version docs/compatibility.md reports. */
  tool?: string;
  programs: readonly Program[];
  /** Sources of scripts that the page needs besides 'self' and 'wasm-unsafe-eval'. */
  scriptSources?: string;
  /** True if the page also prints the loss of a server component, and of a route in the edge runtime. */
  serverComponent?: boolean;
  /**
   * Makes the page in the folder that has the package and the programs.
   *
   * @returns the handler that serves the page, and a function that stops it
   */
  make(project: string): Promise<{ handler: RequestListener; close?: () => Promise<unknown> }>;
}

const all: readonly Program[] = ['loss', 'worker', 'threads', 'tfjs'];

const THREADS_WORKER = 'node_modules/multilabel-margin-loss/dist/threads/multilabel_margin_loss_threads.mjs';

/** A page of Vite's dev server, with more options. */
function viteDev(name: string, tool: string, load: () => Promise<typeof vite>, options: vite.InlineConfig): Page {
  return {
    name,
    tool,
    programs: all,
    async make(project) {
      const { createServer } = await load();
      const server = await createServer({
        root: project,
        configFile: false,
        logLevel: 'warn',
        appType: 'spa',
        server: { middlewareMode: true, ws: false },
        ...options,
      });
      return { handler: server.middlewares, close: () => server.close() };
    },
  };
}

function viteBuild(name: string, tool: string, load: () => Promise<typeof vite>, options: vite.InlineConfig): Page {
  return {
    name,
    tool,
    programs: all,
    async make(project) {
      await (await load()).build({ root: project, configFile: false, logLevel: 'warn', ...options });
      return { handler: files(join(project, 'dist')) };
    },
  };
}

const vite7 = (): Promise<typeof vite> => import('vite7') as unknown as Promise<typeof vite>;

export const PAGES: readonly Page[] = [
  viteDev('Vite, dev', 'vite', () => Promise.resolve(vite), {}),
  // The lines of docs/deployment.md.
  viteDev('Vite 7, dev, with `exclude`', 'vite7', vite7, {
    optimizeDeps: { exclude: ['multilabel-margin-loss'] },
  }),
  viteBuild('Vite, build', 'vite', () => Promise.resolve(vite), {}),
  viteBuild('Vite 7, build, with `format`', 'vite7', vite7, { worker: { format: 'es' } }),
  {
    name: 'webpack',
    tool: 'webpack',
    programs: all,
    async make(project) {
      await new Promise<void>((resolve, reject) => {
        const output = { path: join(project, 'dist'), filename: 'page.js' };
        webpack(
          { mode: 'production', context: project, entry: './page.js', output, performance: false },
          (error, stats) => {
            if (error) reject(error);
            else if (stats!.hasErrors() || stats!.hasWarnings()) reject(new Error(stats!.toString('errors-warnings')));
            else resolve();
          },
        );
      });
      await copyFile(join(project, 'index.html'), join(project, 'dist/index.html'));
      return { handler: files(join(project, 'dist')) };
    },
  },
  {
    name: 'esbuild',
    tool: 'esbuild',
    programs: [...all, 'service-worker'],
    async make(project) {
      const common = { absWorkingDir: project, bundle: true, outdir: 'dist', logLevel: 'silent' } as const;
      const results = [
        await esbuild.build({ ...common, entryPoints: ['page.js', 'loss-worker.js'], format: 'esm', splitting: true }),
        // A classic script, because module service workers came to browsers later.
        await esbuild.build({ ...common, entryPoints: ['loss-service-worker.js'], format: 'iife' }),
      ];
      const warnings = results.flatMap((result) => result.warnings);
      if (warnings.length > 0) throw new Error(warnings.map(({ text }) => text).join('\n'));
      await copyFile(join(project, THREADS_WORKER), join(project, 'dist/multilabel_margin_loss_threads.mjs'));
      await copyFile(join(project, 'index.html'), join(project, 'dist/index.html'));
      return { handler: files(join(project, 'dist')) };
    },
  },
  {
    name: 'Rollup',
    tool: 'rollup',
    programs: all,
    async make(project) {
      const bundle = await rollup({
        input: [join(project, 'page.js'), join(project, 'loss-worker.js')],
        plugins: [nodeResolve({ browser: true }), commonjs()],
        onwarn: ({ message, code }) => {
          // TensorFlow.js causes warnings.
          if (code !== 'CIRCULAR_DEPENDENCY' && code !== 'THIS_IS_UNDEFINED') throw new Error(message);
        },
      });
      await bundle.write({ dir: join(project, 'dist') });
      await bundle.close();
      await copyFile(join(project, THREADS_WORKER), join(project, 'dist/multilabel_margin_loss_threads.mjs'));
      await copyFile(join(project, 'index.html'), join(project, 'dist/index.html'));
      return { handler: files(join(project, 'dist')) };
    },
  },
  {
    name: 'Parcel',
    tool: 'parcel',
    programs: all,
    // Parcel writes an inline import map.
    scriptSources: "'unsafe-inline'",
    async make(project) {
      await buildWithParcel(project);
      return { handler: files(join(project, 'dist')) };
    },
  },
  {
    name: 'Next.js',
    tool: 'next',
    programs: all,
    // Next.js uses inline scripts.
    scriptSources: "'unsafe-inline'",
    serverComponent: true,
    async make(project) {
      await cp(fileURLToPath(new URL('next/', import.meta.url)), project, { recursive: true });
      const next = join(project, '../node_modules/next/dist/bin/next');
      await execute(process.execPath, [next, 'build'], { cwd: project });
      const { address, close } = await startServer(
        [next, 'start', '--port', '0', '--hostname', '127.0.0.1'],
        { cwd: project },
        (output) => (/Ready/.test(output) ? /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] : undefined),
      );
      return { handler: forward(Number(address.port)), close };
    },
  },
  {
    name: 'No bundler',
    programs: ['loss', 'worker', 'threads'],
    async make(project) {
      // Workers have no import maps, and a policy may forbid them, so the modules contain the paths.
      const manifest = await readFile(join(project, 'node_modules/multilabel-margin-loss/package.json'), 'utf8');
      const { exports } = JSON.parse(manifest) as { exports: Record<string, { default: string }> };
      for (const name of ['loss.js', 'example.js', 'on-threads.js']) {
        const source = await readFile(join(project, name), 'utf8');
        const withPaths = source.replace(
          /from 'multilabel-margin-loss(.*?)'/g,
          (_, entry: string) => `from './node_modules/multilabel-margin-loss/${exports[`.${entry}`]!.default}'`,
        );
        await writeFile(join(project, name), withPaths);
      }
      return { handler: files(project) };
    },
  },
];

/** Bundles index.html into dist/. */
export async function buildWithParcel(project: string): Promise<void> {
  const parcel = join(project, '../node_modules/parcel/lib/bin.js');
  await execute(process.execPath, [parcel, 'build', 'index.html', '--no-cache'], { cwd: project });
}

/** Writes the script that runs the programs, which `make()` bundles. */
export async function writePage(project: string, programs: readonly Program[]): Promise<void> {
  // A program that is not done when it is loaded exports a promise. Parcel has no top-level await.
  const runs = programs.map(
    (program) =>
      `await import('./${program}.js').then(doneOf).catch(({ name, code, message }) => console.log('${program}', name, code, message));`,
  );
  const script = `const doneOf = (module) => module.done;
(async () => {
  ${runs.join('\n  ')}
  console.log('done');
})();
`;
  await writeFile(join(project, 'page.js'), script);
  await writeFile(
    join(project, 'index.html'),
    '<!doctype html><link rel="icon" href="data:," /><script type="module" src="./page.js"></script>',
  );
}
