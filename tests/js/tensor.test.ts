import {
  type DType,
  float32,
  float64,
  int32,
  int64,
  type LossErrorCode,
  randn,
  Tensor,
  tensor,
  zeros,
} from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { expectLossError, untyped, withHole } from './support.js';

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array };
const DTYPES = Object.keys(ARRAYS) as DType[];

test('dtypes are strings that say what they are', () => {
  expect([float32, float64, int32, int64]).toEqual(DTYPES);
});

describe('tensor()', () => {
  test('of nested arrays: row-major, float32', () => {
    const t = tensor([
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    ]);
    expect(t).toBeInstanceOf(Tensor);
    expect(t.shape).toEqual([1, 3, 2]);
    expect(t.dtype).toBe('float32');
    expect(t.data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(t.requires_grad).toBe(false);
    expect(t.grad).toBeNull();
    expect(tensor(3).shape).toEqual([]);
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
  });

  test.each(DTYPES)('of dtype %s', (dtype) => {
    const t = tensor([[1, -1]], { dtype });
    expect(t.dtype).toBe(dtype);
    expect(t.data).toBeInstanceOf(ARRAYS[dtype]);
    expect(t.tolist()).toEqual(dtype === 'int64' ? [[1n, -1n]] : [[1, -1]]);
    expect(tensor([[1n, -1n]], { dtype }).tolist()).toEqual(t.tolist());
  });

  test('int64 holds what a double cannot', () => {
    const values = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n];
    expect(tensor(values, { dtype: int64 }).tolist()).toEqual(values);
    expect(tensor(2 ** 40, { dtype: int64 }).item()).toBe(2n ** 40n);
  });

  test.each(DTYPES)('wraps a typed array of %s and does not copy it', (dtype) => {
    const data = new ARRAYS[dtype](6);
    const t = tensor(data as Float32Array, { shape: [2, 3] });
    expect(t.data).toBe(data);
    expect(t.dtype).toBe(dtype);
    expect(t.shape).toEqual([2, 3]);
    expect(tensor(data as Float32Array).shape).toEqual([6]);
    expect(tensor(data as Float32Array).data).toBe(data);
    expect(tensor(data as Float32Array, { dtype: untyped(dtype) }).data).toBe(data);
  });

  test('converts a typed array to the dtype asked for, in a copy', () => {
    const data = Float64Array.of(0.1, 2);
    const t = tensor(data, { dtype: untyped(float32), shape: [1, 2] });
    expect(t.data).toEqual(Float32Array.of(0.1, 2));
    expect(t.shape).toEqual([1, 2]);
    expect(tensor(BigInt64Array.of(3n, -1n), { dtype: untyped(int32) }).data).toEqual(Int32Array.of(3, -1));
    expect(tensor(Int32Array.of(3, -1), { dtype: untyped(int64) }).data).toEqual(BigInt64Array.of(3n, -1n));
    expect(data).toEqual(Float64Array.of(0.1, 2));
  });

  test('converts typed arrays that no tensor holds', () => {
    expect(tensor(Uint8Array.of(3, 255), { dtype: int32, shape: [1, 2] }).tolist()).toEqual([[3, 255]]);
    expect(tensor(Int16Array.of(-5), { dtype: float64, requires_grad: true }).data).toEqual(Float64Array.of(-5));
    expect(tensor(BigUint64Array.of(7n), { dtype: int64 }).tolist()).toEqual([7n]);
    const beyond = expect.objectContaining({ code: 'ERR_DTYPE' }) as Error;
    expect(() => tensor(Uint32Array.of(2 ** 31), { dtype: int32 })).toThrow(beyond);
  });

  test('does not keep the list of its shape', () => {
    const shape = [2, 2];
    const t = tensor(new Float32Array(4), { shape });
    shape[0] = 7;
    expect(t.shape).toEqual([2, 2]);
  });

  test('requires_grad, for floats', () => {
    expect(tensor([1], { requires_grad: true }).requires_grad).toBe(true);
    expect(tensor([1], { requires_grad: true, dtype: float64 }).requires_grad).toBe(true);
    expect(zeros([2], { requires_grad: true }).requires_grad).toBe(true);
    expect(randn([2], { requires_grad: true }).requires_grad).toBe(true);
  });

  test.each<[string, () => unknown, LossErrorCode, (string | RegExp)[]]>([
    ['ragged', () => tensor([[1, 2], [3]]), 'ERR_SHAPE', ['data[1]', 'length 2', 'length 1']],
    [
      'ragged in depth',
      () =>
        tensor([
          [[1], [2]],
          [[1], [2, 3]],
        ]),
      'ERR_SHAPE',
      ['data[1][1]', 'length 1', 'length 2'],
    ],
    ['number beside list', () => tensor([[1], 2]), 'ERR_SHAPE', ['data[1]', 'length 1', '2']],
    ['list beside number', () => tensor([1, [2]]), 'ERR_DTYPE', ['data[1]', 'an array of length 1']],
    ['string', () => tensor(untyped([1, '2'])), 'ERR_DTYPE', ['data[1]', "'2'"]],
    ['bare string', () => tensor(untyped('12')), 'ERR_DTYPE', ["'12'"]],
    ['null', () => tensor(untyped(null)), 'ERR_DTYPE', ['null']],
    ['null inside', () => tensor(untyped([[1, null]])), 'ERR_DTYPE', ['data[0][1]', 'null']],
    ['undefined', () => tensor(untyped(undefined)), 'ERR_DTYPE', ['undefined']],
    ['boolean', () => tensor(untyped([true])), 'ERR_DTYPE', ['data[0]', 'true']],
    ['hole', () => tensor(withHole([1, 0, 2], 1)), 'ERR_DTYPE', ['data[1]', 'undefined']],
    ['hole among rows', () => tensor(withHole([[1], [], [2]], 1)), 'ERR_SHAPE', ['data[1]', 'undefined']],
    ['object', () => tensor(untyped({ length: 1 })), 'ERR_DTYPE', ['an object']],
    ['Uint8Array', () => tensor(untyped(new Uint8Array(2))), 'ERR_DTYPE', ['Float32Array', 'a Uint8Array']],
    ['DataView', () => tensor(untyped(new DataView(new ArrayBuffer(8)))), 'ERR_DTYPE', ['a DataView']],
    [
      'DataView, converted',
      () => tensor(untyped(new DataView(new ArrayBuffer(8))), { dtype: float32 }),
      'ERR_DTYPE',
      ['a DataView'],
    ],
    [
      'fraction as int32',
      () => tensor([1, 0.5], { dtype: int32 }),
      'ERR_DTYPE',
      ['data[1]', 'integer', '0.5', 'int32'],
    ],
    ['NaN as int64', () => tensor([Number.NaN], { dtype: int64 }), 'ERR_DTYPE', ['data[0]', 'integer', 'NaN']],
    ['infinite as int32', () => tensor(Number.NEGATIVE_INFINITY, { dtype: int32 }), 'ERR_DTYPE', ['-Infinity']],
    ['beyond int32', () => tensor([2 ** 31], { dtype: int32 }), 'ERR_DTYPE', ['data[0]', 'int32', '2147483648']],
    ['beyond int64', () => tensor([2n ** 63n], { dtype: int64 }), 'ERR_DTYPE', ['int64', '9223372036854775808']],
    ['shape too large', () => tensor(new Float32Array(5), { shape: [2, 3] }), 'ERR_SHAPE', ['[2, 3]', '6', '5']],
    ['shape too small', () => tensor([1, 2, 3], { shape: [2] }), 'ERR_SHAPE', ['[2]', '2', '3']],
    ['negative shape', () => tensor(new Float32Array(4), { shape: [-2, -2] }), 'ERR_SHAPE', ['[-2, -2]', 'from 0']],
    ['fractional shape', () => tensor(new Float32Array(3), { shape: [1.5, 2] }), 'ERR_SHAPE', ['[1.5, 2]']],
    ['NaN shape', () => tensor(new Float32Array(0), { shape: [Number.NaN] }), 'ERR_SHAPE', ['[NaN]']],
    ['number as shape', () => tensor([1], { shape: untyped(1) }), 'ERR_SHAPE', ['list of integers', '1']],
    ['string as shape', () => tensor([1], { shape: untyped('1') }), 'ERR_SHAPE', ['list of integers', "'1'"]],
    ['strings in shape', () => tensor([1], { shape: untyped(['1']) }), 'ERR_SHAPE', ["['1']"]],
    ['hole in shape', () => tensor(new Float32Array(3), { shape: withHole([0, 3], 0) }), 'ERR_SHAPE', ['undefined']],
    ['unknown dtype', () => tensor([1], { dtype: untyped('float16') }), 'ERR_OPTION', ['float32', "'float16'"]],
    ['inherited name as dtype', () => tensor([1], { dtype: untyped('toString') }), 'ERR_OPTION', ["'toString'"]],
    [
      'unknown option',
      () => tensor([1], untyped({ requiresGrad: true })),
      'ERR_OPTION',
      ['requiresGrad', 'requires_grad'],
    ],
    ['no options', () => tensor([1], untyped(null)), 'ERR_OPTION', ['null']],
    [
      'requires_grad no boolean',
      () => tensor([1], { requires_grad: untyped('no') }),
      'ERR_OPTION',
      ['requires_grad', "'no'"],
    ],
    [
      'integers with gradient',
      () => tensor([1], { dtype: int32, requires_grad: untyped(true) }),
      'ERR_DTYPE',
      ['int32'],
    ],
    ['nested beyond reason', () => tensor(nestedDeep(100_000)), 'ERR_SHAPE', []],
  ])('%s', (_name, call, code, parts) => {
    expectLossError(call, code, parts);
  });

  function nestedDeep(depth: number): never {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = [value];
    return value as never;
  }
});

