import { type LossErrorCode, MultiLabelMarginLoss, tensor, topk } from 'multilabel-margin-loss';
import { type EvaluationResult, Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import {
  expectLossError,
  expectWithin,
  lossErrorOf,
  normal,
  permutation,
  SHARE,
  uniform,
  untyped,
} from '../js/support.js';

interface Rows {
  scores: Float32Array;
  targets: number[][];
  classes: number;
}

function randomRows(rows: number, classes: number, seed: number): Rows {
  const next = normal(seed);
  const choose = uniform(seed);
  return {
    scores: Float32Array.from({ length: rows * classes }, next),
    targets: Array.from({ length: rows }, () => permutation(classes, choose).slice(0, Math.floor(choose() * 5))),
    classes,
  };
}

function update(evaluator: Evaluator, { scores, targets, classes }: Rows, begin = 0, end = targets.length): void {
  const data = scores.subarray(begin * classes, end * classes);
  evaluator.update({ data, shape: [end - begin, classes] }, targets.slice(begin, end), { firstRow: begin });
}

function evaluated(rows: Rows, options?: EvaluatorOptions): EvaluationResult {
  const evaluator = new Evaluator(options);
  update(evaluator, rows);
  return evaluator.result();
}

const ASYNC_BACKEND = { name: 'faraway', computeAsync: () => Promise.reject(new Error('not to be called')) };

test('a backend that computes in promises only is refused, by type and when the evaluator is made', () => {
  expectLossError(
    // @ts-expect-error: an evaluator has no asynchronous form
    () => new Evaluator({ loss: { backend: ASYNC_BACKEND } }),
    'ERR_OPTION',
    ['Evaluator', 'faraway', 'synchronously', 'createThreadsBackend()'],
  );
});

describe('results', () => {
  test('of an example worked out by hand', () => {
    const evaluator = new Evaluator({ k: [3, 1, 1] });
    // Ranked 3, 2, 1, 0 with labels in places 1 and 4; then a tie of a label and another class in places 1 and 2.
    const [first, second] = [
      [0.1, 0.2, 0.4, 0.8],
      [0.5, 0.5, 0.2, 0.1],
    ] as const;
    evaluator.update([first, second], [[3, 0], [1]]);
    const common = { source: '', loss: expect.any(Number) };
    const prediction = (scores: readonly number[], label: number) => ({ label, score: Math.fround(scores[label]!) });
    const { at, perLabel, ...means } = evaluator.result();
    const log3 = Math.log2(3);
    const { macroAveragePrecision: macro, microAveragePrecision: micro } = means;
    expect(means).toEqual({
      rows: 2,
      classes: 4,
      rowsWithoutLabels: 0,
      rowsWithAllLabels: 0,
      rowsWithTies: 1,
      rowsSkipped: 0,
      // 0.85 as documented, and (1 + 0.7 + 0.6) / 4.
      loss: expect.closeTo((0.85 + 2.3 / 4) / 2, 6),
      // Two of four pairs are in the wrong order, and one of three.
      rankingLoss: (1 / 2 + 1 / 3) / 2,
      coverageError: (4 + 2) / 2,
      labelRankingAveragePrecision: (0.75 + 0.5) / 2,
      oneError: (0 + 0.5) / 2,
      meanReciprocalRank: (1 + 0.5) / 2,
      weight: 2,
      hasWeights: false,
      hasUnknown: false,
      macroAveragePrecision: expect.any(Number),
      macroAveragePrecisionBounds: { low: macro, high: macro },
      microAveragePrecision: expect.any(Number),
      microAveragePrecisionBounds: { low: micro, high: micro },
      averagePrecisionMissing: null,
      rankingMissing: null,
      classification: null,
      labels: null,
      // In the first row, 0 is outscored by both others; in the second row, scores are equal.
      confusions: [
        { label: 0, other: 1, rows: 1 },
        { label: 0, other: 2, rows: 1 },
      ],
      // 0.1 - 0.4, in the bin of 16 + 3 sixteenths of 1/4, and 0.
      margins: [
        { from: -20 / 64, to: -19 / 64, rows: 1 },
        { from: 0, to: 2 ** -16, rows: 1 },
      ],
      highestLosses: [
        { row: 0, labels: [0, 3], ...common, predictions: [3, 2, 1, 0].map((label) => prediction(first, label)) },
        { row: 1, labels: [1], ...common, predictions: [0, 1, 2, 3].map((label) => prediction(second, label)) },
      ],
    });
    expect(Object.keys(at)).toEqual(['1', '3']);
    expect(at[1]).toEqual({ precision: (1 + 0.5) / 2, recall: (0.5 + 0.5) / 2, ndcg: (1 + 0.5) / 2 });
    expect(at[3]!.precision).toBeCloseTo((1 / 3 + 1 / 3) / 2, 15);
    expect(at[3]!.recall).toBe((0.5 + 1) / 2);
    expect(at[3]!.ndcg).toBeCloseTo((1 / (1 + 1 / log3) + (1 + 1 / log3) / 2) / 2, 15);
    expect(perLabel).toEqual([
      { label: 0, support: 1, meanRank: 4, averagePrecision: 0.5, averagePrecisionBounds: { low: 0.5, high: 0.5 } },
      { label: 1, support: 1, meanRank: 1.5, averagePrecision: 1, averagePrecisionBounds: { low: 1, high: 1 } },
      { label: 2, support: 0, meanRank: null, averagePrecision: 0, averagePrecisionBounds: { low: 0, high: 0 } },
      { label: 3, support: 1, meanRank: 1, averagePrecision: 1, averagePrecisionBounds: { low: 1, high: 1 } },
    ]);
  });

  test('rows without labels and with all of them', () => {
    const { rowsWithoutLabels, rowsWithAllLabels, at, ...result } = evaluated({
      scores: Float32Array.of(3, 1, 2, 3, 1, 2),
      targets: [[], [0, 1, 2]],
      classes: 3,
    });
    expect([rowsWithoutLabels, rowsWithAllLabels]).toEqual([1, 1]);
    expect(result).toMatchObject({
      loss: 0,
      rankingLoss: 0,
      coverageError: 1.5,
      labelRankingAveragePrecision: 1,
      oneError: 0.5,
      meanReciprocalRank: 0.5,
    });
    expect(at[5]).toEqual({ precision: 3 / 5 / 2, recall: 0.5, ndcg: 0.5 });
  });

  test('of no rows', () => {
    for (const evaluator of [new Evaluator(), Evaluator.fromJSON(JSON.parse(JSON.stringify(new Evaluator())))]) {
      expect(evaluator.result()).toMatchObject({ rows: 0, classes: 0, rowsSkipped: 0, perLabel: [], loss: Number.NaN });
      expect(evaluator.result().at[1]).toEqual({ precision: Number.NaN, recall: Number.NaN, ndcg: Number.NaN });
    }
    const evaluator = new Evaluator();
    evaluator.update({ data: new Float32Array(0), shape: [0, 3] }, []);
    expect(evaluator.result()).toMatchObject({ rows: 0, classes: 3, macroAveragePrecision: Number.NaN });
  });

  test('the loss is that of MultiLabelMarginLoss with the same options', () => {
    const rows = randomRows(50, 30, 1);
    for (const loss of [{}, { margin: 0.5, normalization: 'targets', targetOrder: 'ranked' }] as const) {
      const scores = tensor(rows.scores, { shape: [50, 30] });
      const expected = Number(new MultiLabelMarginLoss(loss).forward(scores, rows.targets).item());
      // Each loss is rounded to float32, and so is their mean.
      expectWithin([evaluated(rows, { loss }).loss], [expected], 2 * 2 ** -24 * expected, 'loss');
    }
  });

  test('every form of scores and targets', () => {
    const lists = [
      [0.5, -0.25, 2],
      [1, 3, 0.125],
    ];
    const expected = evaluated({ scores: Float32Array.from(lists.flat()), targets: [[2], [0, 2]], classes: 3 });
    const targets = [
      tensor([2, -1, 0, 2], { dtype: 'int64', shape: [2, 2] }),
      [
        [2, -1],
        [2n, 0],
      ],
      [
        [2, -1, 0],
        [0, 2, 2],
      ],
    ];
    for (const form of targets) {
      for (const scores of [lists, tensor(lists, { dtype: 'float64' }), tensor(lists, { requires_grad: true })]) {
        const evaluator = new Evaluator();
        evaluator.update(scores, untyped(form));
        // A label listed twice counts twice in the loss.
        const { loss, ...result } = evaluator.result();
        const { loss: expectedLoss, ...others } = expected;
        expect(result).toEqual({ ...others, highestLosses: expect.any(Array) });
        if (form !== targets[2]) expect(loss).toBeCloseTo(expectedLoss, 6);
      }
    }
    const one = new Evaluator();
    one.update(Float64Array.of(0.5, -0.25, 2), [2]);
    one.update([1, 3, 0.125], Int32Array.of(2, 0));
    expect(one.result().labelRankingAveragePrecision).toBe(expected.labelRankingAveragePrecision);
  });

  test('batches larger than what is staged at a time, and rows longer', () => {
    for (const [rows, classes] of [
      [3000, 100],
      [3, 100_000],
    ] as const) {
      const batch = randomRows(rows, classes, 5);
      const evaluator = new Evaluator();
      for (let row = 0; row < rows; row += 700) update(evaluator, batch, row, Math.min(rows, row + 700));
      expect(evaluated(batch)).toEqual(evaluator.result());
    }
  });
});

describe('merging and JSON', () => {
  test.each([
    ['scores that are kept', 40, 50],
    ['scores that are counted in bins', 3000, 400],
  ])('give the same bits in any order: %s', (_, rows, classes) => {
    const batch = randomRows(rows, classes, 3);
    batch.scores[classes + 1] = Number.NaN;
    const options = { nonFinite: 'skip' } as const;
    const expected = evaluated(batch, options);
    expect(expected.rowsSkipped).toBe(1);
    const { low, high } = expected.microAveragePrecisionBounds!;
    expect(low === high).toBe(rows === 40);
    const middle = Math.floor(rows / 3);
    const parts = [0, middle, middle + 1, rows].slice(1).map((end, i) => {
      const part = new Evaluator(options);
      update(part, batch, [0, middle, middle + 1][i], end);
      return part;
    });
    const orders = [
      [2, 0, 1],
      [0, 1, 2],
      [1, 2, 0],
    ];
    for (const order of orders.slice(0, Math.ceil(orders.length * SHARE))) {
      const merged = new Evaluator(options);
      for (const i of order) merged.merge(Evaluator.fromJSON(JSON.parse(JSON.stringify(parts[i]))));
      expect(merged.result()).toEqual(expected);
      merged.merge(new Evaluator(options));
      expect(merged.result()).toEqual(expected);
    }
    expect(parts[0]!.result().rows).toBe(middle - 1);
  });

  test('an evaluator merged with itself has its rows twice', () => {
    const evaluator = new Evaluator();
    update(evaluator, randomRows(10, 6, 2));
    const { labelRankingAveragePrecision } = evaluator.result();
    evaluator.merge(evaluator);
    expect(evaluator.result()).toMatchObject({ rows: 20, labelRankingAveragePrecision });
  });

  test('JSON keeps the options', () => {
    const labels = ['cat', '2', 'naïve', '__proto__', 'a\nb', '\ud800'];
    const evaluator = new Evaluator({
      k: [2],
      loss: { margin: 2, normalization: 'targets' },
      nonFinite: 'skip',
      labels,
    });
    update(evaluator, randomRows(10, 6, 2));
    const copy = Evaluator.fromJSON(JSON.parse(JSON.stringify(evaluator)));
    expect(JSON.stringify(copy)).toBe(JSON.stringify(evaluator));
    for (const each of [evaluator, copy]) each.update([[1, Number.NaN, 0, 0, 0, 0]], [[1]]);
    expect(copy.result()).toEqual(evaluator.result());
    expect(copy.result().labels).toEqual(labels);
  });

  test('is refused for evaluators that differ, and adds nothing', () => {
    const own = new Evaluator({ k: [1] });
    update(own, randomRows(4, 5, 1));
    const before = own.result();
    const others: [Evaluator, readonly string[]][] = [
      [new Evaluator({ k: [1, 2] }), ['same k', '[1]', '[1,2]']],
      [new Evaluator({ k: [1], loss: { margin: 2 } }), ['options of the loss', '"margin":2']],
      [new Evaluator({ k: [1] }), ['same classes', '5 and 6']],
      [untyped({ format: 1 }), ['needs an Evaluator', 'an object']],
    ];
    update(others[2]![0], randomRows(4, 6, 1));
    for (const [other, parts] of others) expectLossError(() => own.merge(other), 'ERR_STATE', parts);
    expect(own.result()).toEqual(before);
  });

  test('names of classes: others are refused, and so are names beside none', () => {
    const withNames = (labels?: string[]): Evaluator => {
      const evaluator = new Evaluator({ labels });
      update(evaluator, randomRows(4, 3, 1));
      return evaluator;
    };
    const own = withNames(['a', 'b', 'c']);
    own.merge(withNames(['a', 'b', 'c']));
    expect(own.result()).toMatchObject({ rows: 8, labels: ['a', 'b', 'c'] });
    const before = own.result();
    const others: [Evaluator, readonly string[]][] = [
      [withNames(['a', 'c', 'b']), ['same labels', "'b' and 'c' for class 1"]],
      [withNames(), ['same labels', 'names and none']],
      [new Evaluator({ labels: ['a', 'b', 'c', 'd'] }), ['same labels', '3 and 4 names']],
    ];
    for (const [other, parts] of others) expectLossError(() => own.merge(other), 'ERR_STATE', parts);
    expect(own.result()).toEqual(before);

    expectLossError(() => withNames(['a', 'b']), 'ERR_SHAPE', ['2 names for 3 classes']);
    const once = withNames(['a', 'b', 'c']);
    expectLossError(() => once.compare(withNames(['a', 'c', 'b'])), 'ERR_STATE', ["'b' and 'c' for class 1"]);
    expect(once.compare(withNames()).rows).toBe(4);
  });

  test('JSON that is not an evaluator’s is refused', () => {
    const evaluator = new Evaluator();
    update(evaluator, randomRows(4, 5, 1));
    const json = evaluator.toJSON();
    // With the digest of its content, which the error for another digest names.
    const signed = (changed: object): object => {
      const unsigned = { ...json, ...changed, digest: '' };
      const { message } = lossErrorOf(() => Evaluator.fromJSON(unsigned));
      return { ...unsigned, digest: /content '(\w{16})'/.exec(message)![1] };
    };
    const [high] = json.highestLosses;
    const nested: unknown[] = [];
    nested.push(nested);
    const cases: [unknown, readonly string[]][] = [
      [undefined, ["format 'multilabel-margin-loss/evaluator'", 'undefined']],
      [null, ['format']],
      ['{}', ['format']],
      [[json], ['format', 'an array']],
      [{ ...json, version: 1 }, ['0.1', 'evaluate the data again']],
      [{ ...json, version: 3 }, ['version 2', '3']],
      [{ ...json, digest: '0' }, ['damaged', 'digest', "'0'"]],
      [{ ...json, k: [1, 3, 4] }, ['damaged', 'digest']],
      [{ ...json, k: nested }, ['nested more than 20']],
      [signed({ k: 'x' }), ['damaged', 'k must be']],
      [signed({ labels: ['a', 'b'] }), ['damaged', '2 names for 5 classes']],
      [signed({ labels: ['a', 'b', 'c', 'd', 'a'] }), ['damaged', "'a' at 0 and at 4"]],
      [signed({ loss: null }), ['damaged']],
      [signed({ loss: JSON.parse('{ "__proto__": { "margin": 2 } }') }), ['damaged', "'__proto__'"]],
      [signed({ nonFinite: 0 }), ['damaged', 'nonFinite']],
      [signed({ classes: 2.5 }), ['damaged', '2.5']],
      [signed({ classes: 0 }), ['damaged', 'state']],
      [signed({ classes: 6 }), ['damaged']],
      [signed({ classes: 2 ** 31 - 1 }), ['damaged', '2147483647 classes']],
      [signed({ k: [1] }), ['damaged']],
      [signed({ state: json.state.slice(0, 40) }), ['damaged']],
      [signed({ state: '?' }), ['base64']],
      [signed({ state: 1 }), ['damaged', '1']],
      [signed({ rows: -1 }), ['damaged', 'rows are -1']],
      [signed({ rows: 1e15 }), ['damaged', 'rows are 1000000000000000']],
      [signed({ rows: 5 }), ['damaged', 'rows are 5', 'of 4']],
      [signed({ highestLosses: [{ row: 0 }] }), ['damaged', 'highestLosses']],
      [signed({ highestLosses: [{ ...high, labels: [5] }] }), ['damaged', 'highestLosses']],
      [signed({ highestLosses: [{ ...high, loss: -1 }] }), ['damaged', 'highestLosses']],
    ];
    for (const [value, parts] of cases) expectLossError(() => Evaluator.fromJSON(value), 'ERR_STATE', parts);
  });
});

describe('a single flipped bit in JSON', () => {
  test.each([
    ['scores that are kept', 20, 7],
    ['scores that are counted in bins', 30_000, 40],
  ])('is refused, or changes nothing: %s', (_, rows, classes) => {
    const evaluator = new Evaluator({ nonFinite: 'skip' });
    const batch = randomRows(rows, classes, 9);
    batch.scores[3] = Number.NaN;
    update(evaluator, batch);
    const bytes = new TextEncoder().encode(JSON.stringify(evaluator));
    const expected = JSON.stringify(evaluator.result());
    const choose = uniform(10);
    let refused = 0;
    const flips = 300;
    for (let flip = 0; flip < flips; flip++) {
      // Half of them outside the long text of the sums.
      const place = Math.floor(choose() * (flip % 2 === 0 ? bytes.length : 250));
      const bit = 1 << Math.floor(choose() * 8);
      bytes[flip % 4 === 1 ? bytes.length - 1 - place : place]! ^= bit;
      let read: Evaluator | null = null;
      try {
        read = Evaluator.fromJSON(JSON.parse(new TextDecoder().decode(bytes)));
      } catch (error) {
        if (!(error instanceof SyntaxError)) expect(error).toMatchObject({ code: 'ERR_STATE' });
        refused++;
      }
      if (read !== null) expect(JSON.stringify(read.result()), `byte ${place}, bit ${bit}`).toBe(expected);
      bytes[flip % 4 === 1 ? bytes.length - 1 - place : place]! ^= bit;
    }
    expect(refused).toBeGreaterThan(0.9 * flips);
  });
});

describe('the highest scores of rows', () => {
  const [ROWS, CLASSES, LISTED] = [60, 30, 6];
  const rows = randomRows(ROWS, CLASSES, 11);
  // Ties among the listed scores, and between them and others.
  const scores = rows.scores.map((score) => Math.round(2 * score) / 2);
  const shape = [ROWS, CLASSES];
  const sampleWeight = Array.from({ length: ROWS }, (_, row) => (row % 3) / 4);
  const unknown = rows.targets.map((targets) => [[0, 1, 2].find((label) => !targets.includes(label))!]);
  // All others rank below the listed ones.
  const { values, indices } = topk({ data: scores, shape }, LISTED);
  const below = Float32Array.from(scores, (_, i) => {
    const place = indices.data.subarray(Math.floor(i / CLASSES) * LISTED, (Math.floor(i / CLASSES) + 1) * LISTED);
    return place.includes(i % CLASSES) ? scores[i]! : -100;
  });
  const part = (begin: number, end: number) => ({
    values: { data: values.data.subarray(begin * LISTED, end * LISTED), shape: [end - begin, LISTED] },
    indices: { data: indices.data.subarray(begin * LISTED, end * LISTED), shape: [end - begin, LISTED] },
  });
  const options = (begin: number, end: number) => ({
    firstRow: begin,
    classes: CLASSES,
    sampleWeight: sampleWeight.slice(begin, end),
    unknown: unknown.slice(begin, end),
  });

  test.each<[string, EvaluatorOptions['classification']]>([
    ['the first k', { k: 3 }],
    ['thresholds and k', { k: 5, thresholds: 0.5, beta: 2 }],
    ['thresholds that no other class reaches', { thresholds: Array.from({ length: CLASSES }, () => 90) }],
  ])('metrics at k and of predicted classes are those of all scores: %s', (_, classification) => {
    const all = new Evaluator({ k: [1, 2, 5], classification });
    all.update({ data: below, shape }, rows.targets, { sampleWeight, unknown });
    const top = new Evaluator({ k: [1, 2, 5], classification });
    top.updateTopK({ values, indices }, rows.targets, options(0, ROWS));
    const [expected, result] = [all.result(), top.result()];
    const kept = ({
      rows,
      classes,
      rowsWithoutLabels,
      weight,
      hasWeights,
      hasUnknown,
      at,
      oneError,
      classification,
    }: EvaluationResult) => ({
      rows,
      classes,
      rowsWithoutLabels,
      weight,
      hasWeights,
      hasUnknown,
      at,
      oneError,
      classification,
    });
    expect(kept(result)).toEqual(kept(expected));
    expect(result.perLabel.map(({ support }) => support)).toEqual(expected.perLabel.map(({ support }) => support));
    expect(result).toMatchObject({
      ...{ loss: Number.NaN, rankingLoss: Number.NaN, coverageError: Number.NaN, meanReciprocalRank: Number.NaN },
      ...{ labelRankingAveragePrecision: Number.NaN, macroAveragePrecision: null, microAveragePrecision: null },
      ...{ margins: [], highestLosses: [], confusions: null },
    });
    expect(result.rankingMissing).toContain('only the highest scores');
    expect(result.averagePrecisionMissing).toBe(result.rankingMissing);
    expect(
      result.perLabel.every(({ meanRank, averagePrecision }) => meanRank === null && averagePrecision === null),
    ).toBe(true);
    expectLossError(() => top.precisionRecallCurve(), 'ERR_STATE', ['only the highest scores']);
    // What both know can be compared.
    const compared = all.compare(top);
    expect(compared.at[5]!.recall.difference.value).toBe(0);
    expect(compared.metrics.oneError.difference.value).toBe(0);
    expect(compared.metrics.coverageError.first).toEqual({ value: Number.NaN, low: null, high: null });
    expect(compared.rankingMissing).toBe(result.rankingMissing);
  });

  test('give the same bits in any parts, merged in any order, through JSON', () => {
    const whole = new Evaluator({ k: [1, 5] });
    whole.updateTopK({ values, indices }, rows.targets, options(0, ROWS));
    const merged = new Evaluator({ k: [1, 5] });
    for (const [begin, end] of [
      [40, ROWS],
      [0, 7],
      [7, 40],
    ] as const) {
      const other = new Evaluator({ k: [1, 5] });
      other.updateTopK(part(begin, end), rows.targets.slice(begin, end), options(begin, end));
      merged.merge(Evaluator.fromJSON(JSON.parse(JSON.stringify(other))));
    }
    expect(merged.result()).toEqual(whole.result());
    expect(merged.compare(whole)).toEqual(whole.compare(whole));
  });

  test('the number of classes is that of their names', () => {
    const evaluator = new Evaluator({ k: [1], labels: ['a', 'b', 'c'] });
    evaluator.updateTopK({ values: [0.5, 0], indices: [2, -1] }, [2]);
    expect(evaluator.result()).toMatchObject({ classes: 3, oneError: 0 });
  });

  const top = { values: [[3, 2, 1]], indices: [[4, 0, 2]] };
  const cases: [string, object, unknown, EvaluatorOptions, LossErrorCode, readonly string[]][] = [
    ['no number of classes', top, {}, {}, 'ERR_OPTION', ['needs the option classes']],
    ['too few for k', top, { classes: 9 }, { k: [1, 4] }, 'ERR_SHAPE', ['row 0 has the scores of 3 classes, and 4']],
    [
      'too few for the predicted',
      top,
      { classes: 9 },
      { k: [], classification: { k: 5 } },
      'ERR_SHAPE',
      ['3 classes, and 5'],
    ],
    ['too few known', top, { classes: 9, unknown: [[0]] }, { k: [3] }, 'ERR_SHAPE', ['the scores of 2 classes, and 3']],
    [
      'a class that is listed twice',
      { ...top, indices: [[4, 0, 4]] },
      { classes: 9 },
      { k: [1] },
      'ERR_OPTION',
      ['row 0', 'class 4 twice'],
    ],
    [
      'a class out of range',
      top,
      { classes: 4 },
      { k: [1] },
      'ERR_TARGET_RANGE',
      ['class 4 at row 0, column 0', '[0, 4)'],
    ],
    [
      'NaN',
      { ...top, values: [[3, Number.NaN, 1]] },
      { classes: 9 },
      { k: [1] },
      'ERR_NON_FINITE',
      ['class 0 at row 0 is NaN'],
    ],
    [
      'scores without a class',
      { ...top, indices: [[4, 0]] },
      { classes: 9 },
      { k: [1] },
      'ERR_SHAPE',
      ['one shape', '[1, 3] and [1, 2]'],
    ],
    [
      'a threshold that others may reach',
      top,
      { classes: 9 },
      { k: [1], classification: { thresholds: 1 } },
      'ERR_SHAPE',
      ['row 0 does not tell', 'threshold 1'],
    ],
    [
      'targets out of range',
      { ...top, indices: [[1, 0, 2]] },
      { classes: 3 },
      { k: [1] },
      'ERR_TARGET_RANGE',
      ['target 3'],
    ],
    ['an unknown option', top, { class: 9 }, { k: [1] }, 'ERR_OPTION', ["'class'"]],
  ];
  test.each(cases)('refused: %s', (_, given, more, evaluatorOptions, code, parts) => {
    const evaluator = new Evaluator(evaluatorOptions);
    expectLossError(() => evaluator.updateTopK(untyped(given), [[3]], untyped(more)), code, parts);
    expect(evaluator.result().rows).toBe(0);
    evaluator.updateTopK({ values: [[9, 8, 7, 6, 5]], indices: [[0, 1, 2, 3, 4]] }, [[3]], { classes: 5 });
    expect(evaluator.result().rows).toBe(1);
  });

  test('scores in an array of a subclass', () => {
    class Own extends Float32Array {}
    const evaluator = new Evaluator({ k: [1] });
    evaluator.updateTopK({ values: { data: Own.of(0.9, 0.5), shape: [1, 2] }, indices: [[0, 2]] }, [[0]], {
      classes: 4,
    });
    expect(evaluator.result()).toMatchObject({ rows: 1, oneError: 0 });
  });

  test('rows of all scores beside them are refused, and NaN may be skipped', () => {
    const evaluator = new Evaluator({ k: [1], nonFinite: 'skip' });
    evaluator.updateTopK({ values: [[Number.NaN], [1]], indices: [[0], [1]] }, [[0], [1]], { classes: 2 });
    expect(evaluator.result()).toMatchObject({ rows: 1, rowsSkipped: 1, oneError: 0 });
    expectLossError(() => evaluator.update([[1, 2]], [[0]]), 'ERR_STATE', ['rows of all scores cannot be added']);
    const all = new Evaluator({ k: [1], nonFinite: 'skip' });
    all.update([[1, 2]], [[0]]);
    expectLossError(() => all.merge(evaluator), 'ERR_STATE', ['rows of their highest scores cannot be added']);
    expectLossError(() => all.updateTopK({ values: [1], indices: [0] }, [0]), 'ERR_STATE', ['another evaluator']);
    expect(all.result().rows).toBe(1);
  });
});

describe('bad input', () => {
  const options: [unknown, readonly string[]][] = [
    [{ ks: [1] }, ["'ks'", 'k, loss, nonFinite']],
    [{ k: 1 }, ['k must be a list', '1']],
    [{ k: [0] }, ['from 1', '0']],
    [{ k: [1, 2.5] }, ['2.5']],
    // eslint-disable-next-line no-sparse-arrays
    [{ k: [1, , 3] }, ['undefined']],
    [{ nonFinite: 'ignore' }, ["'error', 'skip'", "'ignore'"]],
    [{ loss: { reduction: 'sum' } }, ["'reduction'", 'margin']],
    [{ loss: { margin: Infinity } }, ['margin']],
    [{ loss: 3 }, ['must be an object']],
    [{ labels: 'cat' }, ['list of names', "'cat'"]],
    [{ labels: [] }, ['list of names']],
    [{ labels: ['cat', 7] }, ['strings', '7 at 1']],
    [{ labels: ['cat', ' '] }, ['not be empty', 'at 1']],
    [{ labels: ['cat', 'dog', 'cat'] }, ['differ', "'cat' at 0 and at 2"]],
    [null, ['must be an object']],
  ];
  test.each(options)('options %j', (given, parts) => {
    expectLossError(() => new Evaluator(untyped(given)), 'ERR_OPTION', parts);
  });

  const rows = Array.from({ length: 5 }, () => [1, 2, 3]);
  const targets = Array.from({ length: 5 }, () => [0]);
  const calls: [string, unknown, unknown, LossErrorCode, readonly string[]][] = [
    [
      'scores that are not finite',
      [...rows.slice(1), [0, -Infinity, 1]],
      targets,
      'ERR_NON_FINITE',
      ['row 4, column 1', '-Infinity', "'skip'"],
    ],
    ['NaN', [...rows.slice(1), [0, 1, Number.NaN]], targets, 'ERR_NON_FINITE', ['row 4, column 2', 'NaN']],
    [
      'a target out of range',
      rows,
      [...targets.slice(1), [3]],
      'ERR_TARGET_RANGE',
      ['target 3 at row 4, column 0', '[0, 3)'],
    ],
    [
      'an int64 target out of range',
      rows,
      tensor([...targets.slice(1), [2 ** 33]], { dtype: 'int64' }),
      'ERR_TARGET_RANGE',
      ['8589934592'],
    ],
    ['another number of rows', rows, targets.slice(1), 'ERR_SHAPE', ['[5, K]', '[4, 1]']],
    ['another number of classes', [[1, 2]], [[0]], 'ERR_SHAPE', ['3 classes', 'got 2']],
    ['no classes', { data: new Float32Array(0), shape: [5, 0] }, targets, 'ERR_SHAPE', ['at least one class']],
    ['scores of integers', { data: new Int32Array(3), shape: [1, 3] }, [[0]], 'ERR_DTYPE', ['float32 or float64']],
    ['no scores', undefined, targets, 'ERR_DTYPE', ['scores']],
  ];
  test.each(calls)('%s: nothing is added', (_, scores, target, code, parts) => {
    const evaluator = new Evaluator();
    evaluator.update([[1, 2, 3]], [[1]]);
    const before = evaluator.result();
    expectLossError(() => evaluator.update(untyped(scores), untyped(target)), code, parts);
    expect(evaluator.result()).toEqual(before);
    evaluator.update([[1, 2, 3]], [[1]]);
    expect(evaluator.result().rows).toBe(2);
  });

  test('in a later part of a large batch: nothing is added', () => {
    const batch = randomRows(3000, 100, 8);
    batch.scores[2999 * 100 + 7] = Infinity;
    const evaluator = new Evaluator();
    expectLossError(() => update(evaluator, batch), 'ERR_NON_FINITE', ['row 2999, column 7', 'Infinity']);
    expect(evaluator.result().rows).toBe(0);
  });
});
