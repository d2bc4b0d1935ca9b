// The command multilabel-margin-loss reads files and standard input, prints results, and refuses broken input.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { padded } from '../js/support.js';
import { folder, half, metricsOf, npy, randomRows, run, runHere, write } from './command.js';

// More rows than are read at a time.
const CLASSES = 140;
const ROWS = 2000;
const { scores, targets } = randomRows(ROWS, CLASSES, 4);
const rowOf = (row: number): number[] => [...scores.subarray(row * CLASSES, (row + 1) * CLASSES)];
const lines = targets.map((labels, row) => JSON.stringify({ scores: rowOf(row), targets: labels }));

// A result after a round trip through JSON, which has null for NaN.
const expected = ((): unknown => {
  const evaluator = new Evaluator();
  evaluator.update({ data: scores, shape: [ROWS, CLASSES] }, targets);
  return metricsOf(evaluator.result());
})();

const width = 5;
const indices = padded(targets, width);
const mask = new Uint8Array(ROWS * CLASSES);
targets.forEach((labels, row) => labels.forEach((label) => (mask[row * CLASSES + label] = 1)));
write('scores-f2.npy', npy('<f2', [ROWS, CLASSES], Uint16Array.from(scores, half)));
write('scores-f4.npy', npy('<f4', [ROWS, CLASSES], scores));
write('scores-f8.npy', npy('<f8', [ROWS, CLASSES], Float64Array.from(scores)));
write('targets-i4.npy', npy('<i4', [ROWS, width], Int32Array.from(indices)));
write('targets-i8.npy', npy('<i8', [ROWS, width], BigInt64Array.from(indices, BigInt)));
write('targets-b1.npy', npy('|b1', [ROWS, CLASSES], mask));
write('rows.ndjson', `${lines.join('\n')}\n`);

function evaluated(...args: string[]): unknown {
  const { status, stdout, stderr } = run(['evaluate', '--json', ...args]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return metricsOf(JSON.parse(stdout));
}

/** But the loss, which float32 rounds for each row, and float64 does not. */
function expectResult(actual: unknown, loss: 'float32' | 'float64' = 'float32'): void {
  const close = { ...(expected as object), loss: expect.closeTo((expected as { loss: number }).loss, 6) };
  expect(actual).toEqual(loss === 'float32' ? expected : close);
}

describe('evaluate', () => {
  test.each([
    ['f4', 'i4'],
    ['f4', 'b1'],
    ['f2', 'i8'],
    ['f8', 'i8'],
  ])('.npy files of %s and %s', (score, target) => {
    const actual = evaluated('--scores', `scores-${score}.npy`, '--targets', `targets-${target}.npy`);
    expectResult(actual, score === 'f8' ? 'float64' : 'float32');
  });

  test('lines of JSON, from a file and from standard input', () => {
    const fromFile = evaluated('rows.ndjson');
    expectResult(fromFile, 'float64');
    const { stdout } = run(['evaluate', '-', '--json'], lines.join('\n'));
    expect(metricsOf(JSON.parse(stdout))).toEqual(fromFile);
  });

  test('several files by a pattern, in the order of their names', () => {
    mkdirSync(join(folder, 'parts'));
    for (const [part, begin, end] of [
      [1, 0, 700],
      [2, 700, ROWS],
    ] as const) {
      const rows = end - begin;
      write(`parts/s${part}.npy`, npy('<f4', [rows, CLASSES], scores.slice(begin * CLASSES, end * CLASSES)));
      write(
        `parts/t${part}.npy`,
        npy('<i4', [rows, width], Int32Array.from(indices.slice(begin * width, end * width))),
      );
    }
    expectResult(evaluated('--scores', 'parts/s*.npy', '--targets', 'parts/t?.npy'));
  });

  test('options reach the Evaluator', () => {
    const evaluator = new Evaluator({
      k: [2, 7],
      loss: { margin: 0.5, normalization: 'targets', targetOrder: 'ranked' },
      nonFinite: 'skip',
    });
    const bad = scores.slice(0, 2 * CLASSES);
    bad[3] = Infinity;
    evaluator.update({ data: bad, shape: [2, CLASSES] }, targets.slice(0, 2));
    write('bad.npy', npy('<f4', [2, CLASSES], bad));
    write('two.npy', npy('<i4', [2, width], Int32Array.from(indices.slice(0, 2 * width))));
    const options = ['--k', '2,7', '--margin', '0.5', '--normalization', 'targets', '--target-order', 'ranked'];
    const actual = evaluated('--scores', 'bad.npy', '--targets', 'two.npy', '--skip-non-finite', ...options);
    expect(actual).toEqual(metricsOf(evaluator.result()));
  });

  test('a table, and nothing on stderr', () => {
    const { status, stdout, stderr } = run(['evaluate', '-'], '{"scores":[0.1,0.2,0.4,0.8],"targets":[3,0]}');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^1 rows of 4 classes; without labels 0/);
    expect(stdout).toMatch(/^label ranking average precision +0\.7500$/m);
    expect(stdout).toMatch(/^ +3 +0\.3333 +0\.5000 +0\.6131$/m);
    expect(stdout).toMatch(/^ +0 +1 +4\.00 +1\.0000$/m);
  });
});

