// Seeded random numbers: the same on every machine, and distributed as they should be.

import { int32, type LossErrorCode, manual_seed, randn, randperm } from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { expectLossError, expectSameBits, untyped } from './support.js';

/** xoshiro128++ in integers of any size, seeded by SplitMix64: the definition, to compare with. */
function* reference(seed: bigint): Generator<bigint> {
  const wrap = (x: bigint): bigint => BigInt.asUintN(32, x);
  const rotate = (x: bigint, by: bigint): bigint => wrap((x << by) | (x >> (32n - by)));
  let z = BigInt.asUintN(64, seed);
  const split = (): bigint => {
    z = BigInt.asUintN(64, z + 0x9e3779b97f4a7c15n);
    let x = z;
    x = BigInt.asUintN(64, (x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
    x = BigInt.asUintN(64, (x ^ (x >> 27n)) * 0x94d049bb133111ebn);
    return x ^ (x >> 31n);
  };
  const [first, second] = [split(), split()];
  const state = [wrap(first), first >> 32n, wrap(second), second >> 32n];
  for (;;) {
    const [s0, s1, s2, s3] = state as [bigint, bigint, bigint, bigint];
    yield wrap(rotate(wrap(s0 + s3), 7n) + s0);
    const [t2, t3] = [s2 ^ s0, s3 ^ s1];
    state[1] = s1 ^ t2;
    state[0] = s0 ^ t3;
    state[2] = t2 ^ wrap(s1 << 9n);
    state[3] = rotate(t3, 11n);
  }
}

describe('manual_seed()', () => {
  test('randn() follows the definition of its generator', () => {
    const source = reference(42n);
    const next = (): number => (Number(source.next().value) + 0.5) / 2 ** 31 - 1;
    const expected: number[] = [];
    while (expected.length < 1000) {
      const [u, v] = [next(), next()];
      const square = u * u + v * v;
      if (square >= 1) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      expected.push(u * factor, v * factor);
    }
    manual_seed(42);
    const actual = randn([1000], { dtype: 'float64' }).data;
    // The logarithm is off by 4e-16 of its size, its square root by half of that; three roundings and Math.log() add 5e-16.
    actual.forEach((value, i) => expect(Math.abs(value / expected[i]! - 1)).toBeLessThan(8e-16));
  });

  test('every engine gives these numbers', () => {
    manual_seed(1);
    expectSameBits(
      randn([4], { dtype: 'float64' }).data,
      [-0.0031894755060437605, 2.5222842103028804, 1.0739668960242732, 0.2881663480800151],
    );
    expect(randperm(8, { dtype: int32 }).tolist()).toEqual([0, 4, 2, 5, 7, 1, 3, 6]);
  });

  test.each<[string, number | bigint, number | bigint]>([
    ['0 and -0', 0, -0],
    ['a number and a bigint', 7, 7n],
    ['a negative number and its 64 bits', -1, 2n ** 64n - 1n],
  ])('the same seed: %s', (_name, a, b) => {
    manual_seed(a);
    const first = randn(100).data;
    manual_seed(b);
    expectSameBits(randn(100).data, first);
  });

  test('other seeds give other numbers', () => {
    const firsts = [0, 1, 2, -1, 2 ** 32, 2 ** 53 - 1, 2n ** 63n].map((seed) => {
      manual_seed(seed);
      return randn([1], { dtype: 'float64' }).item();
    });
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  test.each<[string, unknown]>([
    ['0.5', 0.5],
    ['NaN', Number.NaN],
    ['9007199254740992', 2 ** 53],
    ['18446744073709551616n', 2n ** 64n],
    ["'1'", '1'],
    ['undefined', undefined],
  ])('%s is refused, and the seed stays', (text, seed) => {
    manual_seed(3);
    const first = randn(10).data;
    manual_seed(3);
    expectLossError(() => manual_seed(untyped(seed)), 'ERR_OPTION', ['manual_seed()', text]);
    expectSameBits(randn(10).data, first);
  });
});

describe('randn()', () => {
  const size = 100_000;

  test.each(['float32', 'float64'] as const)('%s: mean 0, variance 1, symmetric, normal tails', (dtype) => {
    const t = randn([size], { dtype });
    expect(t.dtype).toBe(dtype);
    const data = Array.from(t.data as Float64Array);
    expect(data.every(Number.isFinite)).toBe(true);
    // Seven standard deviations of each estimate: fails by chance less than once in 10^11 runs.
    const sigmas = 7 / Math.sqrt(size);
    const moment = (power: number): number => data.reduce((sum, x) => sum + x ** power, 0) / size;
    expect(Math.abs(moment(1))).toBeLessThan(sigmas);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(sigmas * Math.sqrt(2));
    expect(Math.abs(moment(3))).toBeLessThan(sigmas * Math.sqrt(15));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(sigmas * Math.sqrt(96));
    // Neighbours are independent.
    const covariance = data.reduce((sum, x, i) => sum + x * (data[i + 1] ?? 0), 0) / size;
    expect(Math.abs(covariance)).toBeLessThan(sigmas);
  });

  test('two calls differ', () => {
    expect(randn(4).tolist()).not.toEqual(randn(4).tolist());
    expect(randn(2, 3).shape).toEqual([2, 3]);
    expect(randn(0, 3).data).toHaveLength(0);
  });

  test.each<[string, () => unknown, LossErrorCode, (string | RegExp)[]]>([
    ['integers', () => randn([2], untyped({ dtype: int32 })), 'ERR_DTYPE', ['randn()', 'int32']],
    ['negative', () => randn(-1), 'ERR_SHAPE', ['randn()', '-1']],
    ['unknown option', () => randn([2], untyped({ seed: 1 })), 'ERR_OPTION', ['randn()', 'seed']],
    ['more than there is memory', () => randn([2 ** 31, 4]), 'ERR_OUT_OF_MEMORY', ['8589934592']],
  ])('%s', (_name, call, code, parts) => {
    expectLossError(call, code, parts);
  });
});

describe('randperm()', () => {
  test('is a permutation, int64 unless asked otherwise', () => {
    for (const n of [0, 1, 2, 1000]) {
      const order = randperm(n);
      expect(order.dtype).toBe('int64');
      expect(order.shape).toEqual([n]);
      expect(Array.from(order.data, Number).sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    }
    expect(randperm(3, { dtype: int32 }).data).toBeInstanceOf(Int32Array);
  });

  test('each order is as likely as any other', () => {
    manual_seed(5);
    const draws = 60_000;
    const counts = new Map<string, number>();
    for (let i = 0; i < draws; i++) {
      const order = randperm(4, { dtype: int32 }).data.join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    // Chi-squared with 23 degrees of freedom, whose standard deviation is sqrt(46); the seed is fixed, so it passes always or never.
    const expected = draws / 24;
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquared).toBeLessThan(23 + 5 * Math.sqrt(46));
  });

  test.each<[string, () => unknown, (string | RegExp)[]]>([
    ['a fraction', () => randperm(1.5), ['1.5']],
    ['a negative number', () => randperm(-1), ['-1']],
    ['more than int32 holds', () => randperm(2 ** 31), ['2147483648']],
    ['a float dtype', () => randperm(3, untyped({ dtype: 'float32' })), ['float32']],
    ['an unknown option', () => randperm(3, untyped({ seed: 1 })), ['seed']],
  ])('%s', (_name, call, parts) => {
    expectLossError(call, 'ERR_OPTION', ['randperm()', ...parts]);
  });
});
