// What the command says of files in the wrong place, of text that is not quite JSON, and of itself.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import * as arrow from 'apache-arrow';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Progress } from '../../cli/output/progress.js';
import { LineClock } from '../../cli/output/status-line.js';
import { folder, main, npy, run, runHere, runWith, write } from './command.js';

const LINES = ['{"scores":[1,2,3],"targets":[2]}', '{"scores":[3,2,1],"targets":[1,0]}'];
const zstd = (bytes: Buffer): Buffer => spawnSync('zstd', ['-c'], { input: bytes }).stdout;
const plain = (await runHere(['evaluate', '--json', write('plain.ndjson', LINES.join('\n'))])).stdout;

/** The result, but for the names of files. */
function metrics(stdout: string): unknown {
  return { ...(JSON.parse(stdout) as object), highestLosses: null };
}

describe('lines of JSON', () => {
  test.each([
    ['a byte order mark', 'bom.ndjson', Buffer.from(`\ufeff${LINES.join('\n')}`)],
    ['CR LF', 'crlf.ndjson', Buffer.from(LINES.join('\r\n\r\n'))],
    ['.gz', 'rows.ndjson.gz', gzipSync(LINES.join('\n'))],
    ['.gz in parts', 'parts.ndjson.gz', Buffer.concat(LINES.map((line) => gzipSync(`${line}\n`)))],
    ['.zst', 'rows.ndjson.zst', zstd(Buffer.from(LINES.join('\n')))],
  ])('%s', async (_, name, bytes) => {
    const { status, stdout, stderr } = await runHere(['evaluate', '--json', write(name, bytes)]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(metrics(stdout)).toEqual(metrics(plain));
  });

  test('a compressed file by threads and in shards', async () => {
    const args = ['evaluate', 'rows.ndjson.gz', 'rows.ndjson.zst'];
    const single = (await runHere([...args, '--json'])).stdout;
    expect(JSON.parse(single)).toMatchObject({ rows: 4 });
    expect((await runHere([...args, '--json', '--threads', '2'])).stdout).toBe(single);
    const parts = ['z1.json', 'z2.json'];
    for (const [i, part] of parts.entries()) {
      expect((await runHere([...args, '--shard', `${i + 1}/2`, '--out', part])).status).toBe(0);
    }
    expect((await runHere(['merge', '--json', '--expect', '2', ...parts])).stdout).toBe(single);
  });

  test('a compressed file that is damaged or truncated', async () => {
    for (const [name, bytes, message] of [
      ['cut.ndjson.gz', gzipSync(LINES.join('\n')).subarray(0, 40), /cut\.ndjson\.gz: is truncated/],
      ['bad.ndjson.gz', Buffer.from('not gzip'), /bad\.ndjson\.gz: its compressed data is damaged/],
      ['bad.ndjson.zst', Buffer.from('not ZSTD at all'), /bad\.ndjson\.zst: its compressed data is damaged/],
      ['cut.ndjson.zst', zstd(Buffer.from(LINES.join('\n'))).subarray(0, 20), /: cut\.ndjson\.zst: is truncated: /],
      // A copy that failed leaves an empty file.
      ['empty.ndjson.gz', Buffer.alloc(0), /: empty\.ndjson\.gz: is truncated: /],
      ['empty.ndjson.zst', Buffer.alloc(0), /: empty\.ndjson\.zst: is truncated: /],
    ] as const) {
      const { status, stdout, stderr } = await runHere(['evaluate', write(name, bytes)]);
      expect(stderr).toMatch(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    }
  });

  test("Python's NaN and Infinity are scores that are not finite", async () => {
    const rows = ['NaN', 'Infinity', '-Infinity'].map((number) => `{"scores":[1, ${number},3],"targets":[2]}`);
    write('python.ndjson', [...rows, ...LINES].join('\n'));
    const skipped = await runHere(['evaluate', '--json', 'python.ndjson', '--skip-non-finite']);
    expect(skipped.status).toBe(0);
    expect(JSON.parse(skipped.stdout)).toMatchObject({ rows: 2, rowsSkipped: 3 });
    const { status, stderr } = await runHere(['evaluate', 'python.ndjson']);
    expect(stderr).toMatch(
      /^multilabel-margin-loss: python\.ndjson: score at row 0, column 1 is NaN: .*unless --skip-non-finite leaves such rows out\n$/,
    );
    expect(status).toBe(2);
    const targets = run(['evaluate', '-'], '{"scores":[1,2],"targets":[NaN]}');
    expect(targets.stderr).toContain('row 0 needs "targets"');
  });

  test("text with the words of Python's numbers stays as it is", async () => {
    const names = ['The Infinity War', 'a "NaN, NaN" \\', 'c'];
    write('words.txt', names.join('\n'));
    write('words.ndjson', `{"scores":[1, NaN,3],"targets":${JSON.stringify(names)}}\n${LINES.join('\n')}`);
    const { status, stdout, stderr } = await runHere([
      'evaluate',
      '--json',
      'words.ndjson',
      '--labels',
      'words.txt',
      '--skip-non-finite',
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ rows: 2, rowsSkipped: 1 });
  });

  test.each([
    ['a list in one line', `[${LINES.join(',')}]`, 'a list'],
    ['a list over lines', `[\r\n${LINES.join(',\r\n')}\r\n]`, 'a list'],
    ['an object over lines', JSON.stringify(JSON.parse(LINES[0]!), null, 2), 'an object over several lines'],
  ])('JSON that is %s is named as such', async (_, text, kind) => {
    const { status, stderr } = await runHere(['evaluate', write('whole.json', text)]);
    expect(stderr).toBe(
      `multilabel-margin-loss: whole.json: is not lines of JSON, but ${kind}: write each row in a line of its own, { "scores": … }\n`,
    );
    expect(status).toBe(2);
  });

  test('control characters of a file do not reach the terminal', async () => {
    const lines = ['{"scores":[\u001b[31m1]}', '{"\u009b31m":1}', '\u0007'];
    for (const line of lines) {
      const { status, stderr } = run(['evaluate', '-'], line);
      // eslint-disable-next-line no-control-regex
      expect(stderr).toMatch(/^[^\0-\x09\x0b-\x1f\x7f-\x9f]+\n$/);
      expect(status).toBe(2);
    }
    const name = await runHere(['evaluate', '\u001b[31mmissing.ndjson']);
    expect(name.stderr).toBe('multilabel-margin-loss: \\u001b[31mmissing.ndjson: no such file\n');
  });
});

describe('standard input and pipes', () => {
  const scores = arrow.vectorFromArray([[1, 2, 3]], new arrow.List(new arrow.Field('item', new arrow.Float64(), true)));
  const targets = arrow.vectorFromArray([[2]], new arrow.List(new arrow.Field('item', new arrow.Int32(), true)));
  const stream = Buffer.from(arrow.tableToIPC(new arrow.Table({ scores, targets }), 'stream'));

  test.each([
    ['Arrow', stream],
    ['lines of JSON', Buffer.from(LINES[0]!)],
  ])('%s that comes in chunks of any size', async (_, bytes) => {
    for (const first of [1, 3, 5]) {
      const child = spawn(process.execPath, [main, 'evaluate', '-', '--json'], { cwd: folder });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      child.stdin.write(bytes.subarray(0, first));
      // The pause makes the rest another chunk for the reader.
      await delay(400);
      child.stdin.end(bytes.subarray(first));
      const [code] = (await once(child, 'close')) as [number];
      expect(code).toBe(0);
      expect(JSON.parse(output)).toMatchObject({ rows: 1, classes: 3 });
    }
  });

  test('a process substitution', () => {
    write('stream.bin', stream);
    for (const file of ['plain.ndjson', 'stream.bin']) {
      const line = `"${process.execPath}" "${main}" evaluate --json <(cat ${file})`;
      const { status, stdout, stderr } = spawnSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(JSON.parse(stdout)).toMatchObject({ classes: 3 });
    }
    for (const args of ['--shard 1/2', '--queue redis://127.0.0.1:1']) {
      const line = `"${process.execPath}" "${main}" evaluate ${args} <(cat plain.ndjson)`;
      const { status, stderr } = spawnSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' });
      expect(stderr).toMatch(
        /^multilabel-margin-loss: \/dev\/fd\/\d+ cannot be read (in shards|by other machines): give regular files\n$/,
      );
      expect(status).toBe(2);
    }
  });

  test('twice is refused', () => {
    for (const args of [
      ['-', '-'],
      ['--scores', '-', '--targets', '-'],
    ]) {
      const { status, stderr } = run(['evaluate', ...args], LINES[0]);
      expect(stderr).toBe('multilabel-margin-loss: standard input can be read only once\n');
      expect(status).toBe(2);
    }
  });
});

describe('no rows', () => {
  test.each([
    ['standard input', ['-']],
    ['an empty file', [write('none.ndjson', '')]],
    ['blank lines', [write('blank.ndjson', '\n \n')]],
    [
      'an array',
      [
        '--scores',
        write('s0.npy', npy('<f4', [0, 3], new Float32Array(0))),
        '--targets',
        write('t0.npy', npy('<i4', [0, 1], new Int32Array(0))),
      ],
    ],
    ['only rows that are skipped', [write('nan.ndjson', '{"scores":[NaN,1],"targets":[0]}'), '--skip-non-finite']],
  ])('%s: exit code 2, unless --allow-empty', async (_, input) => {
    const stdin = input.includes('-') ? '' : undefined;
    const { status, stdout, stderr } = await runWith(['evaluate', ...input, '--out', 'empty.json'], stdin);
    expect(stderr).toMatch(/^multilabel-margin-loss: there are no rows to evaluate.*--allow-empty.*\n$/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    const allowed = await runWith(['evaluate', ...input, '--allow-empty', '--out', 'empty.json'], stdin);
    expect(allowed).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/^0 rows of/) });
    expect((await runHere(['merge', 'empty.json'])).status).toBe(2);
    expect((await runHere(['merge', 'empty.json', '--allow-empty'])).status).toBe(0);
  });
});