describe('threads', () => {
  test.each([
    ['.npy', ['--scores', 'scores-f4.npy', '--targets', 'targets-i4.npy']],
    ['lines of JSON', ['rows.ndjson']],
  ])('%s: the same bits for any number of them', (_, input) => {
    const single = run(['evaluate', ...input, '--threads', '1', '--json']).stdout;
    for (const threads of ['2', '3']) {
      expect(run(['evaluate', ...input, '--threads', threads, '--json'])).toEqual({
        status: 0,
        stdout: single,
        stderr: '',
      });
    }
  });

  test('of several broken rows, the first is named', () => {
    const broken = [...lines];
    for (const row of [1990, 1500, 700, 699]) broken[row] = '{';
    write('broken.ndjson', broken.join('\n'));
    for (const threads of ['1', '3']) {
      const { status, stderr } = run(['evaluate', 'broken.ndjson', '--threads', threads, '--out', 'broken.json']);
      expect(stderr).toMatch(/^multilabel-margin-loss: broken\.ndjson: row 699 is not JSON: .*\n$/);
      expect(status).toBe(2);
    }
    expect(existsSync(join(folder, 'broken.json'))).toBe(false);
  });

  test.each([
    ['ended', 'process.exit(3)', 'exit code 3'],
    ['threw', 'throw new Error("no room")', 'no room'],
  ])('one that %s is told in one line, with exit code 1 and no output', (_, code, message) => {
    write('die.cjs', `require('node:worker_threads').parentPort?.once('message', () => { ${code} })`);
    const { status, stdout, stderr } = run(['evaluate', 'rows.ndjson', '--threads', '2', '--out', 'died.json'], '', {
      NODE_OPTIONS: `--require=${join(folder, 'die.cjs')}`,
    });
    expect(stderr).toBe(`multilabel-margin-loss: a thread died: ${message}\n`);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(existsSync(join(folder, 'died.json'))).toBe(false);
  });
});

