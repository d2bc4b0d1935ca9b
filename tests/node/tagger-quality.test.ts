// What trainTagger() reaches with its defaults, beside scikit-learn's OneVsRest of LinearSVC(C=1): ten seeds of each kind of data.

import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { type Features, trainTagger, type TrainTaggerOptions } from 'multilabel-margin-loss/train';
import { describe, expect, test } from 'vitest';
import golden from '../fixtures/training-quality.json';
import { dense, sliceOf, sparse, TEST, TRAINING } from './tagger-quality-data.js';

const FEATURES = 64;

/** LRAP of rows that had no part in the training. */
async function lrapOf(
  rowsOf: (begin: number, end: number) => Features,
  targets: number[][],
  options: Partial<TrainTaggerOptions> = {},
): Promise<number> {
  const rows = { features: rowsOf(0, TRAINING), targets: targets.slice(0, TRAINING) };
  using tagger = await trainTagger({ ...rows, ...options });
  const evaluator = new Evaluator();
  evaluator.update(tagger.scores(rowsOf(TRAINING, TRAINING + TEST)), targets.slice(TRAINING));
  return evaluator.result().labelRankingAveragePrecision;
}

function sumOf(values: ArrayLike<number>): number {
  return Array.prototype.reduce.call(values, (sum, value) => (sum as number) + Math.abs(value as number), 0) as number;
}

describe.each(golden)('seed $seed', (expected) => {
  test('dense rows, and with a feature of 10,000 times the scale', async () => {
    const { seed, dense: svc } = expected;
    const { features, targets } = dense(seed);
    expect(sumOf(features)).toBe(svc.sum);
    expect(targets.flat()).toHaveLength(svc.labels);
    const rowsOf = (begin: number, end: number): Features => ({
      data: features.subarray(begin * FEATURES, end * FEATURES),
      shape: [end - begin, FEATURES],
    });
    expect(await lrapOf(rowsOf, targets)).toBeGreaterThanOrEqual(svc.lrap - 0.005);
    for (let at = 0; at < features.length; at += FEATURES) features[at]! *= 1e4;
    expect(await lrapOf(rowsOf, targets, { standardize: true })).toBeGreaterThanOrEqual(svc.lrap - 0.005);
  });

  test('sparse rows', async () => {
    const { seed, sparse: svc } = expected;
    const { features, targets } = sparse(seed);
    expect(sumOf(features.data)).toBe(svc.sum);
    expect(targets.flat()).toHaveLength(svc.labels);
    const lrap = await lrapOf((begin, end) => sliceOf(features, begin, end), targets);
    expect(lrap).toBeGreaterThanOrEqual(svc.lrap - 0.005);
  });
});
