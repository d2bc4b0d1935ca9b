// The page, as its visitors see it.
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  accessibilityViolations,
  drop,
  figure,
  isReady,
  launchBrowser,
  newPage,
  openPage,
  plainServer,
  previewServer,
  problems,
  recordReports,
  reset,
  type Server,
  shownTags,
  SITE,
  train,
} from './site.js';

const require = createRequire(import.meta.url);
const screenshots = fileURLToPath(new URL('../../build/demo/', import.meta.url));
const emojiFolder = path.join(path.dirname(require.resolve('emoji-datasource-google/package.json')), 'img/google/64');
const picture = (code: string): Buffer => readFileSync(path.join(emojiFolder, `${code}.png`));
const FLAG = picture('1f1eb-1f1f7');

let server: Server;
let browser: Browser;
/** One for most tests, which go on from what the ones before have left: to load and to train takes long. */
let page: Page;

beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  [server, browser] = await Promise.all([previewServer(), launchBrowser()]);
  page = await openPage(browser, server.url, { permissions: ['camera'] });
});

afterEach(() => expect(problems.get(page)).toEqual([]));

afterAll(async () => {
  await browser.close();
  await server.close();
});

test('the first load has less than 3.2 MB, and nothing is fetched twice, not for the copy for offline use either', async () => {
  const requested: string[] = [];
  const plain = await plainServer({ requested });
  const other = await openPage(browser, plain.url);
  await expect.poll(() => requested.filter((name) => name.includes('/pictures/')).length).toBe(1);
  await other.waitForLoadState('networkidle');
  const sheets = (): number => requested.filter((name) => name.includes('/sheet-')).length;
  expect(sheets()).toBeLessThan(8);
  const bytes = requested.reduce((sum, name) => {
    const file = path.join(SITE, name.replace('/some/folder/', '') || 'index.html');
    return sum + statSync(file).size;
  }, 0);
  expect(bytes).toBeLessThan(3.2e6);
  // The others come when their pictures are about to be seen.
  await other.locator('#gallery').evaluate(async (gallery) => {
    for (; gallery.scrollTop + gallery.clientHeight < gallery.scrollHeight - 1; gallery.scrollTop += 300) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  await expect.poll(sheets).toBe(8);
  await other.getByRole('button', { name: 'Keep this page for offline use' }).click();
  await other.getByText('This page works offline.').waitFor();
  // The page itself is asked for again, in case that there is another version.
  const again = requested.filter((name, i) => requested.indexOf(name) !== i && name !== '/some/folder/');
  expect(again).toEqual([]);
  await other.context().close();
  await plain.close();
});

test('the gallery, by keyboard and by search', async () => {
  await page.getByRole('button', { name: 'grinning face', exact: true }).focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  await expect.poll(() => page.locator('#picture-name').textContent()).toMatch(/^grinning face with big eyes/);
  await page.getByRole('searchbox').fill('food fruit');
  await expect.poll(() => page.locator('#gallery button:visible').count()).toBeLessThan(40);
  await page.getByRole('button', { name: /^red apple/ }).click();
  await expect.poll(() => page.locator('.row > button[aria-pressed="true"]').allTextContents()).toContain('fruit');
});

describe('training', () => {
  test('the loss falls and the metrics rise, and the page has time for its frames', async () => {
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await train(page, 1);
    const first = { loss: await figure(page, 'loss'), lrap: await figure(page, 'lrap') };
    const recorded = await recordReports(page);
    await train(page, 2);
    const busyPerReport = await recorded();

    expect(await figure(page, 'loss')).toBeLessThan(first.loss);
    expect(await figure(page, 'lrap')).toBeGreaterThan(first.lrap);
    expect(await figure(page, 'lrap')).toBeGreaterThan(0.45);
    expect(await figure(page, 'loss-ms')).toBeGreaterThan(0);

    // Time of the processor, which other programs do not lengthen much. A report comes after a tenth of a second of training
    // at the soonest: if the page's own thread trained, it would have all of that to do besides.
    expect(busyPerReport).toBeLessThan(0.1);
  });

  test('a head is saved, and loaded after a reset', async () => {
    const lrap = await figure(page, 'lrap');
    await page.getByText('Settings', { exact: true }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { exact: true, name: 'Download the head' }).click(),
    ]);
    const file = await download.path();
    await reset(page);
    expect(await page.locator('#lrap').textContent()).toBe('–');
    // Nothing of the old head is left: a head of zeros scores every tag alike.
    await expect
      .poll(async () => [...new Set(await page.locator('#margin-rows .score').allTextContents())])
      .toEqual(['0.00']);

    await page.locator('#head-file').setInputFiles(file);
    await page.getByText(/^Loaded .*trained for \d+ epochs/).waitFor();
    // Saved in the midst of an epoch, so a little further than when its metrics were taken.
    expect(await figure(page, 'lrap')).toBeCloseTo(lrap, 1);

    const text = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no') };
    await page.locator('#head-file').setInputFiles(text);
    await page.getByText('notes.txt: This is not a head saved by this page.').waitFor();
    // The head before stays.
    expect(await figure(page, 'lrap')).toBeCloseTo(lrap, 1);
    const cut = readFileSync(file).subarray(0, -10);
    await page.locator('#head-file').setInputFiles({ name: 'cut.head', mimeType: '', buffer: cut });
    await page.getByText('it is cut off').waitFor();
  });
});

