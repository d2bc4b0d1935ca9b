// Metrics of predicted labels on the command line, and the thresholds of tune.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EvaluationResult, Evaluator, type TunedThresholds } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { padded } from '../js/support.js';
import { folder, npy, randomRows, runHere, write } from './command.js';

const CLASSES = 6;
const { scores, targets } = randomRows(400, CLASSES, 3);
// A label that no row has, and one that few have.
const labels = targets.map((row, i) => row.filter((label) => label !== 5 && (label !== 4 || i < 12)));
const width = 3;
write('s.npy', npy('<f4', [400, CLASSES], scores));
write('t.npy', npy('<i4', [400, width], Int32Array.from(padded(labels, width))));
const lines = labels.map((row, i) =>
  JSON.stringify({ scores: [...scores.subarray(i * CLASSES, (i + 1) * CLASSES)], targets: row }),
);
write('rows.ndjson', `${lines.join('\n')}\n`);
const ARRAYS = ['--scores', 's.npy', '--targets', 't.npy'];

async function evaluated(...args: string[]): Promise<EvaluationResult> {
  const { status, stdout, stderr } = await runHere(['evaluate', '--json', ...args]);
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as EvaluationResult;
}

const { status, stdout, stderr } = await runHere(['tune', ...ARRAYS, '--out', 'thresholds.json']);
const thresholds = JSON.parse(readFileSync(join(folder, 'thresholds.json'), 'utf8')) as (number | null)[];

