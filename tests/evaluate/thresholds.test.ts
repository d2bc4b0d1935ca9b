// The thresholds of ThresholdTuner against a search over all thresholds, by definitions that count rows one by one.

import fc from 'fast-check';
import { Evaluator, ThresholdTuner, type ThresholdTunerOptions } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { expectLossError, untyped } from '../js/support.js';

const CLASSES = 3;
interface Row {
  scores: number[];
  targets: number[];
}

interface Found {
  threshold: number | null;
  precision: number;
  recall: number;
}

/** The best threshold of a label among all scores, in descending order, or null. */
function search(rows: readonly Row[], label: number, { beta = 1, precision: wanted, recall: least }: Goal): Found {
  const support = rows.filter(({ targets }) => targets.includes(label)).length;
  let best: Found = { threshold: null, precision: 0, recall: 0 };
  let bestF = 0;
  const descending = [...new Set(rows.map(({ scores }) => scores[label]!))].sort((a, b) => b - a);
  for (const threshold of support === 0 ? [] : descending) {
    const predicted = rows.filter(({ scores }) => scores[label]! >= threshold);
    const tp = predicted.filter(({ targets }) => targets.includes(label)).length;
    const found = { threshold, precision: tp / predicted.length, recall: tp / support };
    const f = (1 + beta ** 2) * tp === 0 ? 0 : ((1 + beta ** 2) * tp) / (beta ** 2 * support + predicted.length);
    const isBetter =
      wanted !== undefined
        ? found.precision >= wanted && found.recall > best.recall
        : least !== undefined
          ? found.recall >= least &&
            (found.precision > best.precision || (found.precision === best.precision && found.recall > best.recall))
          : f > bestF;
    if (!isBetter) continue;
    best = found;
    bestF = f;
  }
  return best;
}

type Goal = Pick<ThresholdTunerOptions, 'beta' | 'precision' | 'recall'>;

// Few distinct scores, of both signs and zeros, so that many are equal.
const rows = fc.array(
  fc.record({
    scores: fc.array(fc.constantFrom(-0.5, -0, 0, 0.1, 0.25, 0.7, 1e-8), { minLength: CLASSES, maxLength: CLASSES }),
    targets: fc.uniqueArray(fc.integer({ min: 0, max: CLASSES - 1 }), { maxLength: 2 }),
  }),
  { minLength: 1, maxLength: 100 },
);
const goals: [string, Goal][] = [
  ['the best F1', {}],
  // Powers of two, whose products and sums with counts are exact: equal F-measures have equal bits.
  ['the best F2', { beta: 2 }],
  ['the best F of beta 1/2', { beta: 0.5 }],
  ['a precision of 3/5', { precision: 0.6 }],
  ['a precision of 1', { precision: 1 }],
  ['a recall of 1/2', { recall: 0.5 }],
  ['a recall of 1', { recall: 1 }],
];

function tuned(data: readonly Row[], goal: Goal, batch: number) {
  const tuner = new ThresholdTuner(goal);
  const scoresOf = (part: readonly Row[]) => ({
    data: Float64Array.from(part.flatMap(({ scores }) => scores)),
    shape: [part.length, CLASSES],
  });
  const parts = Array.from({ length: Math.ceil(data.length / batch) }, (_, i) =>
    data.slice(i * batch, (i + 1) * batch),
  );
  for (const part of parts) {
    tuner.collect(
      scoresOf(part),
      part.map(({ targets }) => targets),
    );
  }
  for (const part of parts.reverse()) tuner.count(scoresOf(part));
  return tuner.result();
}

