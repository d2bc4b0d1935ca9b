// Where the loss or its threads cannot start, the error names the cause; and where they can in spite of appearances, they do.

import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type EnginePage, engines } from '../engines.js';
import { ISOLATED } from './browsers.js';
import { execute } from './execute.js';

const workspace = inject('workspace');
const installed = join(workspace, 'installed');
const dist = join(installed, 'node_modules/multilabel-margin-loss/dist');
const bundled = join(workspace, 'causes');
const SCRIPT = 'threads/multilabel_margin_loss_threads.mjs';

const LOSS = '0.850000';
const THREADS = '0.999000';

/** What a program prints: a number, or how its error is said. */
interface Outcome {
  loss: string;
  threads: string;
}

/**
 * The body of a program that computes both.
 *
 * @param worker a function that makes the workers, as source; the package makes them without it
 */
const program = (base: string, worker = 'undefined'): string => `
  import { MultiLabelMarginLoss } from '${base}index.js';
  import { createThreadsBackend } from '${base}threads/index.js';
  const said = ({ code, message }) => code + ' ' + message;
  const outcome = {};
  try {
    outcome.loss = new MultiLabelMarginLoss().forward([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]).item().toFixed(6);
  } catch (error) {
    outcome.loss = said(error);
  }
  const threads = createThreadsBackend({ threads: 2, worker: ${worker} }).then((backend) => {
    const targets = Array.from({ length: 500 }, () => [7]);
    const loss = new MultiLabelMarginLoss({ backend }).forward(backend.zeros(500, 1000), targets);
    backend.dispose();
    return loss.item().toFixed(6);
  }).catch(said).then((text) => { outcome.threads = text; return outcome; });`;

interface Case {
  /** Headers of the page. */
  headers: Record<string, string>;
  /** Those of its scripts, if others. */
  scriptHeaders?: Record<string, string>;
  /** What the page holds before its program, or instead of it. */
  head?: string;
  body?: string;
  /** True if the page loads the package from another origin. */
  fromElsewhere?: boolean;
  /** A function that makes the workers, as source, where the page makes them. */
  worker?: string;
  /** How the script of the workers is served, whose code the page has in a bundle. */
  script?: { status: number; type: string };
  loss?: string | RegExp;
  threads: string | RegExp;
  /** The outcome in WebKit, where it differs. */
  inWebKit?: string | RegExp;
  /** The engines that have what the case is about, if not all. */
  only?: readonly string[];
}

const policy = (text: string): Record<string, string> => ({ ...ISOLATED, 'Content-Security-Policy': text });
const ALLOW = "<script>trustedTypes.createPolicy('default', { createScriptURL: (url) => url });</script>";
// The recipe of docs/deployment.md.
const OWN_POLICY = `() => {
    globalThis.policy ??= trustedTypes.createPolicy('workers', { createScriptURL: (url) => url });
    const script = policy.createScriptURL(new URL('./${SCRIPT}', location.href).href);
    return new Worker(script, { type: 'module', name: 'em-pthread' });
  }`;
const frame = (attributes: string): string =>
  `<iframe ${attributes}></iframe><script>onmessage = ({ data }) => { globalThis.outcome = data; };</script>`;
/** A worker, say of a page that waits for its answer. */
const NO_WORKER = /^ERR_BACKEND_UNAVAILABLE threads need workers, and there is no Worker here$/;
const OPAQUE = /did not start: this browser has no workers where the origin is opaque, as in a sandboxed frame/;
const HEADERS = /^ERR_BACKEND_UNAVAILABLE threads need shared memory.*"Document-Isolation-Policy: [a-z-]+"$/;

