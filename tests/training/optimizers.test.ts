// Options that change between steps, as schedules of PyTorch's users change them, and who owns them.

import { nn, optim, tensor } from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';

/** The value of a parameter after each step of gradient 1, with a momentum of its own. */
function stepped(optimizer: optim.SGD, weight: nn.Parameter, momenta: readonly number[]): number[] {
  return momenta.map((momentum) => {
    optimizer.param_groups[0].momentum = momentum;
    weight.grad = tensor([1]);
    optimizer.step();
    return weight.item();
  });
}

describe('the momentum of SGD', () => {
  test('begins with the first step that has one, whose gradient enters whole', () => {
    const weight = new nn.Parameter([1]);
    const optimizer = new optim.SGD([weight], { lr: 1 });
    // b = 1, 1.5, 1.75
    expect(stepped(optimizer, weight, [0, 0.5, 0.5, 0.5])).toEqual([0, -1, -2.5, -4.25]);
  });

  test('rests while it is 0: such a step neither reads nor writes it', () => {
    const weight = new nn.Parameter([0]);
    const optimizer = new optim.SGD([weight], { lr: 1, dampening: 0.5 });
    // b = 1, then 0.5 * 1 + 0.5 = 1, and after two steps of the gradient alone 0.5 * 1 + 0.5 = 1 again.
    expect(stepped(optimizer, weight, [0.5, 0.5, 0, 0, 0.5])).toEqual([-1, -2, -3, -4, -5]);
  });

  test.each([
    ['set later', [0, 0.5]],
    ['set to 0', [0.5, 0]],
  ])('%s: the state can be loaded, and goes on', (_, momenta) => {
    const [weight, other] = [new nn.Parameter([1]), new nn.Parameter([1])];
    const [optimizer, loaded] = [weight, other].map((parameter) => new optim.SGD([parameter], { lr: 1 })) as [
      optim.SGD,
      optim.SGD,
    ];
    stepped(optimizer, weight, momenta);
    other.data.set(weight.data);
    loaded.load_state_dict(JSON.parse(JSON.stringify(optimizer.state_dict())) as optim.OptimizerState);
    expect(stepped(loaded, other, [0.5, 0.5])).toEqual(stepped(optimizer, weight, [0.5, 0.5]));
  });
});

test.each([optim.Adam, optim.AdamW])('%o: betas are its own', (Class) => {
  const parameters = () => [new nn.Parameter([1])];
  const betas: [number, number] = [0.8, 0.9];
  const optimizer = new Class(parameters(), { betas });
  betas[0] = 2;
  const state = optimizer.state_dict();
  (state.param_groups[0]['betas'] as number[])[0] = 3;
  expect(optimizer.param_groups[0].betas).toEqual([0.8, 0.9]);
  const loaded = new Class(parameters());
  (loaded.param_groups[0].betas as [number, number])[0] = 0.5;
  expect(new Class(parameters()).param_groups[0].betas).toEqual([0.9, 0.999]);
  const given = optimizer.state_dict();
  loaded.load_state_dict(given);
  (given.param_groups[0]['betas'] as number[])[0] = 4;
  expect(loaded.param_groups[0].betas).toEqual([0.8, 0.9]);
});

test('the state of an AdamW of PyTorch that says so is loaded, one of an Adam is not', () => {
  const parameters = () => [new nn.Parameter([1])];
  const state = new optim.AdamW(parameters()).state_dict();
  state.param_groups[0]['decoupled_weight_decay'] = true;
  new optim.AdamW(parameters()).load_state_dict(state);
  expect(() => new optim.Adam(parameters()).load_state_dict(state)).toThrow(/decoupled_weight_decay/);
});
