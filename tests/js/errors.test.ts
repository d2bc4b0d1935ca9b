// Bad input: the right code, a message that says what was given, what was wanted and where, nothing half-written, and
// an instance that works as before.

import {
  add,
  float64,
  fromMultiHot,
  int32,
  int64,
  LossError,
  type LossErrorCode,
  MultiLabelMarginLoss,
  nn,
  relu,
  saveSafetensors,
  tensor,
  zeros,
} from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import {
  expectCallFails,
  expectLossError,
  expectStillWorks,
  lossErrorOf,
  normal,
  untyped,
  withHole,
} from './support.js';

const X = [[0.1, 0.2, 0.4, 0.8]];
const Y = [[3, 0, -1, 1]];
const lossFns = (['none', 'mean', 'sum'] as const).map((reduction) => new MultiLabelMarginLoss({ reduction }));
const lossFn = lossFns[1]!;

type Parts = readonly (string | RegExp)[];
const f32 = (size: number, ...shape: number[]) => ({ data: new Float32Array(size), shape });
const i32 = (size: number, ...shape: number[]) => ({ data: new Int32Array(size), shape });

type Any = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** What transferring it to another thread leaves of an array. */
function detached<A extends Any>(array: A): A {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

describe('LossError', () => {
  test('is an Error with a name, a code and a cause', () => {
    const cause = new Error('why');
    const error = new LossError('ERR_NAN', 'what', { cause });
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.code, error.message, error.cause]).toEqual(['LossError', 'ERR_NAN', 'what', cause]);
    expect(`${error}`).toBe('LossError: what');
  });
});

