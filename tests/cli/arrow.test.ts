// The command reads Apache Arrow's format, and refuses broken files with a message.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as arrow from 'apache-arrow';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { padded, permutation, uniform } from '../js/support.js';
import { folder, half, metricsOf, randomRows, run, runAlone, runHere, runWith, write } from './command.js';

const CLASSES = 40;
const ROWS = 500;
const BATCH_ROWS = 120;
const WIDTH = 4;
const { scores, targets } = randomRows(ROWS, CLASSES, WIDTH);
const expected = ((): unknown => {
  const evaluator = new Evaluator();
  evaluator.update({ data: scores, shape: [ROWS, CLASSES] }, targets);
  return metricsOf(evaluator.result());
})();

type Values = arrow.Data['values'];
interface Column {
  type: arrow.DataType;
  /** The column's data from row `begin` to before `end`. */
  data: (begin: number, end: number) => arrow.Data;
}

const item = (type: arrow.DataType): arrow.Field => new arrow.Field('item', type, true);
const child = (type: arrow.DataType, values: Values, length = (values as Uint8Array).length): arrow.Data =>
  new arrow.Data(type, 0, length, 0, { [arrow.BufferType.DATA]: values });

function fixed(element: arrow.DataType, values: { subarray: (a: number, b: number) => Values }, width: number): Column {
  const type = new arrow.FixedSizeList(width, item(element));
  const data = (begin: number, end: number): arrow.Data => {
    const elements = child(element, values.subarray(begin * width, end * width));
    return arrow.makeData({ type, length: end - begin, nullCount: 0, child: elements as never });
  };
  return { type, data };
}

function listed<T extends number | bigint>(
  element: arrow.DataType,
  lists: readonly (readonly T[])[],
  toArray: (values: readonly T[]) => Values,
  isLarge = false,
): Column {
  const type = isLarge ? new arrow.LargeList(item(element)) : new arrow.List(item(element));
  const data = (begin: number, end: number): arrow.Data => {
    const part = lists.slice(begin, end);
    const offsets = [0];
    for (const list of part) offsets.push((offsets.at(-1) as number) + list.length);
    const valueOffsets = isLarge ? BigInt64Array.from(offsets, BigInt) : Int32Array.from(offsets);
    const elements = child(element, toArray(part.flat()));
    return arrow.makeData({ type, length: end - begin, nullCount: 0, valueOffsets, child: elements } as never);
  };
  return { type, data };
}

function table(columns: Record<string, Column>, rows = ROWS): arrow.Table {
  const fields = Object.entries(columns).map(([name, { type }]) => new arrow.Field(name, type, true));
  const schema = new arrow.Schema(fields);
  const batches: arrow.RecordBatch[] = [];
  for (let begin = 0; begin < rows; begin += BATCH_ROWS) {
    const end = Math.min(rows, begin + BATCH_ROWS);
    const children = Object.values(columns).map(({ data }) => data(begin, end));
    const type = new arrow.Struct(fields);
    batches.push(new arrow.RecordBatch(schema, arrow.makeData({ type, length: end - begin, nullCount: 0, children })));
  }
  return new arrow.Table(schema, batches);
}

const rowOf = (row: number): number[] => [...scores.subarray(row * CLASSES, (row + 1) * CLASSES)];
const rows = Array.from({ length: ROWS }, (_, row) => rowOf(row));
const indices = padded(targets, WIDTH);
const mask = new Uint8Array(ROWS * CLASSES);
targets.forEach((labels, row) => labels.forEach((label) => (mask[row * CLASSES + label] = 1)));

function bits(type: arrow.FixedSizeList): Column {
  const data = (begin: number, end: number): arrow.Data => {
    const part = mask.subarray(begin * CLASSES, end * CLASSES);
    const packed = new Uint8Array(Math.ceil(part.length / 8));
    part.forEach((bit, i) => (packed[i >> 3]! |= bit << (i & 7)));
    return arrow.makeData({
      type,
      length: end - begin,
      nullCount: 0,
      child: child(new arrow.Bool(), packed, part.length) as never,
    });
  };
  return { type, data };
}

