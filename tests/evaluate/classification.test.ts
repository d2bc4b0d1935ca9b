// Metrics of predicted classes: the values of scikit-learn (../fixtures/make_classification_golden.py), and what holds for
// all data.

import fc from 'fast-check';
import { type ClassificationMetrics, type ClassificationOptions, Evaluator } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import golden from '../fixtures/classification-golden.json' with { type: 'json' };
import { expectLossError, expectWithin, SHARE, untyped } from '../js/support.js';

// Every engine that runs these tests is little-endian, as WebAssembly is.
function decode(base64: string, dtype: string): Float32Array | Float64Array {
  const { buffer } = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return dtype === 'float32' ? new Float32Array(buffer) : new Float64Array(buffer);
}

function fiveOf({ precision, recall, f1, fBeta, jaccard }: ClassificationMetrics): number[] {
  return [precision, recall, f1, fBeta ?? f1, jaccard];
}

describe(`scikit-learn ${golden.sklearn}`, () => {
  test.each(golden.cases)(
    '$name, $dtype, $options',
    ({ dtype, shape, scores, targets, weights, unknown, ...entry }) => {
      const { options, expected } = entry;
      const evaluator = new Evaluator({ classification: options as ClassificationOptions });
      evaluator.update({ data: decode(scores, dtype), shape }, targets, {
        sampleWeight: weights ?? undefined,
        unknown: unknown ?? undefined,
      });
      const result = evaluator.result().classification!;
      // At most 300 terms below 1, each rounded a few times.
      const check = (actual: readonly number[], wanted: readonly number[], what: string): void =>
        expectWithin(
          actual,
          wanted,
          wanted.map(() => 1e-12),
          what,
        );
      check([result.hammingLoss, result.subsetAccuracy], [expected.hammingLoss, expected.subsetAccuracy], 'rows');
      for (const average of ['micro', 'macro', 'weighted', 'samples'] as const) {
        check(fiveOf(result[average]), expected[average], average);
      }
      result.perLabel.forEach((label, i) => check(fiveOf(label), expected.perLabel[i]!, `label ${i}`));
      expect(result.macro.fBeta === null).toBe(!('beta' in options));
    },
  );

  test.each(golden.curves)('curve of $label', ({ label, scores, targets, weights, ...expected }) => {
    const evaluator = new Evaluator();
    evaluator.update({ data: Float64Array.from(scores.flat()), shape: [30, 4] }, targets, {
      sampleWeight: weights ?? undefined,
    });
    const curve = evaluator.precisionRecallCurve(label ?? undefined);
    expect([...curve.thresholds]).toEqual(expected.thresholds);
    for (const metric of ['precision', 'recall'] as const) {
      // Sums of weights that are multiples of 1/4 are exact; one division is rounded.
      expectWithin(
        curve[metric],
        expected[metric],
        expected[metric].map(() => 1e-15),
        metric,
      );
    }
  });
});

const OPTIONS: ClassificationOptions = { thresholds: [0.5, 0.25, null, 0, 0.75], k: 3, beta: 2, zeroDivision: 1 };

function rowOf(scores: number[], targets: number[], unknown: number[], weight: number) {
  return { scores, targets, unknown: unknown.filter((label) => !targets.includes(label)), weight };
}
const label = fc.integer({ min: 0, max: 4 });
// Few distinct scores, so that many are equal to each other and to thresholds; weights whose sums are not exact in float64.
const row = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 5, maxLength: 5 }),
    fc.uniqueArray(label, { maxLength: 3 }),
    fc.uniqueArray(label, { maxLength: 2 }),
    fc.constantFrom(0, 1, 1, 0.1, 1e10, 1e-10),
  )
  .map(([scores, targets, unknown, weight]) =>
    rowOf(
      scores.map((score) => score / 4),
      targets,
      unknown,
      weight,
    ),
  );

function update(evaluator: Evaluator, rows: ReturnType<typeof rowOf>[], firstRow = 0): void {
  if (rows.length === 0) return;
  evaluator.update(
    rows.map(({ scores }) => scores),
    rows.map(({ targets }) => targets),
    { unknown: rows.map(({ unknown }) => unknown), sampleWeight: rows.map(({ weight }) => weight), firstRow },
  );
}

test('rows in parts, merged in any order and through JSON, give the same bits', () => {
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat(2), { minLength: 12, maxLength: 12 }),
      (rows, partOf) => {
        const whole = new Evaluator({ classification: OPTIONS });
        update(whole, rows);
        const parts = Array.from({ length: 3 }, () => new Evaluator({ classification: OPTIONS }));
        rows.forEach((each, i) => update(parts[partOf[i]!]!, [each], i));
        const merged = new Evaluator({ classification: OPTIONS });
        for (const part of [...parts].reverse()) {
          merged.merge(Evaluator.fromJSON(JSON.parse(JSON.stringify(part)) as unknown));
        }
        expect(merged.result().classification).toEqual(whole.result().classification);
      },
    ),
    { numRuns: Math.ceil(30 * SHARE) },
  );
});

