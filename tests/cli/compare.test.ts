// compare: two models over the same rows.

import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Comparison, Evaluator } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { normal, permutation, uniform } from '../js/support.js';
import { folder, runHere, write } from './command.js';

const CLASSES = 10;
const ROWS = 400;

/** Lines of two models, the second of which knows more; the same targets. */
function models(): [string, string] {
  const next = normal(41);
  const choose = uniform(42);
  const lines: [string[], string[]] = [[], []];
  for (let row = 0; row < ROWS; row++) {
    const targets = permutation(CLASSES, choose).slice(0, 1 + Math.floor(3 * choose()));
    const noise = Array.from({ length: CLASSES }, next);
    [1, 2].forEach((skill, model) => {
      const scores = noise.map((score, j) => score + (targets.includes(j) ? skill : 0));
      lines[model]!.push(JSON.stringify({ scores, targets }));
    });
  }
  return [lines[0].join('\n'), lines[1].join('\n')];
}

const [weak, strong] = models();
write('weak.ndjson', weak);
write('strong.ndjson', strong);
for (const name of ['weak', 'strong'])
  await runHere(['evaluate', `${name}.ndjson`, '--k', '1,3', '--out', `${name}.json`]);

describe('compare', () => {
  test('prints both models, the difference, and which is better', async () => {
    const { status, stdout, stderr } = await runHere(['compare', 'weak.json', 'strong.json']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines.slice(0, 3)).toEqual(['first:  weak.json', 'second: strong.json', '400 rows; intervals of 95 %']);
    const interval = String.raw`\d+\.\d{4} \[\d+\.\d{4}, \d+\.\d{4}\]`;
    const difference = (sign: string): string =>
      String.raw`[${sign}]\d+\.\d{4} \[[${sign}]\d+\.\d{4}, [${sign}]\d+\.\d{4}\]`;
    expect(stdout).toMatch(new RegExp(`^ranking loss +${interval} +${interval} +${difference('-')} +better$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^recall at 3 +${interval} +${interval} +${difference('+')} +better$`, 'm'));
    expect(stdout).toMatch(/^macro average precision +\d\.\d{4} +\d\.\d{4} +\+\d\.\d{4}$/m);
    expect((await runHere(['compare', 'strong.json', 'weak.json'])).stdout).toMatch(/^ranking loss .* worse$/m);
    copyFileSync(join(folder, 'weak.json'), join(folder, 'copy.json'));
    const same = await runHere(['compare', 'weak.json', 'copy.json']);
    expect(same.status).toBe(0);
    expect(same.stdout).toMatch(/^ranking loss /m);
    expect(same.stdout).not.toMatch(/ (better|worse)$/m);
  });

  test('as JSON it is what Evaluator.compare gives, with its options, the same every time', async () => {
    const of = (name: string) => Evaluator.fromJSON(JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')));
    const options = { level: 0.9, resamples: 500, seed: 3 };
    const args = [
      'compare',
      'weak.json',
      'strong.json',
      '--json',
      '--level',
      '0.9',
      '--resamples',
      '500',
      '--seed',
      '3',
    ];
    const expected = { first: 'weak.json', second: 'strong.json', ...of('weak').compare(of('strong'), options) };
    const { stdout } = await runHere(args);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(expected)));
    expect((await runHere(args)).stdout).toBe(stdout);
    const { metrics, at } = JSON.parse(stdout) as Comparison;
    expect(metrics.loss.first.value).toBe(of('weak').result().loss);
    expect(at[3]!.ndcg.second.value).toBe(of('strong').result().at[3]!.ndcg);
  });

  test('as a page', async () => {
    const { status, stderr } = await runHere(['compare', 'weak.json', 'strong.json', '--out', 'compared.html']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const page = readFileSync(join(folder, 'compared.html'), 'utf8');
    expect(page).toContain('<th scope="row">coverage error</th>');
    expect(page).toContain('First: weak.json. Second: strong.json. 400 rows.');
  });

  test('says which metrics of predicted labels are left out, and why', async () => {
    const options = { plain: [], divided: ['--zero-division', '1'], beta: ['--beta', '2'], half: ['--beta', '0.5'] };
    for (const [name, given] of Object.entries(options)) {
      await runHere(['evaluate', 'weak.ndjson', '--k', '1,3', '--threshold', '0.5', ...given, '--out', `${name}.json`]);
    }
    for (const [first, second, note] of [
      [
        'plain',
        'divided',
        'Metrics of predicted labels are left out: --zero-division was 0 for the first model, and 1 for the second.',
      ],
      ['beta', 'half', 'F-beta is left out: --beta was 2 for the first model, and 0.5 for the second.'],
      ['beta', 'plain', 'F-beta is left out: --beta was 2 for the first model, and not given for the second.'],
    ] as const) {
      const { stdout } = await runHere(['compare', `${first}.json`, `${second}.json`, '--out', 'left-out.html']);
      expect(stdout.split('\n')).toContain(note);
      expect(readFileSync(join(folder, 'left-out.html'), 'utf8')).toContain(note);
    }
    expect((await runHere(['compare', 'weak.json', 'strong.json'])).stdout).not.toContain('left out');
  });

  test('refuses what cannot be compared, in one line, with exit code 2', async () => {
    write('other.ndjson', weak.split('\n').reverse().join('\n'));
    await runHere(['evaluate', 'other.ndjson', '--k', '1,3', '--out', 'other.json']);
    await runHere(['evaluate', 'weak.ndjson', '--k', '2', '--out', 'k.json']);
    write('few.ndjson', weak.split('\n').slice(0, 9).join('\n'));
    await runHere(['evaluate', 'few.ndjson', '--k', '1,3', '--out', 'few.json']);
    for (const [args, message] of [
      [['weak.json', 'other.json'], /must know their rows by the same: .*--row-id/],
      [['weak.json', 'few.json'], /got 400 and 9 rows/],
      [['weak.json', 'k.json'], /must have the same k, got \[1,3\] and \[2\]/],
      [['weak.json'], /needs two files, of evaluate --out <file.json>, got 1/],
      [['weak.json', 'strong.json', 'k.json'], /needs two files, of evaluate --out <file.json>, got 3/],
      [['weak.json', 'missing.json'], /missing\.json: .*no such file/],
      [['weak.json', 'weak.ndjson'], /weak\.ndjson: .*JSON/],
      [['weak.json', 'strong.json', '--level', '95'], /level must be a number above 0 and below 1, got 95/],
      [
        ['weak.json', 'strong.json', '--resamples', '1.5'],
        /resamples must be a whole number from 1 to 100000, got 1\.5/,
      ],
      [['weak.json', 'strong.json', '--out', 'a.txt'], /must end in \.html/],
    ] as const) {
      const { status, stdout, stderr } = await runHere(['compare', ...args]);
      expect(stderr).toMatch(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    }
  });
});

describe('rows in several files', () => {
  const lines = weak.split('\n').map((line, row) => line.replace('{', `{"id":"row ${row}",`));
  const strongLines = strong.split('\n').map((line, row) => line.replace('{', `{"id":"row ${row}",`));
  const rows = 60;
  const files = (prefix: string, all: readonly string[]): string =>
    all.slice(0, rows).reduce((pattern, line, row) => {
      write(`${prefix}-${String(row).padStart(3, '0')}.ndjson`, line);
      return pattern;
    }, `${prefix}-*.ndjson`);
  const evaluate = async (name: string, ...args: string[]): Promise<string> => {
    expect(await runHere(['evaluate', ...args, '--k', '1,3', '--out', name])).toMatchObject({ status: 0, stderr: '' });
    return name;
  };
  const differenceOf = async (first: string, second: string): Promise<{ low: number; high: number }> => {
    const { status, stdout } = await runHere(['compare', first, second, '--json']);
    expect(status).toBe(0);
    return (JSON.parse(stdout) as Comparison).metrics.loss.difference as { low: number; high: number };
  };

  test('of one row each have intervals', async () => {
    const first = await evaluate('w.json', files('w', lines));
    const second = await evaluate('s.json', files('s', strongLines));
    const { low, high } = await differenceOf(first, second);
    expect(low).toBeLessThan(high);
  });

  test('that were cut differently are refused, unless rows have ids', async () => {
    write('s-all.ndjson', strongLines.slice(0, rows).join('\n'));
    await evaluate('s-all.json', 's-all.ndjson');
    const { status, stdout, stderr } = await runHere(['compare', 'w.json', 's-all.json']);
    expect(stderr).toMatch(/^multilabel-margin-loss: .*--row-id.*\n$/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    await evaluate('w-id.json', files('w', lines), '--row-id', 'id', '--threads', '2');
    await evaluate('s-id.json', 's-all.ndjson', '--row-id', 'id');
    expect((await differenceOf('w-id.json', 's-id.json')).low).toBeLessThan(0);
  });

  test('an id that is missing is named with its row', async () => {
    write('no-id.ndjson', [lines[0], strong.split('\n')[1]].join('\n'));
    const { status, stderr } = await runHere(['evaluate', 'no-id.ndjson', '--row-id', 'id']);
    expect(stderr).toMatch(/no-id\.ndjson: row 1 needs "id", text or a whole number below 2\^53, for --row-id/);
    expect(status).toBe(2);
  });

  test('few rows have no intervals, and the reason is given', async () => {
    write('ten.ndjson', lines.slice(0, 10).join('\n'));
    for (const name of ['ten.json', 'ten-again.json']) await evaluate(name, 'ten.ndjson');
    const { status, stdout } = await runHere(['compare', 'ten.json', 'ten-again.json', '--json']);
    expect(status).toBe(0);
    const { intervalsMissing, metrics } = JSON.parse(stdout) as Comparison;
    expect(intervalsMissing).toMatch(/at least 30/);
    expect(metrics.loss.difference).toMatchObject({ low: null, high: null });
  });
});

test('a state with one changed bit is refused', async () => {
  const bytes = readFileSync(join(folder, 'weak.json'));
  const whole = (await runHere(['merge', 'weak.json', '--json'])).stdout;
  const size = bytes.length;
  for (let i = 0; i < 24; i++) {
    const changed = Buffer.from(bytes);
    const at = Math.floor((i * size) / 24);
    changed[at]! ^= 1 << (i % 7);
    write('bit.json', changed);
    const { status, stdout } = await runHere(['merge', 'bit.json', '--json']);
    // A change that JSON does not see, as of white space, gives the same result.
    if (status === 0) expect(stdout).toBe(whole);
    else expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  }
});