const SCORES: Record<string, Column> = {
  'fixed-size lists of float16': fixed(new arrow.Float16(), Uint16Array.from(scores, half), CLASSES),
  'fixed-size lists of float32': fixed(new arrow.Float32(), scores, CLASSES),
  'fixed-size lists of float64': fixed(new arrow.Float64(), Float64Array.from(scores), CLASSES),
  'lists of float32': listed(new arrow.Float32(), rows, (values) => Float32Array.from(values)),
  'large lists of float64': listed(new arrow.Float64(), rows, (values) => Float64Array.from(values), true),
};
const TARGETS: Record<string, Column> = {
  'lists of int32': listed(new arrow.Int32(), targets, (values) => Int32Array.from(values)),
  'lists of int64': listed(
    new arrow.Int64(),
    targets.map((list) => list.map(BigInt)),
    (v) => BigInt64Array.from(v),
  ),
  'lists of uint8': listed(new arrow.Uint8(), targets, (values) => Uint8Array.from(values)),
  'large lists of uint64': listed(
    new arrow.Uint64(),
    targets.map((list) => list.map(BigInt)),
    (values) => BigUint64Array.from(values),
    true,
  ),
  'padded int16': fixed(new arrow.Int16(), Int16Array.from(indices), WIDTH),
  'padded int64': fixed(new arrow.Int64(), BigInt64Array.from(indices, BigInt), WIDTH),
  'a mask of uint8': fixed(new arrow.Uint8(), mask, CLASSES),
  'a mask of bool': bits(new arrow.FixedSizeList(CLASSES, item(new arrow.Bool()))),
};
const [float32, int32] = [SCORES['fixed-size lists of float32']!, TARGETS['lists of int32']!];

// The tools that the formats come from.
function tool(command: string, ...args: string[]) {
  return (bytes: Uint8Array): Uint8Array => {
    const { status, stdout, stderr } = spawnSync(command, args, { input: bytes, maxBuffer: 2 ** 30 });
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
    return stdout;
  };
}

async function evaluated(args: readonly string[], input?: Uint8Array, errors = /^$/): Promise<unknown> {
  const { status, stdout, stderr } = await runWith(['evaluate', '--json', ...args], input);
  expect(stderr).toMatch(errors);
  expect(status).toBe(0);
  return metricsOf(JSON.parse(stdout));
}

const close = { ...(expected as object), loss: expect.closeTo((expected as { loss: number }).loss, 6) };