describe('new Tensor()', () => {
  test('checks what it is given', () => {
    expectLossError(() => new Tensor(untyped([1, 2]), [2]), 'ERR_DTYPE', ['Float32Array', 'an array of length 2']);
    expectLossError(() => new Tensor(new Float32Array(2), [3]), 'ERR_SHAPE', ['[3]', '2']);
    expectLossError(() => new Tensor(new Int32Array(2), [2], true), 'ERR_DTYPE', ['int32']);
  });
});

describe('zeros()', () => {
  test('of a list or of arguments', () => {
    expect(zeros(2, 3)).toEqual(zeros([2, 3]));
    expect(zeros(2, 3).tolist()).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(zeros().tolist()).toBe(0);
    expect(zeros([]).tolist()).toBe(0);
    expect(zeros(0, 5).shape).toEqual([0, 5]);
    expect(zeros(2 ** 40, 0).data).toHaveLength(0);
    expect(zeros(2, { dtype: float64 }).data).toEqual(new Float64Array(2));
  });

  test.each(DTYPES)('of dtype %s', (dtype) => {
    const t = zeros([2, 2], { dtype });
    expect(t.dtype).toBe(dtype);
    expect(t.data).toEqual(new ARRAYS[dtype](4));
  });

  test.each<[string, () => unknown, LossErrorCode, (string | RegExp)[]]>([
    ['negative', () => zeros(-1), 'ERR_SHAPE', ['zeros()', '-1']],
    ['fraction', () => zeros([2.5]), 'ERR_SHAPE', ['2.5']],
    ['string', () => zeros(untyped('3')), 'ERR_SHAPE', ["'3'"]],
    ['two lists', () => zeros(untyped([2]), untyped([3])), 'ERR_SHAPE', ['zeros()']],
    ['hole', () => zeros(withHole([2, 0, 3], 1)), 'ERR_SHAPE', []],
    ['null', () => zeros(untyped(null)), 'ERR_SHAPE', ['null']],
    ['unknown option', () => zeros([2], untyped({ shape: [2] })), 'ERR_OPTION', ['zeros()', 'shape', 'dtype']],
    ['unknown dtype', () => zeros([2], { dtype: untyped('bool') }), 'ERR_OPTION', ["'bool'"]],
    [
      'integers with gradient',
      () => zeros([2], { dtype: int64, requires_grad: untyped(true) }),
      'ERR_DTYPE',
      ['int64'],
    ],
    ['more than there is memory', () => zeros([2 ** 31, 4]), 'ERR_OUT_OF_MEMORY', ['8589934592', 'float32']],
    ['more than a double counts', () => zeros([2 ** 52, 2 ** 52]), 'ERR_OUT_OF_MEMORY', ['float32']],
  ])('%s', (_name, call, code, parts) => {
    expectLossError(call, code, parts);
  });
});

describe('item() and tolist()', () => {
  test('item() of one element in any shape', () => {
    expect(tensor(0.5).item()).toBe(0.5);
    expect(tensor([[0.5]]).item()).toBe(0.5);
    expect(tensor([7], { dtype: int32 }).item()).toBe(7);
    expect(tensor([7], { dtype: int64 }).item()).toBe(7n);
  });

  test('item() of more or none is an error', () => {
    expectLossError(() => tensor([1, 2]).item(), 'ERR_SHAPE', ['2', '[2]']);
    expectLossError(() => zeros(0, 3).item(), 'ERR_SHAPE', ['0', '[0, 3]']);
  });

  test('tolist() nests as the shape does', () => {
    expect(tensor(Float32Array.of(1, 2, 3, 4, 5, 6), { shape: [1, 3, 2] }).tolist()).toEqual([
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    ]);
    expect(zeros(2, 0).tolist()).toEqual([[], []]);
    expect(zeros(0, 2).tolist()).toEqual([]);
    expect(tensor(tensor([[1.5, 2]]).tolist()).tolist()).toEqual([[1.5, 2]]);
  });
});
