/** The built site in a browser: what each test of a page needs. */
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright';
import { preview } from 'vite';
import { launchOptions } from '../chromium.js';

const require = createRequire(import.meta.url);
const demo = fileURLToPath(new URL('../../web-demo/', import.meta.url));
export const SITE = path.join(demo, 'build/site');

export interface Server {
  url: string;
  close(): Promise<void>;
}

/** Vite's, as `npm run preview` starts it. */
export async function previewServer(): Promise<Server> {
  const server = await preview({
    configFile: path.join(demo, 'vite.config.ts'),
    preview: { port: 0, host: '127.0.0.1' },
    logLevel: 'warn',
  });
  const { port } = server.httpServer.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

/**
 * One that knows files only: they are in a folder of it, and no header is sent but the type, those of isolation if wanted, and
 * others that are given.
 *
 * @param requested gets the path of every request
 */
export async function plainServer({
  files = SITE,
  isolated = false,
  requested = [] as string[],
  headers = {},
}: {
  files?: string;
  isolated?: boolean;
  requested?: string[];
  headers?: Record<string, string>;
} = {}): Promise<Server> {
  const types: Record<string, string> = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.json': 'application/json',
    '.svg': 'image/svg+xml',
    '.txt': 'text/plain',
    '.webp': 'image/webp',
    '.png': 'image/png',
    '.wasm': 'application/wasm',
    '.bin': 'application/octet-stream',
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    const file = path.join(files, pathname.replace(/^\/some\/folder\//, '').replace(/^$/, 'index.html'));
    requested.push(pathname);
    response.setHeaders(new Map(Object.entries(headers)));
    if (isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    if (!pathname.startsWith('/some/folder/') || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('Content-Type', types[path.extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/folder/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    ...launchOptions,
    args: [
      ...launchOptions.args,
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      // WebGPU, in software.
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
    ],
  });
}

/** What went wrong in a page, as it is seen in the developer tools. */
export const problems = new WeakMap<Page, string[]>();

/** A page of its own, with no cache. */
export async function newPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(100_000);
  return context.newPage();
}

/** A page of its own that has loaded. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await newPage(browser, options);
  const found: string[] = [];
  problems.set(page, found);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) found.push(message.text());
  });
  page.on('pageerror', (error) => found.push(String(error)));
  // What is no picture fails to load from the blob that it was dropped as.
  page.on(
    'requestfailed',
    (request) => !request.url().startsWith('blob:') && found.push(`${request.url()}: ${request.failure()?.errorText}`),
  );
  page.on('response', (response) => {
    if (response.status() >= 400) found.push(`${response.url()}: ${response.status()}`);
  });
  await page.goto(url);
  await isReady(page);
  return page;
}

export async function isReady(page: Page): Promise<void> {
  await page.getByText('Ready. Press Train.').waitFor();
}

/** Trains for so many epochs more, and pauses. On a slow machine, it can be more than that before the pause is seen. */
export async function train(page: Page, epochs: number): Promise<void> {
  const done = await page.locator('#epoch-bar').evaluate((bar) => (bar as HTMLProgressElement).value);
  await page.locator('#start').click();
  await page.waitForFunction(
    (wanted) => document.querySelector<HTMLProgressElement>('#epoch-bar')!.value >= wanted,
    done + epochs,
  );
  await page.locator('#start', { hasText: 'Pause' }).click();
  await page.locator('#start', { hasText: 'Go on' }).waitFor();
}

/** Forgets what was trained. */
export async function reset(page: Page): Promise<void> {
  await page.getByRole('button', { exact: true, name: 'Reset' }).click();
  await page.getByText('Not started').waitFor();
}

/**
 * Measures what the reports of a training cost the page's own thread, from now until the returned function is called:
 * seconds of the processor for each, without those that other threads had in the meantime.
 */
export async function recordReports(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const busySeconds = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')!.value;
  };
  const before = await busySeconds();
  const reports = await page.locator('#loss-ms').evaluateHandle((place) => {
    const state = { count: 0 };
    new MutationObserver(() => state.count++).observe(place, { childList: true });
    return state;
  });
  return async () => {
    const count = await reports.evaluate((state) => state.count);
    const busy = (await busySeconds()) - before;
    await session.detach();
    return busy / count;
  };
}

/** A figure of the training panel, as it stands there. */
export async function figure(page: Page, id: 'loss' | 'lrap' | 'precision' | 'loss-ms'): Promise<number> {
  return parseFloat((await page.locator(`#${id}`).textContent())!);
}

/** Lets go of a file over the page. */
export async function drop(page: Page, name: string, type: string, bytes: Uint8Array): Promise<void> {
  const transfer = await page.evaluateHandle(
    ([fileName, fileType, base64]) => {
      const data = new DataTransfer();
      const content = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([content], fileName, { type: fileType }));
      return data;
    },
    [name, type, Buffer.from(bytes).toString('base64')] as const,
  );
  await page.dispatchEvent('#stage', 'drop', { dataTransfer: transfer });
}

/** Tags of the picture, by falling scores. */
export function shownTags(page: Page): Promise<string[]> {
  return page.locator('.row > button').allTextContents();
}

/** What axe-core finds. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
  return page.evaluate(async () => {
    // @ts-expect-error axe was put into the page just now
    // eslint-disable-next-line @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call
    const results = (await axe.run()) as { violations: { id: string; help: string; nodes: { html: string }[] }[] };
    return results.violations.map(
      ({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html }) => html).join('\n  ')}`,
    );
  });
}