describe('columns', () => {
  test.each(Object.entries(SCORES))('scores: %s', async (name, column) => {
    write('scores.arrow', Buffer.from(arrow.tableToIPC(table({ targets: int32, scores: column }), 'file')));
    // float64 rounds the loss of a row differently.
    expect(await evaluated(['scores.arrow'])).toEqual(name.endsWith('64') ? close : expected);
  });

  test.each(Object.entries(TARGETS))('targets: %s', async (name, column) => {
    write('targets.arrow', Buffer.from(arrow.tableToIPC(table({ scores: float32, targets: column }), 'file')));
    // A mask of integers could be class indices, so the command says how it reads it.
    const errors = name === 'a mask of uint8' ? /^.* targets of uint8 are read as 0\/1 masks .*\n$/ : /^$/;
    expect(await evaluated(['targets.arrow'], undefined, errors)).toEqual(expected);
  });

  // In the order in which rows have them, and with names that no row has.
  const order = permutation(CLASSES, uniform(6));
  // Views have text of up to 12 bytes in place, and other text elsewhere.
  const nameOf = (label: number): string => `label ${label}${label % 2 === 0 ? '' : ', which is odd'}`;
  const labels = write('labels.txt', Array.from({ length: CLASSES }, (_, label) => nameOf(label)).join('\n'));
  const keys = arrow.vectorFromArray([...order.map(nameOf), 'no label'], new arrow.Utf8());
  const dictionary = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8());
  const text = (element: arrow.DataType, dataOf: (labels: readonly number[]) => arrow.Data): Column => {
    const type = new arrow.List(item(element));
    const data = (begin: number, end: number): arrow.Data => {
      const part = targets.slice(begin, end);
      const valueOffsets = Int32Array.from([0, ...part.map((_, i) => part.slice(0, i + 1).flat().length)]);
      return arrow.makeData({
        type,
        length: end - begin,
        nullCount: 0,
        valueOffsets,
        child: dataOf(part.flat()),
      } as never);
    };
    return { type, data };
  };
  const NAMED = {
    text: text(new arrow.Utf8(), (part) => arrow.vectorFromArray(part.map(nameOf), new arrow.Utf8()).data[0]!),
    views: text(new arrow.Utf8View(), (part) => arrow.vectorFromArray(part.map(nameOf), new arrow.Utf8View()).data[0]!),
    dictionaries: text(dictionary, (part) =>
      arrow.makeData({
        type: dictionary,
        length: part.length,
        nullCount: 0,
        data: Int8Array.from(part, (label) => order.indexOf(label)),
        dictionary: keys,
      }),
    ),
  };
  test.each(Object.entries(NAMED))('targets: names of labels, as %s', async (name, column) => {
    const named = { ...(expected as object), labels: Array.from({ length: CLASSES }, (_, label) => nameOf(label)) };
    for (const format of ['file', 'stream'] as const) {
      const file = write(
        `${name}-${format}.arrow`,
        Buffer.from(arrow.tableToIPC(table({ scores: float32, targets: column }), format)),
      );
      expect(await evaluated([file, '--labels', labels, '--threads', '2'])).toEqual(named);
    }
    const stream = arrow.tableToIPC(table({ scores: float32, targets: column }), 'stream');
    expect(await evaluated(['-', '--labels', labels], stream)).toEqual(named);
    const nameless = await runHere(['evaluate', `${name}-file.arrow`]);
    expect([nameless.status, nameless.stdout]).toEqual([2, '']);
    expect(nameless.stderr).toContain('--labels says which class');
    const missing = targets.flat()[20]!;
    const row = targets.findIndex((each) => each.includes(missing));
    const others = write(
      'others.txt',
      Array.from({ length: CLASSES }, (_, label) => (label === missing ? 'other' : nameOf(label))).join('\n'),
    );
    expect((await runHere(['evaluate', `${name}-file.arrow`, '--labels', others])).stderr).toContain(
      `row ${row} has '${nameOf(missing)}', which is none of the names`,
    );
  });

  test('--row-id: text of any kind', async () => {
    const ids = Array.from({ length: ROWS }, (_, row) => (row % 2 === 0 ? `row ${row}` : `a row of number ${row}`));
    const states: string[] = [];
    for (const type of [
      new arrow.Utf8(),
      new arrow.Utf8View(),
      new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32()),
      new arrow.Dictionary(new arrow.Utf8View(), new arrow.Int32()),
    ]) {
      const all = arrow.vectorFromArray(ids, type).data[0]!;
      // Apache Arrow writes views that are a part of others without their text.
      const data: Column['data'] = (begin, end) =>
        arrow.DataType.isDictionary(type)
          ? all.slice(begin, end - begin)
          : arrow.vectorFromArray(ids.slice(begin, end), type).data[0]!;
      const id: Column = { type, data };
      write('ids.arrow', Buffer.from(arrow.tableToIPC(table({ scores: float32, targets: int32, id }), 'file')));
      const options = ['--row-id', 'id', '--threads', '1', '--out', 'ids.json'];
      expect(await evaluated(['ids.arrow', ...options])).toEqual(expected);
      // The files differ in size, by which parts are known.
      const state = JSON.parse(readFileSync(join(folder, 'ids.json'), 'utf8')) as object;
      states.push(JSON.stringify({ ...state, parts: null, fileDigest: null }));
    }
    expect(new Set(states).size).toBe(1);
  });

  test('views that lead nowhere are damage', async () => {
    const views = arrow.vectorFromArray(Array<string>(ROWS).fill('more than twelve bytes'), new arrow.Utf8View())
      .data[0]!;
    const id: Column = { type: views.type, data: (begin, end) => views.slice(begin, end - begin) };
    write('nowhere.arrow', Buffer.from(arrow.tableToIPC(table({ scores: float32, targets: int32, id }), 'file')));
    const { status, stdout, stderr } = await runHere(['evaluate', 'nowhere.arrow', '--row-id', 'id']);
    expect(stderr).toMatch(/^multilabel-margin-loss: nowhere\.arrow: is damaged: .*\n$/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('of other names, among columns of other types', async () => {
    const names = arrow.vectorFromArray(
      Array.from({ length: ROWS }, (_, row) => `row ${row % 7}`),
      new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32()),
    ).data[0]!;
    const other: Column = { type: names.type, data: (begin, end) => names.slice(begin, end - begin) };
    const logits = table({ id: other, logits: float32, labels: int32 });
    write('names.feather', Buffer.from(arrow.tableToIPC(logits, 'file')));
    const options = ['--scores-column', 'logits', '--targets-column', 'labels'];
    expect(await evaluated(['names.feather', ...options])).toEqual(expected);
  });
});

