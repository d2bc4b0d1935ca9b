// Writes dist/cjs/: what dist/ exports, as CommonJS. It is for programs that load the package by require() where that takes
// no ES modules: Jest by default, and Node before 20.19.

import { readdirSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { transform } from 'esbuild';

const from = 'dist';
const to = join(from, 'cjs');

// The script of the workers stays an ES module, so the modules that ask where they are get the address of theirs in dist/.
const MODULE_URL = `const moduleUrl =
  typeof process === 'object' && typeof __filename === 'string'
    ? process
        .getBuiltinModule?.('node:url')
        .pathToFileURL(__filename)
        .href.replace(/[/]dist[/]cjs[/](?!.*[/]dist[/]cjs[/])/, '/dist/')
    : undefined;
`;

async function convert(name, content) {
  if (name.endsWith('.d.ts')) return content.replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
  const { code } = await transform(content, {
    format: 'cjs',
    target: 'es2022',
    define: { 'import.meta.url': 'moduleUrl' },
    sourcemap: false,
  });
  const required = code
    .replace(/(require\("\.[^"]*)\.mjs"\)/g, '$1.js")')
    .replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
  return required.includes('moduleUrl') ? MODULE_URL + required : required;
}

await rm(to, { recursive: true, force: true });
await mkdir(to);
await writeFile(join(to, 'package.json'), '{ "type": "commonjs", "sideEffects": false }\n');
const names = readdirSync(from, { recursive: true }).filter(
  (name) => /\.(js|mjs|d\.ts)$/.test(name) && !/^(cli|cjs)|_threads\.mjs$/.test(name),
);
await Promise.all(
  names.map(async (name) => {
    const converted = await convert(name, await readFile(join(from, name), 'utf8'));
    const place = join(to, name.replace(/\.mjs$/, '.js'));
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, converted);
  }),
);
