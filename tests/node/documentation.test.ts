// Every block of code in README.md and docs/, and every example of a docstring, runs and gives what its comments say. What
// is public has a docstring that says what there is to say.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type DeclarationReflection, ReflectionKind, type SignatureReflection } from 'typedoc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Block,
  blocksOfPage,
  blocksOfPages,
  blocksOfReference,
  findPyTorch,
  PAGES,
  Programs,
  readReference,
  root,
  runCommand,
  textOf,
} from './code-blocks.js';

const { project, warnings } = await readReference();
const pages = blocksOfPages();
const examples = blocksOfReference(project);
// Blocks that name a file are parts of projects, which deployment.test.ts runs.
const programs = [...pages, ...examples].filter(
  ({ language, file }) => ['ts', 'js'].includes(language) && file === null,
);
const runner = new Programs('documentation');

beforeAll(() => runner.write(programs));
afterAll(() => runner.remove());

test('there is code, and it says what comes out', () => {
  for (const page of ['README.md', 'docs/loss.md', 'docs/guides/']) {
    const ofPage = programs.filter(({ name }) => name.startsWith(page));
    expect(ofPage.some(({ code }) => code.includes('// => '))).toBe(true);
  }
  expect(examples.some(({ code }) => code.includes('// => '))).toBe(true);
});

describe('runs', () => {
  test.concurrent.each(programs.map((block) => [block.name, block] as const))('%s', async (_name, block) => {
    const { code, output } = await runner.run(block);
    expect(code, output).toBe(0);
  });
});

test('no block is in a language that no test reads', () => {
  const others = pages.filter(
    // commands.test.ts runs those of the language console.
    ({ language, file }) => file === null && !['ts', 'js', 'sh', 'python', 'console'].includes(language),
  );
  expect(others.map(({ name, language }) => [name, language])).toEqual([]);
});

