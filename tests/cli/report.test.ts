// evaluate --out: the report, opened in Chromium.

import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type EvaluationResult, Evaluator } from 'multilabel-margin-loss/evaluate';
import { type Browser, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rangesOf } from '../../cli/output/calibration.js';
import { barsOf } from '../../cli/output/charts.js';
import { launchOptions } from '../chromium.js';
import { accessibilityViolations } from '../demo/site.js';
import { normal, permutation, uniform } from '../js/support.js';
import { folder, npy, runAlone, runHere, write } from './command.js';

const ROWS = 300;
const CLASSES = 12;
const next = normal(31);
const choose = uniform(32);
const lines = Array.from({ length: ROWS }, (_, row) => {
  // The last class is nobody's label; a row has none, one all labels.
  const count = row === 7 ? 0 : row === 8 ? CLASSES : 1 + Math.floor(3 * choose());
  const targets = row === 8 ? [...Array(CLASSES).keys()] : permutation(CLASSES - 1, choose).slice(0, count);
  const scores = Array.from({ length: CLASSES }, (_, j) => next() + (targets.includes(j) ? 2 : 0));
  return JSON.stringify({ scores, targets });
});
// A name that would be markup if a page did not escape it.
const file = write('<b onload="x">&.ndjson', lines.join('\n'));
const names = Array.from({ length: CLASSES }, (_, label) => `<b onload="x">label ${label}`);
write('names.json', JSON.stringify(names));
// Another model of the same rows.
const otherLines = lines.map((line) => {
  const { scores, targets } = JSON.parse(line) as { scores: number[]; targets: number[] };
  return JSON.stringify({ scores: scores.map((score) => score + next()), targets });
});
write('other.ndjson', otherLines.join('\n'));

let browser: Browser;
let page: Page;
let result: EvaluationResult;
const seen: string[] = [];

