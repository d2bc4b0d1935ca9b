// The command reads Parquet files, and refuses broken ones with a message.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { beforeAll, describe, expect, test } from 'vitest';
import { uniform } from '../js/support.js';
import { folder, metricsOf, run, runAlone, runHere, write } from './command.js';

const CLASSES = 40;
// In two row groups, and more than one of the chunks that DuckDB reads.
const ROWS = 6000;
const ROW_GROUP = 4096;
const choose = uniform(7);
// Multiples of 1/8, which all types of scores hold.
const rows = Array.from({ length: ROWS }, () => ({
  scores: Array.from({ length: CLASSES }, () => Math.floor(64 * choose()) / 8),
  targets: [...new Set(Array.from({ length: Math.floor(5 * choose()) }, () => Math.floor(CLASSES * choose())))],
}));
const expected = ((): unknown => {
  const evaluator = new Evaluator();
  const data = Float32Array.from(rows.flatMap(({ scores }) => scores));
  evaluator.update(
    { data, shape: [ROWS, CLASSES] },
    rows.map(({ targets }) => targets),
  );
  return metricsOf(evaluator.result());
})();
const close = { ...(expected as object), loss: expect.closeTo((expected as { loss: number }).loss, 6) };

let toParquet: (name: string, columns: string, where?: string) => Promise<string>;
beforeAll(async () => {
  const lines = rows.map(({ scores, targets }, row) => JSON.stringify({ row, scores, targets }));
  write('rows.json', lines.join('\n'));
  // With more than one thread, row groups differ from the requested size.
  const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  const columns = `{ row: 'INTEGER', scores: 'FLOAT[]', targets: 'INTEGER[]' }`;
  await connection.run(
    `CREATE TABLE t AS SELECT * FROM read_json('${join(folder, 'rows.json')}', format = 'newline_delimited',
     columns = ${columns}) ORDER BY row`,
  );
  toParquet = async (name, selected, where = 'true') => {
    await connection.run(
      `COPY (SELECT ${selected} FROM t WHERE ${where} ORDER BY row) TO '${join(folder, name)}'
       (FORMAT parquet, ROW_GROUP_SIZE ${ROW_GROUP})`,
    );
    return name;
  };
});

