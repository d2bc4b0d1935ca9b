// Weights of rows and unknown classes: golden.test.ts has the values of scikit-learn.

import { fromMultiHot, type LossErrorCode, MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
import {
  type EvaluationResult,
  Evaluator,
  ExactAveragePrecision,
  type UpdateOptions,
} from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { expectLossError, expectWithin, normal, permutation, uniform, untyped } from '../js/support.js';

interface Rows {
  scores: Float32Array | Float64Array;
  classes: number;
  targets: number[][];
  unknown: number[][];
  weights: number[];
}

function randomRows(rows: number, classes: number, seed: number): Rows {
  const next = normal(seed);
  const choose = uniform(seed);
  const orders = Array.from({ length: rows }, () => permutation(classes, choose));
  const cuts = orders.map(() => Math.floor(choose() * 4));
  return {
    scores: Float32Array.from({ length: rows * classes }, next),
    classes,
    targets: orders.map((order, row) => order.slice(0, cuts[row])),
    unknown: orders.map((order, row) => order.slice(cuts[row], cuts[row]! + Math.floor((choose() * classes) / 2))),
    weights: orders.map(() => Math.floor(choose() * 4) / 2),
  };
}

function update(evaluator: Evaluator, batch: Rows, begin = 0, end = batch.targets.length, weighted = true): void {
  const { scores, classes, targets, unknown, weights } = batch;
  evaluator.update(
    { data: scores.subarray(begin * classes, end * classes), shape: [end - begin, classes] },
    targets.slice(begin, end),
    {
      firstRow: begin,
      unknown: unknown.slice(begin, end),
      ...(weighted ? { sampleWeight: weights.slice(begin, end) } : {}),
    },
  );
}

function evaluated(batch: Rows, weighted = true): EvaluationResult {
  const evaluator = new Evaluator();
  update(evaluator, batch, 0, batch.targets.length, weighted);
  return evaluator.result();
}

const SCORES = [
  [0.1, 0.9, 0.4, 0.8],
  [0.5, 0.1, 0.7, 0.3],
];
const TARGETS = [[3, 0], [1]];

test('of an example worked out by hand', () => {
  const evaluator = new Evaluator({ k: [1] });
  // Ranked 1, 3, 2, 0; without class 1 the first is a target. Then 2, 0, 3, 1, of which only 1 is known.
  evaluator.update(SCORES, TARGETS, { unknown: [[1], [0, 2, 3]], sampleWeight: [1, 3] });
  const result = evaluator.result();
  expect(result).toMatchObject({
    rows: 2,
    rowsWithoutLabels: 0,
    // One row has all classes that are known in it.
    rowsWithAllLabels: 1,
    weight: 4,
    rankingLoss: ((1 / 2) * 1 + 0 * 3) / 4,
    coverageError: (3 * 1 + 1 * 3) / 4,
    labelRankingAveragePrecision: ((1 + 2 / 3) / 2 + 1 * 3) / 4,
    oneError: 0,
    meanReciprocalRank: 1,
  });
  // (1 - 0.8 + 0.4 + 1 - 0.1 + 0.4) / 4, and no pair.
  expect(result.loss).toBeCloseTo(1.9 / 4 / 4, 6);
  expect(result.perLabel.map(({ support, meanRank }) => [support, meanRank])).toEqual([
    [1, 3],
    [1, 1],
    [0, null],
    [1, 1],
  ]);
  expect(result.highestLosses.map(({ predictions }) => predictions.map(({ label }) => label))).toEqual([
    [3, 2, 0],
    [1],
  ]);
});

test('a row of which nothing is known has no label', () => {
  const evaluator = new Evaluator();
  evaluator.update([[1, 2, 3]], [[]], { unknown: [[0, 1, 2]] });
  expect(evaluator.result()).toMatchObject({
    rows: 1,
    rowsWithoutLabels: 1,
    rowsWithAllLabels: 0,
    loss: 0,
    rankingLoss: 0,
    coverageError: 0,
    labelRankingAveragePrecision: 1,
    margins: [],
    microAveragePrecision: 0,
    macroAveragePrecision: 0,
  });
});

const FORMS: [string, UpdateOptions['unknown']][] = [
  ['lists', [[1, 2], [3]]],
  [
    'padded lists',
    [
      [1, 2],
      [3, -1],
    ],
  ],
  ['int64', tensor([1, 2, 3, -1], { dtype: 'int64', shape: [2, 2] })],
  ['Uint8Array rows', [Uint8Array.of(1, 2), Uint8Array.of(3)]],
  [
    'booleans',
    [
      [false, true, true, false],
      [false, false, false, true],
    ],
  ],
  [
    'a mask of 0 and 1',
    [
      [0, 1, 1, 0],
      [0, 0, 0, 1],
    ],
  ],
  ['fromMultiHot()', fromMultiHot(Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 1), { shape: [2, 4] })],
];
test.each(FORMS)('unknown classes as %s', (_, unknown) => {
  const [evaluator, expected] = [new Evaluator(), new Evaluator()];
  expected.update(SCORES, TARGETS, { unknown: [[1, 2], [3]] });
  evaluator.update(SCORES, TARGETS, { unknown });
  expect(evaluator.result()).toEqual(expected.result());
  expect(evaluator.result().coverageError).toBe((2 + 3) / 2);
});

