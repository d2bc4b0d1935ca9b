// The loss as a function of TensorFlow.js, on each of its backends, against the package's own results.

import * as tf from '@tensorflow/tfjs';
import {
  fromMultiHot,
  type LossErrorCode,
  MultiLabelMarginLoss,
  type MultiLabelMarginLossOptions,
} from 'multilabel-margin-loss';
import { multiLabelMarginLoss, type TfjsLossOptions } from 'multilabel-margin-loss/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { reference } from '../js/reference.js';
import { expectLossError, expectWithin, normal, uniform, untyped } from '../js/support.js';
import { BACKENDS, useBackend } from './backends.js';

const ROWS = 6;
const CLASSES = 5;
const u = 2 ** -24;

interface Batch {
  /** [ROWS, CLASSES] */
  scores: Float32Array;
  mask: number[][];
  /** Padded with -1. */
  indices: number[][];
}

function makeBatch(seed: number): Batch {
  const next = normal(seed);
  const chance = uniform(seed);
  const mask = Array.from({ length: ROWS }, () => Array.from({ length: CLASSES }, () => (chance() < 0.4 ? 1 : 0)));
  return {
    scores: Float32Array.from({ length: ROWS * CLASSES }, next),
    mask,
    indices: fromMultiHot(mask).tolist() as number[][],
  };
}

const scoresOf = ({ scores }: Batch): tf.Tensor2D => tf.tensor2d(scores, [ROWS, CLASSES]);
const indicesOf = ({ indices }: Batch): tf.Tensor2D => tf.tensor2d(indices, undefined, 'int32');

const MASK_DTYPES = ['float32', 'int32', 'bool'] as const;

/** Loss and gradient times `dy`, through TensorFlow.js. */
function lossAndGradient(
  loss: (yTrue: tf.Tensor, yPred: tf.Tensor) => tf.Tensor,
  yTrue: tf.Tensor,
  yPred: tf.Tensor,
  dy?: tf.Scalar,
): { value: number; grad: Float32Array } {
  const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => loss(yTrue, x) as tf.Scalar)(yPred, dy);
  expect(value.shape).toEqual([]);
  expect(value.dtype).toBe('float32');
  expect(grad.shape).toEqual(yPred.shape);
  return { value: value.dataSync<'float32'>()[0]!, grad: grad.dataSync<'float32'>() };
}

/** The mean loss in operations that TensorFlow.js differentiates by itself. */
function composedLoss(yTrue: tf.Tensor, yPred: tf.Tensor): tf.Scalar {
  const hinges = tf.relu(tf.add(tf.sub(1, tf.expandDims(yPred, 2)), tf.expandDims(yPred, 1)));
  const pairs = tf.mul(tf.expandDims(yTrue, 2), tf.expandDims(tf.sub(1, yTrue), 1));
  return tf.div(tf.sum(tf.mul(hinges, pairs)), yPred.size);
}

