/** Keeps the site, so that it works offline, and makes it cross-origin isolated on servers that send no headers. */
// The types say what all workers have.
const worker = self as unknown as ServiceWorkerGlobalScope;

/** Files of the site that are kept at once, and a name that changes with any of them; put in by vite.config.ts. */
declare const __FILES__: readonly string[];
declare const __VERSION__: string;

/** Large pictures are kept as they are looked at: they are many, and the page does without. */
const isLargePicture = (url: URL): boolean => url.pathname.includes('/pictures/');

worker.addEventListener('install', (event) => {
  // The browser has most files from the visit before: names hold a hash, so those are good.
  const requests = __FILES__.map((file) => new Request(file, { cache: file === './' ? 'no-cache' : 'force-cache' }));
  event.waitUntil(caches.open(__VERSION__).then((cache) => cache.addAll(requests)));
});

// No clients.claim(): a page that has loaded without this worker goes on without it. In Firefox, requests of its workers
// would never be answered. Nor skipWaiting(): a page of the version before needs the files of that version.
worker.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== __VERSION__).map((name) => caches.delete(name)))),
  );
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || !url.href.startsWith(worker.registration.scope)) return;
  event.respondWith(answer(request, url).then((response) => withIsolation(response, url)));
});

async function answer(request: Request, url: URL): Promise<Response> {
  const cache = await caches.open(__VERSION__);
  const kept = await cache.match(request, { ignoreSearch: true, ignoreVary: true });
  if (kept) return kept;
  if (!isLargePicture(url)) return fetch(request);
  try {
    const response = await fetch(request);
    // Where there is no room for a copy, the picture is shown all the same.
    if (response.ok) await cache.put(request, response.clone()).catch(() => {});
    return response;
  } catch {
    // There is no network. What cannot be decoded makes the page show the small picture.
    return new Response();
  }
}

/** Threads need these headers, and not every server can be made to send them. With ?isolation=off, there are none. */
function withIsolation(response: Response, url: URL): Response {
  // A redirect of a page is followed by the browser, and cannot be made anew: it shows a status of 0.
  if (response.type === 'opaqueredirect') return response;
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
