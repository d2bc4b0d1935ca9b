/** How the demo's site loads in Chromium: what a visitor sees, when, and how much the page moves in the meantime. */
import { execFileSync } from 'node:child_process';
import { type Browser, devices } from 'playwright';
import { launchBrowser, previewServer } from '../tests/demo/site.js';
import { formatTime, type Table } from './format.js';
import { median } from './spread.js';
import { progress } from './timing.js';

/** Slow 4G as Lighthouse has it: 1.6 Mbit/s, 150 ms for a round trip. */
const SLOW_4G = { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 };
const SLOWER_CPU = 4;

const VISITS = [
  { name: 'desktop, 1440 x 900', options: { viewport: { width: 1440, height: 900 } }, slow: false },
  { name: 'desktop, 1440 x 900, slow', options: { viewport: { width: 1440, height: 900 } }, slow: true },
  { name: 'phone, 390 x 664, slow', options: devices['iPhone 13'], slow: true },
] as const;

/** Milliseconds from the start of the navigation, and the cumulative layout shift. */
interface Visit {
  firstPaint: number;
  /** The first picture has its tags, and their scores can be moved. */
  usable: number;
  /** The pictures of the gallery that are in view. */
  gallery: number;
  /** Everything that training needs is there. */
  ready: number;
  layoutShift: number;
}

/** @returns what a visit shows, by the kind of device, each figure the median of the loads with the lowest and the highest */
export async function timeDemo(loads: number): Promise<Table> {
  progress('building the site');
  execFileSync('npm', ['run', '--silent', 'demo:build'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const server = await previewServer();
  const browser = await launchBrowser();
  try {
    const rows: string[][] = [];
    for (const { name, options, slow } of VISITS) {
      const visits: Visit[] = [];
      for (let i = 0; i < loads; i++) {
        progress(`${name}: load ${i + 1} of ${loads}`);
        visits.push(await visit(browser, server.url, options, slow));
      }
      const spread = (key: keyof Visit, format: (value: number) => string): string => {
        const values = visits.map((one) => one[key]);
        return `${format(median(values))} (${format(Math.min(...values))} to ${format(Math.max(...values))})`;
      };
      const times = (['firstPaint', 'usable', 'gallery', 'ready'] as const).map((key) => spread(key, formatTime));
      rows.push([name, ...times, spread('layoutShift', (value) => value.toFixed(3))]);
    }
    progress('');
    return {
      title: `The demo's first load; slow: 1.6 Mbit/s with 150 ms for a round trip, a processor ${SLOWER_CPU} times slower, no compression`,
      head: ['visit', 'first paint', 'scores can be moved', 'pictures in view', 'ready to train', 'layout shift'],
      rows,
    };
  } finally {
    await browser.close();
    await server.close();
  }
}

async function visit(browser: Browser, url: string, options: object, slow: boolean): Promise<Visit> {
  const context = await browser.newContext(options);
  try {
    const page = await context.newPage();
    if (slow) {
      const session = await context.newCDPSession(page);
      await session.send('Network.enable');
      await session.send('Network.emulateNetworkConditions', SLOW_4G);
      await session.send('Emulation.setCPUThrottlingRate', { rate: SLOWER_CPU });
    }
    // tsx names functions by a helper, which the page lacks.
    await page.addInitScript('globalThis.__name = (named) => named');
    await page.addInitScript(record);
    await page.goto(url, { waitUntil: 'commit' });
    await page.waitForFunction(() => 'ready' in visited && 'gallery' in visited, undefined, { timeout: 120_000 });
    return await page.evaluate(() => visited as Visit);
  } finally {
    await context.close();
  }
}

declare const visited: Partial<Visit>;

/** Runs in the page, before its own scripts. */
function record(): void {
  const seen: Partial<Visit> = { layoutShift: 0 };
  Object.assign(window, { visited: seen });
  new PerformanceObserver((list) => {
    for (const { startTime } of list.getEntriesByName('first-contentful-paint')) seen.firstPaint = startTime;
  }).observe({ type: 'paint', buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
      if (!entry.hadRecentInput) seen.layoutShift! += entry.value;
    }
  }).observe({ type: 'layout-shift', buffered: true });
  const inView = (tile: Element): boolean => {
    const { top, bottom } = tile.getBoundingClientRect();
    const { top: from, bottom: to } = document.querySelector('#gallery')!.getBoundingClientRect();
    return bottom > from && top < to;
  };
  const look = (): void => {
    const now = performance.now();
    if (document.querySelector('.row .handle[aria-valuenow]') !== null) seen.usable ??= now;
    const tiles = [...document.querySelectorAll('#gallery i')].filter(inView);
    const isShown = (tile: Element): boolean => getComputedStyle(tile).backgroundImage !== 'none';
    if (tiles.length > 0 && tiles.every(isShown)) seen.gallery ??= now;
    if (document.querySelector<HTMLButtonElement>('#start')?.disabled === false) seen.ready ??= now;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