describe.each(BACKENDS)('backend %s', (backend) => {
  let tensorsBefore = 0;
  beforeAll(() => useBackend(backend));
  beforeEach(() => {
    tensorsBefore = tf.memory().numTensors;
    tf.engine().startScope();
  });
  afterEach(() => {
    tf.engine().endScope();
    // Counts the tensors of variables that tests dispose, and any other that was kept.
    expect(tf.memory().numTensors).toBe(tensorsBefore);
  });

  test('runs on it', () => {
    expect(tf.getBackend()).toBe(backend);
  });

  const optionSets: MultiLabelMarginLossOptions[] = [
    {},
    { reduction: 'sum' },
    { margin: 0.3 },
    { normalization: 'targets' },
    { targetOrder: 'ranked', reduction: 'sum' },
  ];

  test.each(optionSets)("the package's own loss and gradient, of both forms of targets: %j", (options) => {
    const batch = makeBatch(1);
    const { loss, grad } = new MultiLabelMarginLoss(options).valueAndGrad(
      { data: batch.scores, shape: [ROWS, CLASSES] },
      batch.indices,
    );
    expect(loss.item()).toBeGreaterThan(0);
    const forms = [
      ...MASK_DTYPES.map((dtype) => ({ targets: 'mask' as const, yTrue: tf.tensor2d(batch.mask, undefined, dtype) })),
      { targets: 'indices' as const, yTrue: indicesOf(batch) },
      { targets: undefined, yTrue: tf.tensor2d(batch.mask) },
    ];
    for (const { targets, yTrue } of forms) {
      const tfjsOptions = { ...options, ...(targets && { targets }) } as TfjsLossOptions;
      const actual = lossAndGradient(multiLabelMarginLoss(tfjsOptions), yTrue, scoresOf(batch));
      expectWithin([actual.value], loss.data, 0, 'loss');
      expectWithin(actual.grad, grad.data, 0, 'gradient');
    }
  });

  test('one row: scores [C]', () => {
    const yPred = tf.tensor1d([0.1, 0.2, 0.4, 0.8]);
    for (const [options, yTrue] of [
      [{}, tf.tensor1d([1, 0, 0, 1])],
      [{ targets: 'indices' }, tf.tensor1d([3, 0, -1, 1], 'int32')],
    ] as [TfjsLossOptions, tf.Tensor][]) {
      const { value, grad } = lossAndGradient(multiLabelMarginLoss(options), yTrue, yPred);
      // Two thresholds and the result are rounded to float32, all of them below 1.
      expectWithin([value], [0.85], 3 * u);
      expect(Array.from(grad)).toEqual([-0.5, 0.5, 0.5, -0.5]);
    }
  });

  test('index lists of another width than the scores, and an order that counts', () => {
    const loss = multiLabelMarginLoss({ targets: 'indices', targetOrder: 'ranked' });
    const ranked = new MultiLabelMarginLoss({ targetOrder: 'ranked' });
    const yPred = [[0.1, 0.2, 0.4, 0.8]];
    const expectedOf = (list: number[]): number => Number(ranked.forward(yPred, [list]).item());
    expect(expectedOf([0, 3])).not.toBe(expectedOf([3, 0]));
    for (const list of [[0, 3], [3, 0], [1], [3, 2, 1, 0, -1, -1]]) {
      const value = loss(tf.tensor2d([list], undefined, 'int32'), tf.tensor2d(yPred));
      expectWithin(value.dataSync(), [expectedOf(list)], 0);
    }
  });

  test('the gradient is multiplied by that of what follows', () => {
    const batch = makeBatch(2);
    const loss = multiLabelMarginLoss();
    const yTrue = tf.tensor2d(batch.mask);
    const { grad } = lossAndGradient(loss, yTrue, scoresOf(batch));
    for (const factor of [2, -1 / 3, 0]) {
      const expected = Array.from(grad, (g) => factor * g);
      const bounds = expected.map((g) => 2 * u * Math.abs(g));
      const after = tf.grad((x: tf.Tensor) => tf.mul(factor, loss(yTrue, x)))(scoresOf(batch));
      expectWithin(after.dataSync(), expected, bounds);
      expectWithin(lossAndGradient(loss, yTrue, scoresOf(batch), tf.scalar(factor)).grad, expected, bounds);
    }
    // The gradient is added to that of another use of the same scores.
    const twice = tf.grad((x: tf.Tensor) => tf.add(loss(yTrue, x), tf.sum(x)))(scoresOf(batch));
    expectWithin(
      twice.dataSync(),
      Array.from(grad, (g) => g + 1),
      2 * u,
    );
  });

  test('through a model, the gradients of the loss composed of operations', () => {
    const FEATURES = 4;
    const HIDDEN = 7;
    const batch = makeBatch(3);
    const next = normal(3);
    const random = (rows: number, columns: number): tf.Tensor2D =>
      tf.tensor2d(
        Float32Array.from({ length: rows * columns }, () => next() / 2),
        [rows, columns],
      );
    const features = random(ROWS, FEATURES);
    const first = tf.variable(random(FEATURES, HIDDEN));
    const second = tf.variable(random(HIDDEN, CLASSES));
    const scores = (): tf.Tensor => tf.matMul(tf.relu(tf.matMul(features, first)), second);
    const yTrue = tf.tensor2d(batch.mask);
    const lossFn = multiLabelMarginLoss();
    const actual = tf.variableGrads(() => tf.mul(3, lossFn(yTrue, scores())), [first, second]);
    const expected = tf.variableGrads(() => tf.mul(3, composedLoss(yTrue, scores())), [first, second]);

    // No pair is so near the margin that one of the two could take it for a violation and the other not.
    const [x, h] = [scores().arraySync() as number[][], tf.relu(tf.matMul(features, first)).arraySync() as number[][]];
    const targets = batch.mask.map((row) => row.flatMap((bit, j) => (bit === 1 ? [j] : [])));
    for (const [row, list] of targets.entries()) {
      for (const k of list) {
        for (const [j, score] of x[row]!.entries()) {
          if (!list.includes(j)) expect(Math.abs(1 - x[row]![k]! + score)).toBeGreaterThan(1e-5);
        }
      }
    }

    // A gradient is a sum of products, and what it is off by is at most its roundings times the sum of their sizes: of
    // the factor 3/(N*C) for each pair that a score is in, which the composed loss adds up one by one, then of the sums
    // over classes and rows.
    const { pairs } = reference({ scores: Float32Array.from(x.flat()), rows: ROWS, classes: CLASSES, targets });
    const roundings = Math.max(...pairs) + CLASSES + ROWS + 8;
    const sizes = tf.tensor2d(
      Float32Array.from(pairs, (count) => (count * 3) / (ROWS * CLASSES)),
      [ROWS, CLASSES],
    );
    const open = tf.tensor2d(h.map((row) => row.map((value) => (value > 0 ? 1 : 0))));
    const hiddenSizes = tf.mul(tf.matMul(sizes, tf.abs(second), false, true), open);
    const boundOf = (gradientSizes: tf.Tensor): number[] =>
      Array.from(gradientSizes.dataSync(), (size) => 2 * roundings * u * size);
    expectWithin(
      actual.grads[second.name]!.dataSync(),
      expected.grads[second.name]!.dataSync(),
      boundOf(tf.matMul(tf.tensor2d(h), sizes, true)),
      'gradient of the second weights',
    );
    expectWithin(
      actual.grads[first.name]!.dataSync(),
      expected.grads[first.name]!.dataSync(),
      boundOf(tf.matMul(tf.abs(features), hiddenSizes, true)),
      'gradient of the first weights',
    );
    expect(Math.max(...actual.grads[first.name]!.dataSync())).toBeGreaterThan(0.01);
    first.dispose();
    second.dispose();
  });

  test('through a model, finite differences', () => {
    const batch = makeBatch(4);
    const lossFn = multiLabelMarginLoss({ reduction: 'sum' });
    const yTrue = tf.tensor2d(batch.mask);
    const scores = scoresOf(batch);
    // The scores depend on w by a line each, and the loss on the scores by one, as far as no margin is met.
    const slopes = tf.tensor2d(makeBatch(5).scores, [ROWS, CLASSES]);
    const lossAt = (w: tf.Tensor): tf.Scalar => lossFn(yTrue, tf.add(scores, tf.mul(slopes, w)));
    const step = 2 ** -10;
    const [below, at, above] = [-step, 0, step].map((w) => lossAt(tf.scalar(w)).dataSync()[0]!) as [
      number,
      number,
      number,
    ];
    const slope = tf.grad(lossAt)(tf.scalar(0)).dataSync()[0]!;
    expect(Math.abs(slope)).toBeGreaterThan(0.1);
    // Scores below 8 are rounded twice on the way to a loss, and each is in less than CLASSES pairs of 1/CLASSES; the loss
    // is rounded once.
    const lossError = ROWS * CLASSES * 2 * 8 * u + at * u;
    // The bends of the loss lie where above - 2 * at + below tells.
    expectWithin([above - 2 * at + below], [0], 4 * lossError, 'bend: a margin was met, take another seed');
    expectWithin([(above - below) / (2 * step)], [slope], (2 * lossError) / (2 * step) + 16 * u * Math.abs(slope));
  });

  test('second derivatives: the gradient is a constant', () => {
    const yTrue = tf.tensor2d([[1, 0, 0, 1]]);
    const lossFn = multiLabelMarginLoss();
    const x = tf.tensor2d([[0.1, 0.2, 0.4, 0.8]]);
    // The gradient of the square is 2 g g' times a vector with g'v = -0.5. All numbers are exact.
    const v = tf.tensor2d([[1, 2, 3, 5]]);
    const ofSquare = tf.grad((scores: tf.Tensor) => tf.square(lossFn(yTrue, scores)));
    const second = tf.grad((scores: tf.Tensor) => tf.sum(tf.mul(ofSquare(scores), v)))(x);
    expect(Array.from(second.dataSync())).toEqual([0.5, -0.5, -0.5, 0.5]);
    // Through a bend of the model: loss(x^2).
    const ofSquares = tf.grad((scores: tf.Tensor) => lossFn(yTrue, tf.square(scores)));
    const bends = tf.grad((scores: tf.Tensor) => tf.sum(ofSquares(scores)))(tf.tensor2d([[0.25, 0.5, 0.5, 0.75]]));
    expect(Array.from(bends.dataSync())).toEqual([-1, 1, 1, -1]);
  });

  describe('a model of layers', () => {
    const makeModel = (): tf.Sequential =>
      tf.sequential({
        layers: [
          tf.layers.dense({
            units: 12,
            activation: 'relu',
            inputShape: [CLASSES],
            kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
          }),
          tf.layers.dense({ units: CLASSES, kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }) }),
        ],
      });

    test.each(['mask', 'indices'] as const)('compile and fit lower the loss: %s', async (targets) => {
      const model = makeModel();
      const loss = multiLabelMarginLoss({ targets });
      const optimizer = tf.train.adam(0.02);
      model.compile({ optimizer, loss });
      const next = uniform(6);
      // A class is a target where the feature of its number is high. The scores tell at once, if they are to.
      const features = Array.from({ length: 64 }, () => Array.from({ length: CLASSES }, next));
      const mask = features.map((row) => row.map((value) => (value > 0.6 ? 1 : 0)));
      // fit() wants targets of the shape of the outputs.
      const padded = mask.map((row) =>
        [...row.flatMap((bit, j) => (bit === 1 ? [j] : [])), ...Array<number>(CLASSES).fill(-1)].slice(0, CLASSES),
      );
      const x = tf.tensor2d(features);
      const y = targets === 'mask' ? tf.tensor2d(mask) : tf.tensor2d(padded, undefined, 'int32');
      const before = tf.memory().numTensors;
      const { history } = await model.fit(x, y, { epochs: 40, batchSize: 16, verbose: 0, shuffle: true });
      const losses = history['loss'] as number[];
      expect(losses).toHaveLength(40);
      expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);

      // evaluate() gives the package's own mean, taken batch by batch: half of a rounding each, of values below 4.
      const evaluated = (model.evaluate(x, y, { batchSize: 16 }) as tf.Scalar).dataSync()[0]!;
      const scores = (model.predict(x, { batchSize: 64 }) as tf.Tensor).dataSync<'float32'>();
      const expected = new MultiLabelMarginLoss().forward({ data: scores, shape: [64, CLASSES] }, padded);
      expectWithin([evaluated], expected.data, 16 * 4 * u);
      // Adam's two moments of four weights, and what evaluate() and predict() returned.
      expect(tf.memory().numTensors - before).toBe(2 * 4 + 2);
      model.dispose();
      optimizer.dispose();
    });
  });

  describe('reduction none', () => {
    test('the losses of the samples, each with its own gradient', () => {
      const batch = makeBatch(9);
      const loss = multiLabelMarginLoss({ reduction: 'none' });
      const expected = new MultiLabelMarginLoss({ reduction: 'none' }).valueAndGrad(
        { data: batch.scores, shape: [ROWS, CLASSES] },
        batch.indices,
      );
      const yTrue = tf.tensor2d(batch.mask);
      const losses = loss(yTrue, scoresOf(batch));
      expect(losses.shape).toEqual([ROWS]);
      expectWithin(losses.dataSync(), expected.loss.data, 0, 'losses');
      const weights = tf.tensor1d([2, 0, -1, 0.5, 4, 1]);
      const grad = tf.grad((x: tf.Tensor) => tf.sum(tf.mul(weights, loss(yTrue, x))))(scoresOf(batch));
      const factors = weights.dataSync();
      // The weights are powers of two, or 0: products are exact.
      expectWithin(
        grad.dataSync(),
        expected.grad.data.map((one, i) => one * factors[Math.floor(i / CLASSES)]!),
        0,
        'gradient',
      );
      const row = loss(tf.tensor1d([1, 0, 0, 1]), tf.tensor1d([0.1, 0.2, 0.4, 0.8]));
      expect(row.shape).toEqual([]);
    });

    test('classWeight of fit() weights the samples, as it weights those of meanSquaredError', async () => {
      const xs = tf.tensor2d([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]); // prettier-ignore
      // The weight of a sample is that of its first target.
      const ys = tf.tensor2d([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]]); // prettier-ignore
      const classWeight = { 0: 8, 1: 0, 2: 0.5, 3: 1 };
      const weights = [8, 0, 0.5, 0];

      /** What a step of gradient descent with rate 1 from zero weights changes, and the loss that fit() reports. */
      const fit = async (loss: (yTrue: tf.Tensor, yPred: tf.Tensor) => tf.Tensor, options: tf.ModelFitArgs) => {
        const layer = tf.layers.dense({ units: 4, inputShape: [3], kernelInitializer: 'zeros', useBias: false });
        const model = tf.sequential({ layers: [layer] });
        const optimizer = tf.train.sgd(1);
        model.compile({ optimizer, loss });
        const { history } = await model.fit(xs, ys, {
          epochs: 1,
          batchSize: 4,
          verbose: 0,
          shuffle: false,
          ...options,
        });
        const step = layer.getWeights()[0]!.dataSync<'float32'>().slice();
        model.dispose();
        optimizer.dispose();
        return { loss: (history['loss'] as number[])[0]!, step };
      };
      /** The same with the weights written out. */
      const weighted =
        (loss: (yTrue: tf.Tensor, yPred: tf.Tensor) => tf.Tensor) => (yTrue: tf.Tensor, yPred: tf.Tensor) =>
          tf.mul(loss(yTrue, yPred), tf.tensor1d(weights));

      const lossFn = multiLabelMarginLoss({ reduction: 'none' });
      for (const loss of [lossFn, tf.metrics.meanSquaredError]) {
        const actual = await fit(loss, { classWeight });
        const expected = await fit(weighted(loss), {});
        expect(actual.loss).toBe(expected.loss);
        expectWithin(actual.step, expected.step, 0, 'step');
        const unweighted = await fit(loss, {});
        expect(actual.loss).not.toBe(unweighted.loss);
      }
      // The scores are 0: each target has a hinge of 1 with each other class. Exact in float32.
      const losses = [1, 0.75, 1, 1];
      const mean = losses.reduce((sum, one, i) => sum + one * weights[i]!, 0) / 4;
      expect((await fit(lossFn, { classWeight })).loss).toBe(mean);
    });
  });

  test('-1 in a mask: the class is unknown, and has neither loss nor gradient', () => {
    const yPred = tf.tensor2d([[0.25, 0.5, 0.75, 1], [2, 0.5, 0, 1]]); // prettier-ignore
    const lists = { targets: [[0], [2, 1]], unknown: [[2], []] };
    for (const dtype of ['float32', 'int32'] as const) {
      const yTrue = tf.tensor2d([[1, 0, -1, 0], [0, 1, 1, 0]], undefined, dtype); // prettier-ignore
      for (const reduction of ['mean', 'none'] as const) {
        const expected = new MultiLabelMarginLoss({ reduction }).valueAndGrad(
          { data: yPred.dataSync<'float32'>(), shape: [2, 4] },
          lists.targets,
          { unknown: lists.unknown },
        );
        const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => tf.sum(multiLabelMarginLoss({ reduction })(yTrue, x)))(yPred); // prettier-ignore
        const total = expected.loss.data.reduce((sum, one) => sum + one, 0);
        expectWithin(value.dataSync(), [total], 2 * u * total, 'loss');
        expectWithin(grad.dataSync(), expected.grad.data, 0, 'gradient');
        expect(grad.dataSync()[2]).toBe(0);
      }
    }
  });

  test('index lists of float32, as datasets give them', async () => {
    const batch = makeBatch(10);
    const loss = multiLabelMarginLoss({ targets: 'indices' });
    const expected = loss(indicesOf(batch), scoresOf(batch)).dataSync();
    const floats = tf.cast(indicesOf(batch), 'float32');
    expectWithin(loss(floats, scoresOf(batch)).dataSync(), expected, 0);

    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 3, inputShape: [2], kernelInitializer: 'zeros' })],
    });
    const optimizer = tf.train.sgd(0.1);
    model.compile({ optimizer, loss });
    const samples = [{ xs: [1, 0], ys: [2, 0, -1] }, { xs: [0, 1], ys: [1, -1, -1] }]; // prettier-ignore
    const dataset = tf.data.array(samples).batch(2);
    const { history } = await model.fitDataset(dataset, { epochs: 1, verbose: 0 });
    // Two targets and one, hinges of 1 with the other one and two classes, over 3 classes and 2 rows.
    expectWithin(history['loss'] as number[], [4 / 6], u);
    model.dispose();
    optimizer.dispose();
  });

  test('as a metric, it has a name', async () => {
    const loss = multiLabelMarginLoss();
    expect(loss.name).toBe('multiLabelMarginLoss');
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2] })] });
    const optimizer = tf.train.sgd(0.1);
    model.compile({ optimizer, loss, metrics: [loss] });
    const { history } = await model.fit(tf.ones([2, 2]), tf.tensor2d([[1, 0, 0], [0, 1, 0]]), { epochs: 1, verbose: 0 }); // prettier-ignore
    expect(Object.keys(history).sort()).toEqual(['loss', 'multiLabelMarginLoss']);
    model.dispose();
    optimizer.dispose();
  });

  test('minimize() takes the step of the gradient', () => {
    const batch = makeBatch(7);
    const lossFn = multiLabelMarginLoss();
    const yTrue = tf.tensor2d(batch.mask);
    const scores = tf.variable(scoresOf(batch));
    const { loss, grad } = new MultiLabelMarginLoss().valueAndGrad(
      { data: batch.scores, shape: [ROWS, CLASSES] },
      batch.indices,
    );
    const optimizer = tf.train.sgd(0.5);
    const cost = optimizer.minimize(() => lossFn(yTrue, scores), true, [scores])!;
    expectWithin(cost.dataSync(), loss.data, 0);
    // The product by .5 is exact, the difference of values below 8 is rounded.
    expectWithin(
      scores.dataSync(),
      Array.from(batch.scores, (score, i) => score - 0.5 * Number(grad.data[i])),
      8 * u,
    );
    for (let i = 0; i < 200; i++) optimizer.minimize(() => lossFn(yTrue, scores), false, [scores]);
    expect(lossFn(yTrue, scores).dataSync()[0]!).toBeLessThan(Number(loss.item()) / 10);
    optimizer.dispose();
    scores.dispose();
  });

  test('memory is flat over 1000 steps', () => {
    const batch = makeBatch(8);
    const [mask, indices, yPred] = [tf.tensor2d(batch.mask), indicesOf(batch), scoresOf(batch)];
    const weights = tf.variable(tf.eye(CLASSES));
    const optimizer = tf.train.sgd(0.01);
    const [ofMask, ofIndices] = [multiLabelMarginLoss(), multiLabelMarginLoss({ targets: 'indices' })];
    const step = (): void => {
      optimizer.minimize(() => ofMask(mask, tf.matMul(yPred, weights)), false, [weights]);
      ofIndices(indices, yPred).dispose();
      tf.dispose(tf.valueAndGrad((x: tf.Tensor) => ofMask(mask, x))(yPred));
    };
    // Outside of any scope that would clean up.
    step();
    const { numTensors, numBytes, numDataBuffers } = tf.memory();
    for (let i = 0; i < 1000; i++) step();
    expect(tf.memory()).toMatchObject({ numTensors, numBytes, numDataBuffers });
    optimizer.dispose();
    weights.dispose();
  });

  type Bad = [name: string, options: TfjsLossOptions, yTrue: () => unknown, yPred: () => unknown];
  const two = (): tf.Tensor => tf.ones([2, 3]);
  const bad: [...Bad, code: LossErrorCode, parts: string[]][] = [
    ['a mask of another width', {}, () => tf.ones([2, 2]), two, 'ERR_SHAPE', ['[2, 3]', '[2, 2]', "'indices'"]],
    ['a mask of another rank', {}, () => tf.ones([3]), two, 'ERR_SHAPE', ['yTrue', '[3]']],
    [
      'indices for a mask',
      {},
      () =>
        tf.tensor2d(
          [
            [0, 1, 0],
            [2, 1, -1],
          ],
          undefined,
          'int32',
        ),
      two,
      'ERR_DTYPE',
      ['yTrue', '2 at row 1, column 0', "targets: 'indices'"],
    ],
    [
      'a mask of halves',
      {},
      () => tf.fill([2, 3], 0.5),
      two,
      'ERR_DTYPE',
      ['0.5 at row 0, column 0', '-1 for unknown'],
    ],
    ['a mask below -1', {}, () => tf.tensor2d([[1, 0, 0], [0, -2, 1]]), two, 'ERR_DTYPE', ['-2 at row 1, column 1']], // prettier-ignore
    ['a mask of NaN', {}, () => tf.fill([2, 3], Number.NaN), two, 'ERR_DTYPE', ['NaN']],
    ['a mask of strings', {}, () => tf.tensor(['a', 'b', 'c']), () => tf.ones([3]), 'ERR_DTYPE', ["'a'"]],
    [
      'halves for indices',
      { targets: 'indices' },
      () => tf.tensor2d([[0, 1], [2, 0.5]]), // prettier-ignore
      two,
      'ERR_DTYPE',
      ['whole numbers', '0.5 at row 1, column 1', "targets: 'mask'"],
    ],
    ['a mask of bool for indices', { targets: 'indices' }, () => tf.ones([2, 3], 'bool'), two, 'ERR_DTYPE', ['bool']],
    [
      'an index from C on',
      { targets: 'indices' },
      () => tf.tensor2d([[0], [3]], undefined, 'int32'),
      two,
      'ERR_TARGET_RANGE',
      ['target 3 at row 1, column 0'],
    ],
    [
      'indices of more rows',
      { targets: 'indices' },
      () => tf.zeros([3, 1], 'int32'),
      two,
      'ERR_SHAPE',
      ['[2, K]', '[3, 1]'],
    ],
    ['integer scores', {}, two, () => tf.ones([2, 3], 'int32'), 'ERR_DTYPE', ['yPred', 'int32']],
    ['scores of three dimensions', {}, () => tf.ones([1, 2, 3]), () => tf.ones([1, 2, 3]), 'ERR_SHAPE', ['[1, 2, 3]']],
    ['no classes', {}, () => tf.ones([2, 0]), () => tf.ones([2, 0]), 'ERR_SHAPE', ['[2, 0]']],
    ['a NaN score', { nan: 'error' }, two, () => tf.fill([2, 3], Number.NaN), 'ERR_NAN', ['NaN']],
    ['arrays for targets', {}, () => [[1, 0, 0]], two, 'ERR_DTYPE', ['yTrue', 'an array of length 1']],
    ['arrays for scores', {}, two, () => [[1, 0, 0]], 'ERR_DTYPE', ['yPred', 'an array of length 1']],
    ['no scores', {}, two, () => undefined, 'ERR_DTYPE', ['yPred', 'undefined']],
  ];

  test.each(bad)('%s', (_name, options, yTrue, yPred, code, parts) => {
    const loss = multiLabelMarginLoss(options);
    const [t, x] = [yTrue(), yPred()];
    const before = tf.memory().numTensors;
    expectLossError(() => loss(untyped(t), untyped(x)), code, parts);
    expect(tf.memory().numTensors).toBe(before);
    if (x instanceof tf.Tensor && x.dtype === 'float32') {
      expectLossError(() => tf.grad((scores: tf.Tensor) => loss(untyped(t), scores))(x), code, parts);
      expect(tf.memory().numTensors).toBe(before);
    }
    // The same function still works.
    const good = options.targets === 'indices' ? tf.tensor2d([[3, 0, -1, 1]], undefined, 'int32') : [[1, 0, 0, 1]];
    const { grad } = lossAndGradient(
      loss,
      Array.isArray(good) ? tf.tensor2d(good) : good,
      tf.tensor2d([[0.1, 0.2, 0.4, 0.8]]),
    );
    expect(Array.from(grad)).toEqual([-0.5, 0.5, 0.5, -0.5]);
  });
});

