// Properties of random batches. A failure prints fast-check's seed and the smallest spec it found; a spec is all that
// `makeBatch` needs to build the batch again.

import fc from 'fast-check';
import { MultiLabelMarginLoss, type MultiLabelMarginLossOptions, type Tensor, tensor } from 'multilabel-margin-loss';
import { describe, expect, test, vi } from 'vitest';
import { activeTargets, type ReferenceBatch, reference, unitRoundoff } from './reference.js';
import {
  expectSameBits,
  expectWithin,
  normal,
  padded,
  permutation,
  settled,
  SHARE,
  uniform,
  widest,
} from './support.js';

// Chance makes targets of 0 and 1 too, which the package warns about.
vi.spyOn(console, 'warn').mockImplementation(() => {});

interface Spec {
  dtype: 'float32' | 'float64';
  rows: number;
  classes: number;
  /** Of the classes, how many are targets at most, in eighths. */
  eighths: number;
  duplicates: boolean;
  kind: 'normal' | 'grid' | 'outliers' | 'special';
  seed: number;
}

interface Batch extends ReferenceBatch {
  /** For the package: the same numbers. */
  x: Tensor;
}

// Rows of more than 256 classes and 32 targets are counted in another way than those of fewer.
const classCounts = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 257, max: 600 }) },
);

const specs = (kinds: Spec['kind'][] = ['normal', 'grid', 'outliers', 'special']): fc.Arbitrary<Spec> =>
  fc.record({
    dtype: fc.constantFrom('float32', 'float64'),
    rows: fc.integer({ min: 1, max: 4 }),
    classes: classCounts,
    eighths: fc.integer({ min: 0, max: 8 }),
    duplicates: fc.boolean(),
    kind: fc.constantFrom(...kinds),
    seed: fc.nat(),
  });

const options: fc.Arbitrary<MultiLabelMarginLossOptions> = fc.record({
  reduction: fc.constantFrom('none', 'mean', 'sum'),
  margin: fc.constantFrom(1, 1, 0.25, 0.1, 3, 0, -0.5),
  normalization: fc.constantFrom('classes', 'targets'),
  targetOrder: fc.constantFrom('ignored', 'ranked'),
  nan: fc.constantFrom('ignore', 'propagate'),
});

const SPECIAL = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  1e-45,
  -1e-310,
  1e30,
  -1e30,
  3e37,
  2 ** 24,
  1 + 2 ** -23,
];

function makeScores(dtype: Spec['dtype'], length: number, next: () => number): Float32Array | Float64Array {
  return dtype === 'float32' ? Float32Array.from({ length }, next) : Float64Array.from({ length }, next);
}

function makeBatch({ dtype, rows, classes, eighths, duplicates, kind, seed }: Spec): Batch {
  const next = uniform(seed);
  const gaussian = normal(seed + 1);
  const score = {
    normal: gaussian,
    // Multiples of 1/4: many pairs exactly on the margin, and every sum exact.
    grid: () => Math.round(gaussian() * 4) / 4,
    outliers: () => gaussian() * (next() < 0.03 ? 1e6 : next() < 0.5 ? 1e-3 : 1),
    special: () => (next() < 0.1 ? SPECIAL[Math.floor(next() * SPECIAL.length)]! : gaussian()),
  }[kind];
  const scores = makeScores(dtype, rows * classes, score);
  const most = Math.ceil((classes * eighths) / 8);
  const targets = Array.from({ length: rows }, () => {
    const K = next() < 0.5 ? most : Math.floor(next() * (most + 1));
    const row = duplicates
      ? Array.from({ length: K }, () => Math.floor(next() * classes))
      : permutation(classes, next).slice(0, K);
    // Sometimes a -1 and entries that do not count.
    return next() < 0.3 ? [...row, -1, Math.floor(next() * classes), -1] : row;
  });
  return { scores, rows, classes, targets, x: tensor(scores as Float32Array, { shape: [rows, classes] }) };
}

/** The elements of a loss or gradient, of either type. */
const floats = (t: Tensor): Float64Array => t.data as Float64Array;
const evaluate = (batch: Batch, o: MultiLabelMarginLossOptions = {}) =>
  settled(new MultiLabelMarginLoss(o).valueAndGrad(batch.x, batch.targets));

function check(
  numRuns: number,
  property: (spec: Spec, o: MultiLabelMarginLossOptions) => Promise<void>,
  kinds?: Spec['kind'][],
): Promise<void> {
  return fc.assert(
    fc.asyncProperty(specs(kinds), options, (spec, o) => property(spec, o)),
    { numRuns: Math.ceil(numRuns * SHARE) },
  );
}

