// Makes the tarball and a folder for projects that use it. The folder is outside of the repository, so that the name of the
// package resolves to the tarball alone.
//
//     WORKSPACE/node_modules -> tests/package/node_modules     bundlers, runtimes, peers
//     WORKSPACE/multilabel-margin-loss-VERSION.tgz
//     WORKSPACE/installed/node_modules/multilabel-margin-loss  from the tarball; nothing else is installed here
//     WORKSPACE/vite/node_modules/multilabel-margin-loss       a copy
//     WORKSPACE/vite/loss.js ...                               from programs/

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import type { TestProject } from 'vitest/node';
import { writePage } from './compatibility.js';
import { execute } from './execute.js';

declare module 'vitest' {
  export interface ProvidedContext {
    workspace: string;
  }
}

export const root = fileURLToPath(new URL('../../', import.meta.url));
const here = fileURLToPath(new URL('./', import.meta.url));

/** The project that npm installed the tarball in; all others are copies of it, which are quicker to make. */
const INSTALLED = 'installed';

/** Vitest calls it once, before the tests. */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), 'multilabel-margin-loss-')));
  symlinkSync(join(here, 'node_modules'), join(workspace, 'node_modules'));
  await execute('npm', ['pack', '--silent', '--pack-destination', workspace], { cwd: root });
  const installed = join(workspace, INSTALLED);
  mkdirSync(installed);
  await writeFile(join(installed, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const flags = ['--offline', '--no-audit', '--no-fund', '--silent'];
  await execute('npm', ['install', ...flags, tarballIn(workspace)], { cwd: installed });
  provide('workspace', workspace);
  return async () => {
    await writePage(workspace);
    rmSync(workspace, { recursive: true, force: true });
  };
}

export function tarballIn(workspace: string): string {
  const [tarball, ...others] = readdirSync(workspace).filter((name) => name.endsWith('.tgz'));
  if (tarball === undefined || others.length > 0) throw new Error(`not one tarball in ${workspace}`);
  return join(workspace, tarball);
}

/** Makes a project with the package installed and with the programs, in TypeScript and in JavaScript. */
export async function makeProject(workspace: string, name: string): Promise<string> {
  const project = join(workspace, name);
  cpSync(join(workspace, INSTALLED), project, { recursive: true, errorOnExist: true, force: false });
  if (existsSync(join(workspace, 'node_modules/multilabel-margin-loss'))) {
    throw new Error('the package must be installed in the project alone');
  }
  for (const program of readdirSync(join(here, 'programs'))) {
    const source = readFileSync(join(here, 'programs', program), 'utf8');
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
    const { outputText } = ts.transpileModule(source, { compilerOptions });
    await writeFile(join(project, program), source);
    await writeFile(join(project, program.replace(/ts$/, 'js')), outputText);
  }
  return project;
}

/** The version of a package that projects are tried with. */
export function versionOf(name: string): string {
  const folder = [here, root].find((folder) => existsSync(join(folder, 'node_modules', name)));
  const manifest = readFileSync(join(folder!, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
