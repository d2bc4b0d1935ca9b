// The example, as a user runs it.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = async (): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', 'examples/genre-classifier.ts'], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
  });

test('learns the genres, in the same way every time, and prints nothing but results', async () => {
  const [first, second] = await Promise.all([run(), run()]);
  expect(first).toEqual(second);
  // Its progress bar is for terminals.
  expect(first.stderr).toBe('');
  const held = (name: string): number => Number(first.stdout.match(new RegExp(`^${name} +(\\d\\.\\d+)$`, 'm'))?.[1]);
  expect(held('this model')).toBeGreaterThan(0.95);
  expect(held('genre prior')).toBeLessThan(0.6);
});
