// Serves pages and opens them in Chromium and in Firefox.

import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { chromium } from 'playwright';
import { launchOptions } from '../chromium.js';
import { launchFirefox } from './firefox.js';

/** The part of a browser's interface that Playwright and Puppeteer share. */
interface Page {
  on(event: 'console', listener: (message: { text(): string }) => void): unknown;
  on(event: 'pageerror', listener: (error: Error) => void): unknown;
  on(event: 'requestfailed', listener: (request: { url(): string }) => void): unknown;
  goto(url: string, options: { timeout: number }): Promise<unknown>;
  close(): Promise<void>;
}

export interface Browser {
  newPage(): Promise<unknown>;
  version(): string | Promise<string>;
  close(): Promise<void>;
}

/** Launches Chromium, and Firefox where it is installed. */
export async function launchBrowsers(): Promise<Record<string, Browser>> {
  const browsers: Record<string, Browser> = { Chromium: await chromium.launch(launchOptions) };
  const firefox = await launchFirefox();
  if (firefox !== undefined) browsers.Firefox = firefox;
  return browsers;
}

export const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** A page that does not print 'done' in time. */
class UnfinishedError extends Error {}

/**
 * Serves a page and opens it. One that does not finish in Firefox is opened again, at most twice: a worker of Firefox 153 that makes
 * a worker stops for good, once in some fifty times on a busy machine, also where both do nothing else.
 *
 * @param headers sent with every response
 * @returns the lines that the page prints on the console before 'done'
 * @throws an Error with those lines, and requests under way, if the page does not print 'done'
 */
export async function open(
  browser: Browser,
  handler: RequestListener,
  headers: Record<string, string>,
): Promise<string[]> {
  const isFirefox = (await browser.version()).startsWith('firefox');
  for (let again = isFirefox ? 2 : 0; ; again--) {
    try {
      return await openOnce(browser, handler, headers);
    } catch (error) {
      if (again === 0 || !(error instanceof UnfinishedError)) throw error;
    }
  }
}

async function openOnce(
  browser: Browser,
  handler: RequestListener,
  headers: Record<string, string>,
): Promise<string[]> {
  const unanswered = new Set<string>();
  const server = createServer((request, response) => {
    // Handlers change the request's own.
    const { url = '' } = request;
    unanswered.add(url);
    response.on('close', () => unanswered.delete(url));
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const page = (await browser.newPage()) as Page;
  try {
    return await new Promise((resolve, reject) => {
      const lines: string[] = [];
      const say = (line: string): void => {
        lines.push(line);
        if (line === 'done') resolve(lines);
      };
      page.on('console', (message) => say(message.text()));
      page.on('pageerror', (error) => say(`not caught: ${error.message}`));
      page.on('requestfailed', (request) => say(`not loaded: ${request.url()}`));
      const fail = (): void => {
        const seen = [...lines, ...Array.from(unanswered, (url) => `not answered: ${url}`)];
        reject(new UnfinishedError(`the page did not print 'done', but:\n${seen.join('\n')}`));
      };
      setTimeout(fail, 100_000).unref();
      page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { timeout: 100_000 }).catch(reject);
    });
  } finally {
    await page.close();
    server.closeAllConnections();
    server.close();
  }
}

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.ts': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** Serves the files of a folder. */
export function files(folder: string): RequestListener {
  const answer = async (url: string, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(url, 'http://localhost');
    const file = join(folder, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    try {
      const content = await readFile(file);
      response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  };
  return ({ url }, response) => void answer(url!, response);
}

/** Forwards requests to another server. */
export function forward(port: number): RequestListener {
  return (incoming, response) => {
    const { method, url, headers } = incoming;
    const outgoing = request({ port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  };
}
