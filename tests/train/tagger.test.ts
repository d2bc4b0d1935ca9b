// trainTagger() and Tagger: what they learn, keep and refuse.

import { loadSafetensors, nn, saveSafetensors, tensor } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import {
  type SparseMatrix,
  Tagger,
  type TaggerRows,
  trainTagger,
  type TrainTaggerOptions,
} from 'multilabel-margin-loss/train';
import { describe, expect, test } from 'vitest';
import { normal, uniform } from '../js/support.js';

const FEATURES = 6;
const CLASSES = 5;

/** A label adds 2 to the feature of its number, and all have noise. */
function rowsOf(count: number, seed: number): { features: number[][]; targets: number[][] } {
  const [next, choose] = [normal(seed), uniform(seed + 1)];
  const targets = Array.from({ length: count }, () => [...Array(CLASSES).keys()].filter(() => choose() < 0.3));
  const features = targets.map((labels) =>
    Array.from({ length: FEATURES }, (_, j) => next() * 0.3 + (labels.includes(j) ? 2 : 0)),
  );
  return { features, targets };
}

function toSparse(rows: readonly (readonly number[])[]): SparseMatrix {
  const [data, indices, indptr]: number[][] = [[], [], [0]];
  for (const row of rows) {
    row.forEach((value, j) => {
      if (value === 0) return;
      data!.push(value);
      indices!.push(j);
    });
    indptr!.push(data!.length);
  }
  return { data: data!, indices: indices!, indptr: indptr!, shape: [rows.length, rows[0]!.length] };
}

const rows = rowsOf(800, 1);
const unseen = rowsOf(400, 2);

function withTargets(row: number, labels: number[]): number[][] {
  return rows.targets.map((own, i) => (i === row ? labels : own));
}

function lrapOf(tagger: Tagger, { features, targets }: typeof rows): number {
  const evaluator = new Evaluator();
  evaluator.update(tagger.scores(features), targets);
  return evaluator.result().labelRankingAveragePrecision;
}

