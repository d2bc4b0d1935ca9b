/**
 * Builds the site in build/site/: README as its first page, the pages of docs/, the reference, the demo, and a search over all
 * of it. Every address in it is relative, so that it works from any folder of a server.
 *
 *     npm run site
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { close, createIndex } from 'pagefind';
import { renderer, toPage } from './markdown.js';
import { type Page, pageOf, searchPage } from './page.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const site = path.join(root, 'build/site');

rmSync(site, { recursive: true, force: true });
mkdirSync(path.join(site, 'docs/guides'), { recursive: true });

const render = await renderer(root);
const sources = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const pages: Page[] = sources.map((source) => {
  const { title, html } = render(source, readFileSync(path.join(root, source), 'utf8'));
  return { address: toPage(source), title, html };
});
for (const page of [...pages, searchPage]) writeFileSync(path.join(site, page.address), pageOf(page, pages));
for (const file of ['LICENSE', 'docs/images', ...pictures()]) {
  cpSync(path.join(root, file), path.join(site, file), { recursive: true });
}
cpSync(fileURLToPath(new URL('assets/', import.meta.url)), path.join(site, 'assets'), { recursive: true });

execFileSync('npx', ['--no-install', 'typedoc', '--out', path.join(site, 'reference'), '--logLevel', 'Warn'], {
  cwd: root,
  stdio: 'inherit',
});
linkReference();
execFileSync('npm', ['run', '--silent', '--workspace', 'web-demo', 'build', '--', '--logLevel', 'warn'], {
  cwd: root,
  stdio: 'inherit',
});
cpSync(path.join(root, 'web-demo/build/site'), path.join(site, 'demo'), { recursive: true });

const { index } = await createIndex({
  excludeSelectors: ['header', 'nav', 'footer', '.site-menu', '.page-menu', '.tsd-breadcrumb'],
});
if (index === undefined) throw new Error('Pagefind does not start');
const { errors, page_count } = await index.addDirectory({ path: site, glob: '{*,docs/**/*,reference/**/*}.html' });
await index.writeFiles({ outputPath: path.join(site, 'pagefind') });
await close();
if (errors.length > 0) throw new Error(errors.join('\n'));
console.log(`build/site/: ${page_count} pages that can be searched, and the demo`);

/** Makes the links of the reference to the rest of the site, which typedoc takes to be absolute, relative. */
function linkReference(): void {
  for (const name of readdirSync(path.join(site, 'reference'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.html')) continue;
    const file = path.join(site, 'reference', name);
    const up = '../'.repeat(name.split(path.sep).length);
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('href="site:', `href="${up}`));
  }
}

/** The charts beside the pages. */
function pictures(): string[] {
  return readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.svg'))
    .map((name) => `docs/${name}`);
}
