// Every block of TypeScript or JavaScript in README.md and docs/ runs, each in a process of its own, and gives what its
// comments say: `expression; // => value`. Numbers are compared to 1e-6, since the comments are rounded.
//
// A block under `<!-- not run: reason -->` is left out.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
// In the repository, so that its name leads to it, and where git does not look.
const scratch = new URL('build/readme/', root);

interface Block {
  name: string;
  language: 'ts' | 'js';
  code: string;
}

/** The code blocks of a page that are to run; its name holds the line where one begins. */
function codeBlocks(page: string, text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const fence = lines[i]!.match(/^( *)```(\w*)/);
    if (fence === null) continue;
    const [, indent, language] = fence as unknown as [string, string, string];
    const begin = i + 1;
    do i++;
    while (i < lines.length && lines[i]!.trim() !== '```');
    const above = lines
      .slice(0, begin - 1)
      .filter((line) => line.trim() !== '')
      .at(-1);
    if (/^\s*<!-- not run: .+ -->$/.test(above ?? '')) continue;
    const kind = { ts: 'ts', typescript: 'ts', js: 'js', javascript: 'js' }[language];
    if (kind === undefined) continue;
    const code = lines.slice(begin, i).map((line) => line.slice(indent.length));
    blocks.push({ name: `${page}:${begin + 1}`, language: kind as Block['language'], code: code.join('\n') });
  }
  return blocks;
}

/** The code, with `expression; // => value` made a call that compares them. */
function withChecks(code: string): string {
  const checked = code.replace(
    /^( *)(?!\/\/)(\S.*?);? *\/\/ => (.*)$/gm,
    (_line, indent: string, expression: string, value: string) =>
      `${indent}__check((${expression}), (${value}), ${JSON.stringify(expression)});`,
  );
  return `${checked}\n${CHECK}`;
}

// At the end, so that line numbers stay.
const CHECK = `
function __check(actual, expected, expression) {
  const same = (a, b) =>
    typeof a === 'number' && typeof b === 'number'
      ? Object.is(a, b) || Math.abs(a - b) <= 1e-6
      : typeof a === 'object' && a !== null && typeof b === 'object' && b !== null
        ? Object.keys({ ...a, ...b }).every((key) => same(a[key], b[key])) && a.length === b.length
        : a === b;
  const show = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v + 'n' : v)) ?? String(value);
  if (!same(actual, expected)) throw new Error(expression + ' is ' + show(actual) + ', not ' + show(expected));
}
`;

function run(args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

beforeAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function runBlock({ name, language, code }: Block): Promise<{ code: number | null; output: string }> {
  const file = new URL(`${name.replace(/\W/g, '_')}.m${language}`, scratch);
  writeFileSync(file, withChecks(code));
  return run(language === 'ts' ? ['--import', 'tsx', fileURLToPath(file)] : [fileURLToPath(file)]);
}

const docs = new URL('docs/', root);
const pages = [
  'README.md',
  ...(existsSync(docs) ? readdirSync(docs).sort() : [])
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const blocks = pages.flatMap((page) => codeBlocks(page, readFileSync(new URL(page, root), 'utf8')));

test('README.md has code, and it says what comes out', () => {
  expect(blocks.filter(({ name }) => name.startsWith('README.md')).length).toBeGreaterThan(0);
  expect(blocks.some(({ code }) => code.includes('// => '))).toBe(true);
});

describe.runIf(blocks.length > 0)('runs', () => {
  test.each(blocks)('$name', async (block) => {
    const { code, output } = await runBlock(block);
    expect(code, output).toBe(0);
  });
});

describe('this test', () => {
  const page = [
    '```ts',
    "import { zeros } from 'multilabel-margin-loss';",
    'const shape: readonly number[] = zeros(2).shape;',
    'shape; // => [2]',
    '[0.1 + 0.2, [1n, "a"]]; // => [0.3, [1n, "a"]]',
    '```',
    '<!-- not run: needs a page -->',
    '',
    '```ts',
    'document.title;',
    '```',
    '```sh',
    'exit 1',
    '```',
    '   ```js',
    '   1 + 1; // => 3',
    '   ```',
    '```js',
    '[1, 2]; // => [1]',
    '```',
  ].join('\n');

  test('finds blocks', () => {
    expect(codeBlocks('page', page).map(({ name, language }) => [name, language])).toEqual([
      ['page:2', 'ts'],
      ['page:16', 'js'],
      ['page:19', 'js'],
    ]);
  });

  test('finds what does not hold', async () => {
    const [right, wrong, shorter] = await Promise.all(codeBlocks('page', page).map(runBlock));
    expect(right!.code, right!.output).toBe(0);
    expect(wrong!.code).not.toBe(0);
    expect(wrong!.output).toContain('1 + 1 is 2, not 3');
    expect(shorter!.code).not.toBe(0);
  });
});
