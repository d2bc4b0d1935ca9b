/** Keeps the whole site, so that it works offline, and makes it cross-origin isolated on servers that send no headers. */
// The types say what all workers have.
const worker = self as unknown as ServiceWorkerGlobalScope;

/** Every file of the site, and a name that changes with any of them; put in by vite.config.ts. */
declare const __FILES__: readonly string[];
declare const __VERSION__: string;

worker.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(__VERSION__)
      .then((cache) => cache.addAll(__FILES__))
      .then(() => worker.skipWaiting()),
  );
});

worker.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== __VERSION__).map((name) => caches.delete(name))))
      .then(() => worker.clients.claim()),
  );
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || !url.href.startsWith(worker.registration.scope)) return;
  event.respondWith(
    caches
      .open(__VERSION__)
      .then(async (cache) => (await cache.match(request, { ignoreSearch: true, ignoreVary: true })) ?? fetch(request))
      .then((response) => withIsolation(response, url)),
  );
});

/** Threads need these headers, and not every server can be made to send them. With ?isolation=off, there are none. */
function withIsolation(response: Response, url: URL): Response {
  const headers = new Headers(response.headers);
  const isolate = url.searchParams.get('isolation') !== 'off';
  for (const [name, value] of [
    ['Cross-Origin-Opener-Policy', 'same-origin'],
    ['Cross-Origin-Embedder-Policy', 'require-corp'],
  ] as const) {
    if (isolate) headers.set(name, value);
    else headers.delete(name);
  }
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
