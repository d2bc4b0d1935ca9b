// Confidence intervals of Evaluator.compare: against a bootstrap of rows, and against the truth that they are to hold.

import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import {
  type ClassificationOptions,
  type Estimate,
  Evaluator,
  type LabelDifference,
  type LabelResult,
} from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import { expectLossError, normal, permutation, SHARE, uniform, untyped } from '../js/support.js';

const CLASSES = 5;

interface Population {
  /** Scores of two models, [rows, CLASSES]. */
  scores: [Float64Array, Float64Array];
  targets: number[][];
}

function population(rows: number, seed: number): Population {
  const next = normal(seed);
  const choose = uniform(seed + 1);
  const targets = Array.from({ length: rows }, () =>
    permutation(CLASSES, choose).slice(0, 1 + Math.floor(2 * choose())),
  );
  const noise = Float64Array.from({ length: rows * CLASSES }, next);
  const scoresOf = (skill: number): Float64Array =>
    noise.map(
      (score, i) => score + (targets[Math.floor(i / CLASSES)]!.includes(i % CLASSES) ? skill : 0) + 0.5 * next(),
    );
  return { scores: [scoresOf(1), scoresOf(1.2)], targets };
}

function evaluated({ scores, targets }: Population, rows: readonly number[]): [Evaluator, Evaluator] {
  return scores.map((all) => {
    const evaluator = new Evaluator({ k: [1] });
    const data = Float64Array.from(
      { length: rows.length * CLASSES },
      (_, i) => all[rows[Math.floor(i / CLASSES)]! * CLASSES + (i % CLASSES)]!,
    );
    evaluator.update(
      { data, shape: [rows.length, CLASSES] },
      rows.map((row) => targets[row]!),
    );
    return evaluator;
  }) as [Evaluator, Evaluator];
}

/** The loss of each row: what a bootstrap of rows draws from. */
function lossesOf({ scores, targets }: Population, model: 0 | 1): Float64Array {
  const shape = [targets.length, CLASSES] as const;
  return new MultiLabelMarginLoss({ reduction: 'none' }).forward({ data: scores[model], shape }, targets).data;
}

function widthOf({ low, high }: Estimate): number {
  return high! - low!;
}

