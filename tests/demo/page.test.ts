// The page, as its visitors see it.
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  accessibilityViolations,
  drop,
  figure,
  isReady,
  launchBrowser,
  openPage,
  plainServer,
  previewServer,
  problems,
  type Server,
  shownTags,
  SITE,
  trainTo,
} from './site.js';

const require = createRequire(import.meta.url);
const screenshots = fileURLToPath(new URL('../../build/demo/', import.meta.url));
const emojiFolder = path.join(path.dirname(require.resolve('emoji-datasource-google/package.json')), 'img/google/64');
const picture = (code: string): Buffer => readFileSync(path.join(emojiFolder, `${code}.png`));
const FLAG = picture('1f1eb-1f1f7');

let server: Server;
let browser: Browser;

beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  [server, browser] = await Promise.all([previewServer(), launchBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

/** A page that must have met with no problem when the test is over. */
async function visit(query = '', options = {}): Promise<Page> {
  const page = await openPage(browser, server.url + query, options);
  onTestFinished(async () => {
    await page.context().close();
    expect(problems.get(page)).toEqual([]);
  });
  return page;
}

test('the first load has at most 8 MB', () => {
  const files = readdirSync(SITE, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0);
  expect(bytes).toBeLessThan(8e6);
});

describe('training', () => {
  test('the loss falls and the metrics rise above the baseline; the page stays idle; pause, resume, reset', async () => {
    const page = await visit();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await trainTo(page, 1);
    const first = { loss: await figure(page, 'loss'), lrap: await figure(page, 'lrap') };

    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const busySeconds = async (): Promise<number> => {
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration')!.value;
    };
    const busyBefore = await busySeconds();
    await page.evaluate(() => {
      const counter = { frames: 0 };
      Object.assign(window, { counter });
      const count = (): void => void (counter.frames++, requestAnimationFrame(count));
      count();
    });
    await trainTo(page, 3);
    const frames = await page.evaluate(() => (window as unknown as { counter: { frames: number } }).counter.frames);
    // The time of the processor, for gaps between frames are longer when other tests run beside this one: what the page
    // does for a frame fits in one sixtieth of a second.
    expect(frames).toBeGreaterThan(10);
    expect(((await busySeconds()) - busyBefore) / frames).toBeLessThan(1 / 60);

    expect(await figure(page, 'loss')).toBeLessThan(first.loss);
    expect(await figure(page, 'lrap')).toBeGreaterThan(first.lrap);
    expect(await figure(page, 'lrap')).toBeGreaterThan(0.45);
    expect(await figure(page, 'loss-ms')).toBeGreaterThan(0);
    await page.getByRole('button', { exact: true, name: 'Reset' }).click();
    await page.getByText('Not started').waitFor();
    expect(await page.locator('#lrap').textContent()).toBe('–');
  });

  test('every backend gives the same training', async () => {
    const page = await visit();
    await page.getByText('Settings', { exact: true }).click();
    const lrap = new Map<string, string>();
    await page.getByRole('radio').nth(2).waitFor();
    for (const radio of await page.getByRole('radio').all()) {
      const name = (await radio.getAttribute('value'))!;
      if (await radio.isDisabled()) {
        expect(await radio.locator('..').textContent()).toMatch(/Not available: .{10}/);
        continue;
      }
      await radio.check();
      const first = page.evaluate(
        () =>
          new Promise<string>((resolve) => {
            const place = document.querySelector('#lrap')!;
            new MutationObserver(() => resolve(place.textContent)).observe(place, { childList: true });
          }),
      );
      await page.locator('#start').click();
      lrap.set(name, await first);
      await page.getByRole('button', { exact: true, name: 'Reset' }).click();
      await page.getByText('Not started').waitFor();
    }
    expect([...lrap.keys()]).toEqual(expect.arrayContaining(['wasm', 'threads', 'webgpu']));
    expect(new Set(lrap.values()).size).toBe(1);
  });

  test('settings change while it trains', async () => {
    const page = await visit();
    await page.getByText('Settings', { exact: true }).click();
    await page.locator('#start').click();
    await page.getByLabel('Reduction').selectOption('none');
    await page.getByLabel('Target order').selectOption('ranked');
    await page.getByLabel('Normalization').selectOption('targets');
    await page.getByLabel('Margin').fill('2');
    await page.waitForFunction(() => document.querySelector<HTMLProgressElement>('#epoch-bar')!.value > 1);
    await page.getByLabel('Margin').fill('');
    await page.locator('#start', { hasText: 'Pause' }).click();
    await page.locator('#start', { hasText: 'Resume' }).click();
    // An empty margin is not trained with.
    expect(await page.locator('#start', { hasText: 'Resume' }).isVisible()).toBe(true);
  });

  test('a head is saved, and loaded in another page', async () => {
    const page = await visit();
    await trainTo(page, 1);
    const lrap = await page.locator('#lrap').textContent();
    await page.getByText('Settings', { exact: true }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { exact: true, name: 'Download the head' }).click(),
    ]);
    const file = await download.path();

    const other = await visit();
    await other.getByText('Settings', { exact: true }).click();
    await other.locator('#head-file').setInputFiles(file);
    await other.getByText(/^Loaded .*trained for \d+ epochs/).waitFor();
    // Saved in the midst of an epoch, so a little further than when its metrics were taken.
    expect(await figure(other, 'lrap')).toBeCloseTo(parseFloat(lrap!), 1);

    await other
      .locator('#head-file')
      .setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no') });
    await other.getByText('This is not a head saved by this page.').waitFor();
    const cut = readFileSync(file).subarray(0, -10);
    await other.locator('#head-file').setInputFiles({ name: 'cut.head', mimeType: '', buffer: cut });
    await other.getByText('it is cut off').waitFor();
  });
});