describe('what is broken is named in one line, with exit code 2 and no output', () => {
  const whole = readFileSync(join(folder, 'scores-f4.npy'));
  const bad = (index: number, value: number): Float32Array => {
    const copy = scores.slice();
    copy[index] = value;
    return copy;
  };
  const badIndices = Int32Array.from(indices);
  badIndices[1777 * width] = CLASSES;
  const badMask = mask.slice();
  badMask[1234 * CLASSES + 5] = 2;
  const cut = (name: string, size: number): string => write(name, whole.subarray(0, size));
  const withScores = (name: string): string[] => ['--scores', name, '--targets', 'targets-i4.npy'];
  const withTargets = (name: string): string[] => ['--scores', 'scores-f4.npy', '--targets', name];
  const jsonl = (name: string, row: number, line: string): string[] => [
    write(name, [...lines.slice(0, row), line, ...lines.slice(row + 1)].join('\n')),
  ];
  const cases: [string, string[], RegExp][] = [
    ['truncated', withScores(cut('cut.npy', 128 + 1500.5 * CLASSES * 4)), /cut\.npy: is truncated at row 1500 of 2000/],
    ['truncated header', withScores(cut('head.npy', 60)), /head\.npy: is truncated in its header/],
    ['wrong magic', withScores(write('magic.npy', 'PK\x03\x04 not an array')), /magic\.npy: is not an \.npy file/],
    ['empty', withScores(write('empty.npy', '')), /empty\.npy: is not an \.npy file/],
    [
      'too long',
      withScores(write('long.npy', Buffer.concat([whole, Buffer.alloc(3)]))),
      /long\.npy: has 3 bytes after/,
    ],
    [
      'scores of integers',
      withScores('targets-i4.npy'),
      /targets-i4\.npy: scores must be of type f2, f4, f8, got '<i4'/,
    ],
    [
      'one dimension',
      withScores(write('one.npy', npy('<f4', [ROWS], scores.slice(0, ROWS)))),
      /two dimensions, got shape \(2000,\)/,
    ],
    [
      'not finite',
      withScores(write('nan.npy', npy('<f4', [ROWS, CLASSES], bad(1999 * CLASSES + 7, Number.NaN)))),
      /nan\.npy: score at row 1999, column 7 is NaN/,
    ],
    [
      'target out of range',
      withTargets(write('range.npy', npy('<i4', [ROWS, width], badIndices))),
      /range\.npy: target 140 at row 1777, column 0 is out of range/,
    ],
    [
      'a mask of something else',
      withTargets(write('mask.npy', npy('|u1', [ROWS, CLASSES], badMask))),
      /mask\.npy: .* got 2 at row 1234, column 5/,
    ],
    [
      'a mask of another width',
      withTargets(write('narrow.npy', npy('|b1', [ROWS, 2], mask.slice(0, 2 * ROWS)))),
      /narrow\.npy: is a mask of 2 columns, but scores-f4\.npy has 140/,
    ],
    ['other rows', withTargets('two.npy'), /two\.npy: has 2 rows, but scores-f4\.npy has 2000/],
    ['missing', withScores('missing.npy'), /missing\.npy: no such file/],
    ['a pattern of nothing', withScores('missing*.npy'), /missing\*\.npy: no such file/],
    [
      'a pattern of folders',
      withScores('part-?/scores.npy'),
      /part-\?\/scores\.npy: \* and \? stand for parts of a file's name, not of a folder's/,
    ],
    ['a folder', withScores('parts'), /parts: is a folder/],
    ['no targets', ['--scores', 'scores-f4.npy'], /1 files of scores need as many of targets, got 0/],
    ['a line that is no JSON', jsonl('json.ndjson', 1600, '{'), /json\.ndjson: row 1600 is not JSON/],
    ['a line in a shard', [...jsonl('late.ndjson', 1600, '{'), '--shard', '4/4'], /late\.ndjson: row 1600 is not JSON/],
    [
      'a line of another width',
      jsonl('width.ndjson', 1601, '{"scores":[1],"targets":[]}'),
      /width\.ndjson: row 1601 has 1 scores, those before have 140/,
    ],
    [
      'a line without targets',
      jsonl('none.ndjson', 3, JSON.stringify({ scores: Array(CLASSES).fill(1) })),
      /none\.ndjson: row 3 needs "targets"/,
    ],
    ['a line of null', jsonl('null.ndjson', 0, 'null'), /null\.ndjson: row 0 needs "scores"/],
    [
      'a target out of range in a line',
      jsonl('big.ndjson', 1999, lines[1999]!.replace(/\]\}$/, lines[1999]!.endsWith('[]}') ? '140]}' : ',140]}')),
      /big\.ndjson: target 140 at row 1999/,
    ],
    [
      'files of other widths',
      ['rows.ndjson', write('other.ndjson', '{"scores":[1,2],"targets":[]}')],
      /other\.ndjson: scores must have 140 classes, as those of rows\.ndjson, got 2/,
    ],
    ['an unknown option', ['--speed', '9'], /Unknown option '--speed'/],
    ['a value that is none', ['rows.ndjson', '--k', '1,x'], /--k must be a number, got 'x'/],
    ['a normalization that is none', ['rows.ndjson', '--normalization', 'rows'], /normalization must be one of/],
    [
      'a state that cannot be written',
      ['rows.ndjson', '--out', 'missing/part.json'],
      /missing\/part\.json: cannot be written/,
    ],
    ['no input', [], /no input/],
    ['no threads', ['rows.ndjson', '--threads', '0'], /--threads must be a whole number from 1, got '0'/],
    ['a shard that is none', ['rows.ndjson', '--shard', '4/3'], /--shard must be i\/n, with i from 1 to n, got '4\/3'/],
    ['a shard of standard input', ['-', '--shard', '1/3'], /standard input cannot be read in shards/],
  ];
  test.each(cases)('%s', async (_, args, message) => {
    const { status, stdout, stderr } = await runHere(['evaluate', '--out', 'out.json', ...args]);
    expect(stderr).toMatch(message);
    // That a mask is read is said before its elements are.
    const lines = stderr
      .trim()
      .split('\n')
      .filter((line) => !line.includes(' are read as 0/1 masks '));
    expect(lines).toEqual([expect.stringMatching(/^multilabel-margin-loss: /)]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(readdirSync(folder).filter((name) => /^out\.json|\.tmp$/.test(name))).toEqual([]);
  });

  test('an unknown command', async () => {
    for (const args of [[], ['toString'], ['--json']]) {
      const { status, stdout, stderr } = await runHere(args);
      expect(stderr).toMatch(/Usage: multilabel-margin-loss <command>/);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    }
    for (const args of [['--help'], ['evaluate', '-h'], ['merge', '--help']]) {
      expect(await runHere(args)).toMatchObject({
        status: 0,
        stderr: '',
        stdout: expect.stringMatching(/^Usage: /),
      });
    }
  });
});
