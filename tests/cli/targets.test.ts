// Targets in all the forms that files have them in: the metrics are scikit-learn's, or there are none.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import * as arrow from 'apache-arrow';
import { nn, saveSafetensors } from 'multilabel-margin-loss';
import type { EvaluationResult } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { evaluatePieces } from '../../cli/evaluation/evaluate-pieces.js';
import { piecesOf } from '../../cli/input/pieces.js';
import { sourcesOf } from '../../cli/input/sources.js';
import { folder, main, metricsOf, npy, run, runHere, runWith, write } from './command.js';

type Metrics = Record<
  'rankingLoss' | 'coverageError' | 'labelRankingAveragePrecision' | 'macroAveragePrecision',
  number
>;
interface Golden {
  files: Record<string, string>;
  cases: { scores: string; targets: string; labels: 'labels' | 'single' }[];
  expected: Record<'labels' | 'single', Metrics & { mask: number[][] }>;
  scores: number[][];
}
const golden = JSON.parse(readFileSync(new URL('../fixtures/files-golden.json', import.meta.url), 'utf8')) as Golden;
for (const [name, content] of Object.entries(golden.files)) write(name, Buffer.from(content, 'base64'));

const METRICS = ['rankingLoss', 'coverageError', 'labelRankingAveragePrecision', 'macroAveragePrecision'] as const;
const { mask } = golden.expected.labels;
const indices = mask.map((row) => row.flatMap((value, label) => (value === 1 ? [label] : [])));
const classes = mask[0]!.length;

/** Sums are exact here, and of float64 in scikit-learn: a few units in the last place of numbers up to the number of classes. */
function expectMetrics(result: unknown, labels: 'labels' | 'single' = 'labels'): void {
  for (const metric of METRICS) {
    const [actual, expected] = [(result as Metrics)[metric], golden.expected[labels][metric]];
    expect(Math.abs(actual - expected), `${metric}: ${actual}, expected ${expected}`).toBeLessThan(1e-12);
  }
}

const READ_AS_MASK =
  /^multilabel-margin-loss: \S+.*: its targets of (number|int\d+|uint\d+) are read as 0\/1 masks of 5 classes; .*\n$/;

async function evaluated(
  args: readonly string[],
  stderr: RegExp = /^$/,
  input?: string | Uint8Array,
): Promise<unknown> {
  const done = await runWith(['evaluate', '--json', ...args], input);
  expect(done.stderr).toMatch(stderr);
  expect(done.status).toBe(0);
  return JSON.parse(done.stdout);
}

describe('arrays of NumPy', () => {
  test.each(golden.cases)('$scores with $targets', async ({ scores, targets, labels }) => {
    const path = (name: string): string => join(folder, name);
    const sources =
      scores === targets
        ? sourcesOf({}, [path(scores)])
        : sourcesOf({ scores: [path(scores)], targets: [path(targets)] }, []);
    const { evaluator, reading } = await evaluatePieces(await piecesOf(sources, null), {}, 1, () => {});
    expectMetrics(evaluator.result(), labels);
    const isMask = /^(mask|both)/.test(targets);
    expect(reading?.targetsAre).toBe(isMask ? 'mask' : 'indices');
  });

  test('are read from pipes and compressed files', async () => {
    const scores = 'scores-le-f4-C.npy';
    const targets = 'mask-le-i8-C.npy';
    for (const name of [scores, targets]) write(`${name}.gz`, gzipSync(readFileSync(join(folder, name))));
    expectMetrics(await evaluated(['--scores', `${scores}.gz`, '--targets', `${targets}.gz`], READ_AS_MASK));
    const bytes = readFileSync(join(folder, scores));
    expectMetrics(await evaluated(['--scores', '-', '--targets', targets], READ_AS_MASK, bytes));
    const line = `"${process.execPath}" "${main}" evaluate --json --scores <(cat ${scores}) --targets <(cat scores-le-f4-C.npy >/dev/null; cat ${targets})`;
    const { status, stdout } = spawnSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' });
    expect(status).toBe(0);
    expectMetrics(JSON.parse(stdout));
    const cut = run(['evaluate', '--scores', '-', '--targets', targets], bytes.subarray(0, bytes.length - 30));
    expect(cut.stderr).toMatch(/^multilabel-margin-loss: standard input: is truncated at row 22 of 24\n$/);
    expect(cut.status).toBe(2);
    const long = run(['evaluate', '--scores', '-', '--targets', targets], Buffer.concat([bytes, Buffer.alloc(1)]));
    expect(long.stderr).toContain('standard input: has bytes after its 24 rows');
    expect(long.status).toBe(2);
  });
});

describe('a bit of an .npz file that is another is found by its checksum', () => {
  test.each(['both-stored.npz', 'both-compressed.npz', 'fortran-compressed.npz'])('%s', async (name) => {
    const bytes = readFileSync(join(folder, name));
    const metrics = async (file: string): Promise<object | string> => {
      const { status, stdout, stderr } = await runHere(['evaluate', '--json', file]);
      if (status === 0) return metricsOf(JSON.parse(stdout));
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toContain(file);
      return stderr;
    };
    const whole = await metrics(name);
    // The bytes of the scores follow their local header, up to the header of the next array or the directory.
    const header = bytes.indexOf('scores.npy') - 30;
    const begin = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
    const end = bytes.indexOf('PK', begin);
    let found = 0;
    for (let at = begin; at < end; at++) {
      const other = Buffer.from(bytes);
      other[at]! ^= 1 << (at % 8);
      const result = await metrics(write(`bit-${name}`, other));
      // Some bits of compressed data say nothing, such as those behind its end.
      if (typeof result === 'object') expect(result).toEqual(whole);
      else found += Number(result.endsWith(': scores.npy: its data is damaged: its checksum is another\n'));
    }
    expect(found).toBeGreaterThan(0);
  });
});

