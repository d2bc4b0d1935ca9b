// fromMultiHot: target lists of 0/1 masks.

import {
  fromMultiHot,
  int64,
  type LossErrorCode,
  type MultiHotMask,
  MultiLabelMarginLoss,
  tensor,
} from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { expectLossError, padded, uniform, untyped, withHole } from './support.js';

describe('fromMultiHot', () => {
  test.each<[string, MultiHotMask]>([
    [
      'nested numbers',
      [
        [0, 1, 0, 1],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
      ],
    ],
    [
      'nested booleans',
      [
        [false, true, false, true],
        [true, false, false, false],
        [false, false, false, false],
      ],
    ],
    [
      'nested, mixed',
      [
        [0, true, false, 1],
        [1, 0, 0, 0],
        [false, 0, -0, 0],
      ],
    ],
    [
      'a float32 tensor',
      tensor([
        [0, 1, 0, 1],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
      ]),
    ],
    [
      'an int64 tensor',
      tensor(
        [
          [0, 1, 0, 1],
          [1, 0, 0, 0],
          [0, 0, 0, 0],
        ],
        { dtype: int64 },
      ),
    ],
    ['{ data, shape } of bytes', { data: Uint8Array.of(0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0), shape: [3, 4] }],
    ['{ data, shape } of booleans', { data: [...'010110000000'].map((c) => c === '1'), shape: [3, 4] }],
  ])('of %s', (_name, mask) => {
    const targets = fromMultiHot(mask);
    expect(targets.dtype).toBe('int32');
    expect(targets.shape).toEqual([3, 2]);
    expect(targets.tolist()).toEqual([
      [1, 3],
      [0, -1],
      [-1, -1],
    ]);
  });

  test('of one row', () => {
    expect(fromMultiHot([0, 1, 1]).tolist()).toEqual([1, 2]);
    expect(fromMultiHot([0, 1, 1]).shape).toEqual([2]);
    expect(fromMultiHot([false, true]).tolist()).toEqual([1]);
    expect(fromMultiHot({ data: BigInt64Array.of(1n, 0n), shape: [2] }).tolist()).toEqual([0]);
  });

  test('of nothing', () => {
    expect(fromMultiHot([0, 0]).shape).toEqual([0]);
    expect(fromMultiHot([]).shape).toEqual([0]);
    expect(
      fromMultiHot([
        [0, 0],
        [0, 0],
      ]).shape,
    ).toEqual([2, 0]);
    expect(fromMultiHot([[], []]).shape).toEqual([2, 0]);
    expect(fromMultiHot({ data: [], shape: [0, 5] }).shape).toEqual([0, 0]);
  });

  test('gives the targets that the mask means', () => {
    const next = uniform(5);
    const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
    const mask = Array.from({ length: 7 }, () => Array.from({ length: 50 }, () => (next() < 0.2 ? 1 : 0)));
    const lists = mask.map((row) => row.flatMap((value, j) => (value === 1 ? [j] : [])));
    const targets = fromMultiHot(mask);
    expect(Array.from(targets.data)).toEqual(padded(lists));
    const scores = tensor(Float32Array.from({ length: 350 }, next), { shape: [7, 50] });
    expect(lossFn.valueAndGrad(scores, targets)).toEqual(lossFn.valueAndGrad(scores, lists));
    expect(lossFn.forward(scores.data.slice(0, 50) as Float32Array, fromMultiHot(mask[0]!)).item()).toBe(
      (lossFn.forward(scores, lists).tolist() as number[])[0],
    );
  });

  test('does not modify the mask', () => {
    const data = Uint8Array.of(0, 1, 1);
    fromMultiHot({ data, shape: [3] });
    expect(data).toEqual(Uint8Array.of(0, 1, 1));
  });

  test.each<[string, unknown, LossErrorCode, (string | RegExp)[]]>([
    [
      'another number',
      [
        [0, 1],
        [1, 2],
      ],
      'ERR_DTYPE',
      ['0 and 1', '2', 'row 1, column 1'],
    ],
    ['padding', [[1, -1]], 'ERR_DTYPE', ['0 and 1', '-1', 'row 0, column 1']],
    ['a probability', { data: Float32Array.of(1, 0.5), shape: [2] }, 'ERR_DTYPE', ['0.5', 'row 0, column 1']],
    ['NaN', [Number.NaN], 'ERR_DTYPE', ['NaN', 'row 0, column 0']],
    ['a large bigint', { data: BigInt64Array.of(2n ** 60n), shape: [1] }, 'ERR_DTYPE', ['1152921504606846976n']],
    ['a string', [['1', '0']], 'ERR_DTYPE', ["'1'", 'row 0, column 0']],
    ['null in a row', [[null, 0]], 'ERR_DTYPE', ['null', 'row 0, column 0']],
    ['a hole in one row', withHole([1, 0, 1], 1), 'ERR_DTYPE', ['undefined', 'row 0, column 1']],
    ['a hole in a row', [withHole([1, 0, 1], 1)], 'ERR_DTYPE', ['undefined', 'row 0, column 1']],
    ['ragged', [[0, 1], [1]], 'ERR_SHAPE', ['row 1', 'length 2', 'length 1']],
    ['a number beside a row', [[0, 1], 1], 'ERR_SHAPE', ['row 1', 'length 2', '1']],
    ['a row beside a number', [1, [0, 1]], 'ERR_SHAPE', [/^(?!.*undefined)/, 'row 0', '1']],
    ['null beside a row', [null, [0, 1]], 'ERR_SHAPE', ['row 0', 'null']],
    ['a row beside null', [[0, 1], null], 'ERR_SHAPE', ['row 1', 'null']],
    [
      'a hole among rows',
      withHole(
        [
          [0, 1],
          [1, 0],
          [1, 0],
        ],
        1,
      ),
      'ERR_SHAPE',
      ['row 1', 'undefined'],
    ],
    ['3-D', [[[0, 1]]], 'ERR_DTYPE', ['row 0, column 0', 'an array']],
    ['3-D tensor', tensor([[[0, 1]]]), 'ERR_SHAPE', ['[N, C]', '[1, 1, 2]']],
    ['0-D tensor', tensor(1), 'ERR_SHAPE', ['[N, C]', '[]']],
    ['data too short', { data: [0, 1, 0], shape: [2, 2] }, 'ERR_SHAPE', ['[2, 2]', '4', '3']],
    ['data too long', { data: [0, 1, 0], shape: [2] }, 'ERR_SHAPE', ['[2]', '2', '3']],
    ['a negative shape', { data: [1], shape: [-1, -1] }, 'ERR_SHAPE', ['[-1, -1]']],
    ['a fractional shape', { data: [1, 0, 1], shape: [2, 1.5] }, 'ERR_SHAPE', ['[2, 1.5]']],
    ['strings in the shape', { data: [1, 0], shape: ['2'] }, 'ERR_SHAPE', ["'2'"]],
    ['no data', { shape: [2] }, 'ERR_SHAPE', ['[2]', '2']],
    ['null as data', { data: null, shape: [2] }, 'ERR_SHAPE', ['[2]', '2']],
    ['no shape', { data: [0, 1] }, 'ERR_SHAPE', ['[N, C]']],
    ['a number', 1, 'ERR_SHAPE', ['[N, C]']],
    ['a string, as data', { data: '01', shape: [2] }, 'ERR_DTYPE', ["'0'", 'row 0, column 0']],
    ['null', null, 'ERR_SHAPE', ['null']],
    ['undefined', undefined, 'ERR_SHAPE', ['undefined']],
  ])('%s', (_name, mask, code, parts) => {
    expectLossError(() => fromMultiHot(untyped(mask)), code, parts);
  });
});
