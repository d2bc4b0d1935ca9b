// The examples of PyTorch's documentation as programs, word for word: tests/package compiles them, too.

import * as torch from 'multilabel-margin-loss';
import { expect, test } from 'vitest';
import { expectWithin } from '../js/support.js';

test('image tagging', async () => {
  const { loss } = await import('../package/types/image-tagging.js');
  // A tenth of the one violation, 1 - 1.2 + 0.3; scores, thresholds and the result are rounded to float32, all below 4.
  expectWithin([loss.item()], [0.01], 4 * 2 ** -23);
});

test('document topics', async () => {
  const { loss } = await import('../package/types/document-topics.js');
  expect(loss.shape).toEqual([]);
  expect(loss.item()).toBeGreaterThan(0);
});

test('music genres: a model that then trains', async () => {
  torch.manual_seed(1);
  const { model, predictions, loss } = await import('../package/types/music-genres.js');
  expect(predictions.shape).toEqual([32, 10]);
  expect(loss.item()).toBeGreaterThan(0);
  loss.backward();
  expect(model.named_parameters().map(([name, { grad }]) => [name, grad!.shape])).toEqual([
    ['fc1.weight', [128, 256]],
    ['fc1.bias', [128]],
    ['fc2.weight', [10, 128]],
    ['fc2.bias', [10]],
  ]);
  new torch.optim.SGD(model.parameters(), { lr: 0.1 }).step();
});