describe('equality with the reference', () => {
  test.each(['normal', 'grid', 'outliers', 'special'] as const)('%s scores', async (kind) => {
    await check(
      300,
      async (spec, o) => {
        const batch = makeBatch(spec);
        const exact = reference(batch, o);
        const { loss, grad } = await evaluate(batch, o);
        if (o.reduction === 'none') expectWithin(floats(loss), exact.losses, exact.lossBounds, 'loss');
        else expectWithin(floats(loss), [exact.loss], exact.lossBound, 'loss');
        expectWithin(floats(grad), exact.gradient, exact.gradientBounds, 'gradient');
      },
      [kind],
    );
  });
});

describe('equivariance', () => {
  test('classes in another order: the gradient in that order, to the bit', async () => {
    await check(100, async (spec, o) => {
      const batch = makeBatch(spec);
      const { rows, classes, scores, targets } = batch;
      const order = permutation(classes, uniform(spec.seed + 2)); // class j moves to order[j]
      const moved = scores.slice();
      for (let i = 0; i < scores.length; i++) moved[i - (i % classes) + order[i % classes]!] = scores[i]!;
      const movedTargets = targets.map((row) => row.map((k) => (k < 0 ? k : order[k]!)));
      const movedBatch = {
        ...batch,
        scores: moved,
        targets: movedTargets,
        x: tensor(moved as Float32Array, { shape: [rows, classes] }),
      };
      const before = await evaluate(batch, o);
      const after = await evaluate(movedBatch, o);
      expectSameBits(
        floats(after.grad),
        Array.from({ length: scores.length }, (_, i) => {
          const from = order.indexOf(i % classes);
          return floats(before.grad)[i - (i % classes) + from]!;
        }),
        'gradient',
      );
      // The terms of the loss are added in another order.
      const exact = reference(batch, o);
      const bounds = o.reduction === 'none' ? exact.lossBounds : [exact.lossBound];
      expectWithin(
        floats(after.loss),
        floats(before.loss),
        Array.from(bounds, (bound) => 2 * bound),
        'loss',
      );
    });
  });

  test('rows in another order: losses and gradients in that order, to the bit', async () => {
    await check(100, async (spec, o) => {
      const batch = makeBatch(spec);
      const { rows, classes, scores, targets } = batch;
      const order = permutation(rows, uniform(spec.seed + 2)); // row i comes from order[i]
      const rowOf = (data: Float64Array, row: number) => Array.from(data.slice(row * classes, (row + 1) * classes));
      const moved = scores.slice();
      order.forEach((from, row) => {
        moved.set(scores.subarray(from * classes, (from + 1) * classes), row * classes);
      });
      const movedBatch = {
        ...batch,
        targets: order.map((from) => targets[from]!),
        x: tensor(moved as Float32Array, { shape: [rows, classes] }),
      };
      const before = await evaluate(batch, { ...o, reduction: 'none' });
      const after = await evaluate(movedBatch, { ...o, reduction: 'none' });
      expectSameBits(
        floats(after.loss),
        order.map((from) => floats(before.loss)[from]!),
        'loss',
      );
      expectSameBits(
        floats(after.grad),
        order.flatMap((from) => rowOf(floats(before.grad), from)),
        'gradient',
      );
    });
  });

  test('targets in another order: the same, where their order is ignored', async () => {
    await check(100, async (spec, o) => {
      const batch = makeBatch({ ...spec, duplicates: false });
      const next = uniform(spec.seed + 2);
      const shuffled = batch.targets.map((row) => {
        const active = activeTargets(row);
        return permutation(active.length, next).map((i) => active[i]!);
      });
      const unordered = { ...o, targetOrder: 'ignored' } as const;
      const before = await evaluate(batch, unordered);
      const after = await evaluate({ ...batch, targets: shuffled }, unordered);
      expectSameBits(floats(after.grad), floats(before.grad), 'gradient');
      const exact = reference(batch, unordered);
      const bounds = o.reduction === 'none' ? exact.lossBounds : [exact.lossBound];
      expectWithin(
        floats(after.loss),
        floats(before.loss),
        Array.from(bounds, (bound) => 2 * bound),
        'loss',
      );
    });
  });
});