describe('scores', () => {
  test.each<[string, unknown, unknown, LossErrorCode, Parts]>([
    ['no classes', f32(0, 3, 0), i32(0, 3, 0), 'ERR_SHAPE', ['at least one class', '[3, 0]']],
    ['no classes, 1-D', [], [], 'ERR_SHAPE', ['at least one class', '[0]']],
    ['no classes, nested', [[]], [[]], 'ERR_SHAPE', ['at least one class', '[1, 0]']],
    ['3-D', f32(4, 1, 1, 4), i32(4, 1, 4), 'ERR_SHAPE', ['[N, C]', '[1, 1, 4]']],
    ['3-D nested', [X], [Y], 'ERR_SHAPE', ['[N, C]', '[1, 1, 4]']],
    ['2^31 classes', f32(0, 0, 2 ** 31), i32(0, 0, 1), 'ERR_SHAPE', ['2^31', '[0, 2147483648]']],
    ['int32', i32(4, 1, 4), Y, 'ERR_DTYPE', ['scores', 'float32', 'int32']],
    [
      'int64',
      tensor(
        X.map((row) => row.map(() => 1n)),
        { dtype: int64 },
      ),
      Y,
      'ERR_DTYPE',
      ['scores', 'float64', 'int64'],
    ],
    ['Uint8Array', new Uint8Array(4), [0], 'ERR_DTYPE', ['scores', 'Float32Array', 'a Uint8Array']],
    [
      'data is a Uint8Array',
      { data: new Uint8Array(4), shape: [4] },
      [0],
      'ERR_DTYPE',
      ['scores.data', 'a Uint8Array'],
    ],
    ['data is an array', { data: [1, 2], shape: [2] }, [0], 'ERR_DTYPE', ['scores.data', 'an array of length 2']],
    ['data is null', { data: null, shape: [2] }, [0], 'ERR_DTYPE', ['scores.data', 'null']],
    ['a DataView', new DataView(new ArrayBuffer(8)), [0], 'ERR_DTYPE', ['scores', 'a DataView']],
    ['an ArrayBuffer', new ArrayBuffer(8), [0], 'ERR_DTYPE', ['scores', 'ArrayBuffer']],
    ['null', null, Y, 'ERR_DTYPE', ['scores', 'null']],
    ['undefined', undefined, Y, 'ERR_DTYPE', ['scores', 'undefined']],
    ['a string', '[[1]]', Y, 'ERR_DTYPE', ['scores', "'[[1]]'"]],
    ['a boolean', true, Y, 'ERR_DTYPE', ['scores', 'true']],
    ['a function', () => X, Y, 'ERR_DTYPE', ['scores', 'a function']],
    ['a symbol', Symbol('scores'), Y, 'ERR_DTYPE', ['scores', 'Symbol(scores)']],
    ['a promise', Promise.resolve(X), Y, 'ERR_DTYPE', ['scores', 'Promise']],
    ['an object', { shape: [1, 4] }, Y, 'ERR_DTYPE', ['scores', '{ data, shape }', 'an object']],
    ['an object without prototype', Object.create(null), Y, 'ERR_DTYPE', ['scores', 'an object']],
    ['ragged', [[1, 2], [3]], [[0], [0]], 'ERR_SHAPE', ['scores[1]', 'length 2', 'length 1']],
    ['longer rows later', [[1], [2, 3]], [[0], [0]], 'ERR_SHAPE', ['scores[1]', 'length 1', 'length 2']],
    ['a number beside a row', [[1, 2], 3], [[0], [0]], 'ERR_SHAPE', ['scores[1]', 'length 2', '3']],
    ['a row beside a number', [1, [2]], [0], 'ERR_DTYPE', ['scores[1]', 'an array']],
    ['null among rows', [[1, 2], null], [[0], [0]], 'ERR_SHAPE', ['scores[1]', 'null']],
    ['a hole among rows', withHole([[1], [2], [3]], 1), [[0], [0], [0]], 'ERR_SHAPE', ['scores[1]', 'undefined']],
    ['a hole at the start', withHole([[1], [2]], 0), [[0], [0]], 'ERR_DTYPE', ['scores[0]', 'undefined']],
    ['a hole in a row', [withHole([1, 2, 3], 1)], [[0]], 'ERR_DTYPE', ['scores[0][1]', 'undefined']],
    ['a string in a row', [[1, '2']], [[0]], 'ERR_DTYPE', ['scores[0][1]', "'2'"]],
    ['null in a row', [[1, null]], [[0]], 'ERR_DTYPE', ['scores[0][1]', 'null']],
    ['undefined in a row', [[undefined, 1]], [[0]], 'ERR_DTYPE', ['scores[0][0]', 'undefined']],
    ['a typed array of integers in a list', [new Int32Array(2)], [[0]], 'ERR_DTYPE', ['scores', 'Int32Array']],
    ['a row of another length', [[1, 2], new Float32Array(3)], [[0], [0]], 'ERR_SHAPE', ['scores[1]']],
    ['data too short for its shape', f32(3, 1, 4), Y, 'ERR_SHAPE', ['scores', '[1, 4]', '4', '3']],
    ['data too long for its shape', f32(5, 1, 4), Y, 'ERR_SHAPE', ['scores', '[1, 4]', '4', '5']],
    ['a shape beyond any memory', f32(4, 2 ** 40, 2 ** 40), Y, 'ERR_SHAPE', ['scores', '1099511627776', '4']],
    ['a negative shape', f32(4, -1, -4), Y, 'ERR_SHAPE', ['shape of scores', '[-1, -4]']],
    ['a fractional shape', f32(3, 2, 1.5), Y, 'ERR_SHAPE', ['shape of scores', '[2, 1.5]']],
    ['NaN in the shape', f32(0, Number.NaN, 0), Y, 'ERR_SHAPE', ['shape of scores', 'NaN']],
    [
      'a bigint in the shape',
      { data: new Float32Array(4), shape: [1n, 4n] },
      Y,
      'ERR_SHAPE',
      ['shape of scores', '1n'],
    ],
    ['a string as shape', { data: new Float32Array(4), shape: '4' }, [0], 'ERR_SHAPE', ['shape of scores', "'4'"]],
    ['no shape', { data: new Float32Array(4), shape: undefined }, [0], 'ERR_SHAPE', ['shape of scores', 'undefined']],
    [
      'a hole in the shape',
      { data: new Float32Array(4), shape: withHole([1, 4], 0) },
      Y,
      'ERR_SHAPE',
      ['shape of scores'],
    ],
  ])('%s', async (_name, scores, targets, code, parts) => {
    await expectCallFails(lossFn, scores, targets, code, parts);
  });

  test.each<[string, (gone: never) => unknown, new (length: number) => Any]>([
    ['relu', (gone) => relu(gone), Float32Array],
    ['add', (gone) => add([1], gone), Float32Array],
    ['a Parameter', (gone) => new nn.Parameter(gone), Float32Array],
    ['Linear', (gone) => new nn.Linear(4, 1).forward(gone), Float32Array],
    ['EmbeddingBag', (gone) => new nn.EmbeddingBag(4, 1, { mode: 'sum' }).forward(gone, [0]), Int32Array],
    ['safetensors', (gone) => saveSafetensors({ a: untyped(gone) }), Float32Array],
    ['targets', (gone) => lossFn.forward([1, 2], untyped(gone)), Int32Array],
    ['a mask', (gone) => fromMultiHot(gone), Int32Array],
    ['targets of 8 bits', (gone) => lossFn.forward([1, 2], untyped(gone)), Uint8Array],
  ])('a detached array, without a shape: %s', (_, call, Type) => {
    expectLossError(() => call(detached(new Type(4)) as never), 'ERR_SHAPE', ['detached']);
  });

  test('what is detached later', () => {
    const gone = tensor([1, 2]);
    detached(gone.data);
    for (const call of [() => gone.tolist(), () => gone.clone(), () => JSON.stringify(gone)]) {
      expectLossError(call, 'ERR_SHAPE', ['this tensor', '[2]', 'detached']);
    }
  });

  test('detached, in every form', async () => {
    const parts = ['scores', '[1, 4]', '4', '0', 'detached'];
    await expectCallFails(lossFn, { data: detached(new Float32Array(4)), shape: [1, 4] }, Y, 'ERR_SHAPE', parts);
    await expectCallFails(lossFn, { data: detached(new Float64Array(4)), shape: [1, 4] }, Y, 'ERR_SHAPE', parts);
    await expectCallFails(lossFn, detached(new Float32Array(4)), [0], 'ERR_SHAPE', ['[0]']);
    const scores = tensor(X, { requires_grad: true });
    lossFn.forward(scores, Y).backward();
    detached(scores.data);
    await expectCallFails(lossFn, scores, Y, 'ERR_SHAPE', parts);
  });

  test('posted to another context', async () => {
    const scores = tensor(X);
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(scores.data, [scores.data.buffer]);
    port1.close();
    port2.close();
    await expectCallFails(lossFn, scores, Y, 'ERR_SHAPE', ['scores', 'detached']);
  });

  test('a grad that was detached is not silently lost', () => {
    const scores = tensor(X, { requires_grad: true });
    lossFn.forward(scores, Y).backward();
    detached(scores.grad!.data);
    const loss = lossFn.forward(scores, Y);
    expectLossError(() => loss.backward(), 'ERR_SHAPE', ['grad', 'detached']);
    expectStillWorks(lossFn);
  });

  test('a grad of another shape is not silently mixed up', () => {
    const scores = tensor(X, { requires_grad: true });
    const before = tensor([[1, 2, 3, 4]]);
    scores.grad = before;
    const refused: [unknown, LossErrorCode, Parts][] = [
      [tensor([0, 0]), 'ERR_SHAPE', ['grad', '[2]', '[1, 4]']],
      [tensor(X, { dtype: float64 }), 'ERR_DTYPE', ['grad', 'float64', 'float32']],
      [[[0, 0, 0, 0]], 'ERR_DTYPE', ['grad', 'an array of length 1']],
      [new Float32Array(4), 'ERR_DTYPE', ['grad', 'a Float32Array']],
      [undefined, 'ERR_DTYPE', ['grad', 'undefined']],
    ];
    for (const [grad, code, parts] of refused) {
      expectLossError(() => (scores.grad = untyped(grad)), code, parts);
      expect(scores.grad).toBe(before);
    }
    scores.grad = null;
    expect(scores.grad).toBeNull();
  });

  test('a backward() that fails has changed nothing', () => {
    const scores = tensor(X, { requires_grad: true });
    scores.grad = tensor([[1, 1, 1, 1]]);
    const loss = lossFn.forward(scores, Y);
    const kept = scores.grad.data;
    detached(kept);
    expectLossError(() => loss.backward(untyped(2)), 'ERR_SHAPE', ['grad', 'detached']);
    scores.grad = null;
    // Not scaled twice.
    loss.backward(2);
    expect(scores.grad!.tolist()).toEqual([[-1, 1, 1, -1]]);
  });

  test.each([[[[0, 0, 0, 0]]], [0]])('a grad option that cannot be filled is refused: %j', (grad) => {
    expectLossError(() => lossFn.valueAndGrad(X, Y, { grad: untyped(grad) }), 'ERR_DTYPE', ['grad', 'written to']);
  });
});

