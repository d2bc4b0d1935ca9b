// train: from features and labels to a linear head.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { normal, padded, uniform } from '../js/support.js';
import { folder, npy, run, write } from './command.js';

const FEATURES = 6;
const CLASSES = 5;
const ROWS = 3000;
const next = normal(71);
const choose = uniform(72);
// A label adds 2 to the feature of its number: one hyperplane a class tells nearly all of them. Values that float16 holds.
const targets = Array.from({ length: ROWS }, () => [...Array(CLASSES).keys()].filter(() => choose() < 0.3));
const features = Float32Array.from({ length: ROWS * FEATURES }, (_, i) => {
  const labels = targets[Math.floor(i / FEATURES)]!;
  return (Math.round(64 * next()) / 64) * 0.25 + (labels.includes(i % FEATURES) ? 2 : 0);
});
const width = CLASSES;
write('x.npy', npy('<f4', [ROWS, FEATURES], features));
write('y.npy', npy('<i4', [ROWS, width], Int32Array.from(padded(targets, width))));
const mask = Uint8Array.from({ length: ROWS * CLASSES }, (_, i) =>
  targets[Math.floor(i / CLASSES)]!.includes(i % CLASSES) ? 1 : 0,
);
write('mask.npy', npy('|u1', [ROWS, CLASSES], mask));
const lines = targets.map((labels, row) =>
  JSON.stringify({ features: [...features.subarray(row * FEATURES, (row + 1) * FEATURES)], targets: labels }),
);
write('rows.ndjson', lines.join('\n'));

interface Head {
  weight: Float32Array;
  bias: Float32Array;
  shapes: number[][];
  metadata: Record<string, string>;
}

/** Reads a file by the description of the format. */
function readHead(name: string): Head {
  const file = readFileSync(join(folder, name));
  const dataAt = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, dataAt)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  > & { __metadata__: Record<string, string> };
  expect(dataAt % 8).toBe(0);
  const tensor = (key: string): Float32Array => {
    const [begin, end] = header[key]!.data_offsets;
    expect(header[key]!.dtype).toBe('F32');
    return new Float32Array(Uint8Array.from(file.subarray(dataAt + begin, dataAt + end)).buffer);
  };
  expect(dataAt + header['bias']!.data_offsets[1]).toBe(file.length);
  return {
    weight: tensor('weight'),
    bias: tensor('bias'),
    shapes: [header['weight']!.shape, header['bias']!.shape],
    metadata: header.__metadata__,
  };
}

