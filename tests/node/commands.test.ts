// The commands of docs/: a block of the language console has commands after "$ " and what they print, on standard output and
// stderr. All of a page run one after the other in one folder, in which the blocks that name a file are. A line "..." stands
// for any lines. Where there is no Python with PyTorch, the commands of a page from its first one of python3 on are left out.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { type Block, blocksOfPage, blocksOfPages, findPyTorch, PAGES, root, runCommand } from './code-blocks.js';

const python = findPyTorch();

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

/**
 * A folder with the files of a page, in which npx runs the command of dist/ and python3 is one with PyTorch. It is in the
 * repository, so that this package and those that are installed are found by their names.
 */
class Folder {
  readonly #path: string;

  constructor(blocks: readonly Block[]) {
    const build = fileURLToPath(new URL('build/', root)); // Which git ignores.
    mkdirSync(build, { recursive: true });
    this.#path = mkdtempSync(join(build, 'commands-'));
    mkdirSync(join(this.#path, 'bin'));
    const main = fileURLToPath(new URL('dist/cli/main.js', root));
    this.#program(
      'npx',
      `[ "$1" = multilabel-margin-loss ] || exit 3\nshift\nexec "${process.execPath}" "${main}" "$@"`,
    );
    if (python !== undefined) this.#program('python3', `exec "${python}" "$@"`);
    for (const { file, code } of blocks) if (file !== null) writeFileSync(join(this.#path, file), `${code}\n`);
  }

  #program(name: string, script: string): void {
    const path = join(this.#path, 'bin', name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
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
    const commands = blocks.flatMap(commandsOf);
    const firstOfPython = commands.findIndex(({ command }) => command.startsWith('python3 '));
    const canRun = firstOfPython === -1 || python !== undefined ? commands : commands.slice(0, firstOfPython);
    test.each(canRun)('$name', async ({ command, output }) => {
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