describe('tune', () => {
  test('writes thresholds that evaluate reads, with the metrics that it printed', async () => {
    expect(status).toBe(0);
    expect(thresholds).toHaveLength(CLASSES);
    const { classification } = await evaluated(...ARRAYS, '--thresholds', 'thresholds.json');
    expect(classification?.thresholds).toEqual(thresholds);
    for (const { label, f1, predicted } of classification!.perLabel) {
      const line = stdout.split('\n').find((each) => each.trim().startsWith(`${label} `));
      expect(line?.trim().split(/\s+/)).toEqual(expect.arrayContaining([String(predicted), f1.toFixed(4)]));
    }
    expect(stdout).toContain('look better than they are');
  });

  test('warns of labels with few rows, and of those without', () => {
    expect(thresholds[5]).toBe(null);
    expect(stderr).toContain('label 5: no row has it, and it is never predicted');
    expect(stderr).toMatch(/label 4: fewer than 10 rows have it/);
  });

  test('finds the same in lines of JSON, for a wanted recall, in JSON', async () => {
    const json = await runHere(['tune', 'rows.ndjson', '--json', '--recall', '0.8']);
    const { perLabel } = JSON.parse(json.stdout) as TunedThresholds;
    expect(json.stderr).toContain('look better than they are');
    expect(perLabel.filter(({ support }) => support > 0).every(({ recall }) => recall >= 0.8)).toBe(true);
    const arrays = await runHere(['tune', ...ARRAYS, '--json', '--recall', '0.8']);
    expect(arrays.stdout).toBe(json.stdout);
  });

  test.each<[string, string[], string]>([
    ['standard input', ['-'], 'standard input cannot be read twice'],
    ['two goals', ['rows.ndjson', '--precision', '0.5', '--recall', '0.5'], 'precision and recall'],
    [
      'a precision that is no number',
      ['rows.ndjson', '--precision', 'high'],
      "--precision must be a number, got 'high'",
    ],
    ['another kind of output', ['rows.ndjson', '--out', 'thresholds.txt'], "ends in .json, got 'thresholds.txt'"],
    ['a folder that is missing', ['rows.ndjson', '--out', 'none/t.json'], 'none/t.json: cannot be written'],
    ['no input', [], 'no input'],
    ['no rows', [write('empty.ndjson', '')], 'no rows'],
    [
      'a broken row',
      [write('broken.ndjson', `${lines[0]}\n{"scores":[1,2,3,4,5,null],"targets":[]}\n`)],
      'broken.ndjson: row 1',
    ],
  ])('refuses %s', async (_name, args, message) => {
    const refused = await runHere(['tune', ...args]);
    expect([refused.status, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toContain(message);
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  });
});

const OPTIONS = ['--threshold', '0.5', '--top', '2', '--beta', '2', '--zero-division', '1'];
const whole = await evaluated('rows.ndjson', ...OPTIONS);

describe('evaluate', () => {
  test('gives what the Evaluator gives', () => {
    const evaluator = new Evaluator({ classification: { thresholds: 0.5, k: 2, beta: 2, zeroDivision: 1 } });
    evaluator.update({ data: Float64Array.from(scores), shape: [400, CLASSES] }, labels);
    expect(whole.classification).toEqual(evaluator.result().classification);
  });

  test('prints a table of them', async () => {
    const table = (await runHere(['evaluate', ...ARRAYS, '--threshold', '0.5', '--beta', '2'])).stdout;
    const { classification } = await evaluated(...ARRAYS, '--threshold', '0.5', '--beta', '2');
    expect(table).toContain('Predicted labels: scores of at least 0.5\n');
    const { precision, recall, f1, fBeta, jaccard } = classification!.weighted;
    const line = table.split('\n').find((each) => each.trim().startsWith('weighted'));
    expect(line?.trim().split(/\s+/).slice(1)).toEqual(
      [precision, recall, f1, fBeta!, jaccard].map((value) => value.toFixed(4)),
    );
  });

  test('gives the same bits in shards and on threads; parts with other thresholds are refused', async () => {
    for (const i of [2, 1])
      await runHere(['evaluate', 'rows.ndjson', ...OPTIONS, '--shard', `${i}/2`, '--out', `part${i}.json`]);
    const merged = await runHere(['merge', '--json', '--expect', '2', 'part1.json', 'part2.json']);
    expect((JSON.parse(merged.stdout) as EvaluationResult).classification).toEqual(whole.classification);
    expect((await evaluated('rows.ndjson', ...OPTIONS, '--threads', '2')).classification).toEqual(whole.classification);

    await runHere(['evaluate', 'rows.ndjson', '--threshold', '0.25', '--shard', '2/2', '--out', 'other.json']);
    const refused = await runHere(['merge', 'part1.json', 'other.json']);
    expect([refused.status, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toContain('other files or options');
    await runHere(['evaluate', write('few.ndjson', lines[0]!), '--threshold', '0.25', '--out', 'other.json']);
    expect((await runHere(['merge', 'part1.json', 'other.json'])).stderr).toContain('the same classification');
  });

  test('reads thresholds by index', async () => {
    const byIndex = Object.fromEntries(thresholds.map((threshold, label) => [label, threshold]));
    const file = write('object.json', JSON.stringify(byIndex));
    expect((await evaluated(...ARRAYS, '--thresholds', file)).classification?.thresholds).toEqual(thresholds);
  });

  test('reads thresholds by name, and tune writes them where names are known', async () => {
    const names = ['a', 'b', 'c', '7', '__proto__', '5'];
    const file = write('names.txt', names.join('\n'));
    const tuned = await runHere(['tune', ...ARRAYS, '--labels', file, '--out', 'by-name.json']);
    expect(tuned.stderr).toContain('label 5 5: no row has it');
    expect(tuned.stdout).toMatch(/ Jaccard {2}name\n/);
    const written = JSON.parse(readFileSync(join(folder, 'by-name.json'), 'utf8')) as Record<string, unknown>;
    expect(names.map((name) => written[name])).toEqual(thresholds);
    const read = await runHere(['evaluate', ...ARRAYS, '--json', '--labels', file, '--thresholds', 'by-name.json']);
    expect((JSON.parse(read.stdout) as EvaluationResult).classification?.thresholds).toEqual(thresholds);
    const others = write('others.txt', names.join('\n').replace('c', 'd'));
    const refused = await runHere(['evaluate', ...ARRAYS, '--labels', others, '--thresholds', 'by-name.json']);
    expect([refused.status, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toContain("by-name.json: has a threshold for 'c', which is none of the names of --labels");
    const short = write('short.json', '{"a":1,"b":1,"c":1,"7":1,"5":1}');
    const missing = await runHere(['evaluate', ...ARRAYS, '--labels', file, '--thresholds', short]);
    expect(missing.stderr).toContain("short.json: has no threshold for '__proto__'");
  });

  test('takes no name that is a number for the class of this number', async () => {
    // In the order of texts, as of a list of sorted names.
    const names = Array.from({ length: 12 }, (_, i) => String(i)).sort();
    write('numbers.txt', names.join('\n'));
    write(
      'twelve.ndjson',
      names
        .map((_, i) => JSON.stringify({ scores: names.map((__, j) => (i === j ? 1 + i : 0)), targets: [i] }))
        .join('\n'),
    );
    const tuned = [
      'tune',
      'twelve.ndjson',
      '--labels',
      'numbers.txt',
      '--targets-are',
      'indices',
      '--out',
      'twelve.json',
    ];
    expect((await runHere(tuned)).status).toBe(0);
    const own = names.map((_, i) => 1 + i);
    for (const labels of [[], ['--labels', 'numbers.txt']]) {
      const args = ['evaluate', 'twelve.ndjson', '--json', '--thresholds', 'twelve.json', ...labels];
      const { classification } = JSON.parse((await runHere(args)).stdout) as EvaluationResult;
      expect(classification?.thresholds).toEqual(own);
    }
  });

  test.each<[string, string[], string]>([
    ['both kinds of thresholds', ['--threshold', '1', '--thresholds', 'thresholds.json'], 'give one of them'],
    ['beta alone', ['--beta', '2'], '--beta needs --threshold, --thresholds or --top'],
    ['no number', ['--threshold', 'half'], "--threshold must be a number, got 'half'"],
    ['a fraction of labels', ['--top', '1.5'], '--top must be a whole number'],
    ['another value of 0/0', ['--top', '1', '--zero-division', '2'], "--zero-division must be 0 or 1, got '2'"],
    ['beta of 0', ['--top', '1', '--beta', '0'], 'beta must be a finite number above 0'],
    ['too few thresholds', ['--thresholds', write('few.json', '[1, 2]')], 'few.json: has 2 thresholds'],
    [
      'thresholds of names',
      ['--thresholds', write('names.json', '{"jazz":1}')],
      "names.json: has a threshold for 'jazz', which is no number of a class",
    ],
    ['thresholds of text', ['--thresholds', write('text.json', '["1"]')], 'text.json: must be a list of numbers'],
  ])('refuses %s', async (_name, args, message) => {
    const refused = await runHere(['evaluate', ...ARRAYS, ...args]);
    expect([refused.status, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toContain(message);
  });

  test('a report has a section of them', async () => {
    const { status: written } = await runHere([
      'evaluate',
      ...ARRAYS,
      '--thresholds',
      'thresholds.json',
      '--out',
      'report.html',
    ]);
    expect(written).toBe(0);
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(page).toContain('<h2>Predicted labels</h2>');
    expect(page).toContain('at least their own threshold');
  });
});
