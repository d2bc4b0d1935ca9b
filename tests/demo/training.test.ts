// What the page promises of its training, on the data that it loads.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import { mulberry32 } from '../../examples/random.js';
import { readEmoji } from '../../web-demo/data/emoji.js';
import { type Gallery, toDataset, unpackEmbeddings } from '../../web-demo/src/gallery.js';
import { divisorOf, violatingPairs } from '../../web-demo/src/margin/pairs.js';
import { decodeHead, encodeHead } from '../../web-demo/src/training/head-file.js';
import { EPOCHS, Trainer } from '../../web-demo/src/training/trainer.js';
import type { LossSettings } from '../../web-demo/src/worker/tagger.js';

const data = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../web-demo/build/data/${name}`, import.meta.url)));
const gallery = JSON.parse(data('gallery.json').toString()) as Gallery;
const { emoji, vocabulary } = readEmoji();

test('1,911 images, and 109 tags with 20 images or more each', () => {
  expect(gallery.names).toHaveLength(1911);
  expect(vocabulary).toHaveLength(109);
  for (const tag of vocabulary)
    expect(emoji.filter(({ tags }) => tags.includes(tag)).length).toBeGreaterThanOrEqual(20);
  const tags = gallery.targets.reduce((sum, { length }) => sum + length, 0);
  expect(tags / 1911).toBeCloseTo(3.47, 2);
});

test('tags say something, and none is there twice under two names', () => {
  for (const tag of ['143', 'ily', 'not', 'men', 'flags', 'sports', 'female', 'country flag']) {
    expect(vocabulary).not.toContain(tag);
  }
  for (const tag of vocabulary) expect(vocabulary).not.toContain(`${tag}s`);
});

test('no concept is on both sides of the split', () => {
  const heldOut = emoji.filter((one) => one.heldOut);
  expect(heldOut.length / emoji.length).toBeCloseTo(0.15, 1);
  expect(heldOut.every(({ tags }) => tags.length > 0)).toBe(true);
  const sideOf = (name: string): boolean => emoji.find((one) => one.name === name)!.heldOut;
  for (const concept of ['singer', 'health worker', 'walking', 'cook', 'vampire', 'running', 'facepalming', 'pilot']) {
    const sides = ['man', 'woman', 'person']
      .flatMap((who) => [`${who} ${concept}`, `${concept}`])
      .filter((name) => emoji.some((one) => one.name === name))
      .map(sideOf);
    expect(sides.length).toBeGreaterThan(1);
    expect(new Set(sides).size).toBe(1);
  }
  expect(emoji.filter(({ concept }) => concept === 'flags').some((one) => one.heldOut)).toBe(false);
});

test('within 40 epochs, held-out LRAP of .62 and precision at 1 of .68; above both baselines', () => {
  const embeddings = unpackEmbeddings(new Uint8Array(gunzipSync(data('embeddings.bin'))).buffer, gallery.names.length);
  const trainer = new Trainer(toDataset(gallery, embeddings.quantised, embeddings.features));
  const settings = { lossFn: new MultiLabelMarginLoss({ nan: 'error' }), batchSize: 64, learningRate: 0.001 };
  let reached = false;
  while (!reached && trainer.epoch < EPOCHS) {
    if (!trainer.step(settings).endsEpoch) continue;
    const { lrap, precisionAt1 } = trainer.evaluate();
    reached = lrap >= 0.62 && precisionAt1 >= 0.68;
  }
  expect(reached).toBe(true);
  expect(gallery.baselines.pixels.lrap).toBeLessThan(0.62);
  expect(gallery.baselines.prior.lrap).toBeLessThan(gallery.baselines.pixels.lrap);
});

describe('the pairs of the margin view', () => {
  test('add up to the loss of the package, under all settings', () => {
    const seed = Date.now() % 1e6;
    const random = mulberry32(seed);
    for (const normalization of ['classes', 'targets'] as const) {
      for (const targetOrder of ['ignored', 'ranked'] as const) {
        for (const margin of [0.1, 1, 3.5]) {
          const settings: LossSettings = { reduction: 'mean', margin, normalization, targetOrder };
          const scores = Float32Array.from({ length: 145 }, () => 8 * random() - 4);
          const targets = [...scores.keys()].filter(() => random() < 0.05);
          if (targets.length === 0) targets.push(3);
          const sum = violatingPairs(scores, targets, settings).reduce((total, { hinge }) => total + hinge, 0);
          const loss = new MultiLabelMarginLoss({ ...settings }).forward(scores, targets).item();
          const byPairs = sum / divisorOf(settings, scores.length, targets.length);
          // The thresholds and the result are float32: each pair is off by 2^-24 of a threshold below 8, the loss by itself.
          const pairs = targets.length * scores.length;
          const bound = ((8 * pairs) / divisorOf(settings, scores.length, targets.length) + loss) * 2 ** -24;
          expect(Math.abs(loss - byPairs), `seed ${seed}`).toBeLessThanOrEqual(bound);
        }
      }
    }
  });
});

describe('a saved head', () => {
  const parameters = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const file = encodeHead({ vocabulary: ['a', 'b'], epochs: 4, parameters }).buffer;

  test('comes back as it was', () => {
    expect(decodeHead(file, ['a', 'b'], 3, 4)).toEqual({
      vocabulary: ['a', 'b'],
      epochs: 4,
      parameters,
    });
  });

  test.each([
    [new ArrayBuffer(0), ['a', 'b'], /not a head saved/],
    [new TextEncoder().encode('null\n').buffer, ['a', 'b'], /not a head saved/],
    [file, ['a', 'c'], /other tags/],
    [file.slice(0, -4), ['a', 'b'], /28 bytes .* 32 are needed/],
    [
      encodeHead({ vocabulary: ['a', 'b'], epochs: 4, parameters: new Float32Array(8).fill(NaN) }).buffer,
      ['a', 'b'],
      /“a” scores that are not finite/,
    ],
    [
      // Each is finite; the sum over the features is not.
      encodeHead({ vocabulary: ['a', 'b'], epochs: 4, parameters: new Float32Array(8).fill(1e38) }).buffer,
      ['a', 'b'],
      /“a” scores that are not finite/,
    ],
    [
      encodeHead({ vocabulary: ['a', 'b'], epochs: 1e9, parameters: new Float32Array(8) }).buffer,
      ['a', 'b'],
      /trained for 1000000000 epochs: a whole number up to 10000/,
    ],
  ])('is refused when something is wrong, %#', (bytes, tags, message) => {
    expect(() => decodeHead(bytes, tags, 3, 4)).toThrow(message);
  });
});