describe('shapes of scores and targets that do not fit', () => {
  test.each<[string, unknown, unknown, Parts]>([
    ['another number of rows', f32(8, 2, 4), i32(6, 3, 2), ['[2, 4]', '[2, K]', '[3, 2]']],
    ['another number of rows, ragged', f32(8, 2, 4), [[0], [1, 2], []], ['[2, 4]', '[2, K]', '[3, 2]']],
    ['no rows', f32(8, 2, 4), i32(0, 0, 2), ['[2, 4]', '[2, K]', '[0, 2]']],
    ['rows for an empty batch', f32(0, 0, 4), i32(2, 1, 2), ['[0, 4]', '[0, K]', '[1, 2]']],
    ['1-D for 2-D', f32(4, 1, 4), [3, 0], ['[1, 4]', '[1, K]', '[2]']],
    ['2-D for 1-D', f32(4, 4), [[3, 0]], ['[4]', '[K]', '[1, 2]']],
    ['3-D', f32(4, 1, 4), i32(2, 1, 1, 2), ['[1, 4]', '[1, K]', '[1, 1, 2]']],
    ['0-D for 2-D', f32(4, 1, 4), 3, ['[1, 4]', '[1, K]', '[]']],
    ['0-D for 1-D', f32(4, 4), 3, ['[4]', '[K]', '[]']],
    ['2-D for 0-D', 0.5, [[0]], ['[]', '[K]', '[1, 1]']],
  ])('%s', async (_name, scores, targets, parts) => {
    for (const fn of lossFns) await expectCallFails(fn, scores, targets, 'ERR_SHAPE', parts);
  });
});

