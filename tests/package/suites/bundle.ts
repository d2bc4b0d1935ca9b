// Bundles suites for engines that Vitest does not drive. The package is not bundled: it is loaded as it was packed.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { root } from '../workspace.js';

const here = fileURLToPath(new URL('./', import.meta.url));

/** The folder of the bundle, as that of a suite: some look for files at a path from their own. */
export const BUNDLE = 'tests/js';

/** What the package promises in every place: documented examples, values of PyTorch and scikit-learn, TensorFlow.js. */
const SUITES = [
  'tests/js/documented-examples.test.ts',
  'tests/js/golden.test.ts',
  'tests/js/semantics.test.ts',
  'tests/training/documented-examples.test.ts',
  'tests/training/golden.test.ts',
  'tests/training/operations.test.ts',
  'tests/evaluate/golden.test.ts',
  'tests/tfjs/tfjs.test.ts',
];

/** Other modules for some of what the suites import. */
const STAND_INS: Record<string, string> = {
  vitest: 'tests/package/suites/vitest.ts',
  './backends.js': 'tests/package/suites/tfjs-backends.ts',
  // Bundled, because it imports TensorFlow.js by its name.
  'multilabel-margin-loss/tfjs': 'dist/tfjs/index.js',
};

/**
 * @param site the folder that is served, with the package's dist/
 * @param name of the script, in BUNDLE
 * @param standIns and those of this bundle
 * @param others more suites
 */
export async function bundleSuites(
  site: string,
  name: string,
  standIns: Record<string, string>,
  others: string[] = [],
): Promise<void> {
  const imports = [...SUITES, ...others].map((file) => `'${file}': () => import('${join(root, file)}')`);
  const modules = { ...STAND_INS, ...standIns };
  const dist = join(root, 'dist/');
  await esbuild.build({
    entryPoints: { [name]: join(here, 'run.ts') },
    outdir: join(site, BUNDLE),
    chunkNames: `${name}-[hash]`,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'error',
    plugins: [
      {
        name: 'suites',
        setup(build) {
          build.onResolve({ filter: /^suites:files$/ }, ({ path }) => ({ path, namespace: 'suites' }));
          build.onLoad({ filter: /.*/, namespace: 'suites' }, () => ({
            contents: `export const files = { ${imports.join(', ')} };`,
            resolveDir: root,
          }));
          build.onResolve({ filter: /^(vitest$|\.|multilabel-margin-loss)/ }, ({ path, resolveDir }) => {
            const module = modules[path];
            if (module !== undefined) return { path: join(root, module) };
            const file = path.startsWith('.')
              ? join(resolveDir, path)
              : join(dist, path.slice('multilabel-margin-loss'.length), 'index.js');
            return file.startsWith(dist) ? { path: `/dist/${file.slice(dist.length)}`, external: true } : undefined;
          });
        },
      },
    ],
  });
}

/** Bundles the worker of tests/threads/page.test.ts, under the name that it is looked for by. */
export async function bundleWorker(site: string): Promise<void> {
  await esbuild.build({
    entryPoints: [join(root, 'tests/threads/loss-worker.ts')],
    outfile: join(site, BUNDLE, 'loss-worker.ts'),
    format: 'esm',
    logLevel: 'error',
  });
}
