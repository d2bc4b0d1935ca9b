import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';

// Debian's Chromium where there is one, else the one that `npx playwright install chromium` leaves.
const chromium = ['/usr/bin/chromium'].find((path) => existsSync(path));

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// The suites run over what is shipped: dist/, under the names that users import.
const one = {
  alias: [
    { find: /^multilabel-margin-loss$/, replacement: path('dist/index.js') },
    { find: /^multilabel-margin-loss\/threads$/, replacement: path('dist/threads/index.js') },
    { find: /^multilabel-margin-loss\/tfjs$/, replacement: path('dist/tfjs/index.js') },
  ],
};
const suites = ['tests/js/**/*.test.ts', 'tests/tfjs/**/*.test.ts'];
const threads = { alias: [{ find: /^multilabel-margin-loss$/, replacement: path('tests/threads/package.ts') }] };

const node = {
  environment: 'node',
  execArgv: ['--expose-gc'],
  testTimeout: 120_000,
};

// Anew for each project: Vitest writes into it.
const browser = () => ({
  testTimeout: 120_000,
  browser: {
    enabled: true,
    headless: true,
    screenshotFailures: false,
    provider: playwright({
      launchOptions: {
        ...(chromium === undefined ? {} : { executablePath: chromium }),
        args: [
          '--headless=new',
          '--no-sandbox',
          '--disable-quic',
          '--no-first-run',
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
        ],
      },
    }),
    instances: [{ browser: 'chromium' as const }],
  },
});

// Pages have shared memory only if they are cross-origin isolated.
const isolated = {
  headers: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
};

export default defineConfig({
  test: {
    projects: [
      {
        resolve: one,
        test: { name: 'node', include: [...suites, 'tests/node/**/*.test.ts'], ...node },
      },
      {
        resolve: one,
        // Those that Vite finds while tests run make it load the page anew.
        optimizeDeps: { include: ['@tensorflow/tfjs', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm'] },
        test: { name: 'chromium', include: [...suites, 'tests/browser/**/*.test.ts'], ...browser() },
      },
      {
        resolve: threads,
        test: { name: 'node-threads', include: ['tests/js/**/*.test.ts', 'tests/threads/**/*.test.ts'], ...node },
      },
      {
        resolve: threads,
        server: isolated,
        test: {
          name: 'chromium-threads',
          include: ['tests/js/**/*.test.ts', 'tests/threads/**/*.test.ts'],
          ...browser(),
        },
      },
      {
        test: {
          name: 'demo',
          include: ['tests/demo/**/*.test.ts'],
          globalSetup: 'tests/demo/setup.ts',
          ...node,
        },
      },
    ],
  },
});
