import { inspect } from 'node:util';
import { nn, tensor } from 'multilabel-margin-loss';
import { expect, test } from 'vitest';

test('console.log() of Node prints tensors, also inside objects', () => {
  const scores = tensor([[0.5, 1], [2, -1]], { requires_grad: true }); // prettier-ignore
  expect(inspect(scores)).toBe(String(scores));
  expect(inspect({ scores, loss: tensor(0.25) }, { compact: 1 })).toBe(
    '{\n' +
      '  scores: tensor([[ 0.5000,  1.0000],\n' +
      '          [ 2.0000, -1.0000]], requires_grad=True),\n' +
      '  loss: tensor(0.2500)\n' +
      '}',
  );
  expect(inspect(new nn.Parameter([1, 2]))).toBe('Parameter containing:\ntensor([1., 2.], requires_grad=True)');
});
