// PyTorch's results, with the bounds that make_golden.py derives.

import { MultiLabelMarginLoss, type Reduction, Tensor, type TensorLike, tensor } from 'multilabel-margin-loss';
import { describe, expect, test, vi } from 'vitest';
import { type GoldenCase, goldenCases } from './golden.js';
import { type Reference, reference } from './reference.js';
import { expectSameBits, expectWithin, padded, settled, SHARE, widest } from './support.js';

// Some rows with duplicates name nothing but classes 0 and 1, which the package warns about.
vi.spyOn(console, 'warn').mockImplementation(() => {});

const REDUCTIONS: readonly Reduction[] = ['none', 'mean', 'sum'];

/** The forms that the targets of a case can be handed over in. */
function targetForms(golden: GoldenCase): Record<string, TensorLike | readonly (readonly number[])[]> {
  const width = widest(golden.targets);
  const shape = golden.shape.length === 2 ? [golden.shape[0]!, width] : [width];
  const flat = padded(golden.targets);
  const int32 = { data: Int32Array.from(flat), shape };
  const int64 = { data: BigInt64Array.from(flat, BigInt), shape };
  return golden.shape.length === 2 ? { int32, int64, ragged: golden.targets } : { int32, int64 };
}

function expectLoss(golden: GoldenCase, exact: Reference, reduction: Reduction, loss: Tensor): void {
  const truth = golden.loss[reduction];
  const rows = golden.targets.length;
  const isVector = reduction === 'none' && golden.shape.length === 2;
  expect(loss.shape).toEqual(isVector ? [rows] : []);
  expect(loss.dtype).toBe(golden.dtype);

  // The reference's bounds hold the error of summing and of rounding the result. PyTorch's own sums are off by less
  // than the same again, and float32 by the rounding of 1 - x[k].
  const slack: ArrayLike<number> = golden.dtype === 'float32' ? golden.lossSlack : new Float64Array(rows);
  const sumOfSlack = Array.from(slack).reduce((sum, one) => sum + one, 0);
  const bounds =
    reduction === 'none'
      ? exact.lossBounds.map((bound, row) => 2 * bound + slack[row]!)
      : [2 * exact.lossBound + (reduction === 'mean' ? sumOfSlack / rows : sumOfSlack)];
  expectWithin(loss.data as Float64Array, truth, bounds, `${reduction} loss`);
}

function expectGradient(golden: GoldenCase, exact: Reference, reduction: Reduction, grad: Tensor): void {
  expect(grad.shape).toEqual(golden.shape);
  expect(grad.dtype).toBe(golden.dtype);
  const divisor = reduction === 'mean' ? golden.targets.length : 1;
  const isFlipped = golden.dtype === 'float32' && golden.flips > 0;
  const truth = isFlipped ? golden.gradSum32! : golden.gradSum;
  // PyTorch adds or subtracts 1/C, itself rounded, for each pair.
  const u = isFlipped ? 2 ** -24 : 2 ** -53;
  const C = golden.shape.at(-1) ?? 1;
  expectWithin(
    grad.data as Float64Array,
    Array.from(truth, (value) => value / divisor),
    Array.from(exact.gradientBounds, (bound, i) => bound + ((exact.pairs[i]! + 1) * u * exact.pairs[i]!) / C / divisor),
    `gradient of ${reduction}`,
  );
  if (golden.gradMean !== undefined && reduction === 'mean') {
    expectWithin(
      grad.data as Float64Array,
      golden.gradMean,
      Array.from(exact.gradientBounds, (bound, i) => bound + ((exact.pairs[i]! + 3) * 2 ** -53 * exact.pairs[i]!) / C),
      'gradient of mean',
    );
  }
}

const named = goldenCases
  .filter(({ id }) => id % Math.round(1 / SHARE) === 0)
  .map(
    (golden) => [`${golden.id} ${golden.tag} ${golden.dtype} [${golden.shape}] ${golden.note}`.trim(), golden] as const,
  );

test('there are hundreds of cases, of both types and all shapes', () => {
  expect(goldenCases.length).toBeGreaterThan(300);
  for (const dtype of ['float32', 'float64']) {
    for (const dimensions of [0, 1, 2]) {
      expect(goldenCases.some((golden) => golden.dtype === dtype && golden.shape.length === dimensions)).toBe(true);
    }
  }
});

describe.each(named)('%s', (_name, golden) => {
  const rows = golden.targets.length;
  const classes = golden.shape.at(-1) ?? 1;
  const batch = { scores: golden.scores, rows, classes, targets: golden.targets };

  test.each(REDUCTIONS)('%s', async (reduction) => {
    const lossFn = new MultiLabelMarginLoss({ reduction });
    const exact = reference(batch, { reduction });
    const forms = targetForms(golden);
    for (const [form, targets] of Object.entries(forms)) {
      const scores = tensor(golden.scores.slice(), { shape: golden.shape, requires_grad: true });
      const { loss, grad } = await settled(lossFn.valueAndGrad(scores, targets));
      expectLoss(golden, exact, reduction, loss);
      expectGradient(golden, exact, reduction, grad);

      const value = await settled(lossFn.forward({ data: golden.scores, shape: golden.shape }, targets));
      expectLoss(golden, exact, reduction, value);

      const differentiable = await settled(lossFn.forward(scores, targets));
      expectSameBits(differentiable.data, loss.data, `forward, ${form}, loss`);
      if (reduction === 'none') {
        differentiable.backward(new Tensor(new Float64Array(loss.data.length).fill(1), loss.shape));
      } else {
        differentiable.backward();
      }
      expectSameBits(scores.grad!.data, grad.data, `backward, ${form}, gradient`);
      expectSameBits(scores.data, golden.scores, 'scores');
    }
  });

  if (golden.dtype === 'float32') {
    test('within 2.1e-7 of the sum of its pairs, whose thresholds are rounded to float32', async () => {
      for (const reduction of REDUCTIONS) {
        const { data } = await settled(
          new MultiLabelMarginLoss({ reduction }).forward(
            { data: golden.scores, shape: golden.shape },
            targetForms(golden).int32 as TensorLike,
          ),
        );
        const exact = reference(batch, { reduction });
        const truth = reduction === 'none' ? exact.losses : [exact.loss];
        const bounds = Array.from(truth, (loss) => 2.1e-7 * loss);
        expectWithin(data, truth, bounds, `${reduction} loss`);
      }
    });
  }
});