beforeAll(async () => {
  const { status, stderr, stdout } = await runHere([
    'evaluate',
    file,
    '--json',
    '--out',
    'state.json',
    '--out',
    'report.html',
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  result = JSON.parse(stdout) as EvaluationResult;
  const other = await runHere(['evaluate', 'other.ndjson', '--model', 'other <model>', '--out', 'other.json']);
  expect({ status: other.status, stderr: other.stderr }).toEqual({ status: 0, stderr: '' });
  const args = ['--labels', 'names.json', '--threshold', '1', '--against', 'other.json', '--out', 'against.html'];
  const against = await runHere(['evaluate', file, ...args]);
  expect({ status: against.status, stderr: against.stderr }).toEqual({ status: 0, stderr: '' });
  browser = await chromium.launch(launchOptions);
  page = await browser.newPage();
  page.on('console', (message) => seen.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => seen.push(`error: ${error.message}`));
  page.on('request', (request) => seen.push(`request: ${request.url()}`));
  await page.goto(pathToFileURL(join(folder, 'report.html')).href);
});
afterAll(async () => browser.close());

const evaluatorOf = (name: string): Evaluator =>
  Evaluator.fromJSON(JSON.parse(readFileSync(join(folder, name), 'utf8')));
const texts = (selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();

describe('the report', () => {
  test('loads nothing else, and has no errors', () => {
    expect(seen.filter((line) => !/^request: (file|data):/.test(line))).toEqual([]);
    expect(seen.filter((line) => line.startsWith('request: file:'))).toHaveLength(1);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('has the metrics', async () => {
    const rows = page.locator('table').first().locator('tbody tr');
    const cells = await rows.evaluateAll((all) =>
      all.map((row) => Array.from(row.children, (cell) => cell.textContent)),
    );
    expect(cells).toHaveLength(8);
    expect(cells).toContainEqual([
      'label ranking average precision',
      result.labelRankingAveragePrecision.toFixed(4),
      'higher',
    ]);
    expect(cells).toContainEqual(['multi-label margin loss', result.loss.toFixed(4), 'lower']);
    expect(await texts('.facts dd')).toEqual([String(ROWS), String(CLASSES), '1', '1', '0', '0']);
  });

  test('says how many rows have a margin below 0', async () => {
    const outscored = lines.filter((line) => {
      const { scores, targets } = JSON.parse(line) as { scores: number[]; targets: number[] };
      const others = scores.filter((_, j) => !targets.includes(j));
      return Math.min(...targets.map((label) => scores[label]!)) < Math.max(...others);
    }).length;
    expect(outscored).toBeGreaterThan(0);
    expect(await page.getByText(`${outscored} of ${ROWS - 2} rows`).count()).toBe(1);
    expect(result.margins.reduce((sum, { rows }) => sum + rows, 0)).toBe(ROWS - 2);
  });

  test('has charts that say what they show, in colours of the page', async () => {
    const labels = await page
      .locator('svg:visible')
      .evaluateAll((all) => all.map((svg) => svg.getAttribute('aria-label')));
    expect(labels).toHaveLength(5);
    expect(labels[0]).toMatch(/^Histogram of margins\. They are below 0 in \d+ of 298 rows \(\d+\.\d %\)\.$/);
    const colours = async (scheme: 'light' | 'dark'): Promise<string[]> => {
      await page.emulateMedia({ colorScheme: scheme });
      const bars = page.locator('svg:visible').first().locator('path[fill^="var("]');
      return bars.evaluateAll((all) => all.map((bar) => getComputedStyle(bar).fill));
    };
    const [light, dark] = [await colours('light'), await colours('dark')];
    expect(new Set(light).size).toBe(2);
    expect(light.some((colour) => dark.includes(colour) || colour === 'none')).toBe(false);
    await page.emulateMedia({ colorScheme: 'light' });
  });

  test('sorts labels by any column, with the worst first at first, by mouse and keyboard', async () => {
    const table = page.locator('table.sortable');
    const column = async (index: number): Promise<string[]> =>
      table.locator(`tbody td:nth-child(${index + 1})`).allInnerTexts();
    const sorts = (): Promise<(string | null)[]> =>
      table.locator('thead th').evaluateAll((all) => all.map((header) => header.getAttribute('aria-sort')));
    const byAveragePrecision = [...result.perLabel]
      .sort((a, b) => (a.support === 0 ? 2 : a.averagePrecision!) - (b.support === 0 ? 2 : b.averagePrecision!))
      .map(({ label }) => String(label));
    expect(result.perLabel[CLASSES - 1]!.support).toBe(1);
    expect(await column(0)).toEqual(byAveragePrecision);
    expect(await sorts()).toEqual([null, null, null, 'ascending']);

    await table.getByRole('button', { name: 'label' }).click();
    expect(await column(0)).toEqual(result.perLabel.map(({ label }) => String(label)));
    expect(await sorts()).toEqual(['ascending', null, null, null]);

    await table.getByRole('button', { name: 'mean rank' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Space');
    const ranks = result.perLabel.map(({ meanRank }) => meanRank!).sort((a, b) => b - a);
    expect(await column(2)).toEqual(ranks.map((rank) => rank.toFixed(2)));
    expect(await sorts()).toEqual([null, null, 'descending', null]);
  });

  test('lists the rows of the highest loss, with names escaped', async () => {
    const rows = await page
      .locator('table')
      .last()
      .locator('tbody tr')
      .evaluateAll((all) => all.map((row) => Array.from(row.children, (cell) => cell.textContent)));
    expect(rows).toHaveLength(20);
    const [highest] = result.highestLosses;
    expect(rows[0]!.slice(0, 4)).toEqual([
      highest!.row.toLocaleString('en-US'),
      file,
      highest!.loss.toFixed(4),
      highest!.labels.join(', '),
    ]);
    const losses = result.highestLosses.map(({ loss }) => loss);
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).not.toContain('<b onload');
  });

  test('says what it is of', async () => {
    const [model, files, options, made] = await texts('.about dd');
    expect([model, files]).toEqual([file, file]);
    expect(options).toBe(
      'k 1, 3, 5; margin 1, normalization classes, target order ignored; rows with scores that are not finite: refused',
    );
    expect(made).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d UTC by multilabel-margin-loss \d+\.\d+\.\d+/);
  });

  test('lists the pairs of classes in the wrong order, and counts scores and labels in ranges', async () => {
    const pairs = new Map<string, number>();
    const scored: { score: number; isLabel: boolean }[] = [];
    for (const line of lines) {
      const { scores, targets } = JSON.parse(line) as { scores: number[]; targets: number[] };
      scores.forEach((score, other) => {
        scored.push({ score, isLabel: targets.includes(other) });
        if (targets.includes(other)) return;
        for (const label of targets) {
          const key = `${label} ${other}`;
          if (score > scores[label]!) pairs.set(key, (pairs.get(key) ?? 0) + 1);
        }
      });
    }
    const worst = [...pairs]
      .map(([key, rows]) => ({ label: Number(key.split(' ')[0]), other: Number(key.split(' ')[1]), rows }))
      .sort((a, b) => b.rows - a.rows || a.label - b.label || a.other - b.other)
      .slice(0, 10);
    expect(result.confusions).toEqual(worst);
    const cellsOf = (caption: string): Promise<(string | null)[][]> =>
      page
        .locator('table', { has: page.locator('caption', { hasText: new RegExp(`^${caption}$`) }) })
        .locator('tbody tr')
        .evaluateAll((all) => all.map((row) => Array.from(row.children, (cell) => cell.textContent)));
    expect((await cellsOf('Labels that are outscored')).map((cells) => cells.slice(0, 3))).toEqual(
      worst.map(({ label, other, rows }) => [String(label), String(other), String(rows)]),
    );
    const ranges = rangesOf(evaluatorOf('state.json').precisionRecallCurve());
    expect(ranges).toHaveLength(12);
    const count = (from: number, to: number, only: boolean): number =>
      scored.filter(({ score, isLabel }) => score >= from && score < to && (isLabel || !only)).length;
    ranges.forEach(({ from, to, scores, labels }, i) => {
      const end = i === ranges.length - 1 ? Infinity : to;
      expect([scores, labels]).toEqual([count(from, end, false), count(from, end, true)]);
    });
    expect(ranges.reduce((sum, { scores }) => sum + scores, 0)).toBe(ROWS * CLASSES);
    const cells = await cellsOf('Share of labels by score');
    expect(cells.map((row) => row[3])).toEqual(ranges.map(({ scores, labels }) => (labels / scores).toFixed(4)));
  });

  test('filters labels by name, and draws the curve of a label that is chosen, beside another model', async () => {
    const own = await browser.newPage();
    const problems: string[] = [];
    own.on('console', (message) => problems.push(message.text()));
    own.on('pageerror', (error) => problems.push(error.message));
    await own.goto(pathToFileURL(join(folder, 'against.html')).href);
    const region = own.getByRole('region', { name: 'Labels', exact: true });
    expect(await region.locator('tbody tr').first().locator('.name').innerText()).toMatch(/^<b onload="x">label \d+$/);
    await own.getByRole('searchbox', { name: 'Filter' }).nth(1).fill('LABEL 1');
    expect(await region.locator('tbody tr:visible').count()).toBe(3);
    expect(await own.locator('output', { hasText: '3 of 12' }).count()).toBe(1);

    const path = own.locator('.wide path[data-x]');
    expect(await path.count()).toBe(2);
    const before = await path.first().getAttribute('d');
    const chosen = own.getByRole('combobox', { name: 'label' });
    await chosen.selectOption({ label: names[3]! });
    const { f1, thresholds } = evaluatorOf('state.json').precisionRecallCurve(3);
    const best = f1.indexOf(Math.max(...f1));
    expect(await own.locator('#best').innerText()).toContain(Math.max(...f1).toFixed(4));
    expect(await own.locator('#best').innerText()).toContain(String(Number(thresholds[best]!.toPrecision(4))));
    const after = await path.first().getAttribute('d');
    expect(after).toMatch(/^M[\d.,L-]+$/);
    expect(after).not.toBe(before);

    expect(await own.locator('h1').last().innerText()).toBe(`${file} against other <model>`);
    expect(await own.locator('table', { hasText: 'second - first' }).count()).toBe(1);
    expect(problems).toEqual([]);
    expect(readFileSync(join(folder, 'against.html'), 'utf8')).not.toContain('<b onload');
    await own.close();
  });

  test('fits windows from telephones to desktops, and every heading, table and control has a name', async () => {
    for (const width of [360, 390, 768, 1440]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      expect(await page.locator('svg:visible').count()).toBe(5);
    }
    const levels = await page.locator('h1, h2, h3').evaluateAll((all) => all.map(({ tagName }) => tagName));
    expect(levels).toEqual(['H1', ...Array<string>(8).fill('H2')]);
    expect(await page.locator('table:not(:has(caption))').count()).toBe(0);
    expect(await page.locator('th:not([scope])').count()).toBe(0);
    for (const name of ['label', 'rows', 'mean rank', 'average precision']) {
      expect(await page.getByRole('button', { name, exact: true }).count()).toBe(1);
    }
  });

  test.each(['light', 'dark'] as const)('is accessible, and so is the page of compare: %s', async (colorScheme) => {
    copyFileSync(join(folder, 'state.json'), join(folder, 'second-state.json'));
    expect((await runHere(['compare', 'state.json', 'second-state.json', '--out', 'compared.html'])).status).toBe(0);
    for (const name of ['report.html', 'against.html', 'compared.html']) {
      const context = await browser.newContext({ colorScheme });
      const own = await context.newPage();
      await own.goto(pathToFileURL(join(folder, name)).href);
      expect(await accessibilityViolations(own)).toEqual([]);
      await context.close();
    }
  });
});

/** A page without the time at which it was made. */
function undated(name: string): string {
  return readFileSync(join(folder, name), 'utf8').replace(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/, '');
}

test('merge makes the same report of the same rows', async () => {
  const half = ROWS / 2;
  // Row numbers are of the file, so that the parts are taken from it by what is not finite.
  const parts = ['part-0.json', 'part-1.json'];
  for (const [part, state] of parts.entries()) {
    const own = lines.map((line, row) => (Math.floor(row / half) === part ? line : line.replace(/\[[^,]*/, '[1e999')));
    writeFileSync(join(folder, file), own.join('\n'));
    expect((await runHere(['evaluate', file, '--skip-non-finite', '--out', state])).status).toBe(0);
  }
  writeFileSync(join(folder, file), lines.join('\n'));
  for (const order of [parts, [...parts].reverse()]) {
    const { status, stderr } = await runHere(['merge', ...order, '--out', 'merged.html']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const page = undated('merged.html')
      .replace(`<dd>${ROWS}</dd></div></dl>`, '<dd>0</dd></div></dl>')
      .replace('not finite: skipped', 'not finite: refused');
    expect(page).toBe(undated('report.html'));
  }
});

describe('what goes wrong is said in one line, with exit code 2, and nothing is written', () => {
  const fails = async (args: readonly string[], message: RegExp): Promise<void> => {
    const { status, stdout, stderr } = await runHere(args);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  };

  test('a name that is neither a page’s nor one of sums', async () => {
    await fails(
      ['evaluate', file, '--out', 'part.json', '--out', 'part.txt'],
      /in \.json.* in \.html; got 'part\.txt'/,
    );
  });

  test('another model that is of other rows, of no report, or that is not there', async () => {
    write('few.ndjson', lines.slice(0, 9).join('\n'));
    await fails(
      ['evaluate', 'few.ndjson', '--against', 'other.json', '--out', 'few.html'],
      /other\.json: .*same rows and labels, got 300 and 9 rows/,
    );
    expect(existsSync(join(folder, 'few.html'))).toBe(false);
    await fails(
      ['evaluate', file, '--against', 'other.json', '--out', 'part.json'],
      /--against .*give --out <file\.html>/,
    );
    await fails(['evaluate', file, '--against', 'none.json', '--out', 'few.html'], /none\.json: .*no such file/);
  });

  test('packages that are not installed', () => {
    const { status, stdout, stderr } = runAlone(['evaluate', file, '--out', 'none.html']);
    expect(stderr).toMatch(
      /^multilabel-margin-loss: a report by --out needs vega@6 and vega-lite@6, which are not installed: npm install vega@6 vega-lite@6\n$/,
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(existsSync(join(folder, 'none.html'))).toBe(false);
  });

  test('a folder that is not there', async () => {
    await fails(['evaluate', file, '--out', 'missing/report.html'], /missing\/report\.html: cannot be written/);
  });
});

test.each([
  ['subnormal', () => choose() * 1e-310],
  ['the least numbers', () => Math.floor(3 * choose()) * Number.MIN_VALUE],
  ['as far apart as there are numbers', () => (2 * choose() - 1) * 1.7e308],
  ['one large number', () => 1e20],
])('scores that are %s have axes with ticks', async (_, score) => {
  const scores = Float64Array.from({ length: 160 }, score);
  write('far-scores.npy', npy('<f8', [40, 4], scores));
  write(
    'far-targets.npy',
    npy(
      '<i4',
      [40, 1],
      Int32Array.from({ length: 40 }, (__, row) => row % 4),
    ),
  );
  const { status, stderr } = await runHere([
    ...['evaluate', '--scores', 'far-scores.npy', '--targets', 'far-targets.npy'],
    ...['--out', 'far.html', '--out', 'far.json'],
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const report = readFileSync(join(folder, 'far.html'), 'utf8');
  for (const title of ['threshold', 'score']) expect(report).toContain(`>${title}</text>`);
  const domain = (
    JSON.parse(/<script[^>]* id="curves">(.*?)<\/script>/s.exec(report)![1]!) as { domain: [number, number] }
  ).domain;
  expect(domain[1] - domain[0]).toBeGreaterThan(2 ** -1000);
  expect(report).not.toMatch(/<svg[^]*>NaN<[^]*<\/svg>/);
});

describe('bars', () => {
  const bin = (from: number, to: number, rows = 1) => ({ from, to, rows });

  test('are of one width, and have every row once', () => {
    const bins = [bin(-2.125, -2), bin(-(2 ** -16), 0, 3), bin(0, 2 ** -16, 5), bin(1, 1.0625, 7), bin(3.75, 3.875)];
    const { bars, beyond } = barsOf(bins);
    expect(beyond).toBe(0);
    expect(new Set(bars.map(({ from, to }) => to - from))).toEqual(new Set([0.25]));
    expect(bars.filter(({ rows }) => rows > 0).map(({ from, rows, outscored }) => [from, rows, outscored])).toEqual([
      [-2.25, 1, true],
      [-0.25, 3, true],
      [0, 5, false],
      [1, 7, false],
      [3.75, 1, false],
    ]);
  });

  test('a few rows far out are in the outermost', () => {
    const { bars, beyond } = barsOf([bin(-Infinity, -(2 ** 16)), bin(0.5, 0.53125, 1000), bin(2 ** 16, Infinity, 2)]);
    expect(beyond).toBe(3);
    expect([bars[0]!.rows, bars.at(-1)!.rows]).toEqual([1, 2]);
    expect(bars.reduce((sum, { rows }) => sum + rows, 0)).toBe(1003);
    expect(bars.length).toBeLessThanOrEqual(40);
  });
});