describe('files and streams', () => {
  test('a stream, from a file and from standard input', async () => {
    const stream = arrow.tableToIPC(table({ scores: float32, targets: int32 }), 'stream');
    write('rows.arrows', Buffer.from(stream));
    expect(await evaluated(['rows.arrows'])).toEqual(expected);
    expect(await evaluated(['-'], stream)).toEqual(expected);
  });

  test.each(['file', 'stream'] as const)('a %s in shards and by threads, to the bit', async (format) => {
    const name = write(
      `${format}.arrow`,
      Buffer.from(arrow.tableToIPC(table({ scores: float32, targets: int32 }), format)),
    );
    expect(await evaluated([name, '--threads', '2'])).toEqual(expected);
    const parts = [1, 2].map((i) => {
      expect(run(['evaluate', name, '--shard', `${i}/2`, '--out', `${format}${i}.json`]).status).toBe(0);
      return `${format}${i}.json`;
    });
    expect(metricsOf(JSON.parse((await runHere(['merge', '--json', '--expect', '2', ...parts])).stdout))).toEqual(
      expected,
    );
  });

  test.each([
    ['LZ4', arrow.CompressionType.LZ4_FRAME, tool('lz4', '-c')],
    ['LZ4 in blocks that depend on each other', arrow.CompressionType.LZ4_FRAME, tool('lz4', '-c', '-B4', '-BD', '-9')],
    ['LZ4 with checksums and size', arrow.CompressionType.LZ4_FRAME, tool('lz4', '-c', '-BX', '--content-size')],
    ['ZSTD', arrow.CompressionType.ZSTD, tool('zstd', '-c')],
    ['ZSTD of level 19', arrow.CompressionType.ZSTD, tool('zstd', '-c', '-19', '--no-check')],
  ])('compressed by %s', async (_, type, encode) => {
    arrow.compressionRegistry.set(type, { encode });
    const compressed = arrow.tableToIPC(table({ scores: float32, targets: int32 }), 'file', type);
    write('compressed.arrow', Buffer.from(compressed));
    expect(await evaluated(['compressed.arrow'])).toEqual(expected);
  });
});