describe('targets', () => {
  test.each<[string, unknown, LossErrorCode, Parts]>([
    ['float32', f32(4, 1, 4), 'ERR_DTYPE', ['targets', 'int64', 'float32', 'fromMultiHot']],
    ['float64', tensor(Y, { dtype: float64 }), 'ERR_DTYPE', ['targets', 'int32', 'float64']],
    ['uint32', { data: Uint32Array.of(0, 2 ** 31 + 3), shape: [1, 2] }, 'ERR_TARGET_RANGE', ['2147483651', 'column 1']],
    [
      'uint64',
      { data: BigUint64Array.of(2n ** 64n - 1n), shape: [1, 1] },
      'ERR_TARGET_RANGE',
      ['18446744073709551615'],
    ],
    ['uint8', { data: Uint8Array.of(3, 9), shape: [1, 2] }, 'ERR_TARGET_RANGE', ['9', 'row 0, column 1']],
    ['a mask of float32', f32(4, 1, 4), 'ERR_DTYPE', ['float32', 'fromMultiHot(mask)']],
    ['a mask of booleans', [[true, false, false, true]], 'ERR_DTYPE', ['true', 'fromMultiHot(mask)']],
    ['a list of float32', [new Float32Array(4)], 'ERR_DTYPE', ['Float32Array', 'fromMultiHot(mask)']],
    ['booleans as data', { data: [true, false], shape: [1, 2] }, 'ERR_DTYPE', ['fromMultiHot(mask)']],
    ['null', null, 'ERR_DTYPE', ['targets', 'null']],
    ['undefined', undefined, 'ERR_DTYPE', ['targets', 'undefined']],
    ['a string', '3', 'ERR_DTYPE', ['targets', "'3'"]],
    ['an object', {}, 'ERR_DTYPE', ['targets', 'an object']],
    ['a fraction', [[0.5]], 'ERR_DTYPE', ['targets', 'integer', '0.5', 'row 0', 'column 0']],
    ['NaN', [[3, Number.NaN]], 'ERR_DTYPE', ['targets', 'integer', 'NaN', 'row 0', 'column 1']],
    ['infinite', [[Number.POSITIVE_INFINITY]], 'ERR_DTYPE', ['Infinity', 'row 0', 'column 0']],
    ['a string in a row', [['3']], 'ERR_DTYPE', ['targets', "'3'", 'row 0', 'column 0']],
    ['null in a row', [[3, null]], 'ERR_DTYPE', ['targets', 'null', 'row 0', 'column 1']],
    ['booleans', [[true, false, false, true]], 'ERR_DTYPE', ['targets', 'true', 'row 0', 'column 0']],
    ['a hole in a row', [withHole([3, 2, 0], 1)], 'ERR_DTYPE', ['targets', 'undefined', 'row 0', 'column 1']],
    ['null for a row', [null], 'ERR_DTYPE', ['targets', 'null', 'row 0, column 0']],
    ['data too short for its shape', i32(3, 1, 4), 'ERR_SHAPE', ['targets', '[1, 4]', '4', '3']],
    ['a negative shape', i32(4, -1, -4), 'ERR_SHAPE', ['shape of targets', '[-1, -4]']],
    ['a hole in the shape', { data: new Int32Array(4), shape: withHole([1, 4], 0) }, 'ERR_SHAPE', ['shape of targets']],
    ['detached', { data: detached(new Int32Array(4)), shape: [1, 4] }, 'ERR_SHAPE', ['targets', '[1, 4]', 'detached']],
    ['detached int64', { data: detached(new BigInt64Array(4)), shape: [1, 4] }, 'ERR_SHAPE', ['targets', 'detached']],
  ])('%s', async (_name, targets, code, parts) => {
    await expectCallFails(lossFn, tensor(X, { requires_grad: true }), targets, code, parts);
  });

  test.each<[string, unknown, unknown, LossErrorCode, Parts]>([
    ['1-D fraction', X[0], [0, 0.5], 'ERR_DTYPE', ['targets', 'integer', '0.5', 'row 0, column 1']],
    ['1-D string', X[0], [0, '1'], 'ERR_DTYPE', ['targets', "'1'", 'row 0, column 1']],
    ['1-D hole', X[0], withHole([0, 1, 2], 1), 'ERR_DTYPE', ['targets', 'undefined', 'row 0, column 1']],
    ['undefined for a row', [...X, ...X, ...X], [[0], undefined, [1]], 'ERR_SHAPE', ['targets[1]', 'undefined']],
    ['a hole among rows', [...X, ...X, ...X], withHole([[0], [1], [1]], 1), 'ERR_SHAPE', ['targets[1]', 'undefined']],
    ['a number beside a row', [...X, ...X], [[0], 1], 'ERR_SHAPE', ['targets[1]', '1']],
    ['a nested row', [...X, ...X], [[0], [[1]]], 'ERR_DTYPE', ['targets', 'an array', 'row 1, column 0']],
  ])('%s', async (_name, scores, targets, code, parts) => {
    await expectCallFails(lossFn, scores, targets, code, parts);
  });
});