describe('commands are there', () => {
  const { bin, scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    bin: Record<string, string>;
    scripts: Record<string, string>;
  };
  const exists = (path: string | undefined): boolean => path !== undefined && existsSync(new URL(path, root));
  const known: [pattern: RegExp, check: (word: string | undefined) => boolean][] = [
    [/^npm run (\S+)/, (script) => script! in scripts],
    [/^npm (start|test)\b/, (script) => script! in scripts],
    [/^npx (multilabel-margin-loss .*)/, (line) => isCommand(line!)],
    [/^npx (?:tsx|vitest run --project \S+) (\S+)/, exists],
    [/^bash (\S+)/, exists],
    [/^(?:ctest|cmake --build) --preset (\S+)/, (preset) => presets().includes(preset!)],
    [/^npm (?:i|install|publish)\b/, () => true],
  ];
  const lines = pages
    .filter(({ language }) => language === 'sh')
    .flatMap(({ name, code }) =>
      code
        .split('\n')
        .filter((line) => !/^(#.*)?$/.test(line.trim()))
        .map((line) => [name, line.trim()] as const),
    );

  test.each(lines)('%s: %s', (_name, line) => {
    expect(known.some(([pattern, check]) => pattern.test(line) && check(pattern.exec(line)?.[1]))).toBe(true);
  });

  test('a subcommand or option that is not there is found', () => {
    expect(isCommand('multilabel-margin-loss merge --json part.json')).toBe(true);
    expect(isCommand('multilabel-margin-loss assess part.json')).toBe(false);
    expect(isCommand('multilabel-margin-loss merge --jso part.json')).toBe(false);
  });

  /** Whether the `--help` of a command of this package names the subcommand and the options of a line. */
  function isCommand(line: string): boolean {
    const [name, subcommand, ...args] = line.split(/\s+/) as [string, string, ...string[]];
    const command = [fileURLToPath(new URL(bin[name]!, root)), subcommand, '--help'];
    const { stdout: help } = spawnSync(process.execPath, command, { encoding: 'utf8' });
    const names = args.filter((arg) => arg.startsWith('-')).map((arg) => `^  (?:-\\w, )?${arg}(?: |$)`);
    return [`^(?:Usage:)? *${name} ${subcommand} `, ...names].every((pattern) => new RegExp(pattern, 'm').test(help));
  }

  function presets(): string[] {
    const { configurePresets } = JSON.parse(readFileSync(new URL('CMakePresets.json', root), 'utf8')) as {
      configurePresets: { name: string }[];
    };
    return configurePresets.map(({ name }) => name);
  }
});

describe('Python', () => {
  // commands.test.ts has those that name a file.
  const blocks = pages.filter(({ language, file }) => language === 'python' && file === null);
  const python = findPyTorch();
  const valuesOf = (code: string): string[] =>
    Array.from(code.matchAll(/(?:\/\/|#) => (.*)$/gm), ([, value]) => value!);

  test.runIf(python !== undefined).each(blocks)('$name', async ({ code }) => {
    const checked = code.replace(
      /^(\S.*?) *# => (.*)$/gm,
      (_line, expression: string, value: string) => `__check(${expression}, ${value}, ${JSON.stringify(expression)})`,
    );
    const { code: status, output } = await runCommand(python!, ['-c', PYTHON_CHECK + checked]);
    expect(status, output).toBe(0);
  });

  test.each(blocks)('$name: TypeScript beside it gives the same', ({ section, code }) => {
    const beside = pages.find((block) => block.section === section && block.language === 'ts');
    expect(valuesOf(code).length).toBeGreaterThan(0);
    expect(valuesOf(beside?.code ?? '')).toEqual(valuesOf(code));
  });

  const PYTHON_CHECK = `
def __check(actual, expected, expression):
    def same(a, b):
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(map(same, a, b))
        return a == b or abs(a - b) <= 1e-6
    assert same(actual, expected), f'{expression} is {actual}, not {expected}'
`;
});

describe('docstrings', () => {
  test('typedoc has nothing to warn of', () => {
    expect(warnings).toEqual([]);
  });

  const isMember = (reflection: DeclarationReflection): boolean =>
    reflection.kindOf([ReflectionKind.Property, ReflectionKind.Accessor]) ||
    reflection.parent?.kindOf(ReflectionKind.TypeLiteral) === true;
  const named = project
    .getReflectionsByKind(ReflectionKind.SomeModule | ReflectionKind.SomeExport | ReflectionKind.ClassMember)
    .filter((reflection): reflection is DeclarationReflection => reflection.isDeclaration())
    // Names for a second time have the docstring of the first.
    .filter((reflection) => !isMember(reflection) && !reflection.isReference() && !reflection.flags.isInherited);
  const signatures = named.flatMap(({ signatures = [] }) => signatures);
  const tagsOf = ({ comment }: { comment?: DeclarationReflection['comment'] }, tag: string): unknown[] =>
    comment?.getTags(tag as `@${string}`) ?? [];
  const nameOf = (reflection: SignatureReflection | DeclarationReflection): string => reflection.getFullName();

  test('there are some', () => {
    const names = named.map(nameOf);
    for (const name of ['MultiLabelMarginLoss.forward', 'Tensor.backward', 'nn.functional.multilabel_margin_loss']) {
      expect(names).toContain(`multilabel-margin-loss.${name}`);
    }
  });

  test('every function, class and interface has an example', () => {
    // A sentence is enough for an alias of a type and for a constant.
    const without = named.filter(
      (reflection) =>
        !reflection.kindOf([ReflectionKind.TypeAlias, ReflectionKind.Variable]) &&
        ![reflection, ...(reflection.signatures ?? [])].some((each) => tagsOf(each, '@example').length > 0),
    );
    expect(without.map(nameOf)).toEqual([]);
  });

  // The first of several signatures has what all of them share.
  const functions = signatures.filter((signature) => signature.parent.signatures?.[0] === signature);

  test('every parameter is described', () => {
    const without = functions.flatMap((signature) =>
      (signature.parameters ?? [])
        .filter(({ comment }) => comment === undefined || !comment.hasVisibleComponent())
        .map(({ name }) => `${nameOf(signature)}: ${name}`),
    );
    expect(without).toEqual([]);
  });

  test('what is returned is described', () => {
    const returns = functions.filter(
      ({ kind, type }) => kind === ReflectionKind.CallSignature && type !== undefined && type.toString() !== 'void',
    );
    expect(returns.filter((signature) => tagsOf(signature, '@returns').length === 0).map(nameOf)).toEqual([]);
  });

  test('errors are named, with their codes', () => {
    const takes = functions.filter(({ parameters = [] }) => parameters.length > 0);
    const without = takes.filter(
      ({ comment }) =>
        !comment?.getTags('@throws').some(({ content }) => content.some(({ text }) => text.includes('LossError'))),
    );
    expect(without.map(nameOf)).toEqual([]);
  });
});

test('links between the pages lead somewhere', () => {
  const dead: string[] = [];
  for (const page of PAGES) {
    for (const [, link] of textOf(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [path, anchor] = link!.split('#') as [string, string?];
      const target = path === '' ? new URL(page, root) : new URL(path, new URL(page, root));
      const found =
        existsSync(target) && (anchor === undefined || anchorsOf(readFileSync(target, 'utf8')).includes(anchor));
      if (!found) dead.push(`${page}: ${link}`);
    }
  }
  expect(dead).toEqual([]);
});

/** The anchors that GitHub makes of headings. */
function anchorsOf(text: string): string[] {
  return Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('this test', () => {
  const page = [
    '## Section',
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
    '```nginx nginx.conf',
    'location / {}',
    '```',
    '   ```js',
    '   1 + 1; // => 3',
    '   ```',
    '```js',
    '[1, 2]; // => [1]',
    '```',
    '```js',
    'if (false) {',
    '  1; // => 1',
    '}',
    '```',
    '```ts',
    "const one: number = 'one';",
    '```',
  ].join('\n');
  const blocks = blocksOfPage('page', page);

  test('finds blocks', () => {
    expect(blocks.map(({ name, language, file }) => [name, language, file])).toEqual([
      ['page:3', 'ts', null],
      ['page:14', 'nginx', 'nginx.conf'],
      ['page:17', 'js', null],
      ['page:20', 'js', null],
      ['page:23', 'js', null],
      ['page:28', 'ts', null],
    ]);
    expect(new Set(blocks.map(({ section }) => section))).toEqual(new Set(['page, Section']));
  });

  test('finds what does not hold', async () => {
    const own = new Programs('documentation-test');
    const isProgram = ({ file }: Block): boolean => file === null;
    own.write(blocks.filter(isProgram));
    const [right, wrong, shorter, unreached, untyped] = await Promise.all(
      blocks.filter(isProgram).map((block) => own.run(block)),
    );
    own.remove();
    expect(right!.code, right!.output).toBe(0);
    expect(wrong!.code).not.toBe(0);
    expect(wrong!.output).toContain('1 + 1 is 2, not 3');
    expect(shorter!.code).not.toBe(0);
    expect(unreached!.code).not.toBe(0);
    expect(unreached!.output).toContain('only 0 of 1 comments');
    expect(untyped!.code).toBe(null);
    expect(untyped!.output).toContain("line 28: Type 'string' is not assignable to type 'number'");
  });
});