describe('the gradient', () => {
  test('of a row sums to zero', async () => {
    await check(100, async (spec, o) => {
      const batch = makeBatch(spec);
      const nan = { ...o, nan: 'ignore' } as const;
      const { gradientBounds } = reference(batch, nan);
      const { grad } = await evaluate(batch, nan);
      for (let row = 0; row < spec.rows; row++) {
        const range = [row * spec.classes, (row + 1) * spec.classes] as const;
        const sum = floats(grad)
          .slice(...range)
          .reduce((total, g) => total + g, 0);
        const size = floats(grad)
          .slice(...range)
          .reduce((total, g) => total + Math.abs(g), 0);
        // Every entry is off by its bound, and the sum here by a rounding for each.
        const bound = gradientBounds.slice(...range).reduce((total, one) => total + one, 0);
        expectWithin([sum], [0], bound + spec.classes * 2 ** -53 * size, `sum of row ${row}`);
      }
    });
  });

  test('is that of central differences, away from the kinks', async () => {
    await fc.assert(
      fc.asyncProperty(specs(['normal']), options, fc.nat(), async (spec, o, pick) => {
        const batch = makeBatch({ ...spec, dtype: 'float64', classes: Math.min(spec.classes, 300) });
        const { scores, classes, targets } = batch;
        const { margin = 1 } = o;
        const h = 2 ** -12;
        const at = pick % scores.length;
        const row = Math.floor(at / classes);
        // The loss is linear within h of each score but where a pair of this score is that near the margin.
        const moving = scores[at]!;
        for (const k of activeTargets(targets[row]!)) {
          for (let j = 0; j < classes; j++) {
            if (k === j || (k !== at % classes && j !== at % classes)) continue;
            const z = margin - scores[row * classes + k]! + scores[row * classes + j]!;
            fc.pre(Math.abs(z) > 2 * h);
          }
        }
        const lossAt = async (score: number): Promise<number> => {
          scores[at] = score;
          const value = floats(
            await settled(new MultiLabelMarginLoss({ ...o, reduction: 'sum' }).forward(batch.x, targets)),
          )[0]!;
          scores[at] = moving;
          return value;
        };
        // The step as it is after rounding.
        const high = moving + h;
        const low = moving - h;
        const difference = ((await lossAt(high)) - (await lossAt(low))) / (high - low);
        const sumOptions = { ...o, reduction: 'sum' } as const;
        const exact = reference(batch, sumOptions);
        const analytic = floats((await evaluate(batch, sumOptions)).grad)[at]!;
        // Either loss is off by its bound, and conditions are rounded: hence 2 h above.
        const bound = exact.gradientBounds[at]! + (2.1 * exact.lossBound) / (high - low);
        expectWithin([difference], [analytic], bound, `difference at ${at}`);
      }),
      { numRuns: Math.ceil(200 * SHARE) },
    );
  });

  test('and the loss scale with scores and margin: exactly, by powers of two', async () => {
    await check(
      100,
      async (spec, o) => {
        const batch = makeBatch(spec);
        const { margin = 1 } = o;
        const before = await evaluate(batch, { ...o, margin });
        for (const factor of [4, 2 ** -7]) {
          const scaled = tensor(batch.scores.map((score: number) => score * factor) as Float32Array, {
            shape: [spec.rows, spec.classes],
          });
          // A margin of 0.1 is rounded to float32 before it is scaled, or after: the same.
          const after = await settled(
            new MultiLabelMarginLoss({ ...o, margin: margin * factor }).valueAndGrad(scaled, batch.targets),
          );
          expectSameBits(floats(after.grad), floats(before.grad), 'gradient');
          expectSameBits(
            floats(after.loss),
            Array.from(floats(before.loss), (loss) => loss * factor),
            'loss',
          );
        }
      },
      ['normal', 'grid'],
    );
  });

  test('and the loss by classes and by targets differ by their numbers', async () => {
    await check(
      100,
      async (spec, o) => {
        const batch = makeBatch(spec);
        const u = unitRoundoff(batch.scores);
        const byClasses = await evaluate(batch, { ...o, reduction: 'none', normalization: 'classes' });
        const byTargets = await evaluate(batch, { ...o, reduction: 'none', normalization: 'targets' });
        batch.targets.forEach((row, i) => {
          const K = activeTargets(row).length;
          const expected = K === 0 ? 0 : (floats(byClasses.loss)[i]! * spec.classes) / K;
          // Both are the same sum, divided, rounded and here multiplied.
          expectWithin([floats(byTargets.loss)[i]!], [expected], 4.01 * u * expected, 'loss');
        });
        const exact = reference(batch, { ...o, reduction: 'none', normalization: 'targets' });
        const expected = Array.from(floats(byClasses.grad), (g, i) => {
          const K = activeTargets(batch.targets[Math.floor(i / spec.classes)]!).length;
          return K === 0 ? 0 : (g * spec.classes) / K;
        });
        const bounds = Array.from(
          exact.gradientBounds,
          (bound, i) => 2.01 * bound + 4 * 2 ** -53 * Math.abs(expected[i]!),
        );
        expectWithin(floats(byTargets.grad), expected, bounds, 'gradient');
      },
      ['normal', 'grid'],
    );
  });

  test('and the loss do not change with a shift of all scores, where it is exact', async () => {
    await check(
      100,
      async (spec, o) => {
        const batch = makeBatch(spec);
        // Multiples of 1/4, scores and margin alike.
        const onGrid = { ...o, margin: Math.round((o.margin ?? 1) * 4) / 4 };
        const before = await evaluate(batch, onGrid);
        for (const shift of [0.25, -17.5, 4096, 2 ** 18 + 0.75]) {
          const shifted = tensor(batch.scores.map((score: number) => score + shift) as Float32Array, {
            shape: [spec.rows, spec.classes],
          });
          const after = await settled(new MultiLabelMarginLoss(onGrid).valueAndGrad(shifted, batch.targets));
          expectSameBits(floats(after.loss), floats(before.loss), 'loss');
          expectSameBits(floats(after.grad), floats(before.grad), 'gradient');
        }
      },
      ['grid'],
    );
  });
});