describe('targets out of range', () => {
  const cases: [value: number | bigint, rows: (number | bigint)[], column: number][] = [
    [4, [4], 0],
    [4, [3, 4], 1],
    [-2, [-2], 0],
    [-2, [3, 0, -1, -2], 3],
    [9, [3, -1, 9], 2],
    [1_000_000, [-1, -1, -1, 1_000_000], 3],
    [2147483647, [0, 2147483647], 1],
    [-2147483648, [0, -2147483648], 1],
    [2 ** 31, [2 ** 31], 0],
    [2 ** 32, [0, 2 ** 32], 1],
    [2 ** 32 + 1, [0, -1, 2 ** 32 + 1], 2],
    [-(2 ** 32), [-(2 ** 32)], 0],
    [2n ** 53n + 1n, [0n, 2n ** 53n + 1n], 1],
    [2n ** 63n - 1n, [2n ** 63n - 1n], 0],
    [-(2n ** 63n), [3n, -1n, -(2n ** 63n)], 2],
    [-(2n ** 63n) + 1n, [-(2n ** 63n) + 1n], 0],
  ];
  const message = (row: number, column: number, value: number | bigint) => [
    `target ${value} at row ${row}, column ${column} is out of range`,
    '[0, 4)',
    '-1',
  ];
  // The second of three rows.
  const scores = () => tensor([...X, ...X, ...X], { requires_grad: true });

  test.each(cases)('%s as int64', async (value, row, column) => {
    const width = row.length;
    const data = BigInt64Array.from([...row.map(() => 0n), ...row.map(BigInt), ...row.map(() => 0n)]);
    for (const fn of lossFns) {
      await expectCallFails(fn, scores(), { data, shape: [3, width] }, 'ERR_TARGET_RANGE', message(1, column, value));
    }
  });

  test.each(cases.filter(([value]) => Number(value) === (Number(value) | 0)))(
    '%s as int32',
    async (value, row, column) => {
      const width = row.length;
      const data = Int32Array.from([...row.map(() => 0), ...row.map(Number), ...row.map(() => 0)]);
      for (const fn of lossFns) {
        await expectCallFails(fn, scores(), { data, shape: [3, width] }, 'ERR_TARGET_RANGE', message(1, column, value));
      }
    },
  );

  test.each(cases)('%s in a ragged list', async (value, row, column) => {
    await expectCallFails(lossFn, scores(), [[0], row, [1]], 'ERR_TARGET_RANGE', message(1, column, value));
  });

  test.each(cases)('%s for scores [C]', async (value, row, column) => {
    await expectCallFails(lossFn, X[0], row, 'ERR_TARGET_RANGE', message(0, column, value));
  });

  test('the first offender is named', async () => {
    await expectCallFails(lossFn, scores(), [[0, -1, -1], [1, 2, -5], [77]], 'ERR_TARGET_RANGE', message(1, 2, -5));
  });

  test('for scores of shape []', async () => {
    await expectCallFails(lossFn, 0.5, 1, 'ERR_TARGET_RANGE', ['target 1 at row 0, column 0', '[0, 1)']);
    await expectCallFails(lossFn, 0.5, -2, 'ERR_TARGET_RANGE', ['target -2 at row 0, column 0', '[0, 1)']);
  });
});

