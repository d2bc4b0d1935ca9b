// Bundles worker.js as Cloudflare's own bundler does, runs it in workerd, and prints its answer to a request.
//
//     node run.js FLAG...
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

const wasm = new Map();
const asModules = {
  name: 'a .wasm file is a compiled module',
  setup(bundler) {
    bundler.onResolve({ filter: /\.wasm(\?module)?$/ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === asModules) return undefined;
      const { path: file, errors } = await bundler.resolve(path, { ...rest, pluginData: asModules });
      if (errors.length > 0) return { errors };
      wasm.set(basename(file), file);
      return { path: `./${basename(file)}`, external: true };
    });
  },
};
const { outputFiles, warnings } = await build({
  entryPoints: ['worker.js'],
  bundle: true,
  format: 'esm',
  conditions: ['workerd', 'worker', 'browser'],
  write: false,
  outdir: '.',
  plugins: [asModules],
});
if (warnings.length > 0) throw new Error(JSON.stringify(warnings));
const miniflare = new Miniflare({
  compatibilityDate: '2026-01-01',
  compatibilityFlags: process.argv.slice(2),
  modules: [
    { type: 'ESModule', path: 'worker.js', contents: outputFiles[0].text },
    ...[...wasm].map(([path, file]) => ({ type: 'CompiledWasm', path, contents: readFileSync(file) })),
  ],
});
try {
  const response = await miniflare.dispatchFetch('http://localhost/');
  console.log(await response.text());
} finally {
  await miniflare.dispose();
}
