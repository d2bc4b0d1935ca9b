// What a visitor does first, in every engine: load, train, an own picture, the benchmark, reload, and all of it offline.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EnginePage, engines } from '../engines.js';
import { plainServer, type Server } from './site.js';

const require = createRequire(import.meta.url);
const emojiFolder = path.join(path.dirname(require.resolve('emoji-datasource-google/package.json')), 'img/google/64');
const flag = readFileSync(path.join(emojiFolder, '1f1eb-1f1f7.png')).toString('base64');

/** Waits until an expression is true in the page, and tells what it shows if it does not become so. */
const until = (expression: string): string => `{
  const end = Date.now() + 100000;
  while (!(${expression})) {
    if (Date.now() > end) throw new Error(${JSON.stringify(expression)} + ' does not become true: ' + document.body.innerText.slice(0, 2000));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }}`;
const textOf = (id: string): string => `document.getElementById('${id}').textContent`;
const press = (id: string): string => `document.getElementById('${id}').click();`;
const ready = until(`!document.getElementById('start').disabled`);
const drop = (name: string): string => `{
  const bytes = Uint8Array.from(atob('${flag}'), (character) => character.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], '${name}', { type: 'image/png' }));
  document.getElementById('stage').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));}`;
const tagged = until(`${textOf('picture-message')}.startsWith('Press the tags')`);
const train = (epochs: number): string =>
  press('start') +
  until(`document.getElementById('epoch-bar').value >= ${epochs}`) +
  press('start') +
  until(`${textOf('epoch-text')}.startsWith('Paused')`);

describe.each(engines)('%s', (_, open) => {
  let server: Server;
  let page: EnginePage;

  beforeAll(async () => {
    server = await plainServer({ isolated: true });
    page = await open();
    await page.goto(server.url);
  });

  afterAll(async () => {
    await page.close();
    await server.close();
  });

  test('loads, says so, and has no more than one tagger', async () => {
    await page.run(ready);
    expect(await page.run(`return crossOriginIsolated`)).toBe(true);
    expect(await page.run(`return ${textOf('loading-text')}`)).toBe('Ready. Press Train.');
  });

  test('an own picture before training: train first', async () => {
    await page.run(drop('early.png') + until(`!document.getElementById('train-first').hidden`));
    expect(await page.run(`return ${textOf('picture-message')}`)).toMatch(/^early.png: .*Train first/);
  });

  test('trains, and tags the picture that waits', async () => {
    await page.run(train(2));
    expect(await page.run(`return Number(${textOf('lrap')})`)).toBeGreaterThan(0.4);
    await page.run(tagged);
    const tags = await page.run<string[]>(
      `return [...document.querySelectorAll('#margin-rows button')].map((button) => button.textContent)`,
    );
    expect(tags.slice(0, 5)).toEqual(expect.arrayContaining(['flag', 'country']));
  });

  test('the benchmark lists each bar once, with times above 0 and ratios', async () => {
    await page.run(
      press('run-bench') +
        until(`!document.getElementById('run-bench').disabled || ${textOf('bench-message')} !== 'Running …'`),
    );
    expect(await page.run(`return ${textOf('bench-message')}`)).toBe('');
    const bars = await page.run<string[]>(
      `return [...document.querySelectorAll('#bench-results h3, .bench-row')].map((row) => row.textContent)`,
    );
    const times = bars.flatMap((bar) => /([\d.e-]+)\sms/.exec(bar)?.[1] ?? []).map(Number);
    // Two shapes, each on one thread and composed, at the least.
    expect(times.length).toBeGreaterThanOrEqual(4);
    for (const ms of times) expect(ms).toBeGreaterThan(0);
    const rows = await page.run<string[]>(
      `return [...document.querySelectorAll('.bench-row.own')].map((row) => row.textContent)`,
    );
    for (const row of rows) expect(row).toMatch(/times as (fast|slow)$/);
    const names = await page.run<string[]>(
      `return [...document.querySelectorAll('.bench-row')].map((row) => row.firstChild.textContent)`,
    );
    expect(names.filter((name) => name.includes('one thread'))).toHaveLength(2);
    expect(names.filter((name) => name.includes('TensorFlow.js'))).toHaveLength(2);
  });

  test('trains on after all that', async () => {
    await page.run(train(3));
    expect(await page.run(`return ${textOf('epoch-text')}`)).toMatch(/^Paused in epoch/);
  });

  test('a reload loses nothing: the training can be resumed', async () => {
    const lrap = await page.run<string>(`return ${textOf('lrap')}`);
    await page.run(press('offline') + until(`${textOf('offline-text')} === 'This page works offline.'`));
    await page.reload();
    await page.run(ready + until(`!document.getElementById('resume').hidden`));
    await page.run(press('resume') + until(`${textOf('lrap')} !== '–'`));
    expect(Math.abs(Number(await page.run(`return ${textOf('lrap')}`)) - Number(lrap))).toBeLessThan(0.05);
    expect(await page.run(`return ${textOf('epoch-text')}`)).toMatch(/^Paused in epoch/);
  });

  test('offline: loads, tags a picture, and trains on', async () => {
    await server.close();
    await page.reload();
    await page.run(ready + until(`!document.getElementById('resume').hidden`) + press('resume'));
    expect(await page.run(`return crossOriginIsolated`)).toBe(true);
    await page.run(until(`${textOf('lrap')} !== '–'`) + drop('offline.png') + tagged);
    await page.run(train(4));
  });
});