describe('one picture', () => {
  test('a dropped picture gets its tags', async () => {
    await drop(page, 'flag.png', 'image/png', FLAG);
    await page.getByText('Press the tags that are true').waitFor();
    const tags = await shownTags(page);
    expect(tags.slice(0, 5)).toEqual(expect.arrayContaining(['flag', 'country']));
    expect(await page.locator('#picture-name').textContent()).toBe('flag.png');
  });

  test('the margin view: the pairs add up to the loss of the package, by mouse and by keyboard', async () => {
    await page.getByRole('button', { name: /^red apple/ }).click();
    await page.locator('#margin-hint', { hasText: 'is true, and' }).waitFor();
    /** The loss by the package, and the sum of the pairs. */
    const losses = async (): Promise<[string, string]> => {
      const byPackage = (await page.locator('#row-loss').textContent())!.replace('loss ', '');
      const sum = page.locator('#pairs tfoot tr').last().locator('td');
      const byPairs = (await sum.count()) === 0 ? '0.0000' : (await sum.textContent())!;
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

  test('chosen, pasted, drawn, and from the camera', async () => {
    const shows = (name: string): Promise<void> => page.locator('#picture-name', { hasText: name }).waitFor();
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
    await page.getByText('Press the tags that are true').waitFor();
  });

  test('the camera is started once, and a picture of the gallery ends it and drawing', async () => {
    await page.evaluate(() => {
      const { mediaDevices } = navigator;
      const started: MediaStream[] = [];
      const start = mediaDevices.getUserMedia.bind(mediaDevices);
      mediaDevices.getUserMedia = async (constraints) => {
        const stream = await start(constraints);
        started.push(stream);
        return stream;
      };
      Object.assign(window, { live: () => started.filter(({ active }) => active).length });
    });
    const live = (): Promise<number> => page.evaluate(() => (window as unknown as { live: () => number }).live());
    const camera = page.getByRole('button', { exact: true, name: 'Camera' });
    await camera.evaluate((button: HTMLButtonElement) => {
      button.click();
      button.click();
    });
    await page.getByRole('button', { exact: true, name: 'Take the picture' }).waitFor();
    expect(await live()).toBe(1);
    await page.getByRole('button', { name: /^green apple/ }).click();
    await camera.waitFor();
    expect(await live()).toBe(0);
    expect(await page.locator('#picture').isVisible()).toBe(true);
    expect(await page.locator('#picture-errors li').count()).toBe(0);

    const draw = page.getByRole('button', { exact: true, name: 'Draw' });
    await draw.click();
    expect(await draw.getAttribute('aria-pressed')).toBe('true');
    await page.getByRole('button', { name: /^red apple/ }).click();
    expect(await draw.getAttribute('aria-pressed')).toBe('false');
    expect(await page.locator('#picture-name').textContent()).toMatch(/^red apple/);
  });

  test('a folder that is dropped gets a message, and the next picture is taken', async () => {
    const session = await page.context().newCDPSession(page);
    const data = { items: [], files: [screenshots], dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
      await session.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
    }
    await session.detach();
    await page.locator('#picture-errors li', { hasText: 'it is a folder' }).waitFor();
    await drop(page, 'next.png', 'image/png', FLAG);
    await page.locator('#picture-name', { hasText: 'next.png' }).waitFor();
  });

  test('files that are no pictures get a friendly message, and the page goes on', async () => {
    const huge = await sharp({ create: { width: 8000, height: 6250, channels: 3, background: '#123' } })
      .png()
      .toBuffer();
    const script = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>parent.ran = 1</script></svg>';
    const bad: [string, string, Uint8Array, RegExp][] = [
      ['notes.txt', 'text/plain', Buffer.from('hello'), /not a picture.*text\/plain/],
      ['empty.png', 'image/png', Buffer.alloc(0), /0 bytes/],
      ['broken.png', 'image/png', Buffer.from('PNG, by its name'), /cannot read/],
      ['photo.heic', 'image/heic', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0'), /cannot read HEIC/],
      ['cut.png', 'image/png', FLAG.subarray(0, 60), /cannot read/],
      ['huge.png', 'image/png', huge, /50 megapixels.*at most 40/],
      ['script.svg', 'image/svg+xml', Buffer.from(script), /holds a script/],
    ];
    for (const [name, type, bytes, message] of bad) {
      await drop(page, name, type, bytes);
      await page.locator('#picture-errors li', { hasText: message }).waitFor();
      expect(await page.locator('#picture-errors').textContent()).toMatch(new RegExp(`^${name}: `));
    }
    expect(await page.evaluate(() => 'ran' in window)).toBe(false);
    const plain = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="9"/></svg>';
    await drop(page, 'plain.svg', 'image/svg+xml', Buffer.from(plain));
    await page.getByText('Press the tags that are true').waitFor();
  });
});

test('the benchmark runs, and all it times compute the same loss', async () => {
  await page.getByRole('button', { exact: true, name: 'Run the benchmark' }).click();
  await page.getByRole('button', { exact: true, name: 'Run the benchmark', disabled: false }).waitFor();
  expect(await page.locator('#bench-message').textContent()).toBe('');
  // Threads make no difference to the smaller batch.
  expect(await page.locator('.bench-row').count()).toBe(7);
  expect(await page.locator('.bench-row.own b').count()).toBe(5);
});

test('a benchmark whose worker is frozen as it starts threads is run again without them, and the training goes on', async () => {
  const other = await newPage(browser);
  // The worker waits for ever.
  await other.context().route(/_threads/, () => {});
  await other.goto(server.url);
  await isReady(other);
  await train(other, 1);
  await other.clock.install();
  await other.getByRole('button', { exact: true, name: 'Run the benchmark' }).click();
  await other.clock.fastForward(25_000);
  expect(await other.locator('#bench-message').textContent()).toBe('Running …');
  await other.clock.fastForward(10_000);
  await other.getByText('Not timed here. Several threads: this browser froze the worker').waitFor();
  await other.getByRole('button', { exact: true, name: 'Run the benchmark', disabled: false }).waitFor();
  expect(await other.locator('#bench-message').textContent()).toBe('');
  expect(await other.locator('.bench-row').count()).toBe(6);
  await other.clock.resume();
  await train(other, 1);
  await other.context().close();
});

// The gallery shows what was searched for: 1,911 pictures that differ in nothing but their names take a minute to check.
test.each([
  ['light', 1440],
  ['dark', 1440],
  ['light', 390],
  ['dark', 390],
] as const)('%s, %i px wide: accessible, fits, and has its picture taken', async (colorScheme, width) => {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.setViewportSize({ width, height: 900 });
  expect(await accessibilityViolations(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  await page.screenshot({ path: path.join(screenshots, `${colorScheme}-${width}.png`), fullPage: true });
});

describe('settings', () => {
  test('settings change while it trains', async () => {
    await reset(page);
    await page.locator('#start').click();
    await page.getByLabel('Reduction').selectOption('none');
    await page.getByLabel('Target order').selectOption('ranked');
    await page.getByLabel('Normalization').selectOption('targets');
    await page.getByLabel('Margin').fill('2');
    await page.waitForFunction(() => document.querySelector<HTMLProgressElement>('#epoch-bar')!.value > 1);
    await page.getByLabel('Margin').fill('');
    await page.locator('#start', { hasText: 'Pause' }).click();
    await page.locator('#start', { hasText: 'Go on' }).click();
    // An empty margin is not trained with.
    expect(await page.locator('#start', { hasText: 'Go on' }).isVisible()).toBe(true);
  });

  /** The held-out LRAP of the first epoch. */
  const firstLrap = async (): Promise<string> => {
    const first = page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          const place = document.querySelector('#lrap')!;
          new MutationObserver(() => resolve(place.textContent)).observe(place, { childList: true });
        }),
    );
    await page.locator('#start').click();
    return first;
  };

  test('the learning rate is that of the training', async () => {
    await page.getByLabel('Margin').fill('1');
    await page.getByLabel('Batch size').selectOption('256');
    const lrap = new Set<string>();
    for (const rate of ['0.0003', '0.01', '0.001']) {
      await reset(page);
      await page.getByLabel('Learning rate').selectOption(rate);
      lrap.add(await firstLrap());
    }
    expect(lrap.size).toBe(3);
  });
});

test('before all is loaded: pictures can be looked at, and what was asked for is done then', async () => {
  const other = await newPage(browser);
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  // The features of the pictures, which workers ask for too.
  await other.context().route(/embeddings/, async (route) => {
    await released;
    await route.continue();
  });
  await other.goto(server.url);
  await other.getByRole('searchbox').fill('red apple');
  await other.getByRole('button', { name: /^red apple/ }).click();
  for (const id of ['start', 'reset', 'save', 'open', 'run-bench']) {
    expect(await other.locator(`#${id}`).isDisabled()).toBe(true);
  }
  // So does a head of zeros score them.
  await expect.poll(async () => (await shownTags(other)).length).toBeGreaterThan(0);
  release();
  await isReady(other);
  await expect.poll(() => other.locator('#picture-name').textContent()).toMatch(/^red apple/);
  await expect.poll(async () => (await shownTags(other)).length).toBeGreaterThan(0);
  await other.context().close();
});

describe('in an engine that keeps no order between channels', () => {
  // Functions of the page are called by channels of their own. Their messages come late here, those of the worker do not.
  let other: Page;

  beforeAll(async () => {
    other = await newPage(browser);
    await other.addInitScript(() => {
      // eslint-disable-next-line @typescript-eslint/unbound-method
      const { addEventListener } = MessagePort.prototype;
      MessagePort.prototype.addEventListener = function (type: string, listener: EventListenerOrEventListenerObject) {
        addEventListener.call(this, type, (event) => setTimeout(() => (listener as EventListener)(event), 300));
      };
    });
    await other.goto(server.url);
    await isReady(other);
  });

  afterAll(() => other.context().close());

  test('a picture is not shown with the scores of the one before', async () => {
    await train(other, 2);
    await other.getByRole('searchbox').fill('flag: France');
    const flag = other.getByRole('button', { name: /^flag: France/ });
    await flag.waitFor();
    await other.locator('#start').click();
    await other.waitForFunction(() => document.documentElement.dataset['training'] === 'running');
    await other.waitForTimeout(500);
    // The tag of the highest score, before and whenever the tags of the flag are those that are true.
    const { before, later } = await flag.evaluate(async (button) => {
      const first = (): string => document.querySelector('.row > button')!.textContent;
      const tags: string[] = [];
      new MutationObserver(() => {
        const pressed = [...document.querySelectorAll('.row > button[aria-pressed="true"]')];
        if (pressed.some(({ textContent }) => textContent === 'flag')) tags.push(first());
      }).observe(document.querySelector('.row')!.parentElement!, {
        attributes: true,
        childList: true,
        characterData: true,
        subtree: true,
      });
      const before = first();
      (button as HTMLButtonElement).click();
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return { before, later: tags };
    });
    expect(later.length).toBeGreaterThan(0);
    expect(later).not.toContain(before);
  });

  test('trains to the last epoch, and says so', async () => {
    await other.getByText('40 epochs done').waitFor();
    expect(await other.locator('#training-status').textContent()).toMatch(/^Trained: /);
  });

  test('shows the whole benchmark', async () => {
    await other.getByRole('button', { exact: true, name: 'Run the benchmark' }).click();
    await other.getByRole('button', { exact: true, name: 'Run the benchmark', disabled: true }).waitFor();
    const rows = await other.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const button = document.querySelector<HTMLButtonElement>('#run-bench')!;
          const look = (): void => {
            if (!button.disabled) resolve(document.querySelectorAll('.bench-row').length);
          };
          new MutationObserver(look).observe(button, { attributes: true });
          look();
        }),
    );
    expect(rows).toBe(7);
  });
});

