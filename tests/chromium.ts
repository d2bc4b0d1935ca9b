import { existsSync } from 'node:fs';

// Debian's Chromium where there is one, else the one that `npx playwright install chromium` leaves.
const chromium = ['/usr/bin/chromium'].find((path) => existsSync(path));

/** For Playwright. */
export const launchOptions = {
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
};
