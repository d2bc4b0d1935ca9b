// The answers of the service worker where the browser keeps nothing more, and where a server redirects.

import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import ts from 'typescript';
import { expect, test } from 'vitest';

const source = readFileSync(new URL('../../web-demo/src/service-worker/service-worker.ts', import.meta.url), 'utf8');

interface FetchEvent {
  request: Request;
  respondWith(answer: Promise<Response>): void;
}

/** The answer of a service worker that is on a network and has no copies. */
function answered(path: string, response: Response, put = (): Promise<void> => Promise.resolve()): Promise<Response> {
  const listeners = new Map<string, (event: FetchEvent) => void>();
  runInNewContext(ts.transpile(source, { target: ts.ScriptTarget.ES2022 }), {
    self: {
      addEventListener: (name: string, listener: (event: FetchEvent) => void) => listeners.set(name, listener),
      registration: { scope: 'https://example.org/demo/' },
    },
    __FILES__: [],
    __VERSION__: 'version',
    caches: { open: () => Promise.resolve({ match: () => Promise.resolve(undefined), put }) },
    fetch: () => Promise.resolve(response),
    Headers,
    Response,
    URL,
  });
  return new Promise((resolve, reject) => {
    listeners.get('fetch')!({
      request: new Request(`https://example.org/demo/${path}`),
      respondWith: (answer) => void answer.then(resolve, reject),
    });
  });
}

test('a large picture is shown though there is no room to keep it', async () => {
  const full = (): Promise<void> => Promise.reject(new DOMException('no room', 'QuotaExceededError'));
  const response = await answered('pictures/1f34e.webp', new Response('a picture'), full);
  expect(await response.text()).toBe('a picture');
  expect(response.headers.get('Cross-Origin-Embedder-Policy')).toBe('require-corp');
});

test('the redirect of a page is left to the browser', async () => {
  const redirect = new Response(null);
  // Only a browser makes such a response.
  Object.defineProperties(redirect, { type: { value: 'opaqueredirect' }, status: { value: 0 } });
  expect(await answered('index.html', redirect)).toBe(redirect);
});