describe('intervals', () => {
  // A 2.5 % quantile from B draws of a normal, whose density there is 0.058, has a standard error of
  // sqrt(0.025 * 0.975 / B) / 0.058 = 2.7 / sqrt(B) standard deviations. The width is 3.9 of these, of two such quantiles, and
  // so has a relative one of 0.97 / sqrt(B): in both bootstraps. From G groups, there is one of 1 / sqrt(2 * (G - 1)) besides.
  const RESAMPLES = 2000;
  const relative = Math.sqrt((2 * 0.97 ** 2) / RESAMPLES + 1 / (2 * 255));

  test('are as wide as those of a bootstrap of rows', () => {
    const rows = 5000;
    const all = population(rows, 51);
    const [first, second] = evaluated(all, [...Array(rows).keys()]);
    const { loss } = first.compare(second, { resamples: RESAMPLES }).metrics;
    const [a, b] = [lossesOf(all, 0), lossesOf(all, 1)];
    const choose = uniform(52);
    const draws = Array.from({ length: RESAMPLES }, () => {
      let sums = [0, 0];
      for (let i = 0; i < rows; i++) {
        const row = Math.floor(rows * choose());
        sums = [sums[0]! + a[row]!, sums[1]! + b[row]!];
      }
      return sums.map((sum) => sum / rows) as [number, number];
    });
    const interval = (of: (draw: [number, number]) => number): Estimate => {
      const sorted = draws.map(of).sort((x, y) => x - y);
      return { value: 0, low: sorted[Math.floor(0.025 * RESAMPLES)]!, high: sorted[Math.ceil(0.975 * RESAMPLES) - 1]! };
    };
    const pairs: [Estimate, Estimate][] = [
      [loss.first, interval(([x]) => x)],
      [loss.second, interval(([, y]) => y)],
      [loss.difference, interval(([x, y]) => y - x)],
    ];
    for (const [actual, expected] of pairs) {
      // Four standard errors.
      expect(Math.abs(widthOf(actual) / widthOf(expected) - 1)).toBeLessThan(4 * relative);
      expect(actual.low).toBeLessThan(actual.value);
      expect(actual.high).toBeGreaterThan(actual.value);
    }
    // Models that err on the same rows.
    expect(widthOf(loss.difference)).toBeLessThan(widthOf(loss.first));
  });

  test('hold the truth as often as they say', () => {
    // Samples of a population whose means are known. Of so many intervals of 90 %, a binomial number hold it: for 200 of
    // them, four standard deviations to either side are 0.9 +- 0.085.
    const all = population(20_000, 53);
    const truth = evaluated(all, [...Array(20_000).keys()]).map((evaluator) => evaluator.result());
    const choose = uniform(54);
    const hits = { loss: 0, difference: 0, precision: 0 };
    const samples = Math.ceil(200 * SHARE);
    const holds = ({ low, high }: Estimate, value: number): number => (low! <= value && value <= high! ? 1 : 0);
    for (let sample = 0; sample < samples; sample++) {
      const rows = Array.from({ length: 1000 }, () => Math.floor(20_000 * choose()));
      const [first, second] = evaluated(all, rows);
      const { metrics, at } = first.compare(second, { level: 0.9, resamples: 400, seed: sample });
      hits.loss += holds(metrics.loss.first, truth[0]!.loss);
      hits.difference += holds(metrics.loss.difference, truth[1]!.loss - truth[0]!.loss);
      hits.precision += holds(at[1]!.precision.second, truth[1]!.at[1]!.precision);
    }
    const bound = 4 * Math.sqrt(0.9 * 0.1 * samples);
    for (const [what, count] of Object.entries(hits)) {
      expect(Math.abs(count - 0.9 * samples), `${what}: ${count} of ${samples}`).toBeLessThan(bound);
    }
  });

  test('are the same for rows in any order and parts', () => {
    const all = population(600, 55);
    const parts = [
      [0, 100],
      [100, 101],
      [101, 600],
    ] as const;
    const inOrder = (order: readonly number[]): Evaluator[] =>
      all.scores.map((data) => {
        const merged = new Evaluator();
        for (const i of order) {
          const [begin, end] = parts[i]!;
          const part = new Evaluator();
          part.update(
            { data: data.subarray(begin * CLASSES, end * CLASSES), shape: [end - begin, CLASSES] },
            all.targets.slice(begin, end),
            { firstRow: begin, source: 'all' },
          );
          merged.merge(Evaluator.fromJSON(JSON.parse(JSON.stringify(part))));
        }
        return merged;
      });
    const [first, second] = inOrder([0, 1, 2]) as [Evaluator, Evaluator];
    const [third, fourth] = inOrder([2, 0, 1]) as [Evaluator, Evaluator];
    const expected = first.compare(second);
    expect(third.compare(fourth)).toEqual(expected);
    expect(first.compare(fourth)).toEqual(expected);
    expect(third.result()).toEqual(first.result());
    const whole = new Evaluator();
    whole.update({ data: all.scores[0], shape: [600, CLASSES] }, all.targets, { source: 'all' });
    expect(whole.result()).toEqual(first.result());
    expect(whole.compare(second)).toEqual(expected);
    expect(whole.compare(second, { seed: 2 })).not.toEqual(expected);
  });

  test('need 30 groups that have rows', () => {
    const evaluator = new Evaluator();
    evaluator.update([[1, 0.5, 0]], [[1]]);
    const { metrics, at, intervalsMissing } = evaluator.compare(evaluator);
    expect(intervalsMissing).toBe(
      'an interval needs rows in at least 30 of the 256 groups that rows fall into, and these are in 1',
    );
    expect(metrics.rankingLoss.first).toEqual({ value: 0.5, low: null, high: null });
    expect(at[1]!.recall.difference).toEqual({ value: 0, low: null, high: null });
    const all = population(200, 57);
    const [first, second] = evaluated(all, [...Array(100).keys()]);
    const enough = first.compare(second);
    expect(enough.intervalsMissing).toBe(null);
    expect(widthOf(enough.metrics.loss.difference)).toBeGreaterThan(0);
    // A hundred rows of one document are in one group.
    const alike = new Evaluator();
    alike.update({ data: all.scores[0].subarray(0, 500), shape: [100, CLASSES] }, all.targets.slice(0, 100), {
      rowIds: Array<string>(100).fill('document'),
    });
    expect(alike.compare(alike).intervalsMissing).toContain('these are in 1');
  });

  test('of many sources of one row are those of one source of many rows', () => {
    const all = population(2000, 58);
    const inSources = (model: 0 | 1): Evaluator => {
      const evaluator = new Evaluator();
      all.targets.forEach((labels, sourceIndex) => {
        const data = all.scores[model].subarray(sourceIndex * CLASSES, (sourceIndex + 1) * CLASSES);
        evaluator.update({ data, shape: [1, CLASSES] }, [labels], { firstRow: 0, sourceIndex });
      });
      return evaluator;
    };
    const [first, second] = evaluated(all, [...Array(2000).keys()]);
    const many = inSources(0).compare(inSources(1)).metrics;
    const whole = first.compare(second, {}).metrics;
    // Groups differ, and so do the estimates of the width, each by 1 / sqrt(2 * 255) and more: see above. Four of these.
    for (const metric of ['loss', 'rankingLoss', 'coverageError'] as const) {
      expect(Math.abs(widthOf(many[metric].first) / widthOf(whole[metric].first) - 1)).toBeLessThan(4 * relative * 1.5);
    }
  });

  test('of rows with ids do not depend on how files are cut or ordered', () => {
    const all = population(400, 59);
    const ids = all.targets.map((_, row) => `row ${row}`);
    const byId = (model: 0 | 1, order: readonly number[]): Evaluator => {
      const evaluator = new Evaluator();
      for (const [file, row] of order.entries()) {
        const data = all.scores[model].subarray(row * CLASSES, (row + 1) * CLASSES);
        evaluator.update({ data, shape: [1, CLASSES] }, [all.targets[row]!], {
          sourceIndex: file,
          rowIds: [ids[row]!],
        });
      }
      return evaluator;
    };
    const inOrder = [...Array(400).keys()];
    const mixed = permutation(400, uniform(60));
    const expected = byId(0, inOrder).compare(byId(1, inOrder));
    expect(byId(0, inOrder).compare(byId(1, mixed))).toEqual(expected);
    const numbered = new Evaluator();
    numbered.update({ data: all.scores[0], shape: [400, CLASSES] }, all.targets);
    expectLossError(() => numbered.compare(byId(1, inOrder)), 'ERR_STATE', ['cut into files differently', 'rowIds']);
    const numbers = new Evaluator();
    const strings = new Evaluator();
    numbers.update({ data: all.scores[0], shape: [400, CLASSES] }, all.targets, { rowIds: new Int32Array(inOrder) });
    strings.update({ data: all.scores[0], shape: [400, CLASSES] }, all.targets, { rowIds: inOrder.map(String) });
    expect(numbers.compare(strings).metrics.loss.difference.value).toBe(0);
  });

  test('of losses beyond 2^32 are not those of a smaller loss', () => {
    const evaluator = new Evaluator();
    const scores = Float64Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 1e300 : -1e12));
    evaluator.update({ data: scores, shape: [100, 2] }, Array(100).fill([1]));
    const { first } = evaluator.compare(evaluator).metrics.loss;
    // Sums of a hundred terms, each rounded.
    for (const value of [first.low!, first.high!, first.value]) expect(Math.abs(value / 5e299 - 1)).toBeLessThan(1e-13);
  });

  test('and rows: what cannot be compared is refused', () => {
    const of = (targets: number[][], firstRow = 0, options = {}): Evaluator => {
      const evaluator = new Evaluator(options);
      evaluator.update(
        targets.map(() => [1, 0.5, 0]),
        targets,
        { firstRow },
      );
      return evaluator;
    };
    const own = of([[1], [2]]);
    for (const [other, parts] of [
      [of([[1], [0]]), ['the same rows', 'other labels']],
      [of([[1], [2]], 1), ['under other numbers', 'rowIds']],
      [of([[1]]), ['2 and 1 rows']],
      [new Evaluator(), ['must have rows']],
      [of([[1], [2]], 0, { k: [1] }), ['same k']],
      [of([[1], [2]], 0, { loss: { margin: 2 } }), ['to be compared', 'options of the loss']],
      [untyped({}), ['compare() needs an Evaluator', 'an object']],
    ] as const) {
      expectLossError(() => own.compare(other), 'ERR_STATE', parts);
    }
    for (const [options, parts] of [
      [{ level: 1 }, ['level', '1']],
      [{ level: Number.NaN }, ['level', 'NaN']],
      [{ resamples: 0 }, ['resamples', 'from 1', '0']],
      [{ seed: -1 }, ['seed', '-1']],
      [{ draws: 1 }, ["'draws'", 'level, resamples, seed']],
    ] as const) {
      expectLossError(() => own.compare(own, untyped(options)), 'ERR_OPTION', parts);
    }
    expect(own.compare(own).rows).toBe(2);
  });
});