const CASES: Record<string, Case> = {
  isolated: { headers: ISOLATED, threads: THREADS },
  // WebKitGTK's switch shares memory without isolation.
  'not-isolated': { headers: {}, threads: HEADERS, inWebKit: THREADS },
  'document-isolation-policy': {
    headers: { 'Document-Isolation-Policy': 'isolate-and-require-corp' },
    threads: THREADS,
    only: ['Chromium'],
  },
  'script-of-another-origin': { headers: ISOLATED, fromElsewhere: true, threads: THREADS },
  'script-without-embedder-policy': { headers: ISOLATED, scriptHeaders: {}, threads: THREADS },
  'sandboxed-frame': {
    headers: ISOLATED,
    body: frame('sandbox="allow-scripts" allow="cross-origin-isolated" src="/isolated/"'),
    threads: THREADS,
    inWebKit: OPAQUE,
  },
  'sandboxed-frame-not-isolated': {
    headers: {},
    body: frame('sandbox="allow-scripts" src="/not-isolated/"'),
    threads: /"Document-Isolation-Policy.*the page around this frame too.*allow="cross-origin-isolated"$/,
    only: ['Chromium', 'Firefox'],
  },
  'sandboxed-page': { headers: policy('sandbox allow-scripts'), threads: THREADS, inWebKit: OPAQUE },
  'trusted-types': {
    headers: policy("require-trusted-types-for 'script'"),
    threads: /did not start: Trusted Types need a policy named "default".*or the option `worker`/,
  },
  'trusted-types-allowed': { headers: policy("require-trusted-types-for 'script'"), head: ALLOW, threads: THREADS },
  'trusted-types-of-the-page': {
    headers: policy("require-trusted-types-for 'script'; trusted-types workers"),
    worker: OWN_POLICY,
    threads: THREADS,
  },
  'worker-policy': {
    headers: policy("worker-src 'none'"),
    threads:
      /did not start: the content security policy forbids it \(violated: worker-src\): worker-src must allow its/,
  },
  'worker-policy-and-another-origin': {
    headers: policy("worker-src 'self'"),
    fromElsewhere: true,
    threads: /violated: worker-src\): its script is of another origin.*worker-src must allow blob:/,
  },
  'webassembly-policy': {
    headers: policy("script-src 'self' 'unsafe-inline'"),
    loss: /^ERR_BACKEND_UNAVAILABLE the content security policy forbids WebAssembly.*'wasm-unsafe-eval'/,
    threads: /^ERR_BACKEND_UNAVAILABLE the content security policy forbids WebAssembly.*'wasm-unsafe-eval'/,
  },
  'type-of-script': {
    headers: ISOLATED,
    script: { status: 200, type: 'application/octet-stream' },
    threads: /did not start: the server sends http.*\.mjs as application\/octet-stream, and browsers run modules as/,
    // It runs the script all the same.
    inWebKit: THREADS,
  },
  'no-script': {
    headers: ISOLATED,
    script: { status: 404, type: 'text/plain' },
    threads: /did not start: http.*\.mjs is missing: the server answered 404$/,
  },
  'no-webassembly': {
    headers: ISOLATED,
    head: '<script>delete globalThis.WebAssembly;</script>',
    loss: /^ERR_BACKEND_UNAVAILABLE this environment has no WebAssembly$/,
    threads: /^ERR_BACKEND_UNAVAILABLE this environment has no WebAssembly$/,
  },
  'shared-worker': {
    headers: ISOLATED,
    body: `<script type="module">
      const { port } = new SharedWorker('shared-worker.js', { type: 'module' });
      port.onmessage = ({ data }) => { globalThis.outcome = data; };</script>`,
    threads: /there is no Worker here$|which this browser does not give to shared workers$/,
  },
  'service-worker': {
    headers: ISOLATED,
    body: `<script type="module">
      await navigator.serviceWorker.register('service-worker.js', { type: 'module' });
      const { active } = await navigator.serviceWorker.ready;
      navigator.serviceWorker.onmessage = ({ data }) => { globalThis.outcome = data; };
      active.postMessage('go');</script>`,
    threads: NO_WORKER,
  },
  'audio-worklet': {
    headers: ISOLATED,
    body: `<script type="module">
      const context = new OfflineAudioContext(1, 128, 44100);
      await context.audioWorklet.addModule('audio-worklet.js');
      const node = new AudioWorkletNode(context, 'loss');
      node.port.onmessage = ({ data }) => { globalThis.outcome = data; };
      await context.startRendering();</script>`,
    threads: NO_WORKER,
  },
};

const WORKERS: Record<string, string> = {
  'shared-worker.js': `onconnect = ({ ports: [port] }) => void threads.then((all) => port.postMessage(all));`,
  'service-worker.js': `onmessage = ({ source }) => void threads.then((all) => source.postMessage(all));`,
  'audio-worklet.js': `registerProcessor('loss', class extends AudioWorkletProcessor {
    process() { threads.then((all) => this.port.postMessage(all)); return false; } });`,
};