test('metrics of labels and averages agree with counts row by row', () => {
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), (rows) => {
      const unweighted = rows.map((each) => ({ ...each, weight: 1 }));
      const evaluator = new Evaluator({ classification: OPTIONS });
      update(evaluator, unweighted);
      const predictions = unweighted.map(({ scores, unknown }) =>
        [0, 1, 2, 3, 4]
          .filter((i) => !unknown.includes(i))
          .sort((a, b) => scores[b]! - scores[a]! || a - b)
          .slice(0, 3)
          .filter((i) => {
            const threshold = (OPTIONS.thresholds as (number | null)[])[i]!;
            return threshold !== null && scores[i]! >= threshold;
          }),
      );
      const result = evaluator.result().classification!;
      expect(
        result.perLabel.map(({ support, predicted, truePositives }) => [support, predicted, truePositives]),
      ).toEqual(
        [0, 1, 2, 3, 4].map((i) => {
          const has = unweighted.map(({ targets }) => targets.includes(i));
          const predicted = predictions.map((labels) => labels.includes(i));
          const count = (list: boolean[]): number => list.filter(Boolean).length;
          return [count(has), count(predicted), count(has.map((label, n) => label && predicted[n]!))];
        }),
      );
      const same = unweighted.filter(
        ({ targets }, i) => [...targets].sort().join() === [...predictions[i]!].sort().join(),
      );
      expect(result.subsetAccuracy).toBe(same.length / rows.length);
    }),
    { numRuns: 30 },
  );
});

describe('options', () => {
  test.each<[string, ClassificationOptions, string[]]>([
    ['nothing that predicts', { beta: 2 }, ['thresholds or k']],
    ['a threshold that is not finite', { thresholds: NaN }, ['thresholds must be finite', 'NaN']],
    ['a list with one', { thresholds: [0.5, Infinity] }, ['Infinity', 'label 1']],
    ['a list with a hole', { thresholds: new Array<number>(2) }, ['undefined', 'label 0']],
    ['no list', { thresholds: untyped('0.5') }, ['a number or a list', "'0.5'"]],
    ['k of 0', { k: 0 }, ['k must be a whole number', 'got 0']],
    ['a fraction of k', { k: 1.5 }, ['got 1.5']],
    ['beta of 0', { k: 1, beta: 0 }, ['beta must be', 'got 0']],
    ['beta of infinity', { k: 1, beta: Infinity }, ['beta must be', 'Infinity']],
    ['another zeroDivision', { k: 1, zeroDivision: untyped(NaN) }, ['zeroDivision must be 0 or 1', 'NaN']],
    ['an unknown one', untyped({ threshold: 0.5 }), ["unknown option 'threshold'", 'thresholds']],
  ])('%s', (_name, classification, parts) => {
    expectLossError(() => new Evaluator({ classification }), 'ERR_OPTION', parts);
  });

  test('as many thresholds as classes, which the first rows show', () => {
    const evaluator = new Evaluator({ classification: { thresholds: [0.5, 0.5] } });
    expectLossError(() => evaluator.update([[1, 2, 3]], [[0]]), 'ERR_SHAPE', ['got 2 for 3 classes']);
    evaluator.update([[1, 2]], [[0]]);
    expect(evaluator.result().classification?.hammingLoss).toBe(0.5);
  });

  test('a list that is changed later counts as it was', () => {
    const thresholds = [0.5, 0.5];
    const evaluator = new Evaluator({ classification: { thresholds } });
    thresholds[0] = 9;
    evaluator.update([[1, 0]], [[0]]);
    expect(evaluator.result().classification).toMatchObject({ subsetAccuracy: 1, thresholds: [0.5, 0.5] });
  });

  test('evaluators with other ones are not merged', () => {
    const first = new Evaluator({ classification: { thresholds: 0.5 } });
    for (const classification of [null, { thresholds: 0.25 }, { thresholds: [0.5, 0.5] }, { thresholds: 0.5, k: 3 }]) {
      const other = new Evaluator({ classification });
      other.update([[1, 2]], [[0]]);
      expectLossError(() => first.merge(other), 'ERR_STATE', ['the same classification']);
    }
    expect(first.result().rows).toBe(0);
  });
});

describe('without rows', () => {
  test('metrics are NaN', () => {
    const { classification } = new Evaluator({ classification: OPTIONS }).result();
    expect(classification).toMatchObject({ hammingLoss: NaN, perLabel: [], thresholds: OPTIONS.thresholds });
    expect(classification?.micro).toEqual({ precision: NaN, recall: NaN, f1: NaN, fBeta: NaN, jaccard: NaN });
    expect(classification?.weighted).toEqual(classification?.samples);
  });

  test('so they are where all weights are 0', () => {
    const evaluator = new Evaluator({ classification: { k: 1 } });
    evaluator.update([[1, 2]], [[0]], { sampleWeight: [0] });
    const { classification } = evaluator.result();
    expect(classification).toMatchObject({ hammingLoss: NaN, subsetAccuracy: NaN });
    expect(classification?.macro.f1).toBe(NaN);
  });

  test('a curve has no points', () => {
    const evaluator = new Evaluator();
    expect(evaluator.precisionRecallCurve(3).thresholds).toHaveLength(0);
    evaluator.update([[1, 2]], [[0]]);
    expect(evaluator.precisionRecallCurve(1).thresholds).toHaveLength(0);
    expectLossError(() => evaluator.precisionRecallCurve(2), 'ERR_OPTION', ['label', 'from 0 to 1', 'got 2']);
  });
});

test('a state in which counts are changed is refused', () => {
  const evaluator = new Evaluator({ classification: OPTIONS });
  update(evaluator, [rowOf([1, 0, 0.5, 0.25, 0.75], [0, 1], [2], 1e10)]);
  const json = evaluator.toJSON();
  for (const classification of [
    null,
    { ...json.classification, k: 2 },
    { ...json.classification, thresholds: [0.5] },
  ]) {
    expectLossError(() => Evaluator.fromJSON({ ...json, classification }), 'ERR_STATE', ['damaged']);
  }
});