describe('labels', () => {
  const LABELS = 10;
  const options = { k: [], classification: { thresholds: 1, beta: 2 } };
  /** Two models that know as much, but for the second one's `skill` of label 0. Label 9 is of hardly any rows. */
  function sample(rows: number, seed: number, skill: number, merged = false): [Evaluator, Evaluator] {
    const next = normal(seed);
    const choose = uniform(seed + 1);
    const targets = Array.from({ length: rows }, (_, row) =>
      Array.from({ length: LABELS }, (_label, label) => label).filter((label) =>
        label === 9 ? row % 100 === 0 : choose() < 0.2,
      ),
    );
    return [0, skill].map((more) => {
      const data = Float64Array.from({ length: rows * LABELS }, (_, i) => {
        const label = i % LABELS;
        return next() + (targets[Math.floor(i / LABELS)]!.includes(label) ? 1.5 + (label === 0 ? more : 0) : 0);
      });
      const part = (begin: number, end: number): Evaluator => {
        const evaluator = new Evaluator(options);
        const scores = { data: data.subarray(begin * LABELS, end * LABELS), shape: [end - begin, LABELS] };
        evaluator.update(scores, targets.slice(begin, end), { firstRow: begin });
        return evaluator;
      };
      if (!merged) return part(0, rows);
      const whole = Evaluator.fromJSON(JSON.parse(JSON.stringify(part(rows >> 1, rows))));
      whole.merge(part(0, rows >> 1));
      return whole;
    }) as [Evaluator, Evaluator];
  }

  test('that differ come first, and have the metrics of both results', () => {
    const [first, second] = sample(800, 71, 1.5);
    const results = [first.result(), second.result()] as const;
    const { perLabel, classification, labels, labelIntervalsMissing } = first.compare(second);
    expect([labels, labelIntervalsMissing]).toEqual([null, null]);
    expect(perLabel.map(({ label }) => label).sort((a, b) => a - b)).toEqual([...Array(LABELS).keys()]);
    expect(perLabel[0]!.label).toBe(0);
    expect(perLabel[0]!.f1!.low).toBeGreaterThan(0);
    expect(perLabel[0]!.meanRank.high).toBeLessThan(0);
    for (const { label, support, averagePrecision, meanRank, f1 } of perLabel) {
      const [own, other] = results.map((result) => result.perLabel[label]!) as [LabelResult, LabelResult];
      expect(support).toBe(own.support);
      expect(averagePrecision).toEqual({
        first: own.averagePrecision,
        second: other.averagePrecision,
        difference: other.averagePrecision! - own.averagePrecision!,
        low: null,
        high: null,
      });
      expect([meanRank.first, meanRank.second]).toEqual([own.meanRank, other.meanRank]);
      expect([f1!.first, f1!.second]).toEqual(results.map((result) => result.classification!.perLabel[label]!.f1));
      // Symmetric, but for the label of 8 rows.
      for (const metric of [meanRank, f1!]) {
        if (label === 9) expect([metric.low, metric.high]).toEqual([null, null]);
        else expect((metric.low! + metric.high!) / 2).toBeCloseTo(metric.difference!, 12);
      }
    }
    expect(perLabel[LABELS - 1]!.label).toBe(9);
    const micro = classification!.micro.fBeta!;
    expect(micro.second.value).toBe(results[1].classification!.micro.fBeta);
    expect(micro.difference.low).toBeLessThan(micro.difference.value);
    expect(micro.difference.high).toBeGreaterThan(micro.difference.value);
    expect(classification!.samples.recall!.first.value).toBe(results[0].classification!.samples.recall);
    expect(classification!.hammingLoss.second.value).toBe(results[1].classification!.hammingLoss);
  });

  test('of parts that are merged have the same bits', () => {
    const [first, second] = sample(300, 72, 1);
    const [mergedFirst, mergedSecond] = sample(300, 72, 1, true);
    expect(mergedFirst.compare(mergedSecond)).toEqual(first.compare(second));
  });

  test('that do not differ seem to as rarely as the level says, all together', () => {
    // Of 40 comparisons of 9 labels, so many hold all true differences, which are 0, at once: binomial, four standard
    // deviations are 0.9 +- 0.19. Intervals for one label each would hold all in 0.9^9 = 0.39 of them.
    const hits = { meanRank: 0, f1: 0 };
    const samples = Math.ceil(40 * SHARE);
    for (let i = 0; i < samples; i++) {
      const [first, second] = sample(300, 73 + 2 * i, 0);
      const { perLabel } = first.compare(second, { level: 0.9, resamples: 200, seed: i });
      const holds = ({ low, high }: LabelDifference): boolean => low === null || (low <= 0 && 0 <= high!);
      hits.meanRank += perLabel.every(({ meanRank }) => holds(meanRank)) ? 1 : 0;
      hits.f1 += perLabel.every(({ f1 }) => holds(f1!)) ? 1 : 0;
    }
    const bound = 4 * Math.sqrt((0.9 * 0.1) / samples);
    for (const share of [hits.meanRank / samples, hits.f1 / samples]) expect(share).toBeGreaterThan(0.9 - bound);
  });

  test('have no intervals where their sums are not kept, and the reason is given', () => {
    const many = new Evaluator({ k: [1], classification: { k: 1 } });
    const rows = 100;
    const targets = Array.from({ length: rows }, (_, row) => [row % 7]);
    many.update({ data: new Float32Array(rows * 4097), shape: [rows, 4097] }, targets);
    const compared = many.compare(many);
    expect(compared.intervalsMissing).toBe(null);
    expect(compared.labelIntervalsMissing).toMatch(/at most 4096 classes, and these are 4097/);
    expect(compared.perLabel).toHaveLength(4097);
    expect(compared.classification!.micro.f1!.difference).toEqual({ value: 0, low: null, high: null });
    expect(many.result().confusions).toBe(null);
    const weighted = new Evaluator(options);
    const data = Float64Array.from({ length: rows * LABELS }, normal(74));
    weighted.update({ data, shape: [rows, LABELS] }, targets, { sampleWeight: targets.map((_, row) => row) });
    expect(weighted.compare(weighted).labelIntervalsMissing).toMatch(/without weights/);
  });

  test('have none where each has too few rows, or nothing is known of them, and the reason is given', () => {
    const few = new Evaluator();
    const data = Float64Array.from({ length: 200 * 20 }, normal(75));
    few.update(
      { data, shape: [200, 20] },
      Array.from({ length: 200 }, (_, row) => [row % 10]),
    );
    const compared = few.compare(few);
    expect(compared.perLabel.every(({ meanRank }) => meanRank.low === null)).toBe(true);
    expect(compared.labelIntervalsMissing).toMatch(/at least 30 groups/);
    const top = new Evaluator({ k: [1] });
    for (let row = 0; row < 100; row++) {
      top.updateTopK({ values: [[1]], indices: [[row % 2]] }, [[0]], { classes: 2, firstRow: row });
    }
    expect(top.compare(top).labelIntervalsMissing).toMatch(/ranks of labels are not known/);
  });

  test('without predictions of both, or with another zeroDivision, have no F1', () => {
    const of = (classification?: ClassificationOptions): Evaluator => {
      const evaluator = new Evaluator({ classification });
      evaluator.update([[1, 0.5]], [[0]]);
      return evaluator;
    };
    const first = of({ k: 1 });
    for (const second of [of(), of({ k: 1, zeroDivision: 1 })]) {
      expect(first.compare(second)).toMatchObject({ classification: null, perLabel: [{ f1: null }, { f1: null }] });
    }
    const { micro } = first.compare(of({ thresholds: 0.75, beta: 2 })).classification!;
    expect([micro.fBeta, micro.f1!.difference.value]).toEqual([null, 0]);
  });
});

