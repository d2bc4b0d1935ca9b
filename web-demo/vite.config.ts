import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Connect, defineConfig, type Plugin } from 'vite';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const dataFile = (name: string): string => path(`build/data/${name}`);
const dataBytes = ['gallery.json', 'embeddings.bin']
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

// What the site has parts of. Packages of TensorFlow.js say Apache-2.0 and come without its text, which is that of ../LICENSE.
const PARTS = ['emoji-datasource-google', 'emojibase-data', 'emojilib', '@vladmandic/human', 'comlink'];

/** Ships the licences of the parts, as they ask for. */
function licences(): Plugin {
  const textOf = (name: string): string => {
    const folder = path(`../node_modules/${name}`);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} has no licence file`);
    return readFileSync(`${folder}/${file}`, 'utf8').trim();
  };
  const all = (): string =>
    [
      ...PARTS.map((name) => `${name}\n\n${textOf(name)}`),
      `Noto Emoji, TensorFlow.js, multilabel-margin-loss\n\n${readFileSync(path('../LICENSE'), 'utf8').trim()}`,
    ].join(`\n\n${'-'.repeat(80)}\n\n`);
  return {
    name: 'licences',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source: all() });
    },
    configureServer: ({ middlewares }) =>
      void middlewares.use('/licences.txt', (_, response) => {
        response.setHeader('Content-Type', 'text/plain; charset=utf-8');
        response.end(all());
      }),
  };
}

const LARGE_PICTURES = 'pictures/';

/** The large pictures: the page asks for one when it is looked at, by the code points of its emoji. */
function largePictures(): Plugin {
  return {
    name: 'large-pictures',
    generateBundle() {
      for (const name of readdirSync(dataFile('pictures'))) {
        const source = readFileSync(dataFile(`pictures/${name}`));
        this.emitFile({ type: 'asset', fileName: LARGE_PICTURES + name, source });
      }
    },
    configureServer: ({ middlewares }) =>
      void middlewares.use(`/${LARGE_PICTURES}`, (request, response, next) => {
        const file = dataFile(`pictures/${(request.url ?? '').replace(/[^\w.-]/g, '')}`);
        if (!existsSync(file)) return next();
        response.setHeader('Content-Type', 'image/webp');
        response.end(readFileSync(file));
      }),
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
        const files = Object.keys(bundle).filter((name) => name !== chunk.fileName && !name.startsWith(LARGE_PICTURES));
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
  plugins: [isolation(), licences(), largePictures(), serviceWorker()],
  worker: {
    format: 'es',
    rolldownOptions: {
      output: {
        // A chunk of its own for what the worker shares with what it loads later. In the chunk of the worker's entry, WebKit
        // would run that entry again, and two taggers would answer.
        codeSplitting: { groups: [{ name: 'tagger', test: /worker\/tagger\.ts$/ }] },
      },
    },
  },
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