describe('one picture', () => {
  test('a dropped picture gets its tags', async () => {
    const page = await visit();
    await trainTo(page, 3);
    await drop(page, 'flag.png', 'image/png', FLAG);
    await page.getByText('Press the tags that are true').waitFor({ timeout: 60_000 });
    const tags = await shownTags(page);
    expect(tags.slice(0, 5)).toEqual(expect.arrayContaining(['flags', 'country flag']));
    expect(await page.locator('#picture-name').textContent()).toBe('flag.png');
  });

  test('chosen, pasted, drawn, and from the camera', async () => {
    const page = await visit('', { permissions: ['camera'] });
    const shows = (name: string): Promise<void> =>
      page.locator('#picture-name', { hasText: name }).waitFor({ timeout: 60_000 });
    await page.locator('#file').setInputFiles({ name: 'chosen.png', mimeType: 'image/png', buffer: FLAG });
    await shows('chosen.png');
    await page.evaluate((base64) => {
      const clipboardData = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      clipboardData.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
      document.dispatchEvent(new ClipboardEvent('paste', { clipboardData }));
    }, FLAG.toString('base64'));
    await shows('Pasted picture');
    await page.getByRole('button', { exact: true, name: 'Draw' }).click();
    await page.locator('#picture').scrollIntoViewIfNeeded();
    const box = (await page.locator('#picture').boundingBox())!;
    await page.mouse.move(box.x + 60, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + 200, box.y + 200, { steps: 5 });
    await page.mouse.up();
    await shows('Your drawing');
    await page.getByRole('button', { exact: true, name: 'Camera' }).click();
    await page.getByRole('button', { exact: true, name: 'Take the picture' }).click();
    await shows('From the camera');
    await page.getByText('Press the tags that are true').waitFor({ timeout: 60_000 });
  });

  test('files that are no pictures get a friendly message, and the page goes on', async () => {
    const page = await visit();
    const huge = await sharp({ create: { width: 8000, height: 6250, channels: 3, background: '#123' } })
      .png()
      .toBuffer();
    const script = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>parent.ran = 1</script></svg>';
    const bad: [string, string, Uint8Array, RegExp][] = [
      ['notes.txt', 'text/plain', Buffer.from('hello'), /not a picture.*text\/plain/],
      ['empty.png', 'image/png', Buffer.alloc(0), /0 bytes/],
      ['broken.png', 'image/png', Buffer.from('PNG, by its name'), /cannot read/],
      ['cut.png', 'image/png', FLAG.subarray(0, 60), /cannot read/],
      ['huge.png', 'image/png', huge, /50 megapixels.*at most 40/],
      ['script.svg', 'image/svg+xml', Buffer.from(script), /holds a script/],
    ];
    for (const [name, type, bytes, message] of bad) {
      await drop(page, name, type, bytes);
      await page.locator('#picture-message.error', { hasText: message }).waitFor();
    }
    expect(await page.evaluate(() => 'ran' in window)).toBe(false);
    const plain = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="9"/></svg>';
    await drop(page, 'plain.svg', 'image/svg+xml', Buffer.from(plain));
    await page.getByText('Press the tags that are true').waitFor({ timeout: 60_000 });
  });

  test('the margin view: the pairs add up to the loss of the package, by mouse and by keyboard', async () => {
    const page = await visit();
    await trainTo(page, 1);
    /** The loss by the package, and the sum of the pairs. */
    const losses = async (): Promise<[string, string]> => {
      const byPackage = (await page.locator('#row-loss').textContent())!.replace('loss ', '');
      const caption = page.locator('#pairs caption');
      const byPairs =
        (await caption.count()) === 0 ? '0.0000' : /is the loss, ([\d.]+)\./.exec((await caption.textContent())!)![1]!;
      return [byPackage, byPairs];
    };
    const seen = new Set<string>();
    const check = async (): Promise<void> => {
      const [byPackage, byPairs] = await losses();
      // Both are shown with four digits, and rounded from sums in another order.
      expect(Math.abs(parseFloat(byPackage) - parseFloat(byPairs))).toBeLessThan(1.5e-4);
      seen.add(byPackage);
    };
    await check();
    const handle = page.locator('.handle.target').last();
    await handle.scrollIntoViewIfNeeded();
    const box = (await handle.boundingBox())!;
    const track = (await handle.locator('..').boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(track.x + 2, box.y + box.height / 2, { steps: 4 });
    await page.mouse.up();
    await check();
    const value = parseFloat((await handle.getAttribute('aria-valuenow'))!);
    await handle.focus();
    await page.keyboard.press('PageUp');
    expect(parseFloat((await handle.getAttribute('aria-valuenow'))!)).toBeCloseTo(value + 1, 1);
    await check();
    await page.locator('.row > button').last().click();
    await check();
    expect(seen.size).toBe(4);
    // No true tag, no loss.
    while ((await page.locator('.row > button[aria-pressed="true"]').count()) > 0) {
      await page.locator('.row > button[aria-pressed="true"]').first().click();
    }
    expect(await page.locator('#row-loss').textContent()).toBe('loss 0.0000');
  });

  test('the gallery, by keyboard and by search', async () => {
    const page = await visit();
    await page.getByRole('button', { name: 'grinning face', exact: true }).focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#picture-name').textContent()).toMatch(/^grinning face with big eyes/);
    await page.getByRole('searchbox').fill('food fruit');
    await expect.poll(() => page.locator('#gallery button:visible').count()).toBeLessThan(40);
    await page.getByRole('button', { name: /^red apple/ }).click();
    await expect.poll(() => page.locator('.row > button[aria-pressed="true"]').allTextContents()).toContain('fruit');
  });
});

test('the benchmark runs, and all it times compute the same loss', async () => {
  const page = await visit();
  await page.getByRole('button', { exact: true, name: 'Run the benchmark' }).click();
  await page
    .getByRole('button', { exact: true, name: 'Run the benchmark', disabled: false })
    .waitFor({ timeout: 100_000 });
  expect(await page.locator('#bench-message').textContent()).toBe('');
  expect(await page.locator('.bench-row').count()).toBe(6);
});

describe('where it is served', () => {
  test('without cross-origin isolation: one thread, and the reason', async () => {
    const page = await visit('?isolation=off');
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    await page.getByText('Settings', { exact: true }).click();
    await page.getByText(/Not available: .*Cross-Origin-Opener-Policy/).waitFor();
    await trainTo(page, 1);
  });

  test('in a folder of a server that knows no headers: isolated from the second load on, and offline', async () => {
    const plain = await plainServer();
    const page = await openPage(browser, plain.url);
    onTestFinished(() => page.context().close());
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    // A controller is there as soon as everything is kept.
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null, null, { timeout: 60_000 });
    await plain.close();
    await page.reload();
    await isReady(page);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await drop(page, 'flag.png', 'image/png', FLAG);
    await page.getByText('Press the tags that are true').waitFor({ timeout: 60_000 });
    expect(problems.get(page)).toEqual([]);
  });
});

describe.each([
  ['light', 1440],
  ['dark', 1440],
  ['light', 390],
  ['dark', 390],
] as const)('%s, %i px wide', (colorScheme, width) => {
  test('is accessible, fits, and has its picture taken', async () => {
    const page = await visit('', { colorScheme, viewport: { width, height: 900 }, reducedMotion: 'reduce' });
    await page.getByText('Settings', { exact: true }).click();
    await trainTo(page, 1);
    expect(await accessibilityViolations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await page.screenshot({ path: path.join(screenshots, `${colorScheme}-${width}.png`), fullPage: true });
  });
});
