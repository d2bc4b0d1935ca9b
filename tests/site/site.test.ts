// The site as it is built: its links, its pages in three engines under a content security policy, and its search.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EnginePage, engines } from '../engines.js';
import { accessibilityViolations, launchBrowser, plainServer, type Server } from '../demo/site.js';

const site = fileURLToPath(new URL('../../build/site/', import.meta.url));
const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.html') && !name.startsWith('demo/'),
);
// typedoc sets its theme by a script in the page, and Shiki colours by style attributes. Pagefind runs WebAssembly.
const POLICY =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

const textOf = (page: string): string => readFileSync(path.join(site, page), 'utf8');
const idsOf = (html: string): Set<string> => new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!));

test('has the pages of docs/, the reference of every entry point, and the demo', () => {
  expect(pages).toEqual(expect.arrayContaining(['index.html', 'docs/training.html', 'reference/index.html']));
  for (const entry of ['', '_loss', '_threads', '_evaluate', '_train', '_webgpu', '_tfjs']) {
    expect(pages).toContain(`reference/modules/multilabel-margin-loss${entry}.html`);
  }
  expect(existsSync(path.join(site, 'demo/index.html'))).toBe(true);
});

test('no link leads nowhere, and none starts at the root of a server', () => {
  const broken: string[] = [];
  const ids = new Map<string, Set<string>>();
  for (const page of pages) {
    for (const [, address] of textOf(page).matchAll(/ (?:href|src)="([^"]*)"/g)) {
      if (/^(?:https?:|mailto:|data:)/.test(address!)) continue;
      const [file = '', fragment = ''] = address!.replaceAll('&amp;', '&').split('?')[0]!.split('#');
      const target = file === '' ? page : path.join(path.dirname(page), decodeURIComponent(file));
      if (file.startsWith('/') || !existsSync(path.join(site, target))) broken.push(`${page}: ${address}`);
      else if (fragment !== '' && target.endsWith('.html')) {
        if (!ids.has(target)) ids.set(target, idsOf(textOf(target)));
        if (!ids.get(target)!.has(decodeURIComponent(fragment))) broken.push(`${page}: ${address}`);
      }
    }
  }
  expect(broken).toEqual([]);
});

test('no title says a name twice', () => {
  for (const page of pages) {
    const parts = /<title>(.*?)<\/title>/.exec(textOf(page))![1]!.split(/ [|–] /);
    expect(new Set(parts).size, page).toBe(parts.length);
  }
});

// All pages have the colours of one style sheet, which these show.
const COLOURFUL = ['index.html', 'docs/loss.html', 'search.html'];

describe('axe finds nothing', () => {
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([plainServer({ files: site }), launchBrowser()]);
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  // Tables of thousands of cells take axe minutes; those of benchmarks.html are like them.
  const own = pages.filter((name) => !name.startsWith('reference/') && name !== 'docs/benchmarks-details.html');
  test.each([...own.map((name) => [name, 'light'] as const), ...COLOURFUL.map((name) => [name, 'dark'] as const)])(
    'in %s, %s',
    async (name, colorScheme) => {
      const context = await browser.newContext({ colorScheme });
      const page = await context.newPage();
      await page.goto(server.url + name, { timeout: 100_000 });
      expect(await accessibilityViolations(page)).toEqual([]);
      await context.close();
    },
  );
});

describe.each(engines)('%s', (_, open) => {
  let server: Server;
  let page: EnginePage;

  beforeAll(async () => {
    server = await plainServer({ files: site, headers: { 'Content-Security-Policy': POLICY } });
    page = await open();
  });

  afterAll(async () => {
    await page.close();
    await server.close();
  });

  test('the first page, a page of docs/ and one of the reference are laid out within their width', async () => {
    for (const name of ['index.html', 'docs/training.html', 'reference/modules/multilabel-margin-loss.html']) {
      await page.setWidth(390, 844);
      await page.goto(server.url + name);
      expect(await page.run(`return document.documentElement.scrollWidth <= innerWidth`), name).toBe(true);
      expect(await page.run(`return [...document.images].every((image) => image.naturalWidth > 0)`), name).toBe(true);
    }
  });

  test('the search finds a page of docs/ and an entry of the reference, and its links work', async () => {
    await page.goto(`${server.url}search.html?q=MultiLabelMarginLoss`);
    const found = await page.run<string[]>(`
      for (let tries = 0; tries < 1200; tries++) {
        const links = [...document.querySelectorAll('.pagefind-ui__result-link')];
        if (links.length > 0) return links.map(({ href }) => href);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return [];`);
    expect(found.some((address) => address.startsWith(`${server.url}reference/`))).toBe(true);
    for (const address of found) {
      expect(address.startsWith(server.url), address).toBe(true);
      expect(existsSync(path.join(site, new URL(address).pathname.replace('/some/folder/', ''))), address).toBe(true);
    }
  });
});