describe('where it is served', () => {
  test('without cross-origin isolation: one thread, and the reason', async () => {
    const other = await openPage(browser, `${server.url}?isolation=off`);
    expect(await other.evaluate(() => crossOriginIsolated)).toBe(false);
    await train(other, 1);
    await other.getByRole('button', { exact: true, name: 'Run the benchmark' }).click();
    await other.getByText(/Not timed here. Several threads: .*Cross-Origin-Opener-Policy/).waitFor();
    // The clock ticks in tenths of a millisecond here.
    await expect.poll(() => other.locator('.bench-row').count()).toBeGreaterThan(0);
    expect(parseFloat((await other.locator('.bench-row span').nth(1).textContent())!)).toBeGreaterThan(0);
    expect(problems.get(other)).toEqual([]);
  });

  test('in a folder of a server that knows no headers: isolated from the second load on, and offline', async () => {
    const plain = await plainServer();
    const other = await openPage(browser, plain.url);
    expect(await other.evaluate(() => crossOriginIsolated)).toBe(false);
    await other.getByRole('button', { name: 'Keep this page for offline use' }).click();
    await other.getByText('This page works offline.').waitFor();
    await other.getByText('Settings', { exact: true }).click();
    await other.getByLabel('Margin').fill('3');
    await train(other, 1);
    await plain.close();
    await other.reload();
    await isReady(other);
    await other.getByRole('button', { name: /^Resume at epoch/ }).click();
    await other.getByText(/^Paused in epoch/).waitFor();
    // The margin of the training, in the form and in the pairs.
    await expect.poll(() => other.locator('#pairs tbody tr').first().textContent()).toMatch(/3 − /);
    expect(await other.locator('form.settings [name="margin"]').inputValue()).toBe('3');
    expect(await other.evaluate(() => crossOriginIsolated)).toBe(true);
    await drop(other, 'flag.png', 'image/png', FLAG);
    await other.getByText('Press the tags that are true').waitFor();
    expect(problems.get(other)).toEqual([]);
  });
});