function train(...args: string[]): string {
  const { status, stdout, stderr } = run(['train', ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const ofNpy = ['--features', 'x.npy', '--targets', 'y.npy'];

describe('train', () => {
  test('learns what there is to learn, and says how well', () => {
    const stdout = train(...ofNpy, '--out', 'head.safetensors', '--epochs', '3', '--held-out', '0.2');
    expect(stdout).toMatch(/^3,000 rows of 6 features, 5 classes$/m);
    const epochs = [
      ...stdout.matchAll(/^epoch (\d)\/3 {2}loss (\S+) {3}held out: loss (\S+) {2}LRAP (\S+) {2}one-error \S+$/gm),
    ];
    expect(epochs.map(([, epoch]) => epoch)).toEqual(['1', '2', '3']);
    const last = epochs.at(-1)!.map(Number);
    expect(last[2]).toBeLessThan(Number(epochs[0]![2]));
    // A label adds 8 standard deviations of the noise.
    expect(last[4]).toBeGreaterThan(0.999);
    const heldOut = Number(/^Held out: (\d+) rows of 5 classes/m.exec(stdout)![1]);
    // Four standard deviations of a binomial distribution.
    expect(Math.abs(heldOut - 0.2 * ROWS)).toBeLessThan(4 * Math.sqrt(ROWS * 0.2 * 0.8));

    const { weight, bias, shapes, metadata } = readHead('head.safetensors');
    expect(shapes).toEqual([[FEATURES, CLASSES], [CLASSES]]);
    expect(JSON.parse(metadata['training']!)).toMatchObject({
      epochs: 3,
      batchSize: 32,
      learningRate: 0.1,
      heldOut: 0.2,
    });
    // The head ranks the labels of rows before others.
    let right = 0;
    for (let row = 0; row < ROWS; row++) {
      const scores = Array.from(bias, (b, j) =>
        features
          .subarray(row * FEATURES, (row + 1) * FEATURES)
          .reduce((sum, x, i) => sum + x * weight[i * CLASSES + j]!, b),
      );
      const of = (isLabel: boolean) => scores.filter((_, j) => targets[row]!.includes(j) === isLabel);
      right += Math.min(...of(true)) > Math.max(...of(false)) ? 1 : 0;
    }
    expect(right / ROWS).toBeGreaterThan(0.99);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('a step is Adagrad’s', () => {
    // Scores are 0, and 1 - x[0] + x[j] > 0 for both others: gradient [-2, 1, 1] / 3.
    write('one.ndjson', '{"x":[2,0,-0.5],"y":[0]}');
    const options = [
      '--features-column',
      'x',
      '--targets-column',
      'y',
      '--classes',
      '3',
      '--epochs',
      '1',
      '--held-out',
      '0',
    ];
    const stdout = train('one.ndjson', '--out', 'one.safetensors', '--learning-rate', '0.5', ...options);
    expect(stdout).toMatch(/^epoch 1\/1 {2}loss 0\.6667$/m);
    expect(stdout).not.toMatch(/held out/i);
    const { weight, bias } = readHead('one.safetensors');
    const gradient = [-2 / 3, 1 / 3, 1 / 3];
    const step = (g: number): number => (-0.5 * g) / Math.sqrt(0.01 + g * g);
    const expected = [2, 0, -0.5].flatMap((x) => gradient.map((g) => step(g * x)));
    // The gradient, the sum of squares and the result are rounded to float32, and a step is at most 1/2.
    expected.forEach((value, i) => expect(Math.abs(weight[i]! - value)).toBeLessThan(4 * 2 ** -24));
    gradient.forEach((g, j) => expect(Math.abs(bias[j]! - step(g))).toBeLessThan(4 * 2 ** -24));
  });

  test('gives the same head every time, for another seed another one', () => {
    const bytes = (name: string, ...args: string[]): Buffer => {
      train(...ofNpy, '--epochs', '1', '--out', name, ...args);
      return readFileSync(join(folder, name));
    };
    const first = bytes('first.safetensors');
    expect(bytes('again.safetensors').equals(first)).toBe(true);
    const { weight } = readHead('first.safetensors');
    bytes('other.safetensors', '--seed', '2');
    expect(readHead('other.safetensors').weight).not.toEqual(weight);
    // A mask of another width than the features, and the same rows.
    train('--features', 'x.npy', '--targets', 'mask.npy', '--epochs', '1', '--out', 'mask.safetensors');
    expect(readHead('mask.safetensors').weight).toEqual(weight);
  });

  test('reads lines of JSON, and passes the options of the loss on', () => {
    const options = ['--margin', '0.5', '--normalization', 'targets', '--target-order', 'ranked', '--epochs', '1'];
    train('rows.ndjson', '--out', 'lines.safetensors', ...options);
    expect(JSON.parse(readHead('lines.safetensors').metadata['training']!)).toMatchObject({
      margin: 0.5,
      normalization: 'targets',
      targetOrder: 'ranked',
    });
  });
});

describe('what is broken is named in one line, with exit code 2 and no head', () => {
  const bad = features.slice();
  bad[1234 * FEATURES + 5] = Number.NaN;
  const withLine = (name: string, row: number, line: string): string =>
    write(name, [...lines.slice(0, row), line, ...lines.slice(row + 1)].join('\n'));
  const cases: [string, string[], RegExp][] = [
    [
      'NaN',
      ['--features', write('nan.npy', npy('<f4', [ROWS, FEATURES], bad)), '--targets', 'y.npy'],
      /nan\.npy: feature at row 1234, column 5 is NaN/,
    ],
    ['a target out of range', [...ofNpy, '--classes', '4'], /y\.npy: target 4 at row \d+ is out of range: .* \[0, 4\)/],
    [
      'a target below -1',
      [withLine('low.ndjson', 7, '{"features":[1,2,3,4,5,6],"targets":[-2]}')],
      /low\.ndjson: target -2 at row 7 is/,
    ],
    [
      'another width',
      [withLine('wide.ndjson', 2999, '{"features":[1],"targets":[0]}')],
      /wide\.ndjson: row 2999 has 1 features, those before have 6/,
    ],
    [
      'no features',
      [withLine('none.ndjson', 5, '{"scores":[1],"targets":[0]}')],
      /none\.ndjson: row 5 needs "features"/,
    ],
    ['no rows', [write('empty.ndjson', '')], /there are no rows to train on/],
    ['no targets', [write('bare.ndjson', '{"features":[1],"targets":[]}')], /no row has a target/],
    ['no input', [], /no input/],
    ['standard input', ['-'], /standard input cannot be read once an epoch/],
    ['features without targets', ['--features', 'x.npy'], /1 files of features need as many of targets, got 0/],
    ['a share', [...ofNpy, '--held-out', '1'], /--held-out must be a share from 0 to below 1, got '1'/],
    ['epochs', [...ofNpy, '--epochs', '0.5'], /--epochs must be a whole number from 1 to \d+, got '0\.5'/],
    ['a learning rate', [...ofNpy, '--learning-rate', 'fast'], /--learning-rate must be a number above 0, got 'fast'/],
    ['a margin', [...ofNpy, '--margin', 'wide'], /margin must be/],
    ['an unknown option', [...ofNpy, '--speed', '1'], /Unknown option '--speed'/],
  ];
  test.each(cases)('%s', (_, args, message) => {
    const { status, stdout, stderr } = run(['train', '--out', 'none.safetensors', ...args]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(existsSync(join(folder, 'none.safetensors'))).toBe(false);
  });

  test('no name for the head', () => {
    expect(run(['train', ...ofNpy])).toMatchObject({ status: 2, stderr: expect.stringMatching(/train needs --out/) });
  });
});
