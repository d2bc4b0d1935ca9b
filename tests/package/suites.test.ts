// The suites in the engines of Chrome, Firefox and Safari, in a page and in a module worker: see suites/.

import { cp, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type EnginePage, engines } from '../engines.js';
import { files, ISOLATED } from './browsers.js';
import { recordWhenPassed, type Work } from './compatibility.js';
import { BUNDLE, bundleSuites, bundleWorker } from './suites/bundle.js';
import type { Outcome } from './suites/run.js';

const workspace = inject('workspace');
const site = join(workspace, 'suites');
const works: Work[] = [];
const PROVIDED = JSON.stringify({ suiteShare: 0.1 });

let server: Server;
let url: string;

beforeAll(async () => {
  await mkdir(site);
  await cp(join(workspace, 'installed/node_modules/multilabel-margin-loss/dist'), join(site, 'dist'), {
    recursive: true,
  });
  await bundleSuites(site, 'one-thread', {}, ['tests/threads/page.test.ts']);
  // Every loss on threads.
  await bundleSuites(site, 'threads', { 'multilabel-margin-loss': 'tests/threads/package.ts' });
  await bundleWorker(site);
  const page = `<!doctype html><link rel="icon" href="data:," /><script type="module" src="/${BUNDLE}/one-thread.js"></script>`;
  await writeFile(join(site, 'index.html'), page);
  const handler = files(site);
  server = createServer((request, response) => {
    for (const [name, value] of Object.entries(ISOLATED)) response.setHeader(name, value);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe.each(engines)('%s', (name, open) => {
  let page: EnginePage;

  beforeAll(async () => {
    // WebKitGTK's own switch; Safari needs none.
    page = await open({ JSC_useSharedArrayBuffer: '1' });
    await page.goto(url);
  });

  afterAll(() => page.close());

  test('in a page', async () => {
    const outcome = await page.run<Outcome>(`
      for (let tries = 0; globalThis.runSuites === undefined && tries < 1000; tries++)
        await new Promise((resolve) => setTimeout(resolve, 20));
      return runSuites(${PROVIDED});`);
    expect(outcome.failed).toEqual([]);
    expect(outcome.passed).toBeGreaterThan(350);
  });

  // A worker of Firefox may stop for good: see browsers.ts.
  test('in a module worker, every loss on threads', { retry: name === 'Firefox' ? 2 : 0 }, async () => {
    const outcome = await page.run<Outcome>(`
      const worker = new Worker('/${BUNDLE}/threads.js', { type: 'module' });
      return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error('the worker failed: ' + message));
        setTimeout(() => reject(new Error('the worker does not answer')), 150000);
        worker.postMessage(${PROVIDED});
      });`);
    expect(outcome.failed).toEqual([]);
    expect(outcome.passed).toBeGreaterThan(350);
    works.push({
      consumer: 'The suites, in a page and in a module worker',
      version: '',
      browser: `${name} ${page.version}`,
      what: ['loss', 'threads', 'evaluate', 'training', 'TensorFlow.js'],
    });
  });
});

const webkit = engines.find(([name]) => name === 'WebKitGTK')?.[1];

test.runIf(webkit)('WebKitGTK without its switch: the error does not ask for headers that were sent', async () => {
  const page = await webkit!();
  try {
    await page.goto(url);
    const message = await page.run<string>(`
      const { createThreadsBackend } = await import('/dist/threads/index.js');
      return createThreadsBackend().catch(({ code, message }) => code + ' ' + message);`);
    expect(message).toBe(
      'ERR_BACKEND_UNAVAILABLE threads need shared memory, which this build of the engine does not have',
    );
  } finally {
    await page.close();
  }
});

recordWhenPassed(workspace, 'suites', works);
