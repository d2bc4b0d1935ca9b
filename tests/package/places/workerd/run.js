// Bundles a Worker as Cloudflare's own bundler does, runs it in workerd, and prints its answer to a request for two rows.
//
//     node run.js FILE FLAG...
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

const [file, ...flags] = process.argv.slice(2);
const wasm = new Map();
const asModules = {
  name: 'a .wasm file is a compiled module',
  setup(bundler) {
    bundler.onResolve({ filter: /\.wasm(\?module)?$/ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === asModules) return undefined;
      const { path: found, errors } = await bundler.resolve(path, { ...rest, pluginData: asModules });
      if (errors.length > 0) return { errors };
      wasm.set(basename(found), found);
      return { path: `./${basename(found)}`, external: true };
    });
  },
};
const { outputFiles, warnings } = await build({
  entryPoints: [file],
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
  compatibilityFlags: flags,
  modules: [
    { type: 'ESModule', path: 'worker.js', contents: outputFiles[0].text },
    ...[...wasm].map(([path, found]) => ({ type: 'CompiledWasm', path, contents: readFileSync(found) })),
  ],
});
try {
  const body = JSON.stringify({ scores: [[0.1, 0.2, 0.4, 0.8]], targets: [[3, 0]] });
  const response = await miniflare.dispatchFetch('http://localhost/', { method: 'POST', body });
  console.log(await response.text());
} finally {
  await miniflare.dispose();
}