// Linear memory holds 256 KB of a batch at a time: these have about twelve such parts.
describe('in a batch of several parts', () => {
  const rows = 6000;
  const classes = 120;
  const next = normal(1);
  const data = Float32Array.from({ length: rows * classes }, next);

  test.each([
    ['in the first part', 0],
    ['in the middle', 3333],
    ['in the last row', rows - 1],
  ])('a target out of range %s', async (_name, row) => {
    for (const dtype of [int32, int64] as const) {
      const targets = tensor(new Int32Array(rows * 3), { shape: [rows, 3], dtype: untyped(dtype) });
      (targets.data as Int32Array | BigInt64Array).set(untyped([dtype === int64 ? -7n : -7]), row * 3 + 2);
      for (const fn of lossFns) {
        const scores = tensor(data, { shape: [rows, classes], requires_grad: true });
        await expectCallFails(fn, scores, targets, 'ERR_TARGET_RANGE', [
          `target -7 at row ${row}, column 2`,
          '[0, 120)',
        ]);
      }
    }
  });

  test('the first of several offenders in several parts', () => {
    const targets = new Int32Array(rows).fill(-1);
    targets.set([120], 5999);
    targets.set([121], 2500);
    targets.set([122], 2501);
    const error = lossErrorOf(() =>
      lossFn.forward({ data, shape: [rows, classes] }, { data: targets, shape: [rows, 1] }),
    );
    expect(error.message).toContain('target 121 at row 2500, column 0');
  });

  test.each([
    ['in the first part', 0, 0],
    ['in the middle', 3333, 64],
    ['in the last row', rows - 1, classes - 1],
  ])("a NaN %s under nan: 'error'", async (_name, row, column) => {
    for (const reduction of ['none', 'sum'] as const) {
      const fn = new MultiLabelMarginLoss({ nan: 'error', reduction });
      for (const withNaN of [Float32Array.from(data), Float64Array.from(data)]) {
        withNaN[row * classes + column] = Number.NaN;
        const scores = tensor(withNaN as Float32Array, { shape: [rows, classes], requires_grad: true });
        // Without targets too: every score is looked at.
        await expectCallFails(fn, scores, i32(0, rows, 0), 'ERR_NAN', [`row ${row}, column ${column}`, "'error'"]);
      }
    }
  });

  test('what was accumulated before stays', async () => {
    const scores = tensor(data, { shape: [rows, classes], requires_grad: true });
    lossFn.forward(scores, i32(rows, rows, 1)).backward();
    const targets = new Int32Array(rows);
    targets[rows - 1] = classes;
    await expectCallFails(lossFn, scores, { data: targets, shape: [rows, 1] }, 'ERR_TARGET_RANGE', ['row 5999']);
  });
});

