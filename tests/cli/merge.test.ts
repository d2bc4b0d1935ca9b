// The command writes parts of an evaluation, of any rows and of numbered shards, and merges them.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { padded } from '../js/support.js';
import { folder, metricsOf, npy, randomRows, run, runHere, write } from './command.js';

// More rows than are read at a time.
const CLASSES = 140;
const ROWS = 2000;
const { scores, targets } = randomRows(ROWS, CLASSES, 4);
const rowOf = (row: number): number[] => [...scores.subarray(row * CLASSES, (row + 1) * CLASSES)];
const lines = targets.map((labels, row) => JSON.stringify({ scores: rowOf(row), targets: labels }));
write('scores-f4.npy', npy('<f4', [ROWS, CLASSES], scores));
write('targets-i4.npy', npy('<i4', [ROWS, 5], Int32Array.from(padded(targets, 5))));
write('rows.ndjson', `${lines.join('\n')}\n`);

describe('merge', () => {
  test('gives what a single run gives, to the bit, in any order', async () => {
    const part = (name: string, begin: number, end: number): string => {
      const input = lines.slice(begin, end).join('\n');
      expect(run(['evaluate', '-', '--out', name], input).status).toBe(0);
      return name;
    };
    const parts = [part('a.json', 0, 10), part('b.json', 10, 1500), part('c.json', 1500, ROWS)];
    // Each part counts its rows from 0.
    const single = metricsOf(JSON.parse(run(['evaluate', '-', '--json'], lines.join('\n')).stdout));
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
    ]) {
      const { status, stdout } = await runHere(['merge', '--json', ...order.map((i) => parts[i]!)]);
      expect(status).toBe(0);
      expect(metricsOf(JSON.parse(stdout))).toEqual(single);
    }
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  describe('of shards', () => {
    const sources = { npy: ['--scores', 'scores-f4.npy', '--targets', 'targets-i4.npy'], ndjson: ['rows.ndjson'] };
    const shard = async (i: number, n: number, input: readonly string[], name: string): Promise<string> => {
      const { status, stderr } = await runHere(['evaluate', ...input, '--shard', `${i}/${n}`, '--out', name]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return name;
    };
    const shards = async (
      n: number,
      input: readonly string[],
      name = `${input.at(-1)}-of-${n}-`,
    ): Promise<string[]> => {
      const names: string[] = [];
      for (let i = 1; i <= n; i++) names.push(await shard(i, n, input, `${name}${i}.json`));
      return names;
    };
    const few = (rows: number): string =>
      Array.from({ length: rows }, (_, row) => `{"scores":[0.1,0.2,0.4,0.8],"targets":[${row % 4}]}`).join('\n');
    const rowsIn = (name: string): number =>
      Evaluator.fromJSON(JSON.parse(readFileSync(join(folder, name), 'utf8'))).result().rows;

    test.each(Object.entries(sources))(
      '%s: about as many rows each, and together the single run, to the bit',
      async (_, input) => {
        const parts = await shards(3, input);
        for (const part of parts) expect(Math.abs(rowsIn(part) - ROWS / 3)).toBeLessThan(ROWS / 16);
        const single = (await runHere(['evaluate', ...input, '--json'])).stdout;
        expect(await runHere(['merge', '--json', '--expect', '3', ...parts.reverse()])).toEqual({
          status: 0,
          stdout: single,
          stderr: '',
        });
        // Two of them first.
        expect(await runHere(['merge', '--out', 'two-of-three.json', parts[2]!, parts[0]!])).toMatchObject({
          status: 0,
        });
        const all = await runHere(['merge', '--json', '--expect', '3', parts[1]!, 'two-of-three.json']);
        expect(all.stdout).toBe(single);
      },
    );

    test('more of them than rows', async () => {
      write('three.ndjson', few(3));
      const parts = await shards(5, ['three.ndjson']);
      expect(parts.map(rowsIn).reduce((a, b) => a + b)).toBe(3);
      const single = (await runHere(['evaluate', 'three.ndjson', '--json'])).stdout;
      expect((await runHere(['merge', '--json', '--expect', '5', ...parts])).stdout).toBe(single);
    });

    test('gaps, doubles and parts of something else are refused', async () => {
      mkdirSync(join(folder, 'copy'));
      write('few.ndjson', few(8));
      write('copy/few.ndjson', few(8));
      write('copy/more.ndjson', few(8));
      const parts = await shards(4, ['few.ndjson'], 'part');
      const elsewhere = await shard(2, 4, ['copy/few.ndjson'], 'elsewhere.json');
      const other = await shard(2, 4, ['copy/more.ndjson'], 'other-input.json');
      const options = await shard(2, 4, ['few.ndjson', '--skip-non-finite'], 'other-options.json');
      const fifth = await shard(5, 5, ['few.ndjson'], 'fifth.json');
      await runHere(['evaluate', 'few.ndjson', '--out', 'whole.json']);
      const together = await runHere(['merge', '--expect', '4', parts[0]!, elsewhere, parts[2]!, parts[3]!]);
      expect(together.status).toBe(0);
      for (const [expected, files, message] of [
        [4, [parts[3]!], /^multilabel-margin-loss: of 4 shards, these are missing: 1-3$/m],
        [4, [parts[0]!, parts[2]!], /these are missing: 2, 4$/m],
        [4, [...parts, parts[1]!], /part2\.json: shard 2 of 4 is there already/],
        [4, [parts[0]!, other, parts[2]!, parts[3]!], /other-input\.json: is of other files or options/],
        [4, [parts[0]!, options, parts[2]!, parts[3]!], /other-options\.json: is of other files or options/],
        [4, [...parts, fifth], /fifth\.json: is of 5 shards, 4 are expected/],
        [5, parts, /part1\.json: is of 4 shards, 5 are expected/],
        [4, [...parts, 'whole.json'], /whole\.json: is of no shard/],
        [null, [parts[0]!, fifth], /fifth\.json: is of 5 shards, those before are of 4/],
        ['0', parts, /--expect must be a whole number from 1, got '0'/],
        ['four', parts, /--expect must be a whole number from 1, got 'four'/],
      ] as const) {
        const args = expected === null ? [] : ['--expect', String(expected)];
        const { status, stdout, stderr } = await runHere(['merge', ...args, '--out', 'refused.json', ...files]);
        expect(stderr).toMatch(message);
        expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      }
      expect(existsSync(join(folder, 'refused.json'))).toBe(false);

      // Without --expect, a part of the shards is merged, and said to be one.
      const half = await runHere(['merge', parts[0]!, parts[3]!, '--out', 'half-of-few.json']);
      const warning = 'multilabel-margin-loss: of 4 shards, these are missing: 2-3\n';
      expect(half).toMatchObject({ status: 0, stderr: warning });
      const more = await runHere(['merge', 'half-of-few.json', parts[1]!]);
      expect(more).toMatchObject({ status: 0, stderr: warning.replace('2-3', '3') });
      const all = await runHere(['merge', 'half-of-few.json', parts[1]!, parts[2]!]);
      expect(all).toMatchObject({ status: 0, stderr: '' });
    });
  });

  test('refuses what is no part, and parts that differ', async () => {
    run(['evaluate', '-', '--out', 'k1.json', '--k', '1'], lines[0]);
    run(['evaluate', '-', '--out', 'k2.json', '--k', '2'], lines[0]);
    write('no.json', '{}');
    write('cut.json', readFileSync(join(folder, 'k1.json'), 'utf8').slice(0, 200));
    for (const [files, message] of [
      [['no.json'], /no\.json: an evaluator's JSON has format/],
      [['cut.json'], /cut\.json: .*JSON/],
      [['k1.json', 'k2.json'], /k2\.json: evaluators to be merged must have the same k/],
      [['missing.json'], /missing\.json: .*no such file/],
      [[], /no parts/],
      [['--k', '1', 'k1.json'], /Unknown option '--k'/],
    ] as const) {
      const { status, stdout, stderr } = await runHere(['merge', ...files]);
      expect(stderr).toMatch(message);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    }
  });
});
