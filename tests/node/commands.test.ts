// The commands of docs/: a block of the language console has commands after "$ " and what they print, on standard output and
// stderr. All of a page run one after the other in one folder, in which the blocks that name a file are. A line "..." stands
// for any lines.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { type Block, blocksOfPage, blocksOfPages, PAGES, root, runCommand } from './code-blocks.js';

interface Command {
  /** Page and line. */
  name: string;
  command: string;
  output: string;
}

function commandsOf({ name, code, language }: Block): Command[] {
  if (language !== 'console') return [];
  return code
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      // A backslash continues the command on the next line.
      const [whole, command] = /^((?:.*\\\n)*.*)\n?/.exec(text) as unknown as [string, string];
      return { name: `${name}: ${command.replace(/\s*\\\n\s*/g, ' ')}`, command, output: text.slice(whole.length) };
    });
}

/** The lines that were printed and those of the page: equal, where "..." of the page is what was printed there. */
function aligned(printed: string, output: string): [printed: string[], output: string[]] {
  const linesOf = (text: string): string[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.trimEnd());
  const wanted = linesOf(output);
  const given = linesOf(printed);
  const filled: string[] = [];
  wanted.forEach((line, i) => {
    if (line !== '...') {
      filled.push(line);
      return;
    }
    const next = wanted[i + 1];
    const end = next === undefined ? given.length : given.indexOf(next, filled.length);
    filled.push(...(end === -1 ? [line] : given.slice(filled.length, end)));
  });
  return [given, filled];
}

/** A folder with the files of a page, in which npx runs the command of dist/, and installed packages are found. */
class Folder {
  readonly #path = mkdtempSync(join(tmpdir(), 'mlml-docs-'));

  constructor(blocks: readonly Block[]) {
    const main = fileURLToPath(new URL('dist/cli/main.js', root));
    mkdirSync(join(this.#path, 'bin'));
    const npx = join(this.#path, 'bin/npx');
    writeFileSync(
      npx,
      `#!/bin/sh\n[ "$1" = multilabel-margin-loss ] || exit 3\nshift\nexec "${process.execPath}" "${main}" "$@"\n`,
    );
    chmodSync(npx, 0o755);
    symlinkSync(fileURLToPath(new URL('node_modules', root)), join(this.#path, 'node_modules'));
    for (const { file, code } of blocks) if (file !== null) writeFileSync(join(this.#path, file), `${code}\n`);
  }

  async run(command: string): Promise<string> {
    const path = `${join(this.#path, 'bin')}${delimiter}${process.env['PATH']}`;
    const { output } = await runCommand('/bin/sh', ['-c', `PATH='${path}'; exec 2>&1; ${command}`], this.#path);
    return output;
  }

  remove(): void {
    rmSync(this.#path, { recursive: true });
  }
}

const pages = PAGES.map((page) => [page, blocksOfPages().filter(({ name }) => name.startsWith(`${page}:`))] as const);
describe.each(pages.filter(([, blocks]) => blocks.some(({ language }) => language === 'console')))(
  '%s',
  (_page, blocks) => {
    const folder = new Folder(blocks);
    afterAll(() => folder.remove());
    test.each(blocks.flatMap(commandsOf))('$name', async ({ command, output }) => {
      const [given, wanted] = aligned(await folder.run(command), output);
      expect(given).toEqual(wanted);
    });
  },
);

test('the commands of docs/evaluation.md are among them', () => {
  const [, blocks] = pages.find(([page]) => page === 'docs/evaluation.md')!;
  const commands = blocks.flatMap(commandsOf).map(({ command }) => command);
  for (const name of ['evaluate', 'tune', 'compare', 'merge']) {
    expect(commands.some((command) => command.startsWith(`npx multilabel-margin-loss ${name} `))).toBe(true);
  }
});

test('a page whose blocks name files has commands, or a test of its own', () => {
  const others = pages.filter(
    ([page, blocks]) =>
      // deployment.test.ts, and tests/cli/scale.test.ts.
      !['docs/deployment.md', 'docs/scale.md'].includes(page) &&
      blocks.some(({ file }) => file !== null) &&
      !blocks.some(({ language }) => language === 'console'),
  );
  expect(others.map(([page]) => page)).toEqual([]);
});

describe('this test', () => {
  const blocks = blocksOfPage(
    'page',
    [
      '```text in.txt',
      'first',
      'second',
      'third',
      '```',
      '```console',
      '$ cat \\',
      '    in.txt',
      'first',
      '...',
      'third',
    ].join('\n') + '\n$ npx multilabel-margin-loss merge 2>/dev/null\n$ echo wrong >&2\nright\n```',
  );
  const commands = blocks.flatMap(commandsOf);

  test('finds commands and their output', () => {
    expect(commands.map(({ command, output }) => [command, output])).toEqual([
      ['cat \\\n    in.txt', 'first\n...\nthird\n'],
      ['npx multilabel-margin-loss merge 2>/dev/null', ''],
      ['echo wrong >&2', 'right'],
    ]);
  });

  test('runs them, and finds what does not hold', async () => {
    const folder = new Folder(blocks);
    const results: boolean[] = [];
    for (const { command, output } of commands) {
      const [given, wanted] = aligned(await folder.run(command), output);
      results.push(JSON.stringify(given) === JSON.stringify(wanted));
    }
    folder.remove();
    expect(results).toEqual([true, true, false]);
  });
});