test('one row of scores [C]', () => {
  const [evaluator, expected] = [new Evaluator(), new Evaluator()];
  expected.update([SCORES[0]!], [TARGETS[0]!], { unknown: [[1]] });
  for (const unknown of [[1], [1, -1], [false, true, false, false], Int32Array.of(1)]) {
    const one = new Evaluator();
    one.update(SCORES[0]!, TARGETS[0]!, { unknown });
    expect(one.result()).toEqual(expected.result());
  }
  evaluator.update(SCORES[0]!, TARGETS[0]!, { unknown: undefined, sampleWeight: undefined });
  expect(evaluator.result().coverageError).toBe(4);
});

describe.each([
  ['float32, kept', Float32Array, 300, 40],
  ['float64, kept', Float64Array, 300, 40],
  ['counted in bins', Float32Array, 3000, 400],
] as const)('%s', (_, ArrayType, rows, classes) => {
  const isKept = rows * classes <= 2 ** 20;

  test('classes that are unknown in every row might as well not be there', () => {
    const batch = randomRows(rows, classes, 3);
    batch.scores = ArrayType.from(batch.scores);
    const without = permutation(classes, uniform(4)).slice(0, classes / 10);
    const kept = Array.from({ length: classes }, (_value, label) => label).filter((label) => !without.includes(label));
    batch.targets = batch.targets.map((list) => list.filter((label) => kept.includes(label)));
    batch.unknown = batch.targets.map(() => without);
    const smaller: Rows = {
      ...batch,
      scores: ArrayType.from(
        batch.targets.flatMap((_list, row) => kept.map((label) => batch.scores[row * classes + label]!)),
      ),
      classes: kept.length,
      targets: batch.targets.map((list) => list.map((label) => kept.indexOf(label))),
      unknown: batch.targets.map(() => []),
    };
    const result = evaluated(batch, isKept);
    const expected = evaluated(smaller, isKept);
    const macro = (part: 'low' | 'high'): number => expected.macroAveragePrecisionBounds![part];
    const share = kept.length / classes;
    expect(result).toEqual({
      ...expected,
      hasUnknown: true,
      // Checked below.
      perLabel: result.perLabel,
      loss: result.loss,
      classes,
      highestLosses: expect.any(Array),
      confusions: expected.confusions!.map(({ label, other, rows }) => ({
        label: kept[label],
        other: kept[other],
        rows,
      })),
      // Labels that no row has have 0.
      macroAveragePrecision: expect.closeTo(expected.macroAveragePrecision! * share, 12),
      macroAveragePrecisionBounds: {
        low: expect.closeTo(macro('low') * share, 12),
        high: expect.closeTo(macro('high') * share, 12),
      },
    });
    expect(kept.map((label, at) => ({ ...result.perLabel[label]!, label: at }))).toEqual(expected.perLabel);
    // The divisor is the number of all classes. Each loss is rounded to the dtype of the scores.
    const epsilon = ArrayType === Float32Array ? 2 ** -24 : 2 ** -53;
    expectWithin([result.loss], [expected.loss * share], 8 * epsilon * expected.loss, 'loss');
  });

  test('merged parts give the same bits in any order', () => {
    const batch = randomRows(rows, classes, 5);
    batch.scores = ArrayType.from(batch.scores);
    const expected = evaluated(batch, isKept);
    expect(expected.microAveragePrecisionBounds!.low === expected.microAveragePrecision).toBe(isKept);
    const ends = [0, 7, Math.floor(rows / 2), rows];
    const parts = ends.slice(1).map((end, i) => {
      const part = new Evaluator();
      update(part, batch, ends[i], end, isKept);
      return Evaluator.fromJSON(JSON.parse(JSON.stringify(part)));
    });
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
    ]) {
      const merged = new Evaluator();
      for (const i of order) merged.merge(parts[i]!);
      expect(merged.result()).toEqual(expected);
    }
  });
});

test('bins hold the exact average precisions of known scores', () => {
  const batch = randomRows(3000, 400, 6);
  const { perLabel } = evaluated(batch, false);
  for (const label of [0, 77, 399]) {
    const scored = batch.targets
      .map((list, row) => ({ score: batch.scores[row * 400 + label]!, isTarget: list.includes(label), row }))
      .filter(({ row }) => !batch.unknown[row]!.includes(label))
      .sort((a, b) => b.score - a.score);
    let [found, sum] = [0, 0];
    scored.forEach(({ isTarget }, i) => {
      if (isTarget) sum += ++found / (i + 1);
    });
    const { averagePrecisionBounds: bounds, support } = perLabel[label]!;
    expect(support).toBe(found);
    expect(sum / found).toBeGreaterThanOrEqual(bounds!.low);
    expect(sum / found).toBeLessThanOrEqual(bounds!.high);
    expect(bounds!.high - bounds!.low).toBeLessThan(0.01);
  }
});