describe('rows of the highest loss', () => {
  const row = (loss: number): number[] => [loss - 1, 0, -100];

  test('are 20, by loss, source and row, whatever the order', () => {
    const choose = uniform(61);
    // Losses of few values, so that sources and rows decide.
    const all = Array.from({ length: 60 }, (_, i) => ({
      scores: row(1 + Math.floor(6 * choose())),
      origin: { source: ['b', 'a'][i % 2]!, firstRow: Math.floor(i / 2) },
    }));
    const resultOf = (order: readonly number[]) => {
      const evaluators = [new Evaluator(), new Evaluator()];
      order.forEach((i, place) => evaluators[place % 2]!.update([all[i]!.scores], [[1]], all[i]!.origin));
      evaluators[0]!.merge(evaluators[1]!);
      return evaluators[0]!.result().highestLosses;
    };
    const expected = all
      .map(({ scores, origin }) => ({ loss: (scores[0]! + 1) / 3, source: origin.source, row: origin.firstRow }))
      .sort((a, b) => b.loss - a.loss || (a.source < b.source ? -1 : a.source > b.source ? 1 : a.row - b.row))
      .slice(0, 20);
    const actual = resultOf([...all.keys()]);
    expect(actual.map(({ source, row: number }) => [source, number])).toEqual(
      expected.map((each) => [each.source, each.row]),
    );
    expect(resultOf([...all.keys()].reverse())).toEqual(actual);
    expect(resultOf(permutation(60, choose))).toEqual(actual);
  });

  test('have labels without doubles, and the highest scores', () => {
    const evaluator = new Evaluator({ nonFinite: 'skip' });
    const scores = [0.5, 3, -1, 3, 2, 0.25, 1];
    evaluator.update([[Infinity, 0, 0, 0, 0, 0, 0], scores], [[1], [5, 2, 5, -1, 0].slice(0, 3)]);
    expect(evaluator.result().highestLosses).toEqual([
      {
        source: '',
        row: 1,
        loss: expect.any(Number),
        labels: [2, 5],
        predictions: [1, 3, 4, 6, 0].map((label) => ({ label, score: scores[label] })),
      },
    ]);
  });

  test('an infinite loss stays one through JSON', () => {
    const evaluator = new Evaluator({ loss: { normalization: 'targets' } });
    evaluator.update(Float32Array.of(-3e38, 3e38), [0]);
    expect(evaluator.result().highestLosses[0]!.loss).toBe(Infinity);
    const copy = Evaluator.fromJSON(JSON.parse(JSON.stringify(evaluator)));
    expect(copy.result().highestLosses).toEqual(evaluator.result().highestLosses);
  });

  test('numbers that are none are refused, and nothing is added', () => {
    const evaluator = new Evaluator();
    for (const [origin, parts] of [
      [{ firstRow: -1 }, ['firstRow', '-1']],
      [{ firstRow: 0.5 }, ['firstRow', '0.5']],
      [{ source: 1 }, ['source must be a string', '1']],
      [{ sourceIndex: -1 }, ['sourceIndex', '-1']],
      [{ rowIds: [0.5] }, ['rowIds', '0.5', 'row 0']],
      [{ rowIds: 'x' }, ['rowIds must be a list', "'x'"]],
      [{ sampleWeight: [-1] }, ['sampleWeight', '-1', 'row 0']],
      [{ sampleWeight: [Infinity] }, ['sampleWeight', 'Infinity']],
      [{ file: 'x' }, ["'file'", 'firstRow, source']],
      [null, ['must be an object']],
    ] as const) {
      expectLossError(() => evaluator.update([[1, 2]], [[0]], untyped(origin)), 'ERR_OPTION', parts);
    }
    expect(evaluator.result()).toMatchObject({ rows: 0, highestLosses: [], margins: [] });
  });
});

