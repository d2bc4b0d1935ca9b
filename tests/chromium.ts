import { existsSync } from 'node:fs';

// Debian's Chromium where it is installed, else the one that `npx playwright install chromium` installs.
const chromium = ['/usr/bin/chromium'].find((path) => existsSync(path));

/** Launch options for Playwright. */
export const launchOptions = {
  ...(chromium === undefined ? {} : { executablePath: chromium }),
  timeout: 100_000,
  args: [
    '--headless=new',
    '--no-sandbox',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};
