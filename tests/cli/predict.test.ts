// predict: from features and a head to labels.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nn, saveSafetensors, tensor } from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { folder, npy, run, runHere, write } from './command.js';

const layer = new nn.Linear(2, 3);
layer.weight.data.set([1, 0, 0, 1, 1, 1]);
layer.bias!.data.set([0, 0.5, -1]);
const names = { labels: '["jazz","rock","p\\u001bop"]' };
const head = write('head.safetensors', Buffer.from(saveSafetensors(layer.state_dict(), names)));
const features = [
  [2, 3],
  [0, 1],
  [-1, 0],
];
const expected = [
  [2, 3.5, 4],
  [0, 1.5, 0],
  [-1, 0.5, -2],
];
const lines = features.map((row, i) => JSON.stringify({ id: `r${i}`, features: row }));
const rows = write('rows.ndjson', lines.join('\n'));
const x = write('x.npy', npy('<f8', [3, 2], Float64Array.from(features.flat())));

async function predict(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runHere(['predict', '--head', head, ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

describe('predict', () => {
  test('prints a table, and no control characters of a file', async () => {
    const table = [
      '0  p\\u001bop 4.000, rock 3.500, jazz 2.000',
      '1  rock 1.500, jazz 0.000, p\\u001bop 0.000',
      '2  rock 0.500, jazz -1.000, p\\u001bop -2.000',
      '',
    ];
    expect(await predict(rows)).toBe(table.join('\n'));
    expect(await predict('--features', x)).toBe(table.join('\n'));
    expect(await predict(rows, '--row-id', 'id', '--k', '1')).toBe(
      'r0  p\\u001bop 4.000\nr1  rock 1.500\nr2  rock 0.500\n',
    );
    expect((await predict(rows, rows, '--k', '1')).split('\n')[3]).toBe('rows.ndjson:0  p\\u001bop 4.000');
  });

  test('reads standard input as it comes', () => {
    const { status, stdout } = run(
      ['predict', '--head', head, '-', '--k', '1', '--format', 'ndjson'],
      lines.join('\n'),
    );
    expect(status).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { row: 0, predictions: [{ label: 2, name: 'p\u001bop', score: 4 }] },
      { row: 1, predictions: [{ label: 1, name: 'rock', score: 1.5 }] },
      { row: 2, predictions: [{ label: 1, name: 'rock', score: 0.5 }] },
    ]);
  });

  test.each([
    ['a list', '[2, 2, 4]'],
    ['an object', '{"rock":2,"p\\u001bop":4,"jazz":2}'],
  ])('thresholds in %s decide which labels are predicted', async (_, json) => {
    const thresholds = write('thresholds.json', json);
    expect(await predict(rows, '--thresholds', thresholds)).toBe(
      '0  p\\u001bop 4.000, rock 3.500, jazz 2.000\n1  -\n2  -\n',
    );
  });

  test('the scores of all labels, as .npy, are what evaluate reads', async () => {
    await predict(rows, '--format', 'npy', '--out', 'scores.npy');
    const file = readFileSync(join(folder, 'scores.npy'));
    expect(file.toString('latin1', 0, 10)).toBe('\x93NUMPY\x01\x00v\x00');
    expect(file.toString('latin1', 10, 128)).toMatch(
      /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(3, 3\), \} +\n$/,
    );
    expect([...new Float32Array(Uint8Array.from(file.subarray(128)).buffer)]).toEqual(expected.flat());
    write('y.npy', npy('<i4', [3, 1], Int32Array.of(2, 1, 1)));
    const evaluated = await runHere(['evaluate', '--scores', 'scores.npy', '--targets', 'y.npy', '--json']);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ rows: 3, oneError: 0 });
  });

  test('memory does not grow with the rows', () => {
    const many = 200_000;
    write('many.npy', npy('<f4', [many, 2], new Float32Array(2 * many).fill(1)));
    const { status } = run(
      ['predict', '--head', head, '--features', 'many.npy', '--format', 'npy', '--out', 'many-scores.npy'],
      '',
      { NODE_OPTIONS: '--max-old-space-size=64' },
    );
    expect(status).toBe(0);
    expect(readFileSync(join(folder, 'many-scores.npy')).length).toBe(128 + many * 3 * 4);
  });

  test('names of labels from a file, and heads of 0.1.0', async () => {
    const labels = write('labels.txt', 'a\nb\nc\n');
    expect(await predict(rows, '--labels', labels, '--k', '1')).toBe('0  c 4.000\n1  b 1.500\n2  b 0.500\n');
    const weight = tensor([
      [1, 0, 1],
      [0, 1, 1],
    ]);
    const old = saveSafetensors(
      { weight, bias: tensor([0, 0.5, -1]) },
      { description: 'scores = features * weight + bias' },
    );
    write('old.safetensors', Buffer.from(old));
    expect((await runHere(['predict', '--head', 'old.safetensors', rows, '--k', '1'])).stdout).toBe(
      '0  2 4.000\n1  1 1.500\n2  1 0.500\n',
    );
  });
});