describe('what is broken is named in one line, with exit code 2 and no output', () => {
  const whole = Buffer.from(arrow.tableToIPC(table({ scores: float32, targets: int32 }), 'file'));
  const stream = Buffer.from(arrow.tableToIPC(table({ scores: float32, targets: int32 }), 'stream'));
  const ipc = (name: string, columns: Record<string, Column>, rows = ROWS): string[] => [
    write(name, Buffer.from(arrow.tableToIPC(table(columns, rows), 'file'))),
  ];
  const changed = <T>(list: readonly T[], index: number, value: T): T[] =>
    list.map((each, i) => (i === index ? value : each));
  const toFloats = (values: readonly number[]): Float32Array => Float32Array.from(values);
  const toInts = (values: readonly number[]): Int32Array => Int32Array.from(values);
  const withNull = (column: Column, row: number): Column => ({
    type: column.type,
    data: (begin, end) => {
      const data = column.data(begin, end);
      if (row < begin || row >= end) return data;
      const valid = new Uint8Array(Math.ceil((end - begin) / 8)).fill(255);
      valid[(row - begin) >> 3]! ^= 1 << ((row - begin) & 7);
      return data.clone(data.type, 0, end - begin, 1, { ...data.buffers, [arrow.BufferType.VALIDITY]: valid });
    },
  });
  const nan = scores.slice();
  nan[499 * CLASSES + 7] = Number.NaN;
  const cases: [string, () => string[], RegExp][] = [
    ['wrong magic', () => [write('magic.arrow', 'something else')], /magic\.arrow: is not an Arrow file or stream/],
    [
      'magic of another kind',
      () => [write('other.arrow', 'PAR1 is something else')],
      /other\.arrow: is not an Arrow file, but a Parquet file: its name must end in \.parquet/,
    ],
    ['empty', () => [write('empty.arrow', '')], /empty\.arrow: is not an Arrow file or stream/],
    [
      'truncated in a record batch',
      () => [write('cut.arrow', whole.subarray(0, Math.floor(0.8 * whole.length)))],
      /cut\.arrow: is truncated in the record batch that begins at row 360/,
    ],
    [
      'truncated in its footer',
      () => [write('foot.arrow', whole.subarray(0, whole.length - 20))],
      /foot\.arrow: is truncated in the record batch that begins at row 500/,
    ],
    [
      'a truncated stream',
      () => [write('cut.arrows', stream.subarray(0, Math.floor(0.8 * stream.length)))],
      /cut\.arrows: is truncated in the record batch that begins at row 360/,
    ],
    [
      'damaged',
      () => {
        const bytes = Buffer.from(whole);
        bytes.fill(7, Math.floor(0.3 * bytes.length), Math.floor(0.6 * bytes.length));
        return [write('damaged.arrow', bytes)];
      },
      /damaged\.arrow: is damaged where the record batch of row 240 should begin/,
    ],
    [
      'a record batch of fewer bytes than none',
      () => {
        const reader = new arrow.MessageReader(stream);
        reader.readSchema();
        const length = Buffer.alloc(8);
        length.writeBigInt64LE(BigInt(reader.readMessage()!.bodyLength));
        const bytes = Buffer.from(stream);
        bytes.writeBigInt64LE(-(2n ** 40n), bytes.indexOf(length));
        return [write('negative.arrows', bytes)];
      },
      /negative\.arrows: is damaged where the record batch of row 0 should begin/,
    ],
    [
      'no scores',
      () => ipc('column.arrow', { logits: float32, targets: int32 }),
      /column\.arrow: needs a column scores of .*; its columns are logits, targets/,
    ],
    [
      'scores of integers',
      () => ipc('int.arrow', { scores: int32, targets: int32 }),
      /needs a column scores of .*; it is List<Int32>/,
    ],
    [
      'targets of floats',
      () => ipc('float.arrow', { scores: float32, targets: float32 }),
      /needs a column targets of .*; it is FixedSizeList/,
    ],
    [
      'a row of another width',
      () =>
        ipc('width.arrow', {
          scores: listed(new arrow.Float32(), changed(rows, 490, [1, 2]), toFloats),
          targets: int32,
        }),
      /width\.arrow: row 490 has 2 scores, those before have 40/,
    ],
    [
      'a target out of range',
      () =>
        ipc('range.arrow', {
          scores: float32,
          targets: listed(new arrow.Int32(), changed(targets, 481, [1, 40]), toInts),
        }),
      /range\.arrow: target 40 at row 481, column 1 is out of range/,
    ],
    [
      'a target of uint32 that int32 has no room for',
      () =>
        ipc('uint32.arrow', {
          scores: float32,
          targets: listed(new arrow.Uint32(), changed(targets, 482, [1, 2 ** 32 - 1]), (v) => Uint32Array.from(v)),
        }),
      /uint32\.arrow: target 4294967295 at row 482, column 1 is out of range/,
    ],
    [
      'a target of uint64 that int64 has no room for',
      () =>
        ipc('uint64.arrow', {
          scores: float32,
          targets: listed(
            new arrow.Uint64(),
            changed(targets, 483, [2 ** 64 - 2 ** 11]).map((list) => list.map(BigInt)),
            (values) => BigUint64Array.from(values),
          ),
        }),
      /uint64\.arrow: target 18446744073709549568 at row 483, column 0 is out of range/,
    ],
    [
      'padded targets of uint64 with -1 for padding',
      () =>
        ipc('padded.arrow', {
          scores: float32,
          targets: fixed(
            new arrow.Uint64(),
            BigUint64Array.from(indices, (i) => BigInt.asUintN(64, BigInt(i))),
            WIDTH,
          ),
        }),
      /padded\.arrow: target 18446744073709551615 at row \d+, column \d is out of range/,
    ],
    [
      'not finite',
      () => ipc('nan.arrow', { scores: fixed(new arrow.Float32(), nan, CLASSES), targets: int32 }),
      /nan\.arrow: score at row 499, column 7 is NaN/,
    ],
    [
      'null scores',
      () => ipc('null.arrow', { scores: withNull(float32, 333), targets: int32 }),
      /null\.arrow: row 333 has null in its scores/,
    ],
    [
      'null targets',
      () => ipc('null.arrow', { scores: float32, targets: withNull(int32, 334) }),
      /null\.arrow: row 334 has null in its targets/,
    ],
    [
      'a mask of another width',
      () => ipc('mask.arrow', { scores: float32, targets: fixed(new arrow.Uint8(), mask, CLASSES / 2) }),
      /mask\.arrow: row 0 has a mask of 20, where 40 are wanted/,
    ],
    [
      'a file of other classes',
      () => [
        ...ipc('a.arrow', { scores: float32, targets: int32 }),
        ...ipc('b.arrow', { scores: fixed(new arrow.Float32(), scores, 20), targets: int32 }),
      ],
      /b\.arrow: scores must have 40 classes, as those of a\.arrow, got 20/,
    ],
  ];
  test.each(cases)('%s', async (_, args, message) => {
    const { status, stdout, stderr } = await runHere(['evaluate', ...args()]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('a package that is not installed', () => {
    write('rows.arrow', whole);
    const { status, stdout, stderr } = runAlone(['evaluate', 'rows.arrow']);
    expect(stderr).toBe(
      'multilabel-margin-loss: rows.arrow: Arrow needs apache-arrow, which is not installed: npm install apache-arrow\n',
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('on standard input', () => {
    const cut = run(['evaluate', '-'], stream.subarray(0, Math.floor(0.8 * stream.length)));
    expect(cut.stderr).toMatch(/^multilabel-margin-loss: standard input: is broken after row 360: .*\n$/);
    expect(cut.status).toBe(2);
    const file = run(['evaluate', '-'], whole);
    expect(file.stderr).toMatch(/^multilabel-margin-loss: standard input: is an Arrow file, .*\n$/);
    expect(file.status).toBe(2);
  });
});
