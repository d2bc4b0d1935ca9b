/** Pages in three engines, each driven in its own way: what a test needs of them all. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { launchBrowser } from './demo/site.js';
import { launchFirefox } from './package/firefox.js';

export interface EnginePage {
  version: string;
  goto(url: string): Promise<void>;
  reload(): Promise<void>;
  /** Runs the body of an async function in the page. */
  run<T>(body: string): Promise<T>;
  screenshot(): Promise<Uint8Array>;
  setWidth(width: number, height: number): Promise<void>;
  close(): Promise<void>;
}

const webkit = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu']
  .map((folder) => `${folder}/webkit2gtk-4.1/MiniBrowser`)
  .find((path) => existsSync(path) && existsSync('/usr/bin/WebKitWebDriver'));

// scripts/bootstrap installs Debian's Chromium together with the other two: where it is, one that is missing is an error.
// Elsewhere they are tested if they are there.
const hasAll = existsSync('/usr/bin/chromium');
const hasFirefox = existsSync('/usr/bin/firefox-esr') || existsSync('/usr/bin/firefox');

export const engines: [name: string, open: (env?: Record<string, string>) => Promise<EnginePage>][] = [
  ['Chromium', openChromium],
  ...(hasAll || hasFirefox ? [['Firefox', openFirefox] satisfies [string, unknown]] : []),
  ...(hasAll || webkit !== undefined ? [['WebKitGTK', openWebKit] satisfies [string, unknown]] : []),
];

async function openChromium(): Promise<EnginePage> {
  const browser = await launchBrowser();
  const page = await (await browser.newContext()).newPage();
  return {
    version: browser.version(),
    goto: async (url) => void (await page.goto(url)),
    reload: async () => void (await page.reload()),
    run: (body) => page.evaluate(asyncFunction(body)),
    screenshot: () => page.screenshot(),
    setWidth: (width, height) => page.setViewportSize({ width, height }),
    close: () => browser.close(),
  };
}

async function openFirefox(): Promise<EnginePage> {
  const browser = await launchFirefox();
  if (browser === undefined) throw new Error('Firefox is not installed: bash scripts/bootstrap tests');
  const page = await browser.newPage();
  return {
    // 'firefox/153.0'
    version: (await browser.version()).replace(/^.*\//, ''),
    goto: async (url) => void (await page.goto(url)),
    reload: async () => void (await page.reload()),
    run: async (body) => (await page.evaluate(asyncFunction(body))) as never,
    screenshot: () => page.screenshot(),
    setWidth: (width, height) => page.setViewport({ width, height }),
    close: () => browser.close(),
  };
}

/**
 * By WebDriver, on a display of its own. In the locale "C", in which WebKit's Intl throws.
 *
 * @param variables of the environment, for WebKit's own settings
 */
async function openWebKit(variables: Record<string, string> = {}): Promise<EnginePage> {
  if (webkit === undefined) throw new Error('webkit2gtk-driver is not installed: bash scripts/bootstrap tests');
  const started: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    for (const child of started.reverse()) {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await exited;
    }
  };
  try {
    const display = `:${100 + (process.pid % 1000)}`;
    started.push(spawn('Xvfb', [display, '-screen', '0', '1500x1100x24', '-nolisten', 'tcp'], { stdio: 'ignore' }));
    const port = await freePort();
    const env = { ...process.env, DISPLAY: display, LC_ALL: 'C', LIBGL_ALWAYS_SOFTWARE: '1', ...variables };
    // Its sandbox needs more rights than a container has.
    Object.assign(env, { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' });
    started.push(spawn('WebKitWebDriver', [`--port=${port}`], { stdio: 'ignore', env }));
    const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const request = { method, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const answer = (await (await fetch(`http://127.0.0.1:${port}${path}`, request)).json()) as { value: unknown };
      const value = answer.value as { error?: string; message?: string } | null;
      if (value?.error !== undefined) throw new Error(`${path}: ${value.error}, ${value.message}`);
      return answer.value;
    };
    await listens(() => call('GET', '/status'));
    const browserOptions = { binary: webkit, args: ['--automation'] };
    const { sessionId, capabilities } = (await call('POST', '/session', {
      capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': browserOptions } },
    })) as { sessionId: string; capabilities: { browserVersion: string } };
    const session = `/session/${sessionId}`;
    await call('POST', `${session}/timeouts`, { script: 280_000, pageLoad: 100_000 });
    return {
      version: capabilities.browserVersion,
      goto: async (url) => void (await call('POST', `${session}/url`, { url })),
      reload: async () => void (await call('POST', `${session}/refresh`, {})),
      run: async (body) => {
        const script = `const done = arguments[0]; ${asyncFunction(body)}.then((value) => done({ value }), (error) => done({ error: String(error) }));`;
        const result = await call('POST', `${session}/execute/async`, { script, args: [] });
        const { value, error } = result as { value?: unknown; error?: string };
        if (error !== undefined) throw new Error(error);
        return value as never;
      },
      screenshot: async () => Buffer.from((await call('GET', `${session}/screenshot`)) as string, 'base64'),
      setWidth: async (width, height) =>
        void (await call('POST', `${session}/window/rect`, { x: 0, y: 0, width, height })),
      close: async () => {
        await call('DELETE', session);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const asyncFunction = (body: string): string => `(async () => { ${body} })()`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listens(ask: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await ask();
      return;
    } catch (error) {
      if (tries === 600) throw error;
      await sleep(100);
    }
  }
}