describe('what is broken is named in one line, with exit code 2', () => {
  const wide = write('wide.ndjson', '{"features":[1,2,3]}');
  const bad = write('bad.ndjson', `${lines[0]}\n{"features":[1,NaN]}`);
  const far = write('far.ndjson', '{"features":[[0,1]]}\n{"features":[[2,1]]}');
  const vast = write('vast.ndjson', `${lines[0]}\n{"features":[3e38,3e38]}`);
  const cases: [string, string[], RegExp][] = [
    ['no head', [rows], /predict needs --head/],
    ['a missing head', ['--head', 'none.safetensors', rows], /none\.safetensors: ENOENT/],
    ['a file that is no head', ['--head', rows, rows], /rows\.ndjson: this is not a safetensors file/],
    ['other features', ['--head', head, wide], /wide\.ndjson: has 3 features, and the head takes 2/],
    [
      'a score beyond float32',
      ['--head', head, vast],
      /vast\.ndjson: the score of row 1, class 2 is Infinity: .* too large/,
    ],
    ['a feature that is not finite', ['--head', head, bad], /bad\.ndjson: feature at row 1, column 1 is NaN/],
    ['a feature beyond the head', ['--head', head, far], /far\.ndjson: row 1 has feature 2, and the head takes 2/],
    [
      'an empty list among dense rows',
      ['--head', head, write('hole.ndjson', `${lines[0]}\n{"features":[]}\n${lines[1]}`)],
      /hole\.ndjson: row 1 has no features, and others have 2/,
    ],
    ['a format', ['--head', head, rows, '--format', 'csv'], /--format must be one of table, ndjson, npy, got 'csv'/],
    ['npy without a file', ['--head', head, rows, '--format', 'npy'], /--format npy needs --out/],
    ['k', ['--head', head, rows, '--k', '0'], /--k must be a whole number from 1, got '0'/],
    [
      'thresholds',
      ['--head', head, rows, '--thresholds', write('t.json', '[1]')],
      /t\.json: thresholds must be as many/,
    ],
    ['thresholds of text', ['--head', head, rows, '--thresholds', write('s.json', '["a"]')], /s\.json: must be a list/],
    [
      'labels',
      ['--head', head, rows, '--labels', write('l.txt', 'a\n')],
      /labels must be as many as classes, got 1 for 3/,
    ],
    ['a place', ['--head', head, rows, '--out', 'missing/out.txt'], /missing\/out\.txt: cannot be written/],
    ['no input', ['--head', head], /no input/],
  ];
  test.each(cases)('%s', async (_, args, message) => {
    const { status, stderr } = await runHere(['predict', ...args]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(status).toBe(2);
  });

  test('an empty list before dense rows of standard input', () => {
    const { status, stdout, stderr } = run(['predict', '--head', head, '-'], '{"features":[]}\n{"features":[1,2]}');
    expect(stderr).toBe(
      'multilabel-margin-loss: standard input: row 1 has 2 features, those before have lists of [index, value]\n',
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('no half of a file is left', async () => {
    expect((await runHere(['predict', '--head', head, bad, '--out', 'half.txt'])).status).toBe(2);
    expect(existsSync(join(folder, 'half.txt'))).toBe(false);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
