/**
 * Takes the pictures of the page for the README. Build the site before.
 *
 *     npx tsx web-demo/screenshots.ts
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { launchBrowser, openPage, previewServer } from '../tests/demo/site.js';

const folder = fileURLToPath(new URL('../docs/images/', import.meta.url));
mkdirSync(folder, { recursive: true });
const server = await previewServer();
const browser = await launchBrowser();
const page = await openPage(browser, server.url, { colorScheme: 'light', viewport: { width: 1440, height: 900 } });
await page.locator('#start').click();
await page.locator('#start', { hasText: 'Train 10 more' }).waitFor({ timeout: 300_000 });
// Held out, with a few pairs that still violate the margin.
await page.getByRole('button', { name: 'red apple, held out', exact: true }).click();
await page.locator('#picture-name', { hasText: 'red apple' }).waitFor();
for (const [name, part] of [
  ['training', '#train'],
  ['margin', '#look'],
] as const) {
  const png = await page.locator(part).screenshot();
  await sharp(png).webp({ quality: 85 }).toFile(`${folder}demo-${name}.webp`);
}
await browser.close();
await server.close();