/** Serves /CASE/, with the package beside each page. */
const handler =
  (elsewhere: () => string): RequestListener =>
  ({ url }, response) => {
    const [, name = '', path = ''] = /^\/([\w-]+)\/(.*)$/.exec(url!) ?? [];
    const one = CASES[name];
    const headers = one && (path === '' ? one.headers : (one.scriptHeaders ?? one.headers));
    for (const [header, value] of Object.entries(headers ?? {})) response.setHeader(header, value);
    response.setHeader('Access-Control-Allow-Origin', '*').setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    const send = (status: number, type: string, content: string | Buffer): void =>
      void response.writeHead(status, { 'Content-Type': type }).end(content);
    if (one === undefined) send(404, 'text/plain', '');
    else if (path === '') {
      const base = one.fromElsewhere ? `${elsewhere()}/${name}/` : './';
      const script = `${program(base, one.worker)} threads.then((all) => { globalThis.outcome = all; parent.postMessage(all, '*'); });`;
      const { head = '', body = `<script type="module">${script}</script>` } = one;
      send(200, 'text/html', `<!doctype html><link rel="icon" href="data:," />${head}${body}`);
    } else if (path in WORKERS) send(200, 'text/javascript', program('./') + WORKERS[path]!);
    else if (path === SCRIPT && one.script?.status === 404) send(404, one.script.type, '');
    else
      readFile(join(one.script && path !== SCRIPT ? bundled : dist, path)).then(
        (content) => send(200, path === SCRIPT && one.script ? one.script.type : 'text/javascript', content),
        () => send(404, 'text/plain', ''),
      );
  };

const servers: Server[] = [];
const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

beforeAll(async () => {
  await esbuild.build({
    entryPoints: ['index.js', 'threads/index.js'].map((file) => join(dist, file)),
    outdir: bundled,
    bundle: true,
    splitting: true,
    format: 'esm',
    external: ['node:*'],
    logLevel: 'error',
  });
  for (let i = 0; i < 2; i++) {
    const server = createServer(handler(() => addressOf(servers[1]!)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
  }
});

afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

describe.each(engines)('%s', (engine, open) => {
  let page: EnginePage;
  beforeAll(async () => {
    // WebKitGTK's own switch; Safari needs none.
    page = await open({ JSC_useSharedArrayBuffer: '1' });
  });
  afterAll(() => page.close());

  test.each(Object.entries(CASES).filter(([, { only }]) => only?.includes(engine) ?? true))('%s', async (name, one) => {
    await page.goto(`${addressOf(servers[0]!)}/${name}/`);
    const outcome = await page.run<Outcome>(`
      for (let tries = 0; globalThis.outcome === undefined; tries++) {
        if (tries === 1500) throw new Error('the page says nothing');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return globalThis.outcome;`);
    const threads = engine === 'WebKitGTK' ? (one.inWebKit ?? one.threads) : one.threads;
    const expected = (value: string | RegExp): unknown =>
      typeof value === 'string' ? value : expect.stringMatching(value);
    expect(outcome).toEqual({ loss: expected(one.loss ?? LOSS), threads: expected(threads) });
  });
});

describe('Node', () => {
  const outcomeIn = async (tool: string, ...flags: string[]): Promise<Outcome> => {
    const node = join(workspace, 'node_modules', tool, 'bin/node');
    const base = './node_modules/multilabel-margin-loss/dist/';
    const source = `${program(base)} console.log(JSON.stringify(await threads));`;
    const args = [...flags, '--no-warnings', '--input-type=module', '-e', source];
    return JSON.parse((await execute(node, args, { cwd: installed })).trim().split('\n').at(-1)!) as Outcome;
  };

  test('without WebAssembly', async () => {
    const none = 'ERR_BACKEND_UNAVAILABLE this environment has no WebAssembly';
    expect(await outcomeIn('node22', '--jitless')).toEqual({ loss: none, threads: none });
  });

  // A processor without the instructions that SIMD needs.
  test.runIf(process.arch === 'x64')('without SIMD', async () => {
    const none = expect.stringMatching(/^ERR_BACKEND_UNAVAILABLE this engine has no SIMD in WebAssembly/);
    expect(await outcomeIn('node24', '--no-enable-ssse3')).toEqual({ loss: none, threads: none });
  });

  test.each(['node22', 'node24'])('%s without the permission to start workers', async (tool) => {
    expect(await outcomeIn(tool, '--permission', '--allow-fs-read=*')).toEqual({
      loss: LOSS,
      threads: expect.stringMatching(/^ERR_BACKEND_UNAVAILABLE a worker did not start: .*--allow-worker/),
    });
    const flags = ['--permission', '--allow-fs-read=*', '--allow-worker'];
    expect(await outcomeIn(tool, ...flags)).toEqual({ loss: LOSS, threads: THREADS });
  });
});
