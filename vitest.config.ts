import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';

// Debian's Chromium where there is one, else the one that `npx playwright install chromium` leaves.
const chromium = ['/usr/bin/chromium'].find((path) => existsSync(path));

// The suites run over what is shipped: dist/, under the name that users import.
const resolve = {
  alias: { 'multilabel-margin-loss': fileURLToPath(new URL('dist/index.js', import.meta.url)) },
};

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        test: {
          name: 'node',
          environment: 'node',
          include: ['tests/js/**/*.test.ts', 'tests/node/**/*.test.ts'],
          execArgv: ['--expose-gc'],
          testTimeout: 120_000,
        },
      },
      {
        resolve,
        test: {
          name: 'chromium',
          include: ['tests/js/**/*.test.ts', 'tests/browser/**/*.test.ts'],
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
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});