test('a mask that looks like padded class indices is warned of once', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const loss = multiLabelMarginLoss();
  const of = (rows: number[][]): void => {
    loss(tf.tensor2d(rows), tf.zeros([rows.length, rows[0]!.length])).dispose();
  };
  of([[1, 0, 0, -1], [0, 1, -1, -1]]); // prettier-ignore
  of([[1, 1, -1, -1], [0, 1, -1, -1]]); // prettier-ignore
  of([[0, 1, -1]]);
  of([[1, 0, 0, 1]]);
  expect(warn).not.toHaveBeenCalled();
  const looksLikeIndices = [[1, 0, -1, -1], [1, -1, -1, -1], [-1, -1, -1, -1]]; // prettier-ignore
  of(looksLikeIndices);
  of(looksLikeIndices);
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/padded with -1.*4 classes|4 classes.*padded with -1/)]]);
  expect(String(warn.mock.calls[0])).toContain("{ targets: 'indices' }");
  warn.mockRestore();
});

test('the function that makes the loss, given for the loss, says so', async () => {
  await useBackend('cpu');
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2] })] });
  model.compile({ optimizer: 'sgd', loss: multiLabelMarginLoss as never });
  const promise = model.fit(tf.ones([1, 2]), tf.tensor2d([[1, 0, 0]]), { epochs: 1, verbose: 0 });
  await expect(promise).rejects.toMatchObject({
    code: 'ERR_OPTION',
    message: expect.stringContaining('write multiLabelMarginLoss() and not multiLabelMarginLoss'),
  });
});

