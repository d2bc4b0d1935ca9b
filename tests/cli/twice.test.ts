// Rows count once: a file or an evaluation that is given twice is refused.

import { linkSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folder, npy, runHere, write } from './command.js';

const line = (first: number): string => `{"scores":[${first},0.5,0.25],"targets":[2]}\n`;
const a = write('a.ndjson', line(1) + line(2));
const b = write('b.ndjson', line(3));
// Other rows of the same content, and another name of the same rows.
const sameContent = write('same-content.ndjson', line(3));
symlinkSync(join(folder, a), join(folder, 'link.ndjson'));
linkSync(join(folder, a), join(folder, 'hard-link.ndjson'));
const scores = ['s1.npy', 's2.npy'].map((name) => write(name, npy('<f4', [1, 3], Float32Array.of(0.5, 0.25, 1))));
const targets = write('t.npy', npy('<i4', [1, 1], Int32Array.of(2)));

const evaluated = async (out: string, ...args: string[]): Promise<string> => {
  expect((await runHere(['evaluate', ...args, '--out', out])).status).toBe(0);
  return out;
};
const rowsOf = async (args: readonly string[]): Promise<number> =>
  (JSON.parse((await runHere([...args, '--json'])).stdout) as { rows: number }).rows;
const refused = async (args: readonly string[]): Promise<string> => {
  const { status, stdout, stderr } = await runHere(args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  return stderr;
};

describe('a file', () => {
  test.each([
    ['by its name', [a, b, a], /a\.ndjson is given twice: its rows would count twice/],
    ['by another path', [a, `./${a}`], /\.\/a\.ndjson and a\.ndjson are one file/],
    ['by a link', [a, 'link.ndjson'], /link\.ndjson and a\.ndjson are one file/],
    ['by a hard link', [a, 'hard-link.ndjson'], /hard-link\.ndjson and a\.ndjson are one file/],
    ['by a pattern', ['[ab].ndjson', 'a*.ndjson', a].slice(1), /a\.ndjson is given twice/],
    [
      'of arrays',
      ['--scores', scores[0]!, '--targets', targets, '--scores', scores[0]!, '--targets', targets],
      /s1\.npy with t\.npy is given twice/,
    ],
  ] as const)('%s', async (_, files, message) => {
    expect(await refused(['evaluate', ...files])).toMatch(message);
  });

  test('of the same content under another name is another file', async () => {
    expect(await rowsOf(['evaluate', b, sameContent])).toBe(2);
    expect(
      await rowsOf([
        'evaluate',
        '--scores',
        scores[0]!,
        '--targets',
        targets,
        '--scores',
        scores[1]!,
        '--targets',
        targets,
      ]),
    ).toBe(2);
  });
});

const first = await evaluated('first.json', a);
const second = await evaluated('second.json', b);

describe('an evaluation', () => {
  test('by its file', async () => {
    expect(await refused(['merge', first, first])).toMatch(/first\.json: has an evaluation that first\.json has too/);
    expect(await refused(['compare', first, `./${first}`])).toMatch(/compare needs two files, got first\.json twice/);
  });

  test('that was run again', async () => {
    expect(await refused(['merge', first, await evaluated('again.json', a)])).toMatch(
      /again\.json: has an evaluation that first/,
    );
  });

  test.each([
    ['of another model', [a, '--model', 'other']],
    ['that leaves rows out', [a, '--skip-non-finite']],
    ['of one shard', [a, '--shard', '1/1']],
    ['by an absolute path', [join(folder, a)]],
    ['by two threads', [a, '--threads', '2']],
    ['of a shard', [a, '--shard', '2/3']],
  ] as const)('%s', async (_, args) => {
    const other = await evaluated('other.json', ...args);
    expect(await refused(['merge', first, other])).toMatch(/other\.json: has an evaluation that first\.json has too/);
    expect(await refused(['merge', other, first])).toMatch(/first\.json: has an evaluation that other\.json has too/);
  });

  test('of the same files in another order', async () => {
    const [one, other] = [await evaluated('ab.json', a, b), await evaluated('ba.json', b, a)];
    expect(await refused(['merge', one, other])).toMatch(/ba\.json: has an evaluation that ab\.json has too/);
  });

  test('in all of its shards', async () => {
    const shards: string[] = [];
    for (const i of [1, 2, 3]) shards.push(await evaluated(`third${i}.json`, a, '--shard', `${i}/3`));
    expect((await runHere(['merge', ...shards, '--out', 'thirds.json'])).status).toBe(0);
    expect(await refused(['merge', ...shards, first])).toMatch(/first\.json: has an evaluation that third1/);
    expect(await refused(['merge', first, ...shards])).toMatch(/third1\.json: has an evaluation that first/);
    expect(await refused(['merge', first, 'thirds.json'])).toMatch(/thirds\.json: has an evaluation that first/);
    expect(await refused(['merge', 'thirds.json', shards[1]!])).toMatch(/third2\.json: has an evaluation that thirds/);
    expect(await rowsOf(['merge', second, 'thirds.json'])).toBe(3);
    expect((await runHere(['merge', second, 'thirds.json', '--out', 'more.json'])).status).toBe(0);
    expect(await refused(['merge', 'more.json', first])).toMatch(/first\.json: has an evaluation that more/);
  });

  test('of other rows in a file of the same name and size is another one', async () => {
    mkdirSync(join(folder, 'day2'));
    const day2 = await evaluated('day2.json', write(`day2/${a}`, line(1) + line(3)));
    expect(await rowsOf(['merge', first, day2])).toBe(4);
    const shards: string[] = [];
    for (const i of [1, 2]) shards.push(await evaluated(`day2-${i}.json`, `day2/${a}`, '--shard', `${i}/2`));
    expect((await runHere(['merge', ...shards, '--out', 'day2-all.json'])).status).toBe(0);
    expect(await rowsOf(['merge', first, 'day2-all.json'])).toBe(4);
  });

  test('within what was merged before', async () => {
    expect((await runHere(['merge', first, second, '--out', 'both.json'])).status).toBe(0);
    expect(await refused(['merge', 'both.json', second])).toMatch(
      /second\.json: has an evaluation that both\.json has too/,
    );
    expect(await refused(['merge', second, 'both.json'])).toMatch(
      /both\.json: has an evaluation that second\.json has too/,
    );
    const third = await evaluated('third.json', sameContent);
    expect(await rowsOf(['merge', third, 'both.json'])).toBe(4);
  });

  test('without rows is no double', async () => {
    const shards: string[] = [];
    for (const i of [1, 2, 3, 4]) shards.push(await evaluated(`shard${i}.json`, b, '--shard', `${i}/4`));
    expect(await rowsOf(['merge', ...shards])).toBe(1);
    expect(await refused(['merge', ...shards, shards[2]!])).toMatch(/shard3\.json: shard 3 of 4 is there already/);
  });
});

test.each([
  ['evaluate', ['--margin', 'x'], 'margin'],
  ['evaluate', ['--margin', ''], 'margin'],
  ['evaluate', ['--k', '1,x'], 'k'],
  ['evaluate', ['--threads', 'x'], 'threads'],
  ['merge', ['--expect', 'x'], 'expect'],
  ['compare', ['--level', 'x'], 'level'],
  ['compare', ['--resamples', 'x'], 'resamples'],
  ['compare', ['--seed', 'x'], 'seed'],
  ['worker', ['--queue', 'redis://nowhere', '--lock', 'x'], 'lock'],
  ['worker', ['--queue', 'redis://nowhere', '--concurrency', 'x'], 'concurrency'],
  ['train', ['--margin', 'x', '--out', 'head.safetensors'], 'margin'],
  ['train', ['--epochs', 'x', '--out', 'head.safetensors'], 'epochs'],
] as const)('%s %j says the text that is no number', async (command, options, name) => {
  const files = { evaluate: [a], merge: [a], compare: ['first.json', 'second.json'], worker: [], train: [a] }[command];
  const stderr = await refused([command, ...options, ...files]);
  expect(stderr).toMatch(new RegExp(`^multilabel-margin-loss: --${name} must be .*, got '(x|)'\n$`));
});
