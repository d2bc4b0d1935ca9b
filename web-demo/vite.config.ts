import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Connect, defineConfig, type Plugin } from 'vite';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const dataFile = (name: string): string => path(`build/data/${name}`);
const dataBytes = ['gallery.json', 'sprite.webp', 'embeddings.bin']
  .map(dataFile)
  .filter((file) => existsSync(file))
  .reduce((sum, file) => sum + statSync(file).size, 0);

/**
 * Makes pages cross-origin isolated, which threads need; with ?isolation=off they are not, as on a server that does not
 * send these headers.
 */
function isolation(): Plugin {
  const middleware: Connect.NextHandleFunction = (request, response, next) => {
    // Workers and frames are asked for without the query of their page.
    const off = `${request.url} ${request.headers.referer}`.includes('isolation=off');
    if (!off) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    next();
  };
  return {
    name: 'isolation',
    configureServer: ({ middlewares }) => void middlewares.use(middleware),
    configurePreviewServer: ({ middlewares }) => void middlewares.use(middleware),
  };
}

/** Tells the service worker which files there are. */
function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const chunk = bundle['service-worker.js'];
        if (chunk?.type !== 'chunk') throw new Error('the service worker was not built');
        const files = Object.keys(bundle).filter((name) => name !== chunk.fileName);
        // The names of all but the page hold a hash of what is in them.
        const page = bundle['index.html'];
        const version = createHash('sha256')
          .update(files.join())
          .update(page?.type === 'asset' ? page.source : '');
        chunk.code = chunk.code
          .replace('__FILES__', JSON.stringify(['./', './icon.svg', ...files]))
          .replaceAll('__VERSION__', JSON.stringify(version.digest('hex')));
      },
    },
  };
}

export default defineConfig({
  root: path('.'),
  // Relative addresses: the site works from any folder of a server.
  base: './',
  define: { __DATA_BYTES__: JSON.stringify(dataBytes) },
  // The demo runs over what is shipped: tsconfig.json maps the names that users import to dist/.
  resolve: { tsconfigPaths: true },
  plugins: [isolation(), serviceWorker()],
  worker: { format: 'es' },
  build: {
    outDir: path('build/site'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      // Says that the build of a worker takes time.
      checks: { pluginTimings: false },
      input: { index: path('index.html'), 'service-worker': path('src/service-worker/service-worker.ts') },
      output: {
        entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
