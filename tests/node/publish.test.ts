// Checks what `npm publish` would send, and that it has no warnings. Nothing is sent, and no registry is asked.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const { name, version, exports, files } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  name: string;
  version: string;
  exports: Record<string, string | Record<string, string>>;
  files: string[];
};

interface Tarball {
  name: string;
  version: string;
  files: { path: string; mode: number }[];
}

test('a dry run has no warnings, and sends what is built', () => {
  const { status, stdout, stderr } = spawnSync(
    'npm',
    // No server is at this address.
    ['publish', '--dry-run', '--json', '--offline', '--no-workspaces', '--registry=http://127.0.0.1:9/'],
    { cwd: root, encoding: 'utf8' },
  );
  expect(status, stderr).toBe(0);
  const warnings = stderr.split('\n').filter((line) => /^npm (warn|error)/i.test(line));
  // Who publishes is logged in; here nobody is.
  expect(warnings.filter((line) => !line.includes('requires you to be logged in'))).toEqual([]);

  const output = JSON.parse(stdout) as Tarball | Record<string, Tarball>;
  const tarball = ('files' in output ? output : output[name]) as Tarball;
  expect([tarball.name, tarball.version]).toEqual([name, version]);
  const paths = tarball.files.map(({ path }) => path);
  expect(paths.filter((path) => !path.startsWith('dist/')).sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
  for (const entry of Object.values(exports)) {
    for (const path of typeof entry === 'string' ? [entry] : Object.values(entry)) {
      const [start, end = ''] = path.replace('./', '').replace('?module', '').split('*') as [string, string?];
      const sent = paths.filter((path) => path.startsWith(start) && path.endsWith(end));
      expect(sent.length, path).toBeGreaterThan(0);
      if (!path.includes('*')) expect(sent).toContain(start);
    }
  }
  expect(files).toEqual(['dist']);
});

test('the changelog has this version', () => {
  const changelog = readFileSync(new URL('CHANGELOG.md', root), 'utf8');
  expect(changelog).toMatch(
    new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - (Unreleased|\\d{4}-\\d\\d-\\d\\d)$`, 'm'),
  );
});

test('heads are written with this version', () => {
  expect(readFileSync(new URL('js/train/version.ts', root), 'utf8')).toContain(`PACKAGE_VERSION = '${version}'`);
});
