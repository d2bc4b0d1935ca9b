// The code of the documentation: blocks of its pages and examples of its docstrings. What is TypeScript is checked against
// the declarations in dist/, and what a line says comes out, `expression; // => value`, is made a call that compares them.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Application, Comment, type ProjectReflection, ReflectionKind, TSConfigReader, TypeDocReader } from 'typedoc';
import ts from 'typescript';

export const root = new URL('../../', import.meta.url);
export const checkValues = fileURLToPath(new URL('check-values.js', import.meta.url));
const nodeGPU = fileURLToPath(new URL('../webgpu/node-gpu.js', import.meta.url));

export interface Block {
  /** Page and line, or the name of what a docstring is of. */
  name: string;
  /** The language that the fence names. */
  language: string;
  /** The file that the fence names, of a project that the blocks of a section make up; null for a program of its own. */
  file: string | null;
  /** The page and its nearest heading. */
  section: string;
  code: string;
  /** The line in the page, from 0. */
  line: number;
}

/** The code blocks of a page, but those under `<!-- not run: reason -->`. A fence is ```` ```language file ````. */
export function blocksOfPage(page: string, text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  let heading = '';
  for (let i = 0; i < lines.length; i++) {
    heading = lines[i]!.match(/^#+ (.*)/)?.[1] ?? heading;
    const fence = lines[i]!.match(/^( *)```(\w*) *(\S*)/);
    if (fence === null) continue;
    const [, indent, language, file] = fence as unknown as [string, string, string, string];
    const begin = i + 1;
    do i++;
    while (i < lines.length && lines[i]!.trim() !== '```');
    const above = lines
      .slice(0, begin - 1)
      .filter((line) => line.trim() !== '')
      .at(-1);
    if (/^\s*<!-- not run: .+ -->$/.test(above ?? '')) continue;
    const code = lines.slice(begin, i).map((line) => line.slice(indent.length));
    blocks.push({
      name: `${page}:${begin + 1}`,
      language,
      file: file === '' ? null : file,
      section: `${page}, ${heading}`,
      code: code.join('\n'),
      line: begin,
    });
  }
  return blocks;
}

/** README.md, docs/, its guides, and the other pages beside README.md. */
export const PAGES: readonly string[] = ['', 'docs/', 'docs/guides/'].flatMap((folder) =>
  readdirSync(new URL(`./${folder}`, root))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => folder + name),
);

export function textOf(page: string): string {
  return readFileSync(new URL(page, root), 'utf8');
}

export function blocksOfPages(): Block[] {
  return PAGES.flatMap((page) => blocksOfPage(page, textOf(page)));
}

/** Runs typedoc over the sources and collects its warnings. */
export async function readReference(): Promise<{ project: ProjectReflection; warnings: string[] }> {
  const application = await Application.bootstrap({ options: fileURLToPath(new URL('typedoc.json', root)) }, [
    new TypeDocReader(),
    new TSConfigReader(),
  ]);
  const warnings: string[] = [];
  application.logger.warn = application.logger.error = (text: string) => warnings.push(text);
  const project = await application.convert();
  if (project === undefined) throw new Error(`typedoc did not convert the sources:\n${warnings.join('\n')}`);
  application.validate(project);
  return { project, warnings };
}

/** The examples of the docstrings of all that is public. */
export function blocksOfReference(project: ProjectReflection): Block[] {
  const blocks: Block[] = [];
  for (const reflection of project.getReflectionsByKind(ReflectionKind.All)) {
    const name = reflection.getFullName();
    for (const tag of reflection.comment?.blockTags ?? []) {
      if (tag.tag !== '@example') continue;
      const code = Comment.combineDisplayParts(tag.content).replace(/^```\w*\n|\n```$/g, '');
      blocks.push({ name: `docstring of ${name}`, language: 'ts', file: null, section: name, code, line: 0 });
    }
  }
  return blocks;
}

/** The code, with the values that its comments say checked, on the lines where they were. */
export function withChecks(code: string): string {
  let count = 0;
  const checked = code.replace(
    /^( *)(?!\/\/)(\S.*?);? *\/\/ => (.*)$/gm,
    (_line, indent: string, expression: string, value: string) =>
      `${indent}__check(${count++}, (${expression}), (${value}), ${JSON.stringify(expression)});`,
  );
  return `${checked}\n__checks(${count});\n`;
}

export interface Run {
  code: number | null;
  output: string;
}

/** Runs programs, each in a process of its own, from a folder in the repository, so that the package is found by its name. */
export class Programs {
  // A folder that git ignores.
  readonly #folder: URL;
  #errors: ReadonlyMap<string, string> = new Map();

  constructor(name: string) {
    this.#folder = new URL(`build/${name}/`, root);
    this.remove();
    mkdirSync(this.#folder, { recursive: true });
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Writes the programs and compiles those in TypeScript, all at once: it takes seconds to read the declarations. */
  write(blocks: readonly Block[]): void {
    // Empty lines before the code make errors report the line of the page.
    for (const block of blocks) writeFileSync(this.#fileOf(block), '\n'.repeat(block.line) + withChecks(block.code));
    this.#errors = compile(blocks.filter(({ language }) => language === 'ts').map((block) => this.#fileOf(block)));
  }

  /** @returns the errors of types, if there are any, instead of running it */
  async run(block: Block): Promise<Run> {
    const errors = this.#errors.get(this.#fileOf(block));
    if (errors !== undefined) return { code: null, output: errors };
    const program = this.#fileOf(block).replace(/\.mts$/, '.mjs');
    // SwiftShader takes ten seconds to compile the kernels without the test features. Only programs of pages do that.
    const usesGPU = block.section.startsWith('multilabel-margin-loss/webgpu');
    const imports = usesGPU ? [checkValues, nodeGPU] : [checkValues];
    return runCommand(process.execPath, [...imports.flatMap((module) => ['--import', module]), program]);
  }

  #fileOf({ name, language }: Block): string {
    return fileURLToPath(new URL(`${name.replace(/\W/g, '_')}.m${language}`, this.#folder));
  }
}

/**
 * Writes the JavaScript of files of TypeScript beside them.
 *
 * @returns what is wrong with their types, by file
 */
export function compile(files: readonly string[]): Map<string, string> {
  const program = ts.createProgram([...files, checkValues.replace('.js', '.d.ts')], {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: ['node'],
  });
  program.emit();
  const errors = new Map<string, string>();
  for (const { file, start = 0, messageText } of ts.getPreEmitDiagnostics(program)) {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
    const message = `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}\n`;
    for (const name of file === undefined ? files : [file.fileName]) {
      errors.set(name, (errors.get(name) ?? '') + message);
    }
  }
  return errors;
}

/** The path of a Python that has PyTorch, if there is one. Nothing but pages and the benchmark needs it. */
export function findPyTorch(): string | undefined {
  for (const command of ['/usr/bin/python3', 'python3']) {
    const { status, stdout } = spawnSync(command, ['-c', 'import sys, torch; print(sys.executable)'], {
      encoding: 'utf8',
    });
    if (status === 0) return stdout.trim();
  }
  return undefined;
}

export function runCommand(command: string, args: string[], cwd: string | URL = root): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
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