test('the loss is that of MultiLabelMarginLoss, its mean over the sum of weights', () => {
  const { scores, classes, targets, unknown, weights } = randomRows(50, 30, 7);
  const shaped = tensor(Float64Array.from(scores), { shape: [50, classes] });
  const losses = new MultiLabelMarginLoss({ reduction: 'none' }).forward(shaped, targets, { unknown }).data;
  const sum = weights.reduce((weighted, weight, row) => weighted + weight * losses[row]!, 0);
  const total = weights.reduce((added, weight) => added + weight, 0);
  const evaluator = new Evaluator();
  evaluator.update(shaped, targets, { unknown, sampleWeight: weights });
  expect(evaluator.result().loss).toBeCloseTo(sum / total, 13);
});

test('evaluators of other unknown classes cannot be compared', () => {
  const batch = randomRows(40, 10, 8);
  const [first, second] = [new Evaluator(), new Evaluator()];
  update(first, batch);
  update(second, batch);
  expect(first.compare(second).metrics.rankingLoss.difference.value).toBe(0);
  const other = new Evaluator();
  update(other, { ...batch, unknown: batch.unknown.map((list) => list.slice(1)) });
  expectLossError(() => first.compare(other), 'ERR_STATE', ['unknown classes']);
});

test.each<[string, UpdateOptions, string]>([
  ['weights', { sampleWeight: [1, 2] }, 'weights'],
  // These weights add up to the number of rows.
  ['weights of sum 2', { sampleWeight: [0.5, 1.5] }, 'weights'],
  ['unknown classes', { unknown: [[], [0]] }, 'unknown classes'],
])('exact average precisions of rows with %s are refused, also of a merged state', (_, options, what) => {
  const [scores, targets] = [
    [
      [0.1, 0.2, 0.4],
      [0.5, 0.3, 0.2],
    ],
    [[2], [1]],
  ];
  const exact = new ExactAveragePrecision();
  exact.collect(scores, targets);
  exact.count(scores);
  const evaluator = new Evaluator();
  evaluator.update(scores, targets, options);
  const merged = new Evaluator();
  merged.merge(Evaluator.fromJSON(JSON.parse(JSON.stringify(evaluator))));
  for (const each of [evaluator, merged]) {
    expectLossError(() => exact.amend(each.result()), 'ERR_STATE', [`got a result of rows with ${what}`]);
  }
  const plain = new Evaluator();
  plain.update(scores, targets, { sampleWeight: [1, 1], unknown: [[], []] });
  expect(exact.amend(plain.result()).macroAveragePrecision).toBeCloseTo(2 / 3, 12);
});

test('rows of Float64Array stay float64', () => {
  const rows = SCORES.map((row) => Float64Array.from(row));
  const [evaluator, flat] = [new Evaluator(), new Evaluator()];
  evaluator.update(rows, TARGETS);
  flat.update(tensor(SCORES, { dtype: 'float64' }), TARGETS);
  expect(evaluator.result()).toEqual(flat.result());
  expect(evaluator.result().highestLosses[0]!.predictions[0]!.score).toBe(0.9);
});

const REFUSED: [string, unknown, LossErrorCode, readonly string[]][] = [
  ['a class that is a target too', { unknown: [[], [1]] }, 'ERR_TARGET_RANGE', ['1', 'row 1', 'also a target']],
  ['a class out of range', { unknown: [[4], []] }, 'ERR_TARGET_RANGE', ['4', 'row 0', '[0, 4)']],
  ['other rows', { unknown: [[1]] }, 'ERR_SHAPE', ['unknown', '[2, K]', '[1, 1]']],
  ['floating-point numbers', { unknown: new Float32Array(2) }, 'ERR_DTYPE', ['unknown', 'float32']],
  ['a string', { unknown: 'all' }, 'ERR_DTYPE', ['unknown']],
  ['weights of other rows', { sampleWeight: [1] }, 'ERR_SHAPE', ['sampleWeight', '2', '1']],
  ['a negative weight', { sampleWeight: [1, -1] }, 'ERR_OPTION', ['sampleWeight', '-1', 'row 1']],
];
test.each(REFUSED)('%s: nothing is added', (_, options, code, parts) => {
  const evaluator = new Evaluator();
  evaluator.update(SCORES, TARGETS);
  const before = evaluator.result();
  expectLossError(() => evaluator.update(SCORES, TARGETS, untyped(options)), code, parts);
  expect(evaluator.result()).toEqual(before);
});
