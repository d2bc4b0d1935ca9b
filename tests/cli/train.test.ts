// train: from features and labels to a linear head.

import { copyFileSync, existsSync, linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { normal, padded, uniform } from '../js/support.js';
import { folder, npy, npz, runHere, write } from './command.js';

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
  tensors: Record<string, { shape: number[]; data: Float32Array }>;
  metadata: Record<string, string>;
}

/** Reads a file by the description of the format. */
function readHead(name: string): Head {
  const file = readFileSync(join(folder, name));
  const dataAt = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(file.toString('utf8', 8, dataAt)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  > & { __metadata__: Record<string, string> };
  const tensors = Object.fromEntries(
    Object.entries(entries).map(
      ([
        key,
        {
          dtype,
          shape,
          data_offsets: [begin, end],
        },
      ]) => {
        expect(dtype).toBe('F32');
        const data = new Float32Array(Uint8Array.from(file.subarray(dataAt + begin, dataAt + end)).buffer);
        return [key, { shape, data }];
      },
    ),
  );
  return { tensors, metadata };
}

async function train(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runHere(['train', ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const ofNpy = ['--features', 'x.npy', '--targets', 'y.npy'];

describe('train', () => {
  test('learns what there is to learn, and says how well', async () => {
    const stdout = await train(
      ...ofNpy,
      '--out',
      'head.safetensors',
      '--epochs',
      '3',
      '--validation',
      '0.2',
      '--test',
      '0.1',
    );
    const [, ...counts] =
      /^([\d,]+) rows to train on, (\d+) for validation, (\d+) for test; 6 features, 5 classes$/m.exec(stdout)!;
    const [training, validation, held] = counts.map((count) => Number(count.replace(',', ''))) as [
      number,
      number,
      number,
    ];
    expect(training + validation + held).toBe(ROWS);
    // Four standard deviations of a binomial distribution.
    expect(Math.abs(validation - 0.2 * ROWS)).toBeLessThan(4 * Math.sqrt(ROWS * 0.2 * 0.8));
    expect(Math.abs(held - 0.1 * ROWS)).toBeLessThan(4 * Math.sqrt(ROWS * 0.1 * 0.9));
    const epochs = [
      ...stdout.matchAll(
        /^epoch (\d)\/3 {2}loss (\S+) {3}validation: loss (\S+) {2}LRAP (\S+) {2}one-error \S+ {3}[\d,]+ rows\/s$/gm,
      ),
    ];
    expect(epochs.map(([, epoch]) => epoch)).toEqual(['1', '2', '3']);
    const last = epochs.at(-1)!.map(Number);
    expect(last[2]).toBeLessThan(Number(epochs[0]![2]));
    // A label adds 8 standard deviations of the noise.
    expect(last[4]).toBeGreaterThan(0.999);
    expect(stdout).toMatch(/^LRAP in validation {2}[▁▂▃▄▅▆▇█]{3} {2}\S+ to \S+; the best epoch is [1-3]$/m);
    expect(stdout).toMatch(
      new RegExp(`^Validation, by which epoch [1-3] was chosen: ${validation} rows of 5 classes`, 'm'),
    );
    expect(stdout).toMatch(new RegExp(`^Test: ${held} rows of 5 classes`, 'm'));

    const { tensors, metadata } = readHead('head.safetensors');
    const { weight, bias } = tensors;
    expect([weight!.shape, bias!.shape]).toEqual([[CLASSES, FEATURES], [CLASSES]]);
    expect(JSON.parse(metadata['training']!)).toMatchObject({ epochs: 3, batchSize: 32, validation: 0.2 });
    // The head ranks the labels of rows before others.
    let right = 0;
    for (let row = 0; row < ROWS; row++) {
      const scores = Array.from(bias!.data, (b, j) =>
        features
          .subarray(row * FEATURES, (row + 1) * FEATURES)
          .reduce((sum, x, i) => sum + x * weight!.data[j * FEATURES + i]!, b),
      );
      const of = (isLabel: boolean) => scores.filter((_, j) => targets[row]!.includes(j) === isLabel);
      right += Math.min(...of(true)) > Math.max(...of(false)) ? 1 : 0;
    }
    expect(right / ROWS).toBeGreaterThan(0.99);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('a step is Adagrad’s', async () => {
    // Scores are 0, so all pairs violate the margin: gradients [-2, 1, 1] / 3 and [1, -2, 1] / 3. The mean of the rows is 0, and
    // their norm becomes 8.
    const x = [2, 0, -0.5];
    write('one.ndjson', '{"x":[2,0,-0.5],"y":[0]}\n{"x":[-2,0,0.5],"y":[1]}');
    const columns = ['--features-column', 'x', '--targets-column', 'y'];
    const options = [...columns, '--classes', '3', '--epochs', '1', '--validation', '0', '--learning-rate', '0.5'];
    const { stdout } = await runHere(['train', 'one.ndjson', '--out', 'one.safetensors', ...options]);
    expect(stdout).toMatch(/^epoch 1\/1 {2}loss 0\.6667 {3}/m);
    expect(stdout).not.toMatch(/validation/i);
    const { weight, bias } = readHead('one.safetensors').tensors;
    const step = (g: number): number => (-0.5 * g) / Math.sqrt(0.01 + g * g);
    const scale = Math.hypot(...x) / 8;
    const expected = [-1, 1, 0].flatMap((g) => x.map((value) => step((g * value) / scale) / scale));
    // The features, the gradient, the sum of squares, the step and the result are rounded to float32: five roundings of numbers
    // that are at most 1 / 2 / scale, below 2.
    expected.forEach((value, i) => expect(Math.abs(weight!.data[i]! - value)).toBeLessThan(5 * 2 ** -23));
    [-1 / 3, -1 / 3, 2 / 3].forEach((g, j) => expect(Math.abs(bias!.data[j]! - step(g))).toBeLessThan(5 * 2 ** -23));
  });

  test('gives the same head every time, for another seed another one', async () => {
    const bytes = async (name: string, ...args: string[]): Promise<Buffer> => {
      await train(...ofNpy, '--epochs', '1', '--out', name, ...args);
      return readFileSync(join(folder, name));
    };
    const first = await bytes('first.safetensors');
    expect((await bytes('again.safetensors')).equals(first)).toBe(true);
    await bytes('other.safetensors', '--seed', '2');
    expect(readHead('other.safetensors').tensors).not.toEqual(readHead('first.safetensors').tensors);
    // A mask of another width than the features, and the same rows.
    const read = await runHere([
      'train',
      '--features',
      'x.npy',
      '--targets',
      'mask.npy',
      '--epochs',
      '1',
      '--out',
      'mask.safetensors',
    ]);
    expect(read.status, read.stderr).toBe(0);
    expect(read.stderr).toMatch(
      /^multilabel-margin-loss: mask\.npy: its targets of uint8 are read as 0\/1 masks .*\n$/,
    );
    expect(readHead('mask.safetensors').tensors).toEqual(readHead('first.safetensors').tensors);
  });

  test('reads lines of JSON, and passes options on', async () => {
    const loss = ['--margin', '0.5', '--normalization', 'targets', '--target-order', 'ranked', '--epochs', '1'];
    const options = ['--optimizer', 'adamw', '--weight-decay', '0.01', '--learning-rate', '0.01', '--hidden', '7'];
    const others = ['--dropout', '0.1', '--patience', '2', '--batch-size', '16', '--seed', '3', '--standardize'];
    await train('rows.ndjson', '--out', 'lines.safetensors', ...loss, ...options, ...others);
    const { metadata, tensors } = readHead('lines.safetensors');
    expect(JSON.parse(metadata['training']!)).toMatchObject({
      loss: { margin: 0.5, normalization: 'targets', targetOrder: 'ranked' },
      optimizer: 'AdamW',
      weightDecay: 0.01,
      learningRate: 0.01,
      hidden: 7,
      dropout: 0.1,
      patience: 2,
      batchSize: 16,
      seed: 3,
      standardize: true,
      validation: 0.02,
    });
    expect(Object.entries(tensors).map(([name, { shape }]) => [name, ...shape])).toEqual([
      ['0.weight', 7, FEATURES],
      ['0.bias', 7],
      ['2.weight', CLASSES, 7],
      ['2.bias', CLASSES],
    ]);
  });

  test('goes on from its checkpoint with the bits of a training that was not interrupted', async () => {
    const options = [...ofNpy, '--optimizer', 'adam', '--hidden', '8', '--dropout', '0.2', '--standardize'];
    const patient = ['--patience', '100'];
    await train(...options, ...patient, '--epochs', '5', '--out', 'whole.safetensors');
    await train(...options, ...patient, '--epochs', '2', '--out', 'parts.safetensors');
    const stdout = await train(...options, ...patient, '--epochs', '5', '--out', 'parts.safetensors', '--resume');
    expect(stdout).toMatch(/; going on after epoch 2$/m);
    expect(stdout).not.toMatch(/^epoch 2\//m);
    const [whole, parts] = ['whole', 'parts'].map((name) => readFileSync(join(folder, `${name}.safetensors`)));
    expect(parts!.equals(whole!)).toBe(true);
    const other = await runHere(['train', ...options, '--seed', '9', '--out', 'parts.safetensors', '--resume']);
    expect(other.stderr).toBe(
      'multilabel-margin-loss: parts.safetensors.checkpoint: this checkpoint was made with --seed 1, and now it is 9\n',
    );
    expect(other).toMatchObject({ status: 2, stdout: '' });
    const none = await runHere(['train', ...options, '--out', 'new.safetensors', '--resume']);
    expect(none.stderr).toMatch(/^multilabel-margin-loss: --resume: new\.safetensors\.checkpoint: .*ENOENT.*\n$/);
    expect(none).toMatchObject({ status: 2, stdout: '' });
  });

  test('does not go on with other features, nor from a checkpoint whose digest was made in another way', async () => {
    const options = ['--targets', 'y.npy', '--hidden', '4', '--out', 'h.safetensors'];
    await train('--features', 'x.npy', ...options, '--epochs', '2');
    const other = write('other-x.npy', npy('<f4', [ROWS, FEATURES], Float32Array.from(features).reverse()));
    const refused = {
      status: 2,
      stdout: '',
      stderr: 'multilabel-margin-loss: h.safetensors.checkpoint: this checkpoint is of other rows\n',
    };
    expect(await runHere(['train', '--features', other, ...options, '--epochs', '4', '--resume'])).toEqual(refused);
    const file = join(folder, 'h.safetensors.checkpoint');
    const bytes = readFileSync(file);
    const at = bytes.indexOf('digest') + 'digest\\":'.length;
    bytes.write('1', at + 1);
    bytes.write('0', at + 2);
    writeFileSync(file, bytes);
    expect(await runHere(['train', '--features', 'x.npy', ...options, '--epochs', '4', '--resume'])).toEqual(refused);
  });

  test('rows with ids and in other files are split alike', async () => {
    const named = lines.map((line, row) => line.replace('{', `{"id":"row ${row}",`));
    write('ids.ndjson', named.join('\n'));
    write('mixed.ndjson', [...named].reverse().join('\n'));
    const options = ['--row-id', 'id', '--epochs', '1', '--test', '0.3'];
    const counts = async (name: string): Promise<string> => {
      const stdout = await train(`${name}.ndjson`, ...options, '--out', `${name}.safetensors`);
      return /^.* rows to train on.*$/m.exec(stdout)![0];
    };
    expect(await counts('mixed')).toBe(await counts('ids'));
  });

  test('reports on rows of other files at the end', async () => {
    write('others.ndjson', lines.join('\n'));
    const stdout = await train('rows.ndjson', '--test', 'others.ndjson', '--epochs', '1', '--out', 'file.safetensors');
    expect(stdout).toMatch(/^Test: 3,000 rows of 5 classes/m);
    copyFileSync(join(folder, 'x.npy'), join(folder, 'other-x.npy'));
    const pair = ['--test-features', 'other-x.npy', '--test-targets', 'mask.npy'];
    expect(await train(...ofNpy, ...pair, '--epochs', '1', '--out', 'file.safetensors')).toMatch(/^Test: 3,000 rows/m);
  });

  test('refuses to test on the rows that it trains on', async () => {
    linkSync(join(folder, 'rows.ndjson'), join(folder, 'link.ndjson'));
    const pair = ['--test-features', './x.npy', '--test-targets', 'mask.npy'];
    for (const [name, args] of [
      ['link.ndjson', ['rows.ndjson', '--test', 'link.ndjson']],
      ['./x.npy', [...ofNpy, ...pair]],
    ] as const) {
      const { status, stdout, stderr } = await runHere(['train', ...args, '--out', 'early.safetensors']);
      expect(stderr).toBe(
        `multilabel-margin-loss: ${name}: its rows are trained on: --test needs others, or the share of them that is held out\n`,
      );
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    }
  });

  describe('rows for test that are broken', () => {
    // Beyond the first batch, of 2^18 features.
    const many = 50_000;
    const manyFeatures = (change: (data: Float32Array) => void): Buffer => {
      const data = Float32Array.from({ length: many * FEATURES }, (_, i) => i % 7);
      change(data);
      return npy('<f4', [many, FEATURES], data);
    };
    const manyTargets = (row: number, target: number): Buffer => {
      const data = Int32Array.from({ length: many }, (_, i) => (i === row ? target : i % CLASSES));
      return npy('<i4', [many, 1], data);
    };
    write(
      'many-x.npy',
      manyFeatures(() => {}),
    );
    write('many-y.npy', manyTargets(0, 0));
    const testOn = (x: string, y: string): string[] => ['--test-features', x, '--test-targets', y, '--epochs', '1'];

    test.each([
      [
        'a target',
        testOn('many-x.npy', write('far-y.npy', manyTargets(45_000, 9))),
        /^multilabel-margin-loss: far-y\.npy: target 9 at row 45000, column 0 is out of range: .*\n$/,
      ],
      [
        'a feature',
        testOn(
          write(
            'inf-x.npy',
            manyFeatures((data) => (data[45_000 * FEATURES + 3] = Infinity)),
          ),
          'many-y.npy',
        ),
        /^multilabel-margin-loss: inf-x\.npy: feature at row 45000, column 3 is Infinity: features must be finite.*\n$/,
      ],
    ])('%s: named with its row, after the validation and the report', async (_, args, message) => {
      const out = ['--out', 't.safetensors', '--out', 't.html'];
      rmSync(join(folder, 't.html'), { force: true });
      const { status, stdout, stderr } = await runHere(['train', ...ofNpy, ...args, ...out]);
      expect(stderr).toMatch(message);
      expect(status).toBe(2);
      expect(stdout).toMatch(/^Validation, by which epoch 1 was chosen: /m);
      expect(readFileSync(join(folder, 't.html'), 'utf8')).toMatch(/<h1>Validation, /);
    });

    const narrow = write('narrow.npy', npy('<f4', [3, 2], new Float32Array(6)));
    const three = write('three.npy', npy('|b1', [3, 3], new Uint8Array(9).fill(1)));
    test.each([
      [
        'another width',
        testOn(narrow, write('zeros.npy', npy('<i4', [3, 1], new Int32Array(3)))),
        /^multilabel-margin-loss: narrow\.npy: has 2 features, and the head takes 6\n$/,
      ],
      [
        'masks of other classes',
        testOn(write('three-x.npy', npy('<f4', [3, FEATURES], new Float32Array(3 * FEATURES))), three),
        /three\.npy: has masks of 3 classes, and there are 5 to train on\n$/,
      ],
      [
        'an index beyond the features',
        ['--epochs', '1', '--test', write('beyond.ndjson', '{"features":[[0,1],[6,1]],"targets":[0]}')],
        /^multilabel-margin-loss: beyond\.ndjson: row 0 has feature 6, and the head takes 6\n$/,
      ],
    ])('%s: named before the training', async (_, args, message) => {
      const input = args.includes('--test') ? ['rows.ndjson'] : ofNpy;
      const { status, stdout, stderr } = await runHere(['train', ...input, ...args, '--out', 'early.safetensors']);
      expect(stderr).toMatch(message);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(existsSync(join(folder, 'early.safetensors'))).toBe(false);
    });
  });

  test('sampleWeight and unknown columns', async () => {
    write(
      'weighted.ndjson',
      [
        { features: [1], targets: [0], w: 0, skip: [] },
        { features: [-1], targets: [1], w: 2, skip: [3] },
      ]
        .map((row) => JSON.stringify(row))
        .join('\n'),
    );
    const options = ['--validation', '0', '--epochs', '1', '--classes', '4', '--optimizer', 'sgd'];
    await train(
      'weighted.ndjson',
      ...options,
      '--sample-weight-column',
      'w',
      '--unknown-column',
      'skip',
      '--out',
      'w.safetensors',
    );
    // The second row alone: twice the gradient [1, -2, 1, 0] / 4 times 0.1.
    const { bias } = readHead('w.safetensors').tensors;
    [-0.05, 0.1, -0.05, 0].forEach((value, j) => expect(Math.abs(bias!.data[j]! - value)).toBeLessThan(2 ** -24));
  });

  describe.each([2, 3, CLASSES])('unknown classes as lists and as masks, of %i classes', (classes) => {
    // Enough rows for pieces to have several of them. Half of the rows have no unknown class.
    const count = 400;
    const choice = uniform(73);
    const rows = targets.slice(0, count).map((given, row) => {
      const labels = given.filter((label) => label < classes);
      const unknown = [...Array(classes).keys()].filter((label) => !labels.includes(label) && choice() < 0.2);
      return { features: [...features.subarray(row * FEATURES, (row + 1) * FEATURES)], targets: labels, unknown };
    });
    const masks = rows.map(({ unknown }) => Array.from({ length: classes }, (_, label) => unknown.includes(label)));
    const linesWith = (unknownOf: (row: number) => unknown): string =>
      rows.map((row, i) => JSON.stringify({ ...row, unknown: unknownOf(i) })).join('\n');
    const listOf = (row: number): number[] => rows[row]!.unknown;
    const has = (row: number): boolean => listOf(row).length > 0;
    const targetMasks = Uint8Array.from(
      rows.flatMap((row) => masks[0]!.map((_, i) => Number(row.targets.includes(i)))),
    );
    const x = npy('<f8', [count, FEATURES], Float64Array.from(features.subarray(0, count * FEATURES)));
    const y = npy('|b1', [count, classes], targetMasks);
    const unknown = npy('|b1', [count, classes], Uint8Array.from(masks.flat(), Number));
    const files: [string, string, Buffer | string][] = [
      ['booleans', 'booleans.ndjson', linesWith((row) => masks[row])],
      ['booleans, and an empty list for none', 'empty.ndjson', linesWith((row) => (has(row) ? masks[row] : []))],
      ['booleans beside lists', 'beside.ndjson', linesWith((row) => (row % 2 > 0 ? masks[row] : listOf(row)))],
      ['bool of NumPy', 'bool.npz', npz({ features: x, targets: y, unknown })],
      ...(classes > 2
        ? ([
            ['0 and 1', 'numbers.ndjson', linesWith((row) => masks[row]!.map(Number))],
            [
              '0 and 1, and an empty list for none',
              'some.ndjson',
              linesWith((row) => (has(row) ? masks[row]!.map(Number) : [])),
            ],
          ] as [string, string, string][])
        : []),
    ];
    const head = async (file: string, ...options: string[]): Promise<Head['tensors']> => {
      const targetsAre = ['--targets-are', file.endsWith('.npz') ? 'mask' : 'indices'];
      await train(
        file,
        '--unknown-column',
        'unknown',
        '--epochs',
        '1',
        ...targetsAre,
        ...options,
        '--out',
        'unknown.safetensors',
      );
      return readHead('unknown.safetensors').tensors;
    };

    test.each(files)('%s', async (_, name, content) => {
      const lists = await head(write('unknown-lists.ndjson', linesWith(listOf)));
      for (const options of [[], ['--classes', String(classes)]]) {
        expect(await head(write(`unknown-${name}`, content), ...options)).toEqual(lists);
      }
    });

    test('a mask of another width is refused', async () => {
      const wide = [...masks[0]!, false, false];
      for (const mask of [wide, wide.map(Number)]) {
        write(
          'unknown-wide.ndjson',
          linesWith((row) => (row === 17 ? mask : [])),
        );
        const args = ['train', 'unknown-wide.ndjson', '--unknown-column', 'unknown', '--classes', String(classes)];
        const { status, stdout, stderr } = await runHere([
          ...args,
          '--targets-are',
          'indices',
          '--out',
          'unknown.safetensors',
        ]);
        expect(stderr).toBe(
          `multilabel-margin-loss: unknown-wide.ndjson: row 17 has a mask of ${classes + 2} unknown classes, where ${classes} are wanted\n`,
        );
        expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      }
    });
  });

  describe('targets of two columns that are only 0 and 1, where the number of classes is not known', () => {
    const rows = 40;
    const x = write(
      'pairs-x.npy',
      npy(
        '<f4',
        [rows, 1],
        Float32Array.from({ length: rows }, (_, i) => (i % 4) - 1.5),
      ),
    );
    const masks = Array.from({ length: rows }, (_, i) => [Number(i % 4 > 1), i % 2]);
    const file = (type: string, pairs: number[][]): string[] => {
      const values = pairs.flat();
      const data = type === '<i8' ? BigInt64Array.from(values, BigInt) : Uint8Array.from(values);
      return ['--features', x, '--targets', write('pairs.npy', npy(type, [rows, 2], data))];
    };
    const linesOf = (pairs: number[][]): string[] => [
      write('pairs.ndjson', pairs.map((pair) => JSON.stringify({ features: [pair[0]], targets: pair })).join('\n')),
    ];

    test.each([
      ['an array of int64', (): string[] => file('<i8', masks)],
      ['an array of uint8', (): string[] => file('|u1', masks)],
      [
        'an array of one-hot rows',
        (): string[] =>
          file(
            '<i8',
            masks.map(([first]) => [first!, 1 - first!]),
          ),
      ],
      ['lists', (): string[] => linesOf(masks)],
    ])('%s', async (_, given) => {
      const out = ['--epochs', '1', '--out', 'pairs.safetensors'];
      const { status, stdout, stderr } = await runHere(['train', ...given(), ...out]);
      expect(stderr).toMatch(
        /^multilabel-margin-loss: pairs\.\w+: row \d+ has targets of only 0 and 1, which are a mask of 2 classes or class indices: --targets-are mask or --targets-are indices says which, or --classes how many there are\n$/,
      );
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      for (const targetsAre of ['mask', 'indices']) {
        expect(await train(...given(), '--targets-are', targetsAre, ...out)).toContain('2 classes');
      }
    });

    test('indices that no mask would have are indices', async () => {
      const pairs = [[3, 1], ...masks.slice(1)];
      const out = ['--epochs', '1', '--out', 'pairs.safetensors'];
      expect(await train(...file('<i8', pairs), ...out)).toContain('4 classes');
      expect(await train(...file('<i8', masks), '--classes', '4', ...out)).toContain('4 classes');
      const different = masks.map(([first]) => [first!, 1 - first!]);
      expect(await train(...linesOf([[2], ...different]), ...out)).toContain('3 classes');
    });
  });

  test.each([
    ['<i8', BigInt64Array.from({ length: ROWS }, (_, row) => BigInt(row % 3))],
    ['<f2', Uint16Array.from({ length: ROWS }, (_, row) => [0, 0x3c00, 0x4000][row % 3]!)],
    ['|i1', Int8Array.from({ length: ROWS }, (_, row) => row % 3)],
  ] as const)('weights of rows in an array of %s', async (type, weights) => {
    const arrays = { features: readFileSync(join(folder, 'x.npy')), targets: readFileSync(join(folder, 'mask.npy')) };
    const head = async (array: Buffer): Promise<Head['tensors']> => {
      const file = write('weights.npz', npz({ ...arrays, weight: array }));
      const options = ['--sample-weight-column', 'weight', '--targets-are', 'mask', '--epochs', '1'];
      await train(file, ...options, '--out', 'weights.safetensors');
      return readHead('weights.safetensors').tensors;
    };
    const wanted = npy(
      '<f8',
      [ROWS],
      Float64Array.from({ length: ROWS }, (_, row) => row % 3),
    );
    expect(await head(npy(type, [ROWS], weights))).toEqual(await head(wanted));
  });

  test('a mask of two classes as unknown column is that of the class indices', async () => {
    const options = ['--validation', '0', '--epochs', '2', '--batch-size', '1', '--unknown-column', 'skip'];
    const rows = [
      { targets: [1], lists: [], mask: [false, false] },
      { targets: [0], lists: [1], mask: [false, true] },
      { targets: [], lists: [0, 1], mask: [true, true] },
    ];
    for (const form of ['lists', 'mask'] as const) {
      const lines = rows.map(({ targets, [form]: skip }, i) => JSON.stringify({ features: [i, 1], targets, skip }));
      write(`${form}.ndjson`, lines.join('\n'));
      await train(`${form}.ndjson`, ...options, '--out', `${form}.safetensors`);
    }
    await train('mask.ndjson', ...options, '--classes', '2', '--out', 'mask-2.safetensors');
    const { tensors } = readHead('lists.safetensors');
    for (const name of ['mask', 'mask-2']) expect(readHead(`${name}.safetensors`).tensors).toEqual(tensors);
  });

  test('a diverging run says where and what to try, and keeps the best head', async () => {
    write('two.ndjson', '{"features":[1],"targets":[0]}\n{"features":[2],"targets":[1]}');
    const options = ['--optimizer', 'sgd', '--learning-rate', '1', '--weight-decay', '1e9', '--validation', '0'];
    const { status, stdout, stderr } = await runHere(['train', 'two.ndjson', ...options, '--out', 'two.safetensors']);
    expect(stdout).toMatch(/^epoch 1\/50/m);
    expect(stderr).toMatch(
      /^multilabel-margin-loss: training ended early: the head, of epoch (\d+), the best so far, is in two\.safetensors\nmultilabel-margin-loss: training diverged in epoch \d+: the parameter (weight|bias) has (NaN|-?Infinity); try a learning rate below 1, or standardized features\n$/,
    );
    expect(status).toBe(2);
    expect(readHead('two.safetensors').tensors['weight']!.data.every(Number.isFinite)).toBe(true);
  });

  test('--out report.html has the learning curves and the metrics', async () => {
    await train(...ofNpy, '--epochs', '3', '--test', '0.1', '--out', 'r.safetensors', '--out', 'r.html');
    const page = readFileSync(join(folder, 'r.html'), 'utf8');
    expect(page.match(/<svg role="img" aria-label="(Loss|LRAP in validation) by epoch[^"]*"/g)).toHaveLength(4);
    expect(page).toMatch(/<h1>Validation, by which epoch [1-3] was chosen<\/h1>/);
    expect(page).toMatch(/<h1>Test<\/h1>/);
    expect(page).not.toMatch(/https?:(?!\/\/www\.w3\.org)/);
  });
});

describe('sparse features', () => {
  const sparseLines = targets.map((labels, row) => {
    const entries = [...features.subarray(row * FEATURES, (row + 1) * FEATURES)].flatMap((value, j) =>
      value > 1 ? [[j, value]] : [],
    );
    return JSON.stringify({ features: entries, targets: labels });
  });
  write('sparse.ndjson', sparseLines.join('\n'));
  // The last feature is never above 1, so that the head knows nothing of it.
  const zeroed = features.filter((_, i) => i % FEATURES < CLASSES).map((value) => (value > 1 ? value : 0));
  write('zeroed.npy', npy('<f4', [ROWS, CLASSES], zeroed));

  test.each([
    ['linear', []],
    ['standardized, with a hidden layer', ['--standardize', '--hidden', '8']],
  ])('lists of [index, value] train a head of the same kind: %s', async (_, options) => {
    const stdout = await train(
      'sparse.ndjson',
      '--epochs',
      '3',
      '--test',
      '0.2',
      '--out',
      'sparse.safetensors',
      ...options,
    );
    // Labels of which the feature is above 1 are told without fail.
    expect(Number(/^Test: [^]*?label ranking average precision +(\S+)$/m.exec(stdout)![1])).toBeGreaterThan(0.98);
    const { tensors } = readHead('sparse.safetensors');
    expect((tensors['weight'] ?? tensors['0.weight'])!.shape[1]).toBe(CLASSES);
    // The scores of sparse rows and of dense ones differ by rounding.
    const scoresOf = async (name: string, ...input: string[]): Promise<Float32Array> => {
      const out = `${name}.scores.npy`;
      expect(
        (await runHere(['predict', '--head', 'sparse.safetensors', ...input, '--format', 'npy', '--out', out])).status,
      ).toBe(0);
      return new Float32Array(Uint8Array.from(readFileSync(join(folder, out)).subarray(128)).buffer);
    };
    const [sparse, dense] = [
      await scoresOf('sparse', 'sparse.ndjson'),
      await scoresOf('dense', '--features', 'zeroed.npy'),
    ];
    sparse.forEach((score, i) => expect(Math.abs(score - dense[i]!)).toBeLessThan(1e-4 * (1 + Math.abs(score))));
  });

  test('rows without features, compressed files and short ones beside others', async () => {
    const bytes = async (name: string, ...files: string[]): Promise<Buffer> => {
      await train(...files, '--row-id', 'id', '--epochs', '1', '--out', name);
      return readFileSync(join(folder, name));
    };
    const own = sparseLines.map((line, row) => (row < 3 ? `{"features":[],"targets":[${row}]}` : line));
    const named = own.map((line, row) => line.replace('{', `{"id":${row},`));
    const whole = await bytes('whole.safetensors', write('named.ndjson', named.join('\n')));
    expect((await bytes('gz.safetensors', write('named.ndjson.gz', gzipSync(named.join('\n'))))).equals(whole)).toBe(
      true,
    );
    const [short, rest] = [
      write('short.ndjson', named.slice(0, 5).join('\n')),
      write('rest.ndjson', named.slice(5).join('\n')),
    ];
    expect((await bytes('two.safetensors', short, rest)).equals(whole)).toBe(true);
  });

  test('matrices of scipy, compressed or not, in 32 or 64 bits', async () => {
    const weightOf = async (name: string): Promise<number[]> => {
      const files = ['--features', fixture(`${name}.npz`), '--targets', fixture('csr-targets.npy')];
      await train(...files, '--epochs', '2', '--validation', '0', '--out', `${name}.safetensors`);
      return [...readHead(`${name}.safetensors`).tensors['weight']!.data];
    };
    const weight = await weightOf('csr');
    for (const name of ['csr-stored', 'csr-wide']) expect(await weightOf(name)).toEqual(weight);
    const bytes = readFileSync(fixture('csr-stored.npz'));
    // The number of rows is behind the headers of ZIP and of NumPy.
    const header = bytes.indexOf('shape.npy') - 30;
    const rowsAt = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28) + 128;
    for (const [at, message] of [
      [rowsAt, 'is damaged: its arrays are not those of one sparse matrix'],
      [bytes.indexOf('data.npy') + 200, 'data.npy: its data is damaged: its checksum is another'],
    ] as const) {
      const other = Buffer.from(bytes);
      other[at]! ^= 1;
      const files = ['--features', write('bit.npz', other), '--targets', fixture('csr-targets.npy')];
      expect(await runHere(['train', ...files, '--out', 'no.safetensors'])).toEqual({
        status: 2,
        stdout: '',
        stderr: `multilabel-margin-loss: bit.npz: ${message}\n`,
      });
    }
    const other = await runHere([
      'train',
      '--features',
      fixture('csc.npz'),
      '--targets',
      fixture('csr-targets.npy'),
      '--out',
      'no.safetensors',
    ]);
    expect(other.stderr).toMatch(
      /csc\.npz: features must be a sparse matrix in CSR, got CSC: save matrix\.tocsr\(\)\n$/,
    );
    expect(other).toMatchObject({ status: 2, stdout: '' });
  });
});

function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

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
    [
      'a target out of range',
      [...ofNpy, '--classes', '4'],
      /y\.npy: target 4 at row \d+, column \d+ is out of range: .* \[0, 4\)/,
    ],
    [
      'a target below -1',
      [withLine('low.ndjson', 7, '{"features":[1,2,3,4,5,6],"targets":[-2]}')],
      /low\.ndjson: target -2 at row 7, column 0 is/,
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
    ['a share', [...ofNpy, '--validation', '1'], /--validation must be a share from 0 to below 1, got 1/],
    ['epochs', [...ofNpy, '--epochs', '0.5'], /--epochs must be a whole number from 1 to \d+, got 0\.5/],
    ['a learning rate', [...ofNpy, '--learning-rate', 'fast'], /--learning-rate must be a number, got 'fast'/],
    ['a margin', [...ofNpy, '--margin', 'wide'], /margin must be/],
    [
      'an optimizer',
      [...ofNpy, '--optimizer', 'lion'],
      /--optimizer must be one of adagrad, adam, adamw, sgd, got 'lion'/,
    ],
    ['dropout', [...ofNpy, '--dropout', '0.5'], /--dropout is of the hidden layer/],
    ['two heads', [...ofNpy, '--out', 'other.safetensors'], /--out is one head/],
    [
      'names of labels',
      [...ofNpy, '--labels', write('two.txt', 'a\nb\n')],
      /target [2-4] at row \d+, column \d+ is out of range/,
    ],
    [
      'equal names',
      [...ofNpy, '--labels', write('same.json', '["a","a"]')],
      /same\.json: 'a' is there twice, element 0 and element 1: names must differ/,
    ],
    [
      'sparse and dense rows',
      [withLine('mixed-kinds.ndjson', 9, '{"features":[[0,1]],"targets":[0]}')],
      /mixed-kinds\.ndjson: row 9 has lists of \[index, value\], those before have 6 features/,
    ],
    [
      'an empty list among dense rows',
      [withLine('hole.ndjson', 2000, '{"features":[],"targets":[0]}')],
      /hole\.ndjson: row 2000 has no features, and others have 6/,
    ],
    [
      'empty lists before dense rows',
      [withLine('holes.ndjson', 0, '{"features":[],"targets":[0]}\n{"features":[],"targets":[1]}')],
      /holes\.ndjson: row 0 has no features, and others have 6/,
    ],
    [
      'a dense row among sparse ones, where a piece begins',
      [
        write(
          'dense.ndjson',
          Array.from({ length: 16 }, (_, i) => `{"features":${i === 8 ? '[7,7,7]' : '[[0,1]]'},"targets":[0]}`).join(
            '\n',
          ),
        ),
      ],
      /dense\.ndjson: row 8 has 3 features, those before have lists of \[index, value\]/,
    ],
    [
      'an index',
      [write('index.ndjson', '{"features":[[-1,1]],"targets":[0]}')],
      /index\.ndjson: row 0 needs entries \[index, value\]/,
    ],
    ['an unknown option', [...ofNpy, '--speed', '1'], /Unknown option '--speed'/],
  ];
  test.each(cases)('%s', async (_, args, message) => {
    const { status, stdout, stderr } = await runHere(['train', '--out', 'none.safetensors', ...args]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(existsSync(join(folder, 'none.safetensors'))).toBe(false);
  });

  test('no name for the head', async () => {
    expect(await runHere(['train', ...ofNpy])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/train needs --out/),
    });
  });
});
