// docs/guides/other-frameworks.md on jax-js: a gradient of this package, taken back to the parameters, is that of the loss
// composed of jax-js's own operations.

import { defaultDevice, grad, init, numpy as np, vjp } from '@jax-js/jax';
import { fromMultiHot, MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { expect, test } from 'vitest';
import { reference } from '../js/reference.js';
import { expectWithin, normal, uniform } from '../js/support.js';

const ROWS = 6;
const FEATURES = 4;
const CLASSES = 5;
const u = 2 ** -24;

test('the program of the guide gives the gradient of the composed loss', async () => {
  await init('wasm');
  defaultDevice('wasm');
  const next = normal(1);
  const chance = uniform(1);
  const mask = Array.from({ length: ROWS }, () => Array.from({ length: CLASSES }, () => (chance() < 0.4 ? 1 : 0)));
  const x = Float32Array.from({ length: ROWS * FEATURES }, () => next() / 2);
  const features = np.array(x, { shape: [ROWS, FEATURES] });
  const weights = np.array(Float32Array.from({ length: FEATURES * CLASSES }, next), { shape: [FEATURES, CLASSES] });
  const model = (w: np.Array): np.Array => np.matmul(features.ref, w);

  const [scores, pullBack] = vjp(model, [weights.ref]);
  const { shape } = scores;
  const data = (await scores.data()) as Float32Array;
  const ofLoss = new MultiLabelMarginLoss().valueAndGrad({ data, shape }, fromMultiHot(mask)).grad;
  const [actual] = pullBack(np.array(ofLoss.data, { shape }));
  pullBack.dispose();

  const composed = (w: np.Array): np.Array => {
    const s = model(w);
    const hinges = np.maximum(
      np.add(np.subtract(1, s.ref.reshape([ROWS, CLASSES, 1])), s.reshape([ROWS, 1, CLASSES])),
      0,
    );
    const isTarget = np.array(mask);
    const pairs = np.multiply(
      isTarget.ref.reshape([ROWS, CLASSES, 1]),
      np.subtract(1, isTarget).reshape([ROWS, 1, CLASSES]),
    );
    return np
      .multiply(hinges, pairs)
      .sum()
      .mul(1 / (ROWS * CLASSES));
  };
  const expected = grad(composed)(weights);

  // No pair is so near the margin that one of the two could take it for a violation and the other not.
  const targets = mask.map((row) => row.flatMap((bit, j) => (bit === 1 ? [j] : [])));
  targets.forEach((list, row) => {
    const s = data.subarray(row * CLASSES, (row + 1) * CLASSES);
    for (const k of list) {
      s.forEach((score, j) => {
        if (!list.includes(j)) expect(Math.abs(1 - s[k]! + score)).toBeGreaterThan(1e-5);
      });
    }
  });
  // Each side is off by its roundings times the sum of the sizes of what it adds: 1/(N*C) for each pair, then the rows.
  const { pairs } = reference({ scores: data, rows: ROWS, classes: CLASSES, targets });
  const roundings = Math.max(...pairs) + ROWS + 8;
  const bounds = new Float64Array(FEATURES * CLASSES);
  for (let row = 0; row < ROWS; row++) {
    for (let i = 0; i < FEATURES; i++) {
      for (let j = 0; j < CLASSES; j++) {
        const size = (Math.abs(x[row * FEATURES + i]!) * pairs[row * CLASSES + j]!) / (ROWS * CLASSES);
        bounds[i * CLASSES + j]! += 2 * roundings * u * size;
      }
    }
  }
  const gradient = (await actual.data()) as Float32Array;
  expect(Math.max(...gradient)).toBeGreaterThan(0.01);
  expectWithin(gradient, (await expected.data()) as Float32Array, bounds);
});
