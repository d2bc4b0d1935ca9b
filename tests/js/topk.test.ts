// The k largest scores of each row, against a sort.

import { type LossErrorCode, tensor, topk } from 'multilabel-margin-loss';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectLossError, expectSameBits, untyped } from './support.js';

/** Classes by descending score, NaN first, ties by class. */
function ranking(row: readonly number[]): number[] {
  const key = (x: number): number => (Number.isNaN(x) ? Number.POSITIVE_INFINITY : x);
  return [...row.keys()].sort((a, b) => {
    const [x, y] = [row[a]!, row[b]!];
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? -1 : 1;
    return key(x) === key(y) ? a - b : key(y) - key(x);
  });
}

// Few different values, so that ties are frequent.
const score = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(NaN, Infinity, -Infinity, -0), fc.float());

test('agrees with a sort, for any k', () => {
  const rows = fc
    .integer({ min: 1, max: 40 })
    .chain((classes) =>
      fc.array(fc.array(score, { minLength: classes, maxLength: classes }), { minLength: 1, maxLength: 4 }),
    );
  fc.assert(
    fc.property(rows, fc.nat(), (scores, anyK) => {
      const k = anyK % (scores[0]!.length + 1);
      const { values, indices } = topk(tensor(scores), k);
      const expected = scores.flatMap((row) => ranking(row.map(Math.fround)).slice(0, k));
      expect([...indices.data]).toEqual(expected);
      expect([values.shape, indices.shape]).toEqual([
        [scores.length, k],
        [scores.length, k],
      ]);
      const data = expected.map((j, i) => scores[Math.floor(i / k)]![j]!);
      expectSameBits(values.data, Float32Array.from(data));
    }),
  );
});

describe('forms', () => {
  test('one row', () => {
    const { values, indices } = topk([0.5, 2, -1, 1.25], 2);
    expect([values.tolist(), indices.tolist(), indices.dtype]).toEqual([[2, 1.25], [1, 3], 'int32']);
  });

  test('float64 stays float64', () => {
    const { values } = topk(Float64Array.of(0.1, 0.3, 0.2), 1);
    expect(values.dtype).toBe('float64');
    expect(values.tolist()).toEqual([0.3]);
  });

  test('no rows', () => {
    expect(topk({ data: new Float32Array(0), shape: [0, 5] }, 3).indices.shape).toEqual([0, 3]);
  });
});

test.each<[string, () => unknown, LossErrorCode, (string | RegExp)[]]>([
  ['more than there are classes', () => topk([1, 2, 3], 4), 'ERR_OPTION', ['k must', '3 classes', '4']],
  ['a negative k', () => topk([1, 2, 3], -1), 'ERR_OPTION', ['-1']],
  ['a fraction', () => topk([1, 2, 3], 1.5), 'ERR_OPTION', ['1.5']],
  ['no k', () => topk([1, 2, 3], untyped(undefined)), 'ERR_OPTION', ['undefined']],
  ['integers', () => topk(untyped(new Int32Array(3)), 1), 'ERR_DTYPE', ['float32 or float64', 'int32']],
  ['three dimensions', () => topk(untyped([[[1]]]), 1), 'ERR_SHAPE', ['[1, 1, 1]']],
])('%s', (_name, call, code, parts) => {
  expectLossError(call, code, parts);
});