describe('trainTagger', () => {
  const kinds: [string, Partial<TrainTaggerOptions>][] = [
    ['linear', {}],
    ['with a hidden layer', { hidden: 16, dropout: 0.1, optimizer: 'Adam', learningRate: 0.01 }],
    ['standardized', { standardize: true }],
    ['by AdamW', { optimizer: 'AdamW', learningRate: 0.01, weightDecay: 0.01 }],
    ['by SGD', { optimizer: 'SGD', learningRate: 0.05 }],
  ];
  test.each(kinds)('learns what there is to learn: %s', async (_, options) => {
    for (const features of [rows.features, toSparse(rows.features)]) {
      const tagger = await trainTagger({ ...rows, features, ...options, epochs: 20 });
      expect(lrapOf(tagger, unseen)).toBeGreaterThan(0.99);
      expect(tagger.training!.validation!.labelRankingAveragePrecision).toBeGreaterThan(0.99);
    }
  });

  test('splits by the hash of what rows are known by, whatever their order', async () => {
    const seen: number[] = [];
    const options = { ...rows, epochs: 1, validation: 0.25, test: 0.2 };
    const onStart = (start: { training: number; validation: number; test: number }): void =>
      void seen.push(start.training, start.validation, start.test);
    const tagger = await trainTagger({ ...options, onStart });
    const [training, validation, held] = seen as [number, number, number];
    expect(training + validation + held).toBe(800);
    // Four standard deviations of a binomial distribution.
    expect(Math.abs(validation - 200)).toBeLessThan(4 * Math.sqrt(800 * 0.25 * 0.75));
    expect(Math.abs(held - 160)).toBeLessThan(4 * Math.sqrt(800 * 0.2 * 0.8));
    expect(tagger.training!.validation!.rows).toBe(validation);
    expect(tagger.training!.test!.rows).toBe(held);
    // Ids stay in their part, in whatever order rows come.
    const ids = rows.targets.map((_, i) => `row ${i}`);
    const forwards = await trainTagger({ ...options, rowIds: ids });
    const backwards = await trainTagger({
      ...options,
      features: [...rows.features].reverse(),
      targets: [...rows.targets].reverse(),
      rowIds: [...ids].reverse(),
    });
    expect(backwards.training!.test!.rows).toBe(forwards.training!.test!.rows);
    // A row of many copies is in one part.
    const one = { features: rows.features.map(() => [1, 0]), targets: rows.targets.map(() => [0]) };
    await expect(
      trainTagger({ ...one, rowIds: rows.targets.map(() => 'same'), validation: 0.999 }),
    ).rejects.toMatchObject({ code: 'ERR_OPTION', message: expect.stringMatching(/none is left to train on/) });
  });

  test('rows for test have no part in the training', async () => {
    const options = { epochs: 3, validation: 0, test: 0.3 };
    const ids = rows.targets.map((_, i) => i);
    // A training on nothing but one row is refused where the row is for test.
    const isHeld = await Promise.all(
      ids.slice(0, 20).map((id) =>
        trainTagger({ features: [[1]], targets: [[0]], rowIds: [id], ...options }).then(
          () => false,
          () => true,
        ),
      ),
    );
    const train = (changed: number | null): Promise<Tagger> => {
      const targets = rows.targets.map((labels, i) =>
        i === changed ? [0, 1, 2, 3, 4].filter((j) => !labels.includes(j)) : labels,
      );
      return trainTagger({ ...rows, ...options, targets, rowIds: ids, classes: CLASSES });
    };
    const first = (await train(null)).scores(unseen.features).data;
    expect((await train(isHeld.indexOf(true))).scores(unseen.features).data).toEqual(first);
    expect((await train(isHeld.indexOf(false))).scores(unseen.features).data).not.toEqual(first);
  });

  test('gives the same bits every time, for another seed others, and random numbers elsewhere stay as they were', async () => {
    const { manual_seed, randn } = await import('multilabel-margin-loss');
    const options = { ...rows, hidden: 8, dropout: 0.2, epochs: 2 };
    manual_seed(5);
    const expected = randn([4]).tolist();
    manual_seed(5);
    const first = await trainTagger(options);
    expect(randn([4]).tolist()).toEqual(expected);
    const bytes = first.save();
    expect((await trainTagger({ ...options, onProgress: () => void randn([3]) })).save()).toEqual(bytes);
    expect((await trainTagger({ ...options, seed: 2 })).scores(unseen.features).data).not.toEqual(
      first.scores(unseen.features).data,
    );
  });

  test.each<[string, Partial<TrainTaggerOptions>]>([
    ['Adagrad', {}],
    ['Adam, hidden, dropout, standardized', { optimizer: 'Adam', hidden: 8, dropout: 0.3, standardize: true }],
    ['sparse', { features: toSparse(rows.features), standardize: true }],
    ['without validation', { validation: 0, optimizer: 'SGD', learningRate: 0.01 }],
  ])('goes on from a checkpoint as if it had not been interrupted: %s', async (_, extra) => {
    const options = { ...rows, ...extra, epochs: 5, test: 0.1 };
    const whole = await trainTagger(options);
    let checkpoint: Uint8Array | undefined;
    const stop = new Error('interrupted');
    const interrupted = trainTagger({
      ...options,
      onEpoch: ({ epoch, checkpoint: take }) => {
        if (epoch === 2) checkpoint = take();
        if (epoch === 3) throw stop;
      },
    });
    await expect(interrupted).rejects.toBe(stop);
    const resumed: number[] = [];
    const onStart = (start: { resumed: number }): void => void resumed.push(start.resumed);
    const rest = await trainTagger({ ...options, resume: checkpoint, onStart });
    expect(resumed).toEqual([2]);
    expect(rest.save()).toEqual(whole.save());
    expect(rest.training).toEqual(whole.training);
    // A shorter training that goes on is the longer one.
    let after: Uint8Array | undefined;
    await trainTagger({ ...options, epochs: 3, onEpoch: (epoch) => void (after = epoch.checkpoint()) });
    expect((await trainTagger({ ...options, resume: after })).save().length).toBe(whole.save().length);
    expect((await trainTagger({ ...options, resume: after })).scores(unseen.features).data).toEqual(
      whole.scores(unseen.features).data,
    );
    await expect(trainTagger({ ...options, resume: checkpoint, batchSize: 16 })).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: 'this checkpoint was made with batchSize 32, and now it is 16',
    });
    const others = withTargets(700, [1, 2, 3, 4]);
    await expect(trainTagger({ ...options, targets: others, resume: checkpoint })).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: 'this checkpoint is of other rows',
    });
    await expect(trainTagger({ ...options, resume: whole.save() })).rejects.toMatchObject({
      message: 'this is no checkpoint of a training',
    });
  });

  describe('a checkpoint is refused for other rows', () => {
    const features = Float64Array.from(rows.features.flat());
    const withFeatures = (change: (values: Float64Array) => void): Partial<TrainTaggerOptions> => {
      const data = features.slice();
      change(data);
      return { features: { data, shape: [800, FEATURES] } };
    };
    const weights = Array.from({ length: 800 }, (_, row) => 1 + (row % 3));
    const sparse = toSparse(rows.features);
    const own: TrainTaggerOptions = {
      ...rows,
      ...withFeatures(() => {}),
      sampleWeight: weights,
      unknown: rows.targets.map(() => []),
      hidden: 4,
      epochs: 3,
    };
    const refusal = { code: 'ERR_STATE', message: 'this checkpoint is of other rows' };
    const checkpointOf = async (options: TrainTaggerOptions): Promise<Uint8Array> => {
      let checkpoint: Uint8Array | undefined;
      const onEpoch: TrainTaggerOptions['onEpoch'] = (epoch) => void (checkpoint = epoch.checkpoint());
      await trainTagger({ ...options, epochs: 2, onEpoch });
      return checkpoint!;
    };

    test.each<[string, Partial<TrainTaggerOptions>]>([
      ['a feature', withFeatures((data) => (data[11]! += 1e-9))],
      ['the signs of two features', withFeatures((data) => [1, 2].forEach((at) => (data[at]! *= -1)))],
      ['two features in another order', withFeatures((data) => data.subarray(0, 2).reverse())],
      ['features of float32', { features: { data: Float32Array.from(features), shape: [800, FEATURES] } }],
      ['a weight', { sampleWeight: weights.map((weight, row) => (row === 799 ? 7 : weight)) }],
      ['no weights', { sampleWeight: undefined }],
      ['unknown classes', { unknown: rows.targets.map((labels) => (labels.includes(0) ? [] : [0])) }],
    ])('%s', async (_, other) => {
      const resume = await checkpointOf(own);
      await expect(trainTagger({ ...own, ...other, resume })).rejects.toMatchObject(refusal);
    });

    test('an entry of sparse rows in another column', async () => {
      const resume = await checkpointOf({ ...own, features: sparse });
      const indices = [...sparse.indices];
      indices.splice(0, 2, 1, 0);
      await expect(trainTagger({ ...own, features: { ...sparse, indices }, resume })).rejects.toMatchObject(refusal);
    });

    test('but not for the same ones in other batches', async () => {
      const cut = (size: number): TrainTaggerOptions['rows'] =>
        function* () {
          for (let begin = 0; begin < 800; begin += size) {
            const end = Math.min(800, begin + size);
            yield { features: rows.features.slice(begin, end), targets: rows.targets.slice(begin, end) };
          }
        };
      const resume = await checkpointOf({ rows: cut(100), hidden: 4 });
      const whole = await trainTagger({ rows: cut(100), hidden: 4, epochs: 3 });
      const rest = await trainTagger({ rows: cut(37), hidden: 4, epochs: 3, resume });
      expect(rest.save()).toEqual(whole.save());
    });
  });

  test('rows that are read in parts train as those in memory do', async () => {
    const size = 100;
    const parts = Array.from({ length: 8 }, (_, i) => ({
      features: rows.features.slice(i * size, (i + 1) * size),
      targets: rows.targets.slice(i * size, (i + 1) * size),
    }));
    const options = { epochs: 2, test: 0.1 };
    const whole = await trainTagger({ ...rows, ...options });
    const read = await trainTagger({ ...options, rows: () => parts });
    const later = await trainTagger({
      ...options,
      rows: async function* () {
        for (const part of parts) yield await Promise.resolve(part);
      },
    });
    expect(read.save()).toEqual(whole.save());
    expect(later.save()).toEqual(whole.save());
  });

  test('stops when validation gets no better, and takes the best epoch', async () => {
    const noise = { features: rows.features.map(() => [uniformly(), 1]), targets: rows.targets };
    const tagger = await trainTagger({ ...noise, epochs: 100, patience: 3 });
    const { epochs, best, validation } = tagger.training!;
    expect(epochs.length).toBe(best + 3);
    const records = epochs.filter(({ validation: own }, i) => {
      const before = epochs.slice(0, i).map((epoch) => epoch.validation!);
      const highest = Math.max(...before.map((other) => other.labelRankingAveragePrecision));
      return own!.loss < Math.min(...before.map(({ loss }) => loss)) || own!.labelRankingAveragePrecision > highest;
    });
    expect(records.at(-1)!.epoch).toBe(best);
    expect(validation!.loss).toBe(epochs[best - 1]!.validation!.loss);
  });

  test('sampleWeight is what copies of a row are', async () => {
    const few = { features: rows.features.slice(0, 3), targets: [[0], [1], [2]] };
    const options = { epochs: 1, batchSize: 8, validation: 0, optimizer: 'SGD', learningRate: 0.5 } as const;
    const weighted = await trainTagger({ ...few, ...options, sampleWeight: [2, 1, 0], classes: 3 });
    const copied = await trainTagger({
      features: [few.features[0]!, few.features[0]!, few.features[1]!],
      targets: [[0], [0], [1]],
      classes: 3,
      ...options,
    });
    const [a, b] = [weighted, copied].map((tagger) => [...tagger.scores(unseen.features).data] as number[]);
    // One step of SGD from 0: sums of three products, in another order.
    a!.forEach((score, i) => expect(Math.abs(score - b![i]!)).toBeLessThan(1e-5));
  });

  test('unknown classes get no gradient', async () => {
    const options = { validation: 0, epochs: 3, classes: 4 } as const;
    const tagger = await trainTagger({
      features: [[1], [2]],
      targets: [[0], [0]],
      unknown: [[3], [3]],
      ...options,
    });
    const scores = tagger.scores([1]).data;
    expect(scores[3]).toBe(0);
    expect(scores[1]).toBeLessThan(0);
  });

  test.each([
    [1, [[], [], [0]], [[false], [false], [true]]],
    [
      2,
      [[1], [], [0, 1]],
      [
        [false, true],
        [false, false],
        [true, true],
      ],
    ],
    [
      3,
      [[1], [], [2, 0, 1]],
      [
        [false, true, false],
        [false, false, false],
        [true, true, true],
      ],
    ],
  ])('unknown classes of %i, lists or a mask: all classes of a batch too', async (classes, lists, mask) => {
    const data = { features: [[1], [2], [3]], targets: [[0], [classes - 1], []] };
    const options = { validation: 0, epochs: 3, batchSize: 1 } as const;
    const scoresOf = async (unknown: TaggerRows['unknown'], given: { classes?: number }) =>
      (await trainTagger({ ...data, ...options, ...given, unknown })).scores([1]).tolist();
    const scores = await scoresOf(lists, { classes });
    // The targets tell as many classes.
    for (const given of [{ classes }, {}]) expect(await scoresOf(mask, given)).toEqual(scores);
  });

  test('a diverging run names the parameter, and what was learned before is there', async () => {
    const huge = rows.features.map((row) => row.map((value) => value * 1e18));
    let best: (() => Tagger) | undefined;
    const diverging = (epochs: number, learningRate: number): Promise<Tagger> =>
      trainTagger({
        ...rows,
        features: huge,
        hidden: 4,
        optimizer: 'SGD',
        learningRate,
        epochs,
        onWarning: () => {},
      });
    await expect(diverging(3, 1e3)).rejects.toMatchObject({
      code: 'ERR_NAN',
      message: expect.stringMatching(
        /^training diverged in epoch 1: (the parameter (0|2)\.(weight|bias) has (NaN|-?Infinity)|the scores overflow); try a learning rate below 1000, or standardized features$/,
      ),
    });
    // A later epoch diverges, because a weight becomes larger by each step that it decays by.
    const growing = trainTagger({
      features: [[1], [2]],
      targets: [[0], [1]],
      optimizer: 'SGD',
      learningRate: 1,
      weightDecay: 1e9,
      validation: 0,
      epochs: 20,
      onEpoch: ({ tagger }) => void (best = tagger),
    });
    await expect(growing).rejects.toMatchObject({
      code: 'ERR_NAN',
      message: expect.stringMatching(
        /^training diverged in epoch [2-9]: the parameter (weight|bias) has (NaN|-?Infinity)/,
      ),
    });
    expect(best!().scores([1]).data.every(Number.isFinite)).toBe(true);
  });

  test('warns of scales that differ, which standardize cures', async () => {
    const scaled = rows.features.map((row) => row.map((value, j) => (j === 2 ? value * 1e4 : value)));
    const warnings: string[] = [];
    const options = { ...rows, features: scaled, onWarning: (message: string) => void warnings.push(message) };
    await trainTagger({ ...options, epochs: 1 });
    expect(warnings).toEqual([expect.stringMatching(/differ by a factor of more than 100 .* of feature 2\)/)]);
    const tagger = await trainTagger({ ...options, standardize: true });
    expect(warnings).toHaveLength(1);
    const unseenScaled = {
      ...unseen,
      features: unseen.features.map((row) => row.map((value, j) => (j === 2 ? value * 1e4 : value))),
    };
    expect(lrapOf(tagger, unseenScaled)).toBeGreaterThan(0.99);
    // A constant feature changes nothing, and a mean that float32 does not resolve is told.
    const constant = rows.features.map((row) => [...row, 3]);
    await trainTagger({ ...options, features: constant, standardize: true, epochs: 1 });
    expect(warnings).toHaveLength(1);
    const far = rows.features.map((row) => row.map((value, j) => (j === 1 ? value + 1e6 : value)));
    await trainTagger({ ...options, features: far, standardize: true, epochs: 1 });
    expect(warnings[1]).toMatch(/the mean of feature 1, 1,000,000, .* subtract the mean/);
  });

  const without = { features: undefined, targets: undefined };
  const wrong: [string, object, string, RegExp][] = [
    ['no rows', { ...without, rows: () => [] }, 'ERR_SHAPE', /no rows to train on/],
    ['no columns', { features: [[]], targets: [[0]] }, 'ERR_SHAPE', /at least one column/],
    ['no targets', { targets: undefined }, 'ERR_OPTION', /needs features and targets/],
    ['rows twice', { rows: () => [] }, 'ERR_OPTION', /give either rows, or features, targets/],
    [
      'a feature',
      {
        features: [
          [1, NaN],
          [1, 2],
        ],
        targets: [[0], [1]],
      },
      'ERR_NON_FINITE',
      /feature at row 0, column 1 is NaN/,
    ],
    [
      'a feature beyond float32',
      { features: { data: Float64Array.of(1, 2, 1e300, 4), shape: [2, 2] }, targets: [[0], [1]] },
      'ERR_NON_FINITE',
      /feature at row 1, column 0 is 1e\+300: .*float32/,
    ],
    ['what is no batches', { ...without, rows: () => 5 }, 'ERR_OPTION', /rows\(\) must give batches of rows, got 5/],
    [
      'what is no batch',
      { ...without, rows: () => [null] },
      'ERR_OPTION',
      /a batch of rows must be an object, got null/,
    ],
    [
      'a misspelt key of a batch',
      { ...without, rows: () => [{ ...rows, sampleWeights: [1] }] },
      'ERR_OPTION',
      /unknown option 'sampleWeights' of a batch of rows/,
    ],
    ...(
      [
        ['data', undefined, /data of sparse features must be a list of numbers, got undefined/],
        ['indices', BigInt64Array.of(0n), /indices of sparse features must be numbers, got 0n at 0/],
        ['indptr', null, /indptr of sparse features must be a list of numbers, got null/],
      ] as const
    ).map(([key, value, message]): [string, object, string, RegExp] => [
      `sparse features with ${key} ${String(value)}`,
      { features: { data: [1], indices: [0], indptr: [0, 1], shape: [1, 1], [key]: value }, targets: [[0]] },
      'ERR_DTYPE',
      message,
    ]),
    ['a target', { classes: 3 }, 'ERR_TARGET_RANGE', /target [34] at row \d+, column \d+ is out of range/],
    ['targets of others', { targets: [[0]] }, 'ERR_SHAPE', /targets of 800 rows/],
    [
      'a mistyped target',
      { targets: withTargets(77, [400_000_000]) },
      'ERR_TARGET_RANGE',
      /target 400000000 at row 77 asks for a head of 6 x 400,000,001/,
    ],
    ['too many classes', { classes: 2 ** 31 - 1 }, 'ERR_OUT_OF_MEMORY', /a head of 6 x 2,147,483,647 is too large/],
    ['an option', { speed: 1 }, 'ERR_OPTION', /unknown option 'speed'/],
    ['an optimizer', { optimizer: 'adam' }, 'ERR_OPTION', /optimizer must be one of Adagrad, Adam, AdamW, SGD/],
    ['dropout', { dropout: 0.5 }, 'ERR_OPTION', /dropout is of the hidden layer/],
    ['shares', { validation: 0.5, test: 0.5 }, 'ERR_OPTION', /must leave rows/],
    ['labels', { labels: ['a', 'b'], classes: 5 }, 'ERR_OPTION', /as many as classes, got 2 for 5/],
    ['equal labels', { labels: ['a', 'a'] }, 'ERR_OPTION', /labels must differ, got 'a' at 0 and at 1/],
    ['weights', { sampleWeight: [1] }, 'ERR_SHAPE', /sampleWeight must have 800 elements/],
    [
      'unknown',
      { unknown: rows.targets.map((labels) => [5, 6, ...labels]), classes: 7 },
      'ERR_TARGET_RANGE',
      /unknown class \d at row \d, column 2 is also a target/,
    ],
  ];
  test.each(wrong)('refuses %s', async (_, options, code, message) => {
    const training = trainTagger({ ...rows, ...options });
    await expect(training).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('Tagger', () => {
  const layer = new nn.Linear(2, 3);
  layer.weight.data.set([1, 0, 0, 1, 1, 1]);
  layer.bias!.data.set([0, 0.5, -1]);
  const tagger = Tagger.load(saveSafetensors(layer.state_dict(), { labels: '["jazz","rock","pop"]' }));

  test('scores dense and sparse rows alike', () => {
    expect(
      tagger
        .scores([
          [2, 3],
          [0, 1],
        ])
        .tolist(),
    ).toEqual([
      [2, 3.5, 4],
      [0, 1.5, 0],
    ]);
    expect(tagger.scores(Float32Array.of(2, 3)).tolist()).toEqual([2, 3.5, 4]);
    const sparse: SparseMatrix = { data: [2, 3, 1], indices: [0, 1, 1], indptr: [0, 2, 3], shape: [2, 2] };
    expect(tagger.scores(sparse).tolist()).toEqual([
      [2, 3.5, 4],
      [0, 1.5, 0],
    ]);
    const longer = { ...sparse, data: [2, 3, 1, NaN], indices: [0, 1, 1, 9] };
    expect(tagger.scores(longer).tolist()).toEqual(tagger.scores(sparse).tolist());
  });

  test('refuses a row whose scores exceed float32, and names it', () => {
    // More rows than are scored at a time.
    const data = new Float32Array(2 * 100_000).fill(1);
    data.fill(3e38, 2 * 99_998);
    const error = expect.objectContaining({
      code: 'ERR_NON_FINITE',
      message: expect.stringMatching(/^the score of row 99998, class 2 is Infinity: /) as string,
    }) as Error;
    expect(() => tagger.scores({ data, shape: [100_000, 2] })).toThrow(error);
    expect(() => tagger.predict({ data, shape: [100_000, 2] })).toThrow(error);
    const sparse = { data: [2, -3e38, -3e38], indices: [0, 0, 1], indptr: [0, 1, 3], shape: [2, 2] };
    expect(() => tagger.predict(sparse)).toThrow(/^the score of row 1, class 2 is -Infinity/);
  });

  test('predicts the k highest, or those that reach thresholds', () => {
    const names = (predictions: { name: string }[]): string[] => predictions.map(({ name }) => name);
    expect(tagger.predict([2, 3])).toEqual([
      { label: 2, name: 'pop', score: 4 },
      { label: 1, name: 'rock', score: 3.5 },
      { label: 0, name: 'jazz', score: 2 },
    ]);
    expect(
      tagger
        .predict(
          [
            [2, 3],
            [0, 1],
          ],
          { k: 1 },
        )
        .map(names),
    ).toEqual([['pop'], ['rock']]);
    const vector = tensor([2, 3]);
    expect(tagger.predict(vector)).toEqual([tagger.predict([2, 3])]);
    expect(tagger.scores(vector).shape).toEqual([3]);
    expect(names(tagger.predict([2, 3], { thresholds: 3.5 }))).toEqual(['pop', 'rock']);
    expect(names(tagger.predict([2, 3], { thresholds: [2, 4, 4.5] }))).toEqual(['jazz']);
    expect(names(tagger.predict([2, 3], { thresholds: { jazz: 0, rock: 0, pop: 9 }, k: 1 }))).toEqual([]);
    expect(names(tagger.predict([2, 3], { thresholds: [null, 4, 4] }))).toEqual(['pop']);
    // A score of 0.7 in float32, which is below 0.7.
    expect(names(tagger.predict([0.7, 0], { thresholds: { jazz: 0.7, rock: null, pop: null } }))).toEqual(['jazz']);
    expect(() => tagger.predict([2, 3], { thresholds: { jazz: 0 } })).toThrow(/lack the label 'rock'/);
    expect(() => tagger.predict([2, 3], { thresholds: { jazz: 0, rok: 1 } })).toThrow(/name 'rok', which is no label/);
    expect(() => tagger.predict([2, 3], { thresholds: [1] })).toThrow(/as many as classes, got 1 for 3/);
    expect(() => tagger.predict([2, 3], { k: 0 })).toThrow(/k must be a whole number from 1/);
    expect(() => tagger.predict([2, 3, 4])).toThrow(/features must have 2 columns/);
    expect(() => tagger.predict([2, NaN])).toThrow(/feature at row 0, column 1 is NaN: .*finite/);
    const sparse = { data: [2, 3, Infinity], indices: [0, 0, 1], indptr: [0, 1, 3], shape: [2, 2] };
    expect(() => tagger.predict(sparse)).toThrow(/feature at row 1, column 1 is Infinity: .*finite/);
  });

  test('reads what it saves, and keeps names, options and metrics in the metadata', async () => {
    const labels = ['a', 'b', 'c', 'd', '__proto__'];
    const trained = await trainTagger({ ...rows, labels, epochs: 2, test: 0.1 });
    const { metadata, tensors } = loadSafetensors(trained.save());
    expect(tensors['weight']!.shape).toEqual([CLASSES, FEATURES]);
    expect(JSON.parse(metadata['labels']!)).toEqual(labels);
    expect(JSON.parse(metadata['training']!)).toMatchObject({
      optimizer: 'Adagrad',
      epochs: 2,
      validation: 0.02,
      rows: 800,
    });
    const { validation, test: held } = JSON.parse(metadata['metrics']!) as Record<string, Record<string, number>>;
    expect(validation!['labelRankingAveragePrecision']).toBe(
      trained.training!.validation!.labelRankingAveragePrecision,
    );
    expect(held!['rows']).toBe(trained.training!.test!.rows);
    const loaded = Tagger.load(trained.save());
    expect(loaded.labels).toEqual(labels);
    expect(loaded.save()).toEqual(trained.save());
    expect(loaded.predict(unseen.features)).toEqual(trained.predict(unseen.features));
    // What PyTorch computes of the state.
    const linear = new nn.Linear(FEATURES, CLASSES);
    linear.load_state_dict(tensors);
    expect(linear.forward(tensor(unseen.features)).tolist()).toEqual(trained.scores(unseen.features).tolist());
  });

  test('reads heads of 0.1.0, of PyTorch, of halves', () => {
    const weight = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const bias = tensor([0.5, 0, 0]);
    const expected = [9.5, 12, 15];
    const old = { description: 'scores = features * weight + bias' };
    expect(Tagger.load(saveSafetensors({ weight, bias }, old)).scores([1, 2]).tolist()).toEqual(expected);
    expect(Tagger.load(saveSafetensors({ weight, bias })).scores([1, 2]).tolist()).toEqual(expected);
    // As many features as classes: only the description tells.
    const square = {
      weight: tensor([
        [1, 2],
        [3, 4],
      ]),
      bias: tensor([0, 0]),
    };
    expect(Tagger.load(saveSafetensors(square, old)).scores([1, 0]).tolist()).toEqual([1, 2]);
    expect(Tagger.load(saveSafetensors(square)).scores([1, 0]).tolist()).toEqual([1, 3]);
    const noBias = {
      weight: tensor([
        [1, 4],
        [2, 5],
        [3, 6],
      ]),
    };
    expect(Tagger.load(saveSafetensors(noBias)).scores([1, 2]).tolist()).toEqual([9, 12, 15]);
    for (const last of ['2', '3']) {
      const deep = {
        '0.weight': tensor([[1], [-1]]),
        '0.bias': tensor([0, 0]),
        [`${last}.weight`]: tensor([[1, 10]]),
        [`${last}.bias`]: tensor([0.5]),
      };
      expect(
        Tagger.load(saveSafetensors(deep))
          .scores([[3], [-3]])
          .tolist(),
      ).toEqual([[3.5], [30.5]]);
    }
  });

  test('refuses what is no head', () => {
    const load = (state: Parameters<typeof saveSafetensors>[0], metadata = {}) =>
      Tagger.load(saveSafetensors(state, metadata));
    expect(() => load({ table: tensor([[1]]) })).toThrow(/this is no head: it has table/);
    expect(() => load({ bias: tensor([1]) })).toThrow(/misses weight/);
    expect(() => load({ weight: tensor([[1, 2]]), bias: tensor([1, 2, 3]) })).toThrow(
      /the shape of bias is \[3\], where \[1\]/,
    );
    expect(() => load({ weight: tensor([[NaN]]), bias: tensor([1]) })).toThrow(/not finite/);
    expect(() => load({ weight: tensor([[1]]), bias: tensor([1]) }, { labels: '["a","b"]' })).toThrow(
      /damaged: labels must be as many/,
    );
    expect(() => Tagger.load(Uint8Array.of(1, 2))).toThrow(/not a safetensors file/);
  });
});

const uniformly = uniform(9);
