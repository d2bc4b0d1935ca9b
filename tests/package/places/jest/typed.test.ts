import { nn, type Tensor } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';

declare const test: (name: string, run: () => void) => void;
declare const expect: (value: unknown) => { toEqual(value: unknown): void };

test('compiled by ts-jest, with its types', () => {
  const scores: Tensor = new nn.Linear(2, 3).forward([[1, 2]]);
  expect(scores.shape).toEqual([1, 3]);
  const evaluator: Evaluator = new Evaluator();
  evaluator.update(scores, [[2]]);
  expect(evaluator.result().rows).toEqual(1);
});