test('models of other numbers of classes are refused, in either order', () => {
  const of = (scores: number[]): Evaluator => {
    const evaluator = new Evaluator();
    evaluator.update([scores], [[1]]);
    return evaluator;
  };
  expectLossError(() => of([1, 0.5, 0]).compare(of([1, 0.5])), 'ERR_STATE', ['number of classes', '3 and 2']);
  expectLossError(() => of([1, 0.5]).compare(of([1, 0.5, 0])), 'ERR_STATE', ['number of classes', '2 and 3']);
});

test('an infinite loss has no interval, and a weight of -0 is one of 0', () => {
  const infinite = new Evaluator();
  const data = Float64Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 1.7e308 : -1.7e308));
  infinite.update(
    { data, shape: [100, 2] },
    Array.from({ length: 100 }, () => [1]),
  );
  const { loss } = infinite.compare(infinite).metrics;
  expect(loss.first).toEqual({ value: Infinity, low: null, high: null });
  expect([loss.difference.low, loss.difference.high]).toEqual([null, null]);

  const [zero, negative] = [0, -0].map((weight) => {
    const evaluator = new Evaluator();
    evaluator.update(
      [
        [1, 2],
        [2, 1],
      ],
      [[0], [0]],
      { sampleWeight: [1, weight] },
    );
    return evaluator;
  });
  expect(zero!.compare(negative!).rows).toBe(2);
});
