/** Firefox by WebDriver BiDi: Playwright drives only builds of its own. */
import { existsSync } from 'node:fs';
import puppeteer, { type Browser } from 'puppeteer-core';

const executablePath = ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find((path) => existsSync(path));

/** Undefined where Firefox is not installed. */
export async function launchFirefox(): Promise<Browser | undefined> {
  return executablePath === undefined
    ? undefined
    : puppeteer.launch({ browser: 'firefox', executablePath, headless: true, timeout: 100_000 });
}
