/**
 * Makes the pictures of a report in docs/evaluation.md: writes scores of an invented model, has the command write a report of
 * them, and takes pictures of its upper part and of its curves in Chromium.
 *
 *     npx tsx scripts/report-picture.ts
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright';
import { mulberry32 } from '../examples/random.js';
import { launchOptions } from '../tests/chromium.js';

const ROWS = 5000;
const CLASSES = 60;

const root = fileURLToPath(new URL('..', import.meta.url));
const choose = mulberry32(1);

/** Approximately normal: the sum of twelve uniform numbers. */
function noise(): number {
  return Array.from({ length: 12 }, choose).reduce((sum, value) => sum + value, -6);
}

/** A row of the file. Rare labels have better scores than frequent ones. */
function line(): string {
  const targets = new Set<number>();
  const count = 1 + Math.floor(4 * choose() ** 2);
  while (targets.size < count) targets.add(Math.floor(CLASSES * choose() ** 1.5));
  const scores = Array.from({ length: CLASSES }, (_, j) => noise() + (targets.has(j) ? 2 + j / 20 : 0));
  return JSON.stringify({ scores, targets: [...targets] });
}

const folder = mkdtempSync(join(tmpdir(), 'report-'));
writeFileSync(join(folder, 'validation.ndjson'), Array.from({ length: ROWS }, line).join('\n'));
const args = ['evaluate', 'validation.ndjson', '--model', 'Tagger 7', '--k', '1,2,3,5,10,20', '--out', 'report.html'];
const { status, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
  cwd: folder,
  encoding: 'utf8',
});
if (status !== 0) throw new Error(stderr);

const browser = await chromium.launch(launchOptions);
const page = await browser.newPage({ viewport: { width: 960, height: 1220 }, colorScheme: 'light' });
await page.goto(pathToFileURL(join(folder, 'report.html')).href);
await page.screenshot({ path: join(root, 'docs/images/report.png') });
const curves = await page.getByRole('heading', { name: 'Thresholds' }).boundingBox();
const clip = { x: 0, y: (curves?.y ?? 0) - 16, width: 960, height: 900 };
await page.screenshot({ path: join(root, 'docs/images/report-curves.png'), fullPage: true, clip });
await browser.close();
rmSync(folder, { recursive: true });
