// The ranking metrics against scikit-learn's: see ../fixtures/make_ranking_golden.py.

import { type EvaluationResult, Evaluator, ExactAveragePrecision } from 'multilabel-margin-loss/evaluate';
import { beforeAll, describe, expect, test } from 'vitest';
import golden from '../fixtures/ranking-golden.json' with { type: 'json' };
import { expectLossError, expectWithin, SHARE } from '../js/support.js';

// Every engine that runs these tests is little-endian, as WebAssembly is.
function decode(base64: string, dtype: string): Float32Array | Float64Array {
  const { buffer } = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return dtype === 'float32' ? new Float32Array(buffer) : new Float64Array(buffer);
}

type Expected = (typeof golden.cases)[0]['expected'];

function expectMetrics(result: EvaluationResult, expected: Expected): void {
  // Relative: coverage is not about 1. The metrics are sums of a few hundred terms at most, each rounded a few times.
  const check = (actual: readonly number[], wanted: readonly number[], what: string): void =>
    expectWithin(
      actual,
      wanted,
      wanted.map((value) => 1e-12 * Math.max(1, Math.abs(value))),
      what,
    );
  for (const metric of [
    'rankingLoss',
    'coverageError',
    'labelRankingAveragePrecision',
    'macroAveragePrecision',
    'microAveragePrecision',
  ] as const) {
    check([result[metric]!], [expected[metric]], metric);
  }
  check(
    golden.k.map((k) => result.at[k]!.ndcg),
    expected.ndcg,
    'nDCG',
  );
  check(
    result.perLabel.map(({ averagePrecision }) => averagePrecision!),
    expected.averagePrecision,
    'average precision',
  );
  const { macroAveragePrecision: macro, microAveragePrecision: micro } = result;
  expect(result.macroAveragePrecisionBounds).toEqual({ low: macro, high: macro });
  expect(result.microAveragePrecisionBounds).toEqual({ low: micro, high: micro });
}

describe(`metrics of scikit-learn ${golden.sklearn}`, () => {
  test.each(golden.cases)('$name, $dtype', ({ dtype, shape, scores, targets, expected }) => {
    const evaluator = new Evaluator({ k: golden.k });
    evaluator.update({ data: decode(scores, dtype), shape }, targets);
    expectMetrics(evaluator.result(), expected);
  });

  test('of weighted rows', () => {
    const { shape, scores, targets, weights, expected } = golden.weighted;
    const evaluator = new Evaluator({ k: golden.k });
    evaluator.update({ data: decode(scores, 'float64'), shape }, targets, { sampleWeight: weights });
    const result = evaluator.result();
    expectMetrics(result, expected);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    expect(result.weight).toBeCloseTo(sum, 12);
  });

  test.each(golden.unknown)('of rows with unknown classes: $name', (entry) => {
    const { dtype, shape, scores, targets, unknown, weights, expected } = entry;
    const evaluator = new Evaluator({ k: golden.k });
    evaluator.update({ data: decode(scores, dtype), shape }, targets, { unknown, sampleWeight: weights });
    expectMetrics(evaluator.result(), expected);
  });
});

describe.runIf(SHARE === 1)('more scores than are kept, all near 1', () => {
  const { rows, classes, ...expected } = golden.nearOne;
  const scores = new Float32Array(rows * classes);
  const targets: number[][] = Array.from({ length: rows }, () => []);
  let state = 1;
  // As nearOne() in make_ranking_golden.py.
  const draw = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  let result: EvaluationResult;
  beforeAll(() => {
    for (let i = 0; i < scores.length; i++) {
      const positive = draw() < 0.1;
      const u = positive ? draw() * 0.75 : draw();
      if (positive) targets[Math.floor(i / classes)]!.push(i % classes);
      scores[i] = 1 - u / 1000;
    }
    const evaluator = new Evaluator();
    evaluator.update({ data: scores, shape: [rows, classes] }, targets);
    result = evaluator.result();
  });

  test('the bounds hold the values, and are near them', () => {
    const pairs = [
      [result.macroAveragePrecision, result.macroAveragePrecisionBounds, expected.macroAveragePrecision],
      [result.microAveragePrecision, result.microAveragePrecisionBounds, expected.microAveragePrecision],
      ...result.perLabel.map(
        (label, i) => [label.averagePrecision, label.averagePrecisionBounds, expected.averagePrecision[i]!] as const,
      ),
    ] as const;
    for (const [value, bounds, truth] of pairs) {
      expect(bounds!.low).toBeLessThanOrEqual(truth);
      expect(bounds!.high).toBeGreaterThanOrEqual(truth);
      expect(bounds!.low).toBeLessThanOrEqual(value!);
      expect(bounds!.high).toBeGreaterThanOrEqual(value!);
      expect(bounds!.high - bounds!.low).toBeLessThan(0.01);
    }
  });

  test('two passes give the exact values', () => {
    const exact = new ExactAveragePrecision();
    exact.collect({ data: scores, shape: [rows, classes] }, targets);
    expect(exact.labels).toBe(targets.flat().length);
    const half = rows / 2;
    for (const begin of [half, 0]) {
      const data = scores.subarray(begin * classes, (begin + half) * classes);
      exact.count({ data, shape: [half, classes] });
      if (begin === half) expectLossError(() => exact.amend(result), 'ERR_STATE', ['1100000', '550000 counted']);
    }
    const amended = exact.amend(result);
    expectWithin([amended.macroAveragePrecision!], [expected.macroAveragePrecision], [1e-12], 'macro');
    expectWithin([amended.microAveragePrecision!], [expected.microAveragePrecision], [1e-12], 'micro');
    expectWithin(
      amended.perLabel.map(({ averagePrecision }) => averagePrecision!),
      expected.averagePrecision,
      expected.averagePrecision.map(() => 1e-12),
      'labels',
    );
    expect(amended.macroAveragePrecisionBounds!.low).toBe(amended.macroAveragePrecision);
  });
});

test('two passes over small data give what one pass gives', () => {
  for (const { dtype, shape, scores, targets } of golden.cases) {
    const data = decode(scores, dtype);
    const evaluator = new Evaluator();
    const exact = new ExactAveragePrecision();
    evaluator.update({ data, shape }, targets);
    exact.collect({ data, shape }, targets);
    exact.count({ data, shape });
    expectLossError(() => exact.collect({ data, shape }, targets), 'ERR_STATE', ['before the first is counted']);
    const [expected, actual] = [evaluator.result(), exact.amend(evaluator.result())];
    expectWithin([actual.macroAveragePrecision!], [expected.macroAveragePrecision!], [1e-12], 'macro');
    expectWithin([actual.microAveragePrecision!], [expected.microAveragePrecision!], [1e-12], 'micro');
  }
});