test.each(goals)('%s, found by a search over all thresholds', (_name, goal) => {
  fc.assert(
    // Batches of 100 rows are sorted before they are counted, and smaller ones are not.
    fc.property(rows, fc.constantFrom(7, 100), (data, batch) => {
      const { thresholds, perLabel } = tuned(data, goal, batch);
      const expected = Array.from({ length: CLASSES }, (_, label) => search(data, label, goal));
      // Both zeros are one threshold.
      expect(thresholds.map((threshold) => (threshold === 0 ? 0 : threshold))).toEqual(
        expected.map(({ threshold }) => (threshold === 0 ? 0 : threshold)),
      );
      expect(perLabel.map(({ precision }) => precision)).toEqual(expected.map(({ precision }) => precision));
      expect(perLabel.map(({ recall }) => recall)).toEqual(expected.map(({ recall }) => recall));
    }),
    { numRuns: 100 },
  );
});

test('an evaluator with the thresholds gives the same metrics for the same rows, in float32 too', () => {
  fc.assert(
    fc.property(rows, fc.constantFrom(Float32Array, Float64Array), (data, Elements) => {
      const scores = { data: Elements.from(data.flatMap((row) => row.scores)), shape: [data.length, CLASSES] };
      const targets = data.map((row) => row.targets);
      const tuner = new ThresholdTuner({ beta: 2 });
      tuner.collect(scores, targets);
      tuner.count(scores);
      const { thresholds, perLabel } = tuner.result();
      // As the file of the command has them.
      const read = JSON.parse(JSON.stringify(thresholds)) as (number | null)[];
      const evaluator = new Evaluator({ classification: { thresholds: read, beta: 2 } });
      evaluator.update(scores, targets);
      const labels = evaluator.result().classification!.perLabel;
      expect(labels.map((label, i) => ({ ...label, threshold: thresholds[i] }))).toEqual(perLabel);
    }),
    { numRuns: 50 },
  );
});

describe('refuses', () => {
  test.each<[string, ThresholdTunerOptions, string[]]>([
    ['two goals', { precision: 0.5, recall: 0.5 }, ['one of beta, precision and recall', 'precision and recall']],
    ['a precision above 1', { precision: 1.5 }, ['precision must be above 0 and at most 1', '1.5']],
    ['a recall of 0', { recall: 0 }, ['recall must be', 'got 0']],
    ['a beta that is infinite', { beta: Infinity }, ['beta must be finite', 'Infinity']],
    ['another nonFinite', { nonFinite: untyped('ignore') }, ["'ignore'"]],
    ['unknown options', untyped({ f1: true }), ["unknown option 'f1'"]],
  ])('%s', (_name, options, parts) => {
    expectLossError(() => new ThresholdTuner(options), 'ERR_OPTION', parts);
  });

  test.each<[string, number[][], (number | number[])[], 'ERR_SHAPE' | 'ERR_TARGET_RANGE', string[]]>([
    [
      'targets of other rows',
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      [[], []],
      'ERR_SHAPE',
      ['[3, K]', '[2, 0]'],
    ],
    ['a target out of range', [[1, 2]], [[0, 2]], 'ERR_TARGET_RANGE', ['target 2 at row 0, column 1', '[0, 2)']],
    ['one behind padding', [[1, 2]], [[0, -1, 99]], 'ERR_TARGET_RANGE', ['target 99 at row 0, column 2']],
  ])('%s', (_name, scores, targets, code, parts) => {
    expectLossError(() => new ThresholdTuner().collect(scores, untyped(targets)), code, parts);
  });

  test('other rows in the second pass', () => {
    const tuner = new ThresholdTuner();
    expectLossError(() => tuner.count([0.5, 1]), 'ERR_STATE', ['collected before they are counted']);
    tuner.collect([[0.5, 1]], [[0]]);
    expectLossError(() => tuner.result(), 'ERR_STATE', ['got 1 and 0']);
    expectLossError(() => tuner.count([0.5]), 'ERR_SHAPE', ['2 classes']);
    expectLossError(() => tuner.count([0.5, NaN]), 'ERR_NON_FINITE', ['row 0, column 1']);
    tuner.count([0.5, 1]);
    expectLossError(() => tuner.collect([[0.5, 1]], [[0]]), 'ERR_STATE', ['before the first is counted']);
    expect(tuner.result().thresholds).toEqual([0.5, null]);
  });
});