describe('a file of another kind is named', () => {
  const array = npy('<f4', [1, 3], Float32Array.of(1, 2, 3));
  write('x.npy', array);
  write('t.npy', npy('<i4', [1, 1], Int32Array.of(0)));
  const asScores = (name: string): string[] => ['--scores', name, '--targets', 't.npy'];
  test.each([
    [
      '.npy as rows',
      ['x.npy'],
      /x\.npy: is an \.npy file, which has scores or targets alone: give it by --scores or --targets/,
    ],
    [
      '.npy by another name',
      [write('array.ndjson', array)],
      /array\.ndjson: is not lines of JSON, but an \.npy file: its name must end in \.npy/,
    ],
    ['.csv', [write('rows.csv', '1,2,3\n')], /rows\.csv: \.csv files are not read/],
    [
      'CSV by another name',
      [write('rows.txt', 'a,b\n1,2\n')],
      /rows\.txt: is not lines of JSON, but text, perhaps CSV/,
    ],
    [
      'gzip by another name',
      [write('z.ndjson', gzipSync('a'))],
      /z\.ndjson: is not lines of JSON, but compressed by gzip: its name must end in \.gz/,
    ],
    ['JSON as an array', asScores('plain.ndjson'), /plain\.ndjson: is not an \.npy file, but text, perhaps lines/],
    [
      '.npz by another name',
      asScores(write('z.npy', 'PK\x03\x04 and so on')),
      /z\.npy: is not an \.npy file, but a ZIP file: the name of an \.npz file/,
    ],
    [
      '.npy as .npz',
      [write('array.npz', array)],
      /array\.npz: is not an \.npz file, but an \.npy file: its name must end in \.npy/,
    ],
    ['a truncated .npz', [write('cut.npz', 'PK\x03\x04 and so on')], /cut\.npz: is not an \.npz file, or is truncated/],
    [
      'Parquet as Arrow',
      [write('rows.arrow', 'PAR1 and so on')],
      /rows\.arrow: is not an Arrow file, but a Parquet file: its name must end in \.parquet/,
    ],
    [
      'Arrow as Parquet',
      [write('rows.parquet', 'ARROW1 and so on')],
      /rows\.parquet: is not a Parquet file, but an Arrow file: its name must end in \.arrow/,
    ],
    [
      'lines of JSON as Parquet',
      [write('lines.parquet', '{"scores":[1,2],"targets":[0]}\n')],
      /lines\.parquet: is not a Parquet file, but text, perhaps lines of JSON/,
    ],
    ['another file as .npz', [write('a.npz', 'nothing of the kind')], /a\.npz: is not an \.npz file, or is truncated/],
  ])('%s', async (_, args, message) => {
    const { status, stdout, stderr } = await runHere(['evaluate', ...args]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});

test('without a terminal, a line of progress comes every ten seconds', () => {
  let now = 0;
  const progress = new Progress([{ bytes: 400 }], new LineClock(() => now));
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  onTestFinished(() => written.mockRestore());
  const lines = (): unknown[] => written.mock.calls.map(([line]) => line);
  for (now = 1000; now < 10_000; now += 1000) progress.add(10, 1000);
  expect(lines()).toEqual([]);
  for (; now <= 31_000; now += 1000) progress.add(10, 1000);
  progress.stop();
  const line = (bar: string, rows: string): unknown =>
    expect.stringMatching(new RegExp(`^${bar} {2}${rows} rows {2}[\\d,]+ rows/s {2}\\d+ s left\\n$`));
  expect(lines()).toEqual([
    line('█{5}░{15} 25%', '10,000'),
    line('█{10}░{10} 50%', '20,000'),
    line('█{15}░{5} 75%', '30,000'),
  ]);
});

describe('the header of an .npy file', () => {
  const scores = npy('<f4', [2, 3], Float32Array.of(1, 2, 3, 3, 2, 1));
  const targets = write('header-targets.npy', npy('<i4', [2], Int32Array.of(2, 0)));
  // The header keeps its length, because it ends with spaces.
  const withHeader = (from: string, to: string): Buffer => {
    const header = scores.toString('latin1', 10, 127);
    return Buffer.concat([
      scores.subarray(0, 10),
      Buffer.from(header.trimEnd().replace(from, to).padEnd(117)),
      scores.subarray(127),
    ]);
  };

  test('may have the long integers of Python 2', async () => {
    const [plainScores, long] = [write('h.npy', scores), write('h2.npy', withHeader('(2, 3)', '(2L, 3L)'))];
    const [expected, result] = [
      await runHere(['evaluate', '--json', '--scores', plainScores, '--targets', targets]),
      await runHere(['evaluate', '--json', '--scores', long, '--targets', targets]),
    ];
    expect({ ...result, stdout: metrics(result.stdout) }).toEqual({ ...expected, stdout: metrics(expected.stdout) });
    expect(result.status).toBe(0);
  });

  test.each([
    ["'shape': (2, 3)", "'shape': [2, 3]", 'a shape'],
    ["'fortran_order': False", "'fortran_order': 0", 'an order'],
  ])('needs %s', async (from, to, what) => {
    const file = write('bad-header.npy', withHeader(from, to));
    expect(await runHere(['evaluate', '--scores', file, '--targets', targets])).toEqual({
      status: 2,
      stdout: '',
      stderr: `multilabel-margin-loss: bad-header.npy: has a header without ${what} that can be read\n`,
    });
  });
});

test('an option whose value begins with a dash is one line of advice', async () => {
  expect(await runHere(['evaluate', 'plain.ndjson', '--margin', '-1'])).toEqual({
    status: 2,
    stdout: '',
    stderr:
      "multilabel-margin-loss: Option '--margin' argument is ambiguous: a value that begins with - is given as --margin=-XYZ\n",
  });
});

test('--row-id is refused for arrays, which have no columns', async () => {
  const scores = write('ids-scores.npy', npy('<f4', [1, 3], Float32Array.of(1, 2, 3)));
  for (const [file, args] of [
    [scores, ['--scores', scores, '--targets', write('ids-targets.npy', npy('<i4', [1], Int32Array.of(0)))]],
    ['ids.npz', ['plain.ndjson', write('ids.npz', 'whatever is in it')]],
  ] as const) {
    expect(await runHere(['evaluate', '--row-id', 'id', ...args])).toEqual({
      status: 2,
      stdout: '',
      stderr: `multilabel-margin-loss: ${file}: --row-id names a column of ids, which .npy and .npz files do not have: give Arrow, Parquet or lines of JSON\n`,
    });
  }
});

test('--version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(run(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
});