describe('the loss', () => {
  test('is never negative, and 0 if and only if no pair violates the margin', async () => {
    await check(150, async (spec, o) => {
      // Targets that mostly outscore the others, so that both happen.
      const batch = makeBatch(spec);
      const u = uniform(spec.seed + 3);
      batch.targets.forEach((row, i) => {
        const lift = u() < 0.7 ? 12 : 0;
        for (const k of new Set(activeTargets(row))) {
          const at = i * spec.classes + k;
          batch.scores[at] = Math.max(-3, Math.min(3, batch.scores[at]!)) + lift;
        }
      });
      const nan = { ...o, targetOrder: 'ignored', nan: 'ignore' } as const;
      const { pairs } = reference(batch, nan);
      const { loss, grad } = await evaluate(batch, { ...nan, reduction: 'none' });
      for (let row = 0; row < spec.rows; row++) {
        const range = [row * spec.classes, (row + 1) * spec.classes] as const;
        const violations = pairs.slice(...range).reduce((total, one) => total + one, 0);
        const value = floats(loss)[row]!;
        if (violations === 0) {
          expect(value).toBe(0);
          expect(
            floats(grad)
              .slice(...range)
              .every((g) => g === 0),
          ).toBe(true);
        } else {
          expect(value).toBeGreaterThan(0);
        }
      }
    });
  });

  test("of 'mean' is that of 'sum' over N, and of 'sum' the sum of 'none': exactly, in float64", async () => {
    await check(100, async (spec, o) => {
      const batch = makeBatch({ ...spec, dtype: 'float64' });
      const [none, mean, sum] = await Promise.all(
        (['none', 'mean', 'sum'] as const).map((reduction) => evaluate(batch, { ...o, reduction })),
      );
      const total = floats(none!.loss).reduce((running, loss) => running + loss, 0);
      expectSameBits(floats(sum!.loss), [total], 'sum');
      expectSameBits(floats(mean!.loss), [total / spec.rows], 'mean');
      expectSameBits(floats(sum!.grad), floats(none!.grad), 'gradient');
      const { gradientBounds } = reference(batch, { ...o, reduction: 'mean' });
      expectWithin(
        floats(mean!.grad),
        Array.from(floats(sum!.grad), (g) => g / spec.rows),
        Array.from(gradientBounds, (bound) => 2 * bound),
        'gradient',
      );
    });
  });
});

