// A program that gets the package by import and by require() has two copies of it.

import { createRequire } from 'node:module';
import * as torch from 'multilabel-margin-loss';
import { expect, test } from 'vitest';

const required = createRequire(import.meta.url)('../../dist/cjs/index.js') as typeof torch;

test.each([
  ['a Module', () => new required.nn.Linear(2, 3)],
  ['a Parameter', () => new required.nn.Parameter([1])],
])('%s of the other copy is refused within a Module: it would never be trained', (_, make) => {
  class Model extends torch.nn.Module {
    part: unknown = make();
    override forward(): void {}
  }
  expect(() => new Model().parameters()).toThrow(
    expect.objectContaining({
      code: 'ERR_OPTION',
      message: expect.stringMatching(/'part' of a Model .* another copy/),
    }),
  );
});