async function evaluated(...args: string[]): Promise<unknown> {
  const { status, stdout, stderr } = await runHere(['evaluate', '--json', ...args]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return metricsOf(JSON.parse(stdout));
}

const MASK = `[list_contains(targets, c::INTEGER) FOR c IN range(${CLASSES})]`;

describe('columns', () => {
  test.each([
    ['scores, targets', 'float32'],
    ['scores::DOUBLE[] AS scores, targets::BIGINT[] AS targets', 'float64'],
    ['scores::DECIMAL(8, 3)[] AS scores, targets::UTINYINT[] AS targets', 'float64'],
    [`row::VARCHAR AS id, {'a': row} AS struct, ${MASK} AS targets, scores`, 'float32'],
  ])('%s', async (columns, dtype) => {
    const name = await toParquet('columns.parquet', columns);
    expect(await evaluated(name)).toEqual(dtype === 'float32' ? expected : close);
  });

  test('targets: names of labels', async () => {
    const name = await toParquet('text.parquet', "scores, [format('label {}', t) FOR t IN targets] AS targets");
    const labels = Array.from({ length: CLASSES }, (_, label) => `label ${label}`);
    const file = write('labels.txt', labels.join('\n'));
    expect(await evaluated(name, '--labels', file, '--threads', '2')).toEqual({ ...(expected as object), labels });
    const missing = rows.findIndex(({ targets }) => targets.includes(7));
    write('labels.txt', labels.join('\n').replace('label 7\n', 'other\n'));
    const { status, stderr } = await runHere(['evaluate', name, '--labels', file]);
    expect(status).toBe(2);
    expect(stderr).toContain(`text.parquet: row ${missing} has 'label 7', which is none of the names`);
    expect((await runHere(['evaluate', name])).stderr).toContain('--labels says which class');
  });

  test('of other names, in a file of a name with a quote', async () => {
    await toParquet('quote.parquet', `scores AS "the ""logits""", targets AS labels`);
    write("it's.parquet", readFileSync(join(folder, 'quote.parquet')));
    const options = ['--scores-column', 'the "logits"', '--targets-column', 'labels'];
    expect(await evaluated("it's.parquet", ...options)).toEqual(expected);
  });
});

test('several files by a pattern, in shards, and by threads, to the bit', async () => {
  await toParquet('part-1.parquet', 'scores, targets', 'row < 5000');
  await toParquet('part-2.parquet', 'scores, targets', 'row >= 5000');
  expect(await evaluated('part-*.parquet')).toEqual(expected);
  expect(await evaluated('part-*.parquet', '--threads', '2')).toEqual(expected);
  const parts = [1, 2].map((i) => {
    expect(run(['evaluate', 'part-*.parquet', '--shard', `${i}/2`, '--out', `part${i}.json`]).status).toBe(0);
    return `part${i}.json`;
  });
  expect(metricsOf(JSON.parse((await runHere(['merge', '--json', '--expect', '2', ...parts])).stdout))).toEqual(
    expected,
  );
});

describe('what is broken is named in one line, with exit code 2 and no output', () => {
  const changed = (column: string, row: number, value: string): string =>
    `* REPLACE (CASE WHEN row = ${row} THEN ${value} ELSE ${column} END AS ${column})`;
  const cases: [string, () => Promise<string> | string, RegExp][] = [
    ['wrong magic', () => write('magic.parquet', 'something else'), /magic\.parquet: No magic bytes found/],
    ['empty', () => write('empty.parquet', ''), /empty\.parquet: /],
    ['missing', () => 'missing.parquet', /missing\.parquet: no such file/],
    [
      'truncated',
      async () => {
        const whole = readFileSync(join(folder, await toParquet('whole.parquet', 'scores, targets')));
        return write('cut.parquet', whole.subarray(0, Math.floor(0.8 * whole.length)));
      },
      /cut\.parquet: No magic bytes found/,
    ],
    [
      'damaged in its second row group',
      async () => {
        const bytes = readFileSync(join(folder, await toParquet('whole.parquet', 'scores, targets')));
        return write(
          'damaged.parquet',
          bytes.fill(255, Math.floor(0.75 * bytes.length), Math.floor(0.9 * bytes.length)),
        );
      },
      /damaged\.parquet: rows 4096 to 5999 cannot be read: /,
    ],
    [
      'no scores',
      () => toParquet('column.parquet', 'scores AS logits, targets'),
      /column\.parquet: needs a column scores of .*; its columns are logits, targets/,
    ],
    ['scores of text', () => toParquet('text.parquet', `['a'] AS scores, targets`), /scores of .*; it is VARCHAR\[\]/],
    [
      'targets of floats',
      () => toParquet('float.parquet', 'scores, scores AS targets'),
      /targets of .*; it is FLOAT\[\]/,
    ],
    [
      'a row of another width',
      () => toParquet('width.parquet', changed('scores', 5990, '[1, 2]')),
      /width\.parquet: row 5990 has 2 scores, those before have 40/,
    ],
    [
      'a target out of range',
      () => toParquet('range.parquet', changed('targets', 5991, '[1, 40]')),
      /range\.parquet: target 40 at row 5991, column 1 is out of range/,
    ],
    [
      'not finite',
      () => toParquet('nan.parquet', changed('scores', 5992, `list_resize(['nan'::FLOAT], ${CLASSES}, 1)`)),
      /nan\.parquet: score at row 5992, column 0 is NaN/,
    ],
    [
      'null scores',
      () => toParquet('null.parquet', changed('scores', 5993, 'NULL')),
      /row 5993 has null in its scores/,
    ],
    [
      'a null target',
      () => toParquet('null.parquet', changed('targets', 5994, '[NULL]')),
      /row 5994 has null in its targets/,
    ],
  ];
  test.each(cases)('%s', async (_, file, message) => {
    const { status, stdout, stderr } = await runHere(['evaluate', await file()]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('a package that is not installed', async () => {
    const { status, stdout, stderr } = runAlone(['evaluate', await toParquet('alone.parquet', 'scores, targets')]);
    expect(stderr).toBe(
      'multilabel-margin-loss: alone.parquet: Parquet needs @duckdb/node-api, which is not installed: ' +
        'npm install @duckdb/node-api\n',
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});