describe('an .npz file whose directory is damaged is named in one line, with exit code 2 and no output', () => {
  const whole = readFileSync(join(folder, 'both-compressed.npz'));
  const entry = whole.indexOf('PK\x01\x02');
  const end = whole.lastIndexOf('PK\x05\x06');
  const withNumber = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt32LE(value, at);
    return bytes;
  };
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07');
  const locatorTo = (at: bigint): Buffer => {
    locator.writeBigUInt64LE(at, 8);
    return Buffer.concat([whole.subarray(0, end), locator, whole.subarray(end)]);
  };
  test.each([
    ['compressed data of no bytes', withNumber(entry + 20, 0)],
    ['a length of 64 bits that is not there', withNumber(entry + 20, 0xffffffff)],
    ['a position of 64 bits that is not there', withNumber(entry + 42, 0xffffffff)],
    ['a position behind the end', withNumber(entry + 42, whole.length)],
    ['a directory of 64 bits behind the end', locatorTo(BigInt(whole.length))],
    ['a directory of 64 bits behind what a number holds', locatorTo(2n ** 64n - 1n)],
    ['a directory of 64 bits that is none', locatorTo(0n)],
  ])('%s', async (_, bytes) => {
    const { status, stdout, stderr } = await runHere(['evaluate', write('directory.npz', bytes)]);
    expect(stderr).toMatch(/directory\.npz: is damaged: its directory does not fit its members\n$/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});

/** Files of the same rows with targets in some form. */
type Form = 'mask' | 'booleans' | 'indices';
const formOf = (form: Form, row: number): unknown[] =>
  form === 'indices' ? indices[row]! : form === 'mask' ? mask[row]! : mask[row]!.map(Boolean);
const linesOf = (forms: readonly Form[]): string =>
  forms.map((form, row) => JSON.stringify({ scores: golden.scores[row], targets: formOf(form, row) })).join('\n');
const all = (form: Form): Form[] => mask.map(() => form);
/** Rows in one form, except one of them. */
const but = (form: Form, row: number, other: Form): Form[] => mask.map((_, i) => (i === row ? other : form));

type Writer = (name: string, forms: readonly Form[]) => Promise<string> | string;

const ndjson: Writer = (name, forms) => write(`${name}.ndjson`, linesOf(forms));

function arrowFile(type: arrow.DataType, isStream = false): Writer {
  return (name, forms) => {
    const rows = forms.map((form, row) =>
      formOf(form, row).map((value) =>
        type.typeId === arrow.Type.Bool
          ? Boolean(value)
          : arrow.DataType.isInt(type) && type.bitWidth === 64
            ? BigInt(Number(value))
            : Number(value),
      ),
    );
    const list = new arrow.List(new arrow.Field('item', type, true));
    const scores = arrow.vectorFromArray(
      golden.scores,
      new arrow.List(new arrow.Field('item', new arrow.Float64(), true)),
    );
    const table = new arrow.Table({ scores, targets: arrow.vectorFromArray(rows, list) });
    return write(`${name}.arrow`, Buffer.from(arrow.tableToIPC(table, isStream ? 'stream' : 'file')));
  };
}

function parquet(element: string): Writer {
  return async (name, forms) => {
    write('rows.json', linesOf(forms));
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    await connection.run(
      `COPY (SELECT scores, targets::${element} AS targets FROM read_json('${join(folder, 'rows.json')}',
       format = 'newline_delimited', columns = { scores: 'DOUBLE[]', targets: 'INTEGER[]' }))
       TO '${join(folder, `${name}.parquet`)}' (FORMAT parquet)`,
    );
    return `${name}.parquet`;
  };
}

const WRITERS: [string, Writer][] = [
  ['lines of JSON', ndjson],
  ['Arrow, int64', arrowFile(new arrow.Int64())],
  ['Arrow, uint8', arrowFile(new arrow.Uint8())],
  ['Arrow, int8', arrowFile(new arrow.Int8())],
  ['an Arrow stream, uint32', arrowFile(new arrow.Uint32(), true)],
  ['Parquet, BIGINT', parquet('BIGINT[]')],
  ['Parquet, UBIGINT', parquet('UBIGINT[]')],
  ['Parquet, an array of SMALLINT', parquet(`SMALLINT[${classes}]`)],
];

describe.each(WRITERS)('%s', (name, writer) => {
  test('a mask of integers is read as one, and stderr says it once', async () => {
    const file = await writer('mask', all('mask'));
    expectMetrics(await evaluated([file], READ_AS_MASK));
    expectMetrics(await evaluated([file, '--threads', '2'], READ_AS_MASK));
    expectMetrics(await evaluated([file, '--targets-are', 'mask']));
    const parts = ['mask-1.json', 'mask-2.json'];
    for (const [i, part] of parts.entries()) {
      expect((await runHere(['evaluate', file, '--shard', `${i + 1}/2`, '--out', part])).status).toBe(0);
    }
    expectMetrics(JSON.parse((await runHere(['merge', '--json', '--expect', '2', ...parts])).stdout));
    // Read as indices, as the option says: labels 0 and 1, repeated.
    const result = (await evaluated(
      [file, '--targets-are', 'indices'],
      /^(multilabel-margin-loss: the targets hold only 0 and 1, .*\n)?$/,
    )) as Metrics;
    expect(result.coverageError).not.toBe(golden.expected.labels.coverageError);
  });

  // An array of Parquet has one width.
  test.skipIf(name.includes('array'))('indices are indices, and rows of both forms are refused', async () => {
    expectMetrics(await evaluated([await writer('indices', all('indices'))]));
    for (const threads of ['1', '2']) {
      const first = await runHere([
        'evaluate',
        await writer('mixed', but('indices', 17, 'mask')),
        '--threads',
        threads,
      ]);
      expect(first.stderr).toMatch(
        /^multilabel-margin-loss: mixed\.\w+: row 17 is a 0\/1 mask, but the first row of the input has class indices: .*--targets-are/m,
      );
      expect(first).toMatchObject({ status: 2, stdout: '' });
      const second = await runHere([
        'evaluate',
        await writer('mixed', but('mask', 18, 'indices')),
        '--threads',
        threads,
      ]);
      expect(second.stderr).toMatch(/mixed\.\w+: row 18 has a mask of \d, where 5 are wanted; .*--targets-are/);
      expect(second).toMatchObject({ status: 2, stdout: '' });
    }
  });
});

test('a mask of bool needs no words', async () => {
  for (const [writer, form] of [
    [ndjson, 'booleans'],
    [arrowFile(new arrow.Bool()), 'booleans'],
    [parquet('BOOLEAN[]'), 'mask'],
  ] as const) {
    expectMetrics(await evaluated([await writer('bool', all(form))]));
    const asIndices = await runHere(['evaluate', await writer('bool', all(form)), '--targets-are', 'indices']);
    expect(asIndices.stderr).toContain('targets of bool are a mask, and cannot be class indices');
    expect(asIndices.status).toBe(2);
  }
});

test('one file of masks beside one of indices is refused, and so is a merge of their states', async () => {
  write('m.ndjson', linesOf(all('mask')));
  write('i.ndjson', linesOf(all('indices')));
  for (const files of [
    ['m.ndjson', 'i.ndjson'],
    ['m.ndjson', 'i.ndjson', '--threads', '2'],
  ]) {
    const { status, stderr } = await runHere(['evaluate', ...files]);
    expect(stderr).toMatch(
      /^multilabel-margin-loss: i\.ndjson: is read as class indices, but m\.ndjson is read as 0\/1 masks: /,
    );
    expect(status).toBe(2);
  }
  for (const name of ['m', 'i'])
    expect((await runHere(['evaluate', `${name}.ndjson`, '--out', `${name}.json`])).status).toBe(0);
  const { status, stdout, stderr } = await runHere(['merge', 'm.json', 'i.json']);
  expect(stderr).toMatch(
    /^multilabel-margin-loss: i\.json: its targets were read as class indices, those before as 0\/1 masks: /,
  );
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  // The state records the option too.
  write('more.ndjson', linesOf(all('indices')));
  expect((await runHere(['evaluate', 'more.ndjson', '--targets-are', 'indices', '--out', 'said.json'])).status).toBe(0);
  expect((await runHere(['merge', 'said.json', 'i.json'])).status).toBe(0);
});

test('a mask of another width than the classes is refused', async () => {
  const wide = write('wide.npy', npy('<i8', [2, 4], BigInt64Array.of(1n, 0n, 0n, 1n, 0n, 1n, 1n, 0n)));
  const scores = write(
    'two-rows.npy',
    npy(
      '<f4',
      [2, 6],
      Float32Array.from({ length: 12 }, (_, i) => i),
    ),
  );
  const { status, stderr } = await runHere(['evaluate', '--scores', scores, '--targets', wide]);
  expect(stderr).toMatch(/wide\.npy: row 0 has a mask of 4, where 6 are wanted/);
  expect(status).toBe(2);
  expect((await runHere(['evaluate', '--scores', scores, '--targets', wide, '--targets-are', 'indices'])).status).toBe(
    0,
  );
});

describe('masks with -1', () => {
  // -1 for classes that are not targets, or for those that nobody looked for. No row of them is one of 0 and 1 throughout.
  const signed = mask.map((row) => row.map((value) => (value === 1 ? 1 : -1)));
  const partial = mask.map((row) => [-1, ...row.slice(1, -1), 1]);
  const scores = write(
    'signed-scores.npy',
    npy('<f8', [mask.length, classes], Float64Array.from(golden.scores.flat())),
  );

  test.each([
    ['signed', signed],
    ['partial', partial],
  ])('%s: are refused, and not read as lists that end at the first -1', async (name, rows) => {
    const lines = rows.map((targets, row) => JSON.stringify({ scores: golden.scores[row], targets }));
    for (const args of [
      [
        '--scores',
        scores,
        '--targets',
        write(`${name}.npy`, npy('|i1', [rows.length, classes], Int8Array.from(rows.flat()))),
      ],
      [write(`${name}.ndjson`, lines.join('\n'))],
    ]) {
      const { status, stdout, stderr } = await runHere(['evaluate', ...args]);
      expect(stderr).toMatch(
        new RegExp(
          `^multilabel-margin-loss: ${name}\\.\\w+: row \\d+ has -1 among 0 and 1: a mask holds 0 and 1 alone, and class indices ` +
            'end at the first -1 \\(--targets-are indices reads it as such\\)\\n$',
        ),
      );
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      const asMask = await runHere(['evaluate', ...args, '--targets-are', 'mask']);
      expect(asMask.stderr).toMatch(/a mask holds 0 and 1, got -1 at row 0, column \d+\n$/);
      expect((await runHere(['evaluate', ...args, '--targets-are', 'indices'])).status).toBe(0);
    }
  });

  test('lists of class indices that have -1 behind their end are read as before', async () => {
    // The example of PyTorch's documentation, and lists of the labels 0 and 1.
    const lines = [
      [3, 0, -1, 1],
      [0, 1, -1, -1],
      [1, -1, -1, -1],
      [-1, -1, -1, -1],
    ].map((targets) => JSON.stringify({ scores: [0.1, 0.2, 0.4, 0.8], targets }));
    expect(await evaluated([write('padded.ndjson', lines.join('\n'))])).toMatchObject({ rowsWithoutLabels: 1 });
    const later = [
      [0, 1, 1, 0],
      [1, -1, -1, 1],
    ].map((targets) => JSON.stringify({ scores: [1, 2, 3, 4], targets }));
    const { stderr } = await runHere(['evaluate', write('later.ndjson', later.join('\n'))]);
    expect(stderr).toContain('a mask holds 0 and 1, got -1 at row 1, column 1');
  });
});

describe('one or two classes', () => {
  const scores = write('two.npy', npy('<f4', [3, 2], Float32Array.of(1, 2, 3, 1, 0, 1)));
  const data = [0, 1, 1, 0, 1, 1];
  const args = (targets: string, ...more: string[]): string[] => ['--scores', scores, '--targets', targets, ...more];

  test('bool and uint8 are masks', async () => {
    for (const type of ['|b1', '|u1']) {
      const file = write('two-mask.npy', npy(type, [3, 2], Uint8Array.from(data)));
      const stderr = type === '|u1' ? /its targets of uint8 are read as 0\/1 masks of 2 classes; / : /^$/;
      expect(await evaluated(args(file), stderr)).toMatchObject({
        rowsWithAllLabels: 1,
        labelRankingAveragePrecision: 1,
      });
    }
  });

  test('others need --targets-are', async () => {
    const files = [
      args(write('two-i8.npy', npy('<i8', [3, 2], BigInt64Array.from(data, BigInt)))),
      [write('two.ndjson', '{"scores":[1,2],"targets":[0,1]}\n{"scores":[1,2],"targets":[1,0]}')],
      [write('one.ndjson', '{"scores":[1],"targets":[0]}')],
    ];
    for (const file of files) {
      const { status, stdout, stderr } = await runHere(['evaluate', ...file]);
      expect(stderr).toMatch(
        /row 0 has targets of only 0 and 1, which are a mask of [12] class(es)? or class indices: --targets-are mask or --targets-are indices/,
      );
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      for (const form of ['mask', 'indices'])
        expect((await runHere(['evaluate', ...file, '--targets-are', form])).status).toBe(0);
    }
    expect(await evaluated(args('two-i8.npy', '--targets-are', 'mask'))).toMatchObject({ rowsWithAllLabels: 1 });
    expect(await evaluated(args('two-i8.npy', '--targets-are', 'indices'))).toMatchObject({ rowsWithAllLabels: 2 });
  });

  test('indices that no mask would have are indices', async () => {
    const file = write('padded-two.npy', npy('<i4', [3, 2], Int32Array.of(0, -1, 1, -1, -1, -1)));
    expect(await evaluated(args(file))).toMatchObject({ rowsWithoutLabels: 1, rowsWithAllLabels: 0 });
    const labels = write('labels.npy', npy('<i4', [3], Int32Array.of(0, 1, 1)));
    expect(await evaluated(args(labels))).toMatchObject({ rowsWithoutLabels: 0, rowsWithAllLabels: 0 });
  });
});

describe('--exact', () => {
  // More scores than an evaluator keeps, all near 1, which fall into few bins.
  const rows = 11_000;
  const columns = 100;
  const data = Float32Array.from(
    { length: rows * columns },
    (_, i) => 1 - 2 ** -6 * (((i * 7919) % 104_729) / 104_729),
  );
  const labels = Int32Array.from({ length: rows }, (_, row) => (row * 31) % columns);
  const args = [
    ...['--scores', write('near-one.npy', npy('<f4', [rows, columns], data))],
    ...['--targets', write('near-one-targets.npy', npy('<i4', [rows], labels))],
  ];

  test('gives the average precisions themselves, which are within the bounds of bins', async () => {
    const exact = (await evaluated(
      [...args, '--exact'],
      /^.*--exact reads the input twice.*\n.*--exact takes .* MB.*\n$/,
    )) as EvaluationResult;
    const binned = JSON.parse((await runHere(['evaluate', '--json', ...args])).stdout) as EvaluationResult;
    // By its definition, for the label of a few rows.
    const ofLabel = (label: number): number => {
      const order = [...Array(rows).keys()].sort((a, b) => data[b * columns + label]! - data[a * columns + label]!);
      let found = 0;
      let sum = 0;
      for (let i = 0; i < rows;) {
        const score = data[order[i]! * columns + label];
        let tied = 0;
        for (; i < rows && data[order[i]! * columns + label] === score; i++)
          tied += labels[order[i]!] === label ? 1 : 0;
        found += tied;
        sum += (tied * found) / i;
      }
      return sum / found;
    };
    for (const label of [0, 1, 57, 99]) {
      const value = exact.perLabel[label]!.averagePrecision!;
      // Sums of some hundred numbers up to 1 in another order.
      expect(Math.abs(value - ofLabel(label))).toBeLessThan(1e-12);
      const { low, high } = binned.perLabel[label]!.averagePrecisionBounds!;
      expect(low).toBeLessThan(high);
      expect(value).toBeGreaterThanOrEqual(low);
      expect(value).toBeLessThanOrEqual(high);
    }
    expect(exact.macroAveragePrecisionBounds).toEqual({
      low: exact.macroAveragePrecision,
      high: exact.macroAveragePrecision,
    });
    expect(exact.loss).toBe(binned.loss);
  });

  test('is named where bounds are wide, which stand beside each value of the table', async () => {
    // In a single bin.
    const crowded = data.map((score) => 1 - 2 ** -6 * (1 + (1 - score) / 8));
    const files = ['--scores', write('crowded.npy', npy('<f4', [rows, columns], crowded)), ...args.slice(2)];
    const { status, stdout, stderr } = await runHere(['evaluate', ...files]);
    expect(stderr).toMatch(
      /^multilabel-margin-loss: the bounds of .*the average precision of 100 labels are more than 0\.005 apart: evaluate --exact gives exact values\n$/,
    );
    expect(status).toBe(0);
    const { macroAveragePrecision, macroAveragePrecisionBounds, perLabel } = JSON.parse(
      (await runHere(['evaluate', '--json', ...files])).stdout,
    ) as EvaluationResult;
    const { low, high } = macroAveragePrecisionBounds!;
    const numbersOf = (line: RegExp): string[] => line.exec(stdout)![0].trim().split(/\s+/).slice(-3);
    const formatted = [macroAveragePrecision!, low, high].map((value) => value.toFixed(4));
    expect(numbersOf(/^macro average precision .*$/m)).toEqual(formatted);
    const [worst] = [...perLabel].sort((a, b) => a.averagePrecision! - b.averagePrecision! || a.label - b.label);
    const ofLabel = worst!.averagePrecisionBounds!;
    expect(numbersOf(new RegExp(`^ +${worst!.label} .*$`, 'm'))).toEqual(
      [worst!.averagePrecision!, ofLabel.low, ofLabel.high].map((value) => value.toFixed(4)),
    );
  });

  test('says what memory it takes before each pass, and bounds are not beside exact values', async () => {
    const { status, stdout, stderr } = await runHere(['evaluate', ...args, '--exact']);
    expect(stderr.split('\n')).toEqual([
      'multilabel-margin-loss: --exact reads the input twice, and takes up to 40 bytes of memory for each label of a row',
      'multilabel-margin-loss: --exact takes up to 1 MB for the 11,000 labels of the rows',
      '',
    ]);
    expect(stdout).not.toMatch(/\blow\b/);
    expect(status).toBe(0);
  });

  test.each([
    [['--shard', '1/2'], /--exact is for one thread that reads all: give no --shard/],
    [['--queue', 'redis://127.0.0.1:1'], /give no --queue/],
    [['--threads', '2'], /give no --threads/],
  ])('is not beside %j', async (more, message) => {
    const { status, stdout, stderr } = await runHere(['evaluate', ...args, '--exact', ...more]);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('cannot read a pipe twice', () => {
    const { status, stderr } = run(['evaluate', '-', '--exact'], '{"scores":[1,2,3],"targets":[0]}');
    expect(stderr).toBe('multilabel-margin-loss: standard input cannot be read twice, as --exact does\n');
    expect(status).toBe(2);
  });
});

test('--targets-are that is neither', async () => {
  const { status, stderr } = await runHere(['evaluate', 'm.ndjson', '--targets-are', 'labels']);
  expect(stderr).toBe("multilabel-margin-loss: --targets-are must be mask or indices, got 'labels'\n");
  expect(status).toBe(2);
});

describe('train', () => {
  test.each([
    ['.npy', ['--features', 'scores-le-f4-C.npy', '--targets', 'mask-be-i4-F.npy']],
    ['lines of JSON', ['features.ndjson']],
  ])('takes the width of a mask as the number of classes: %s', async (_, input) => {
    // The last class is nobody's, and no index names it.
    const lines = golden.scores.map((features, row) =>
      JSON.stringify({ features, targets: [...mask[row]!.slice(0, 4), 0] }),
    );
    write('features.ndjson', lines.join('\n'));
    const { status, stdout, stderr } = await runHere(['train', ...input, '--epochs', '1', '--out', 'head.safetensors']);
    expect(stderr).toMatch(READ_AS_MASK);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+ rows to train on.*; 5 features, 5 classes$/m);
  });

  test('refuses a mask of another width than --classes, and masks of two widths', async () => {
    const wrong = await runHere(['train', 'features.ndjson', '--classes', '6', '--out', 'head.safetensors']);
    expect(wrong.stderr).toMatch(/features\.ndjson: row 0 has a mask of 5, where 6 are wanted/);
    expect(wrong.status).toBe(2);
    write('narrow.ndjson', '{"features":[1,2,3,4,5],"targets":[0,1,1]}');
    const two = await runHere(['train', 'features.ndjson', 'narrow.ndjson', '--out', 'head.safetensors']);
    expect(two.stderr).toMatch(/narrow\.ndjson: has masks of 3 classes, but features\.ndjson has masks of 5/);
    expect(two.status).toBe(2);
  });
});

describe('names of files are not patterns', () => {
  test('a file of that very name is the file', async () => {
    mkdirSync(join(folder, 'targets=x'), { recursive: true });
    const names = [
      'k[1].parquet',
      'k1.parquet',
      'q?.parquet',
      'q1.parquet',
      'a*b.parquet',
      'axb.parquet',
      'targets=x/p.parquet',
      '{a,b}.parquet',
      'a\\b.parquet',
      '~.parquet',
    ];
    const right = readFileSync(join(folder, await parquet('INTEGER[]')('right', all('indices'))));
    write('r1.json', '');
    const wrong = await parquet('INTEGER[]')('wrong', all('indices').slice(0, 3));
    for (const name of names) {
      const isRight = /[^\w.]/.test(name);
      writeFileSync(join(folder, name), isRight ? right : readFileSync(join(folder, wrong)));
    }
    for (const name of names.filter((each) => /[^\w.]/.test(each))) expectMetrics(await evaluated([name]));
    for (const [name, rows] of [
      ['n?.ndjson', all('indices')],
      ['n1.ndjson', all('indices').slice(0, 3)],
      ['n*.ndjson', all('indices')],
    ] as const) {
      write(name, linesOf(rows));
    }
    expectMetrics(await evaluated(['n?.ndjson']));
    expectMetrics(await evaluated(['n*.ndjson']));
  });

  test('patterns pair where their wildcards matched the same', async () => {
    const scores = readFileSync(join(folder, 'scores-le-f4-C.npy'));
    const targets = readFileSync(join(folder, 'indices-le-i4-C.npy'));
    mkdirSync(join(folder, 'pairs'));
    for (const name of ['s-a', 's-b']) write(`pairs/${name}.npy`, scores);
    for (const name of ['t-a', 't-c']) write(`pairs/${name}.npy`, targets);
    const args = ['evaluate', '--scores', 'pairs/s-*.npy', '--targets', 'pairs/t-*.npy'];
    const { status, stdout, stderr } = await runHere(args);
    expect(stderr).toMatch(/pairs\/s-b\.npy and pairs\/t-c\.npy do not belong together: .* matched 'b' and 'c'/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expectMetrics(await evaluated(['--scores', 'pairs/s-a.npy', '--targets', 'pairs/t-?.npy'.replace('?', 'a')]));
  });
});

describe('names of labels', () => {
  // One that a terminal would obey, one that objects have already, and one with a line feed.
  const NAMES = ['cat', '__proto__', 'red\u001b[31m', 'two\nlines'];
  const rows = [
    { scores: [0.9, 0.1, 0.4, 0.2], targets: [0, 2] },
    { scores: [0.1, 0.8, 0.3, 0.2], targets: [] },
    { scores: [0.3, 0.2, 0.1, 0.7], targets: [1, 3] },
  ];
  const linesOf = (targetOf: (label: number) => number | string): string =>
    rows.map(({ scores, targets }) => JSON.stringify({ scores, targets: targets.map(targetOf) })).join('\n');
  const labels = write('labels.json', JSON.stringify(NAMES));
  const names = write(
    'by-name.ndjson',
    linesOf((label) => NAMES[label]!),
  );
  write(
    'by-index.ndjson',
    linesOf((label) => label),
  );
  write(
    'by-both.ndjson',
    linesOf((label) => (label % 2 === 0 ? label : NAMES[label]!)),
  );
  const evaluateAll = (...args: string[]) => runHere(['evaluate', '--labels', labels, ...args]);

  test('targets are looked up, and results, states and tables have the names', async () => {
    const metricsFrom = async (file: string): Promise<object> => {
      const { status, stdout, stderr } = await evaluateAll(`${file}.ndjson`, '--json', '--out', `${file}.json`);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return metricsOf(JSON.parse(stdout));
    };
    const ofNames = await metricsFrom('by-name');
    expect(ofNames).toMatchObject({ rows: 3, labels: NAMES, rowsWithoutLabels: 1 });
    for (const file of ['by-index', 'by-both']) expect(await metricsFrom(file)).toEqual(ofNames);
    const table = (await evaluateAll(names)).stdout;
    expect(table).toContain(' AP  name\n');
    expect(table).toContain('  red\\u001b[31m\n');
    expect(table).toContain('  two\\nlines');

    const merged = await runHere(['merge', '--json', 'by-name.json', 'by-index.json']);
    expect(JSON.parse(merged.stdout)).toMatchObject({ rows: 6, labels: NAMES });
    await runHere(['evaluate', 'by-index.ndjson', '--out', 'nameless.json']);
    expect(await runHere(['merge', 'by-name.json', 'nameless.json'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('the same labels, got names and none') as string,
    });
  });

  test('in shards and on threads', async () => {
    const whole = metricsOf(JSON.parse((await evaluateAll(names, '--json')).stdout));
    for (const i of [1, 2]) await evaluateAll(names, '--shard', `${i}/2`, '--out', `names${i}.json`, '--allow-empty');
    const merged = await runHere(['merge', '--json', '--expect', '2', 'names1.json', 'names2.json']);
    expect(metricsOf(JSON.parse(merged.stdout))).toEqual(whole);
    expect(metricsOf(JSON.parse((await evaluateAll(names, '--json', '--threads', '2')).stdout))).toEqual(whole);
    await runHere([
      'evaluate',
      names,
      '--labels',
      write('reversed.json', JSON.stringify([...NAMES].reverse())),
      '--shard',
      '2/2',
      '--out',
      'names2.json',
    ]);
    expect((await runHere(['merge', 'names1.json', 'names2.json'])).stderr).toContain('other files or options');
  });

  const head = write(
    'names.safetensors',
    Buffer.from(saveSafetensors(new nn.Linear(2, 4).state_dict(), { labels: JSON.stringify(NAMES) })),
  );
  test('of a head', async () => {
    const { stdout } = await runHere(['evaluate', names, '--json', '--labels', head]);
    expect(JSON.parse(stdout)).toMatchObject({ labels: NAMES, rows: 3 });
  });

  test('that are numbers of other classes: the numbers of targets are not looked up, and stderr says so', async () => {
    const file = write('numbers.txt', '1\r\n0\r\n2\r\n3\r\n');
    const { status, stderr } = await runHere(['evaluate', 'by-index.ndjson', '--labels', file]);
    expect(status).toBe(0);
    expect(stderr).toBe(
      "multilabel-margin-loss: numbers.txt: '1' is the name of class 0: targets that are numbers are classes, and names only as text\n",
    );
  });

  const utf16 = Buffer.from('\ufeffcat\ndog', 'utf16le');
  test.each<[string, string[], string]>([
    ['names without --labels', ['evaluate', names], 'by-name.ndjson: has names of labels: --labels says which class'],
    [
      'an unknown name',
      ['evaluate', names, '--labels', write('other.txt', 'cat\n__proto__\nfish\nbird')],
      "by-name.ndjson: row 0 has 'red\\u001b[31m', which is none of the names of --labels",
    ],
    [
      'too few',
      ['evaluate', 'by-index.ndjson', '--labels', write('few.txt', 'cat\ndog\n')],
      'few.txt: has 2 names, and by-index.ndjson scores of 4',
    ],
    ['too few for tune', ['tune', 'by-index.ndjson', '--labels', 'few.txt'], 'few.txt: has 2 names'],
    [
      'an empty one',
      ['evaluate', names, '--labels', write('empty.txt', 'cat\n\ndog\nfish\n')],
      'empty.txt: line 2 is an empty name',
    ],
    [
      'one twice',
      ['evaluate', names, '--labels', write('twice.json', '["a","b","a","c"]')],
      "twice.json: 'a' is there twice, element 0 and element 2",
    ],
    ['no names', ['evaluate', names, '--labels', write('none.json', '{"a":1}')], 'none.json: must be a list of names'],
    ['another encoding', ['evaluate', names, '--labels', write('utf16.txt', utf16)], 'utf16.txt: is not text in UTF-8'],
    [
      'names beside masks',
      ['evaluate', names, '--labels', labels, '--targets-are', 'mask'],
      'by-name.ndjson: row 0 has names of labels, but',
    ],
    [
      'a mask before names',
      [
        'evaluate',
        '--labels',
        labels,
        write(
          'mask-then-names.ndjson',
          `{"scores":[1,2,3,4],"targets":[1,0,0,1]}\n${linesOf((label) => NAMES[label]!)}`,
        ),
      ],
      'mask-then-names.ndjson: row 1 has names of labels, but the first row',
    ],
  ])('refused: %s', async (_name, args, message) => {
    const { status, stdout, stderr } = await runHere(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    // The line before may say that targets are read as masks.
    expect(stderr.trim().split('\n').at(-1)).toContain(message);
  });
});

describe('--pairs', () => {
  const rows = [
    { scores: [['dog', 0.9], [4, 0.5], { label: 'cat', score: 0.25 }], targets: ['cat', 4] },
    {
      scores: [
        [2, 0.75],
        [1, 0.5],
      ],
      targets: [],
    },
    {
      scores: [
        ['cat', 0.125],
        [3, 0.5],
      ],
      targets: ['dog'],
    },
  ];
  const linesOf = (scores: unknown): string => JSON.stringify({ scores, targets: [0] });
  const file = write('pairs.ndjson', rows.map((row) => JSON.stringify(row)).join('\n'));
  const labels = write('animals.txt', 'cat\ndog\nfish\nbird\nfrog\n');
  const args = ['evaluate', file, '--pairs', '--labels', labels, '--k', '1,2'];

  test('gives metrics at k and of predicted labels, and says which are left out', async () => {
    const { status, stdout, stderr } = await runHere([...args, '--json', '--top', '2']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const result = JSON.parse(stdout) as EvaluationResult;
    expect(result).toMatchObject({ rows: 3, classes: 5, rowsWithoutLabels: 1, loss: null, oneError: 1 });
    expect(result.at).toEqual({
      1: { precision: 0, recall: 0, ndcg: 0 },
      2: {
        precision: 0.5 / 3,
        recall: 0.5 / 3,
        ndcg: expect.closeTo(1 / Math.log2(3) / (1 + 1 / Math.log2(3)) / 3, 15) as number,
      },
    });
    expect(result.classification?.micro).toMatchObject({ precision: 1 / 6, recall: 1 / 3 });
    const table = (await runHere(args)).stdout;
    expect(table).toContain(
      'one-error                            1.0000\nLeft out are multi-label margin loss, ranking loss',
    );
    expect(table).not.toMatch(/^ranking loss/m);
  });

  test('in shards and on threads', async () => {
    const whole = (await runHere([...args, '--json'])).stdout;
    expect((await runHere([...args, '--json', '--threads', '2'])).stdout).toBe(whole);
    for (const i of [1, 2]) await runHere([...args, '--shard', `${i}/2`, '--out', `pairs${i}.json`]);
    expect((await runHere(['merge', '--json', '--expect', '2', 'pairs1.json', 'pairs2.json'])).stdout).toBe(whole);
    for (const name of ['a', 'b']) await runHere([...args, '--out', `pairs-${name}.json`]);
    const compared = (await runHere(['compare', 'pairs-a.json', 'pairs-b.json'])).stdout;
    expect(compared).toContain('\nLeft out are multi-label margin loss');
    expect(compared).not.toMatch(/^ranking loss/m);
    expect(compared).toMatch(/^one-error +1\.0000/m);
  });

  test.each<[string, string, string[], string]>([
    [
      'too few for k',
      linesOf([
        [0, 1],
        [1, 0.5],
      ]),
      ['--classes', '9'],
      'row 0 has the scores of 2 classes, and 5 are wanted',
    ],
    ['without classes', linesOf([[0, 1]]), [], '--pairs needs --labels, or --classes'],
    [
      'two numbers of classes',
      linesOf([[0, 1]]),
      ['--classes', '9', '--labels', labels],
      'animals.txt: has 5 names, and --classes is 9',
    ],
    ['an unknown name', linesOf([['cow', 1]]), ['--labels', labels], "row 0 has 'cow', which is none of the names"],
    [
      'a class twice',
      linesOf([
        [1, 1],
        ['dog', 0.5],
      ]),
      ['--k', '1', '--labels', labels],
      'row 0 lists the score of class 1 twice',
    ],
    ['no class', linesOf([[5, 1]]), ['--labels', labels], 'row 0 has the score of class 5, which is not one of 5'],
    ['a number alone', linesOf([0.5]), ['--labels', labels], 'row 0 needs entries [label, score]'],
    [
      'a threshold',
      linesOf([[1, 0.5]]),
      ['--k', '1', '--labels', labels, '--threshold', '0.25'],
      'row 0 does not tell what is predicted',
    ],
    ['--exact', linesOf([[1, 0.5]]), ['--labels', labels, '--exact'], '--exact needs the scores of all classes'],
  ])('refused: %s', async (_name, line, more, message) => {
    const { status, stdout, stderr } = await runHere(['evaluate', write('one.ndjson', line), '--pairs', ...more]);
    expect(stderr).toContain(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('pairs without it, and other formats', async () => {
    expect((await runHere(['evaluate', file, '--labels', labels])).stderr).toContain(
      'pairs.ndjson: row 0 has lists in "scores": evaluate --pairs',
    );
    expect((await runHere(['evaluate', write('x.parquet', ''), '--pairs', '--classes', '2'])).stderr).toContain(
      'in lines of JSON alone',
    );
    expect((await runHere(['evaluate', file, '--classes', '2'])).stderr).toContain('--classes is for --pairs');
  });
});

describe('targets of other types are refused by their type', () => {
  const list = (type: arrow.DataType): arrow.List => new arrow.List(new arrow.Field('item', type, true));
  const scores = arrow.vectorFromArray([[1, 2, 3]], list(new arrow.Float64()));
  const cases: [string, () => arrow.Vector, RegExp][] = [
    ['binary', () => arrow.vectorFromArray([[Uint8Array.of(1)]], list(new arrow.Binary())), /List<Binary>/],
    [
      'decimals',
      () => arrow.vectorFromArray([[Uint32Array.of(1, 0, 0, 0)]], list(new arrow.Decimal(0, 10))),
      /Decimal/,
    ],
    ['dates', () => arrow.vectorFromArray([[new Date(0)]], list(new arrow.DateDay())), /Date/],
    ['timestamps', () => arrow.vectorFromArray([[1]], list(new arrow.TimestampMillisecond())), /Timestamp/],
    ['floats', () => arrow.vectorFromArray([[1]], list(new arrow.Float32())), /List<Float32>/],
    ['lists of lists', () => arrow.vectorFromArray([[[1]]], list(list(new arrow.Int32()))), /List<List<Int32>>/],
    ['text alone', () => arrow.vectorFromArray(['a'], new arrow.Utf8()), /it is Utf8/],
  ];
  test.each(cases)('Arrow: %s', async (_, column, type) => {
    const file = write(
      'type.arrow',
      Buffer.from(arrow.tableToIPC(new arrow.Table({ scores, targets: column() }), 'file')),
    );
    const stream = arrow.tableToIPC(new arrow.Table({ scores, targets: column() }), 'stream');
    for (const { status, stdout, stderr } of [await runHere(['evaluate', file]), run(['evaluate', '-'], stream)]) {
      expect(stderr).toMatch(
        /^multilabel-margin-loss: (type\.arrow|standard input): needs a column targets of targets, lists of integers, text or bool; it is .*\n$/,
      );
      expect(stderr).toMatch(type);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    }
  });

  test.each([
    ['decimals', '[1::DECIMAL(10, 0)]'],
    ['floats', '[1::DOUBLE]'],
    ['huge integers', '[1::HUGEINT]'],
    ['dates', '[DATE 2026-01-01]'.replace('2026-01-01', "'2026-01-01'")],
    ['an integer alone', '1'],
  ])('Parquet: %s', async (_, value) => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    await connection.run(
      `COPY (SELECT [1.0::DOUBLE, 2, 3] AS scores, ${value} AS targets) TO '${join(folder, 'type.parquet')}' (FORMAT parquet)`,
    );
    const { status, stdout, stderr } = await runHere(['evaluate', 'type.parquet']);
    expect(stderr).toMatch(
      /^multilabel-margin-loss: type\.parquet: needs a column targets of targets, lists of integers, text or booleans; it is .*\n$/,
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test.each([
    [
      'text and true',
      '["a", true]',
      /needs "targets", a list of whole numbers, of names of labels, or of true and false/,
    ],
    ['fractions', '[0.5]', /needs "targets"/],
    ['null', '[null]', /needs "targets"/],
    ['a number alone', '1', /needs "targets"/],
    ['a large number', '[4294967295]', /target 4294967295 at row 0, column 0 is out of range/],
  ])('lines of JSON: %s', (_, value, message) => {
    const { status, stdout, stderr } = run(['evaluate', '-'], `{"scores":[1,2,3],"targets":${value}}`);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('.npy: numbers that no class has', async () => {
    const two = write('two-scores.npy', npy('<f4', [1, 3], Float32Array.of(1, 2, 3)));
    for (const [type, data, value] of [
      ['<u4', Uint32Array.of(2 ** 32 - 1), '4294967295'],
      ['<u8', BigUint64Array.of(2n ** 64n - 1n), '18446744073709551615'],
      ['<i8', BigInt64Array.of(2n ** 32n), '4294967296'],
    ] as const) {
      const bytes = new Uint8Array(data.buffer);
      const { status, stderr } = await runHere([
        'evaluate',
        '--scores',
        two,
        '--targets',
        write('large.npy', npy(type, [1, 1], bytes)),
      ]);
      expect(stderr).toContain(`large.npy: target ${value} at row 0, column 0 is out of range`);
      expect(status).toBe(2);
    }
  });
});
