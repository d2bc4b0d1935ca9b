/**
 * Takes the README's picture of the margin, and a short recording: train, choose a picture, drag a score. Build the site before.
 *
 *     npx tsx web-demo/screenshots.ts
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright';
import sharp from 'sharp';
import { launchBrowser, openPage, previewServer } from '../tests/demo/site.js';

const FRAME_MILLISECONDS = 125;
const RECORDING_WIDTH = 960;

const folder = fileURLToPath(new URL('../docs/images/', import.meta.url));
mkdirSync(folder, { recursive: true });
const server = await previewServer();
const browser = await launchBrowser();
await takePicture();
await record();
await browser.close();
await server.close();

async function takePicture(): Promise<void> {
  const page = await openPage(browser, server.url, { colorScheme: 'light', viewport: { width: 1440, height: 900 } });
  await page.locator('#start').click();
  await page.locator('#start', { hasText: 'Train 10 more' }).waitFor({ timeout: 300_000 });
  // Held out, with a few pairs that still violate the margin.
  await choose(page, 'red apple');
  const png = await page.locator('#look').screenshot();
  await sharp(png).webp({ quality: 85 }).toFile(`${folder}demo-margin.webp`);
  await page.context().close();
}

async function record(): Promise<void> {
  const page = await openPage(browser, server.url, { colorScheme: 'light', viewport: { width: 1440, height: 900 } });
  const frames: { png: Buffer; milliseconds: number }[] = [];
  let on = true;
  const recording = (async () => {
    while (on) {
      const began = performance.now();
      frames.push({ png: await page.screenshot(), milliseconds: 0 });
      await page.waitForTimeout(Math.max(0, FRAME_MILLISECONDS - (performance.now() - began)));
      frames.at(-1)!.milliseconds = performance.now() - began;
    }
  })();
  await page.waitForTimeout(700);
  await page.locator('#start').click();
  await page.waitForTimeout(5000);
  await choose(page, 'butterfly');
  await page.waitForTimeout(1500);
  await dragFocused(page, -60);
  await page.waitForTimeout(600);
  await dragFocused(page, 160);
  await page.waitForTimeout(1500);
  on = false;
  await recording;
  const pictures = await Promise.all(
    frames.map(({ png }) => sharp(png).resize({ width: RECORDING_WIDTH }).png().toBuffer()),
  );
  await sharp(pictures, { join: { animated: true } })
    .webp({
      nearLossless: true,
      quality: 60,
      effort: 3,
      loop: 0,
      delay: frames.map(({ milliseconds }) => Math.round(milliseconds)),
    })
    .toFile(`${folder}demo.webp`);
}

async function choose(page: Page, name: string): Promise<void> {
  await page.getByRole('searchbox').fill(name);
  await page.getByRole('button', { name: `${name}, held out`, exact: true }).click();
  await page.locator('#picture-name', { hasText: name }).waitFor();
}

/** Drags the score whose margin is drawn so many pixels, as a hand does. */
async function dragFocused(page: Page, by: number): Promise<void> {
  const handle = (await page.locator('.row.focused .handle').boundingBox())!;
  const [x, y] = [handle.x + handle.width / 2, handle.y + handle.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + by, y, { steps: 25 });
  await page.waitForTimeout(300);
  await page.mouse.up();
}