describe('the same bits', () => {
  test('on every run, whatever was computed in between', async () => {
    const other = makeBatch({
      dtype: 'float32',
      rows: 3,
      classes: 500,
      eighths: 4,
      duplicates: true,
      kind: 'special',
      seed: 1,
    });
    await check(60, async (spec, o) => {
      const batch = makeBatch(spec);
      const lossAlone = async () => settled(new MultiLabelMarginLoss(o).forward(batch.x, batch.targets));
      const first = await evaluate(batch, o);
      const firstAlone = await lossAlone();
      await evaluate(other, { targetOrder: 'ranked' });
      const second = await evaluate(batch, o);
      expectSameBits(floats(second.loss), floats(first.loss), 'loss');
      expectSameBits(floats(second.grad), floats(first.grad), 'gradient');
      expectSameBits(floats(await lossAlone()), floats(firstAlone), 'loss alone');
    });
  });

  test('for targets in int32, int64, and lists, padded to any width', async () => {
    await fc.assert(
      fc.asyncProperty(specs(), options, fc.nat({ max: 9 }), async (spec, o, more) => {
        const batch = makeBatch(spec);
        const ragged = await evaluate(batch, o);
        const width = widest(batch.targets) + more;
        const shape = [spec.rows, width];
        const int32 = Int32Array.from(padded(batch.targets, width));
        for (const data of [int32, BigInt64Array.from(int32, BigInt)]) {
          const { loss, grad } = await settled(new MultiLabelMarginLoss(o).valueAndGrad(batch.x, { data, shape }));
          expectSameBits(floats(loss), floats(ragged.loss), 'loss');
          expectSameBits(floats(grad), floats(ragged.grad), 'gradient');
        }
      }),
      { numRuns: Math.ceil(60 * SHARE) },
    );
  });

  // 256 KB of scores, targets and losses pass through linear memory at a time. Here that is 630 rows of 100 float32
  // scores and 3 int32 targets, or 65 of 500 float64 scores and 3 int64 targets, or less than one of 70,000 scores.
  test.skipIf(SHARE < 1).each<[Spec['dtype'], 'int32' | 'int64', number, number, number[]]>([
    ['float32', 'int32', 100, 3, [1, 629, 630, 631, 1260, 1261, 1900]],
    ['float64', 'int64', 500, 3, [64, 65, 66, 130, 131]],
    ['float32', 'int64', 300, 40, [170, 171, 172, 500]],
    ['float64', 'int32', 7, 0, [3000, 4096, 5000]],
    ['float32', 'int32', 70_000, 50, [1, 2, 3]],
  ])(
    'in parts of the staging buffer as row by row: %s, %s, %i classes, %i targets',
    async (dtype, type, classes, K, sizes) => {
      const rows = Math.max(...sizes);
      const next = normal(9);
      const u = uniform(10);
      const scores = makeScores(dtype, rows * classes, next);
      const targets = Int32Array.from({ length: rows * K }, () => Math.floor(u() * (classes + 1)) - 1);
      const typed = type === 'int32' ? targets : BigInt64Array.from(targets, BigInt);
      const none = new MultiLabelMarginLoss({ reduction: 'none' });
      const losses = new Float64Array(rows);
      const lossesAlone = new Float64Array(rows);
      const grads = scores.slice().fill(0);
      for (let row = 0; row < rows; row++) {
        const x = scores.subarray(row * classes, (row + 1) * classes) as Float32Array;
        const y = typed.subarray(row * K, (row + 1) * K);
        const { loss, grad } = await settled(none.valueAndGrad(x, y));
        losses[row] = loss.item();
        lossesAlone[row] = (await settled(none.forward(x, y))).item();
        grads.set(grad.data, row * classes);
      }
      for (const size of sizes) {
        const part = { data: scores.subarray(0, size * classes) as Float32Array, shape: [size, classes] };
        const partTargets = { data: typed.subarray(0, size * K) as Int32Array, shape: [size, K] };
        const whole = await settled(none.valueAndGrad(part, partTargets));
        expectSameBits(floats(whole.loss), losses.subarray(0, size), `${size} rows: loss`);
        expectSameBits(floats(whole.grad), grads.subarray(0, size * classes), `${size} rows: gradient`);
        expectSameBits(
          floats(await settled(none.forward(part, partTargets))),
          lossesAlone.subarray(0, size),
          `${size} rows: loss alone`,
        );
        const sum = await settled(new MultiLabelMarginLoss({ reduction: 'sum' }).valueAndGrad(part, partTargets));
        expectSameBits(floats(sum.grad), grads.subarray(0, size * classes), `${size} rows: gradient of sum`);
        // The losses of rows are rounded to the type of the scores, the sum once.
        const total = losses.subarray(0, size).reduce((running, loss) => running + loss, 0);
        const bound = dtype === 'float32' ? 2.01 * 2 ** -24 * total : 0;
        expectWithin(floats(sum.loss), [total], bound, `${size} rows: sum`);
      }
    },
  );
});