describe("nan: 'error'", () => {
  const strict = new MultiLabelMarginLoss({ nan: 'error' });

  test.each<[string, number[][], number[][], number, number]>([
    [
      'at a target',
      [
        [0, 0],
        [Number.NaN, 1],
      ],
      [[0], [0]],
      1,
      0,
    ],
    [
      'at a non-target',
      [
        [0, Number.NaN],
        [0, 1],
      ],
      [[0], [0]],
      0,
      1,
    ],
    [
      'in a row without targets',
      [
        [0, 0],
        [0, Number.NaN],
      ],
      [[0], []],
      1,
      1,
    ],
    [
      'the first of several',
      [
        [0, 0],
        [Number.NaN, Number.NaN],
      ],
      [[0], []],
      1,
      0,
    ],
  ])('%s', async (_name, x, y, row, column) => {
    for (const dtype of ['float32', 'float64'] as const) {
      const scores = tensor(x, { dtype, requires_grad: true });
      await expectCallFails(strict, scores, y, 'ERR_NAN', [`row ${row}, column ${column}`, 'NaN', "'error'"]);
    }
  });

  test('a NaN of any bits', async () => {
    const data = new Float32Array(Uint32Array.of(0, 0xffc00001, 0x7f800001, 0).buffer);
    await expectCallFails(strict, data, [0], 'ERR_NAN', ['row 0, column 1']);
  });
});