describe('options', () => {
  test.each<[string, unknown, string[]]>([
    ['unknown', { target: 'indices' }, ["'target'", 'targets', 'margin', 'backend']],
    ['targets', { targets: 'auto' }, ["'mask'", "'indices'", "'auto'"]],
    ['null targets', { targets: null }, ['null']],
    ["the class's own", { margin: Number.NaN }, ['margin', 'NaN']],
    ['no object', null, ['null']],
  ])('%s', (_name, options, parts) => {
    expectLossError(() => multiLabelMarginLoss(untyped(options)), 'ERR_OPTION', parts);
  });

  test('backend: where the loss is computed', async () => {
    await useBackend('cpu');
    const batches: number[] = [];
    const ours = multiLabelMarginLoss({
      backend: {
        name: 'three zeros',
        threads: 1,
        compute: ({ rows }, _options, withGradient) => {
          batches.push(rows);
          return { loss: Float32Array.of(7), grad: withGradient ? Float32Array.of(1, 2, 3) : null };
        },
      },
    });
    const { value, grad } = lossAndGradient(ours, tf.tensor2d([[1, 0, 0]]), tf.zeros([1, 3]));
    expect([value, ...grad]).toEqual([7, 1, 2, 3]);
    expect(batches).toEqual([1]);
  });
});

test('a backend that computes in promises only is refused, by type and when the loss is made', () => {
  const backend = { name: 'faraway', computeAsync: () => Promise.reject(new Error('not to be called')) };
  expectLossError(
    // @ts-expect-error: TensorFlow.js needs the loss at once
    () => multiLabelMarginLoss({ backend }),
    'ERR_OPTION',
    ['multiLabelMarginLoss()', 'faraway', 'synchronously', 'createThreadsBackend()'],
  );
});

// TensorFlow.js leaves tensors of its own when it refuses, so this is apart from the tests that count them.
test("the loss's own second derivative, which is 0, is refused", async () => {
  await useBackend('cpu');
  const lossFn = multiLabelMarginLoss();
  const gradient = tf.grad((scores: tf.Tensor) => lossFn(tf.tensor2d([[1, 0, 0, 1]]), scores));
  expect(() => tf.grad(gradient)(tf.tensor2d([[0.1, 0.2, 0.4, 0.8]]))).toThrow('Cannot compute gradient');
});