describe('options', () => {
  test.each<[string, unknown, Parts]>([
    ['unknown key', { reduce: true }, ['reduce', 'reduction', 'margin']],
    ['key in another case', { Reduction: 'sum' }, ['Reduction', 'reduction']],
    ['snake case', { target_order: 'ranked' }, ['target_order', 'targetOrder']],
    ['unknown reduction', { reduction: 'avg' }, ['reduction', "'none', 'mean', 'sum'", "'avg'"]],
    ['reduction in another case', { reduction: 'Mean' }, ['reduction', "'Mean'"]],
    ['reduction is no string', { reduction: 1 }, ['reduction', '1']],
    ['reduction is an inherited name', { reduction: 'toString' }, ['reduction', "'toString'"]],
    ['unknown normalization', { normalization: 'batch' }, ['normalization', "'classes', 'targets'", "'batch'"]],
    ['unknown targetOrder', { targetOrder: true }, ['targetOrder', "'ignored', 'ranked'", 'true']],
    ['unknown nan', { nan: 'throw' }, ['nan', "'ignore', 'propagate', 'error'", "'throw'"]],
    ['margin NaN', { margin: Number.NaN }, ['margin', 'finite number', 'NaN']],
    ['margin infinite', { margin: Number.POSITIVE_INFINITY }, ['margin', 'finite number', 'Infinity']],
    ['margin a string', { margin: '1' }, ['margin', 'finite number', "'1'"]],
    ['margin a bigint', { margin: 1n }, ['margin', 'finite number', '1n']],
    ['margin a list', { margin: [1] }, ['margin', 'finite number', 'an array of length 1']],
    ['null', null, ['options', 'object', 'null']],
    ['a number', 5, ['options', 'object', '5']],
    ['a list', [], ['options', 'object', 'an array of length 0']],
  ])('%s', (_name, options, parts) => {
    expectLossError(() => new MultiLabelMarginLoss(untyped(options)), 'ERR_OPTION', parts);
    expectLossError(() => new nn.MultiLabelMarginLoss(untyped(options)), 'ERR_OPTION', parts);
    // There, null is no options.
    if (options === null) return;
    expectLossError(() => nn.functional.multilabel_margin_loss(X, Y, untyped(options)), 'ERR_OPTION', parts);
  });

  test('a string instead of options names the reductions, for the function', () => {
    expectLossError(() => new MultiLabelMarginLoss(untyped('sum')), 'ERR_OPTION', ['object', "'sum'"]);
    expectLossError(() => nn.functional.multilabel_margin_loss(X, Y, untyped('avg')), 'ERR_OPTION', [
      "'none', 'mean', 'sum'",
      "'avg'",
    ]);
  });
});

test('the functional form refuses a backend that computes in promises only, by type and before it computes', () => {
  const backend = { name: 'faraway', computeAsync: () => Promise.reject(new Error('not to be called')) };
  expectLossError(
    // @ts-expect-error: the functional form has no asynchronous one
    () => nn.functional.multilabel_margin_loss(X, Y, { backend }),
    'ERR_OPTION',
    ['multilabel_margin_loss()', 'faraway', 'synchronously', 'createThreadsBackend()'],
  );
});

describe('more than fits in memory', () => {
  test.each([
    // Its bytes cannot be counted in linear memory; then: they can, but memory cannot grow to them.
    ['scores', 2 ** 29, 1],
    ['scores, 16 KB less than 2 GB', 2 ** 29 - 2 ** 12, 1],
    ['targets', 1, 2 ** 29],
  ])('a row of %s', async (_name, classes, width) => {
    // Never written to, so that no memory is behind it.
    const scores = zeros(1, classes);
    const targets = zeros([1, width], { dtype: int32 });
    await expectCallFails(lossFn, scores, targets, 'ERR_OUT_OF_MEMORY', [
      `${classes} scores`,
      `${width} targets`,
      /[12] GB at most/,
    ]);
  });
});
