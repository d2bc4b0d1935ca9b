// Layers and optimizers against PyTorch, over several steps: tests/fixtures/make_training_golden.py says what is compared.

import * as torch from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import golden from '../fixtures/training-golden.json' with { type: 'json' };
import { expectWithin } from '../js/support.js';
import { bytes, f64, forward, makeModel, toState } from './models.js';

/**
 * Both runs of float32 are off by the same kinds of rounding, PyTorch's by `slack` at most over all elements. Another order of
 * sums moves a result by as much again, and once more where it does so at each step; what is added is the rounding of a
 * result whose slack happens to be 0.
 */
function bound(slack: number, values: Float64Array): number {
  return 4 * slack + 4 * 2 ** -24 * Math.max(...values.map(Math.abs), 1e-3);
}

function expectClose(actual: torch.Tensor | null | undefined, encoded: string, slack: number, what: string): void {
  const expected = f64(encoded);
  expectWithin(actual!.data as Float32Array, expected, bound(slack, expected), what);
}

function optimizerOf(name: string, parameters: torch.nn.Parameter[], options: object) {
  const optimizers = {
    SGD: torch.optim.SGD,
    Adam: torch.optim.Adam,
    AdamW: torch.optim.AdamW,
    Adagrad: torch.optim.Adagrad,
  };
  return new optimizers[name as keyof typeof optimizers](parameters, options as never);
}

describe(`the values of PyTorch ${golden.torch}`, () => {
  test.each(golden.runs.map((run) => [run.id, run] as const))('%s', (_, run) => {
    const slack = run.slack as unknown as Record<string, number>;
    using model = makeModel(run.model);
    model.load_state_dict(toState(run.initial));
    const names = model.named_parameters().map(([name]) => name);
    expect(names).toEqual(Object.keys(run.initial));
    using optimizer = optimizerOf(run.optimizer, model.parameters(), run.options);
    const lossFn = new torch.nn.MultiLabelMarginLoss({ reduction: run.reduction as torch.Reduction, nan: 'error' });
    const losses: number[] = [];
    for (let step = 0; step * run.backwards < run.batches.length; step++) {
      optimizer.zero_grad();
      for (const batch of run.batches.slice(step * run.backwards, (step + 1) * run.backwards)) {
        const scores = forward(model, batch);
        if (losses.length === 0) expectClose(scores, run.scores, slack['scores']!, 'score');
        const loss = lossFn.forward(scores, batch.targets);
        loss.backward();
        losses.push(loss.item());
      }
      if (step === 0) {
        // Reading a gradient, or not, leads to other kernels: half of the runs read it.
        const readsFirst = run.id.length % 2 === 0;
        if (readsFirst)
          for (const [name, parameter] of model.named_parameters()) {
            expectClose(parameter.grad, run.grads[name as never], slack[`grads.${name}`]!, `gradient of ${name}`);
          }
      }
      optimizer.step();
    }
    const expectedLosses = f64(run.losses);
    expectWithin(losses, expectedLosses, bound(slack['losses']!, expectedLosses), 'loss');
    for (const [name, tensor] of Object.entries(model.state_dict())) {
      expectClose(tensor, run.final[name as never], slack[`final.${name}`]!, name);
    }
    const { state } = optimizer.state_dict();
    for (const [key, encoded] of Object.entries(run.state)) {
      const [, name, kept] = /^(.+)\.(\w+)$/.exec(key)!;
      expectClose(state[names.indexOf(name!)]![kept!] as torch.Tensor, encoded, slack[`state.${key}`]!, key);
    }
  });

  test.each(golden.heads)('a head from a file of PyTorch scores as there: $model', (head) => {
    const { tensors } = torch.loadSafetensors(bytes(head.file));
    using model = makeModel(head.model);
    model.load_state_dict(tensors);
    const scores = torch.no_grad(() => forward(model, head.batch));
    // What is promised: 1e-6 of the sum of |w x| + |b|, for each score.
    expectWithin(
      scores.data as Float32Array,
      f64(head.scores),
      f64(head.bound).map((sum) => 1e-6 * sum),
      'score',
    );
  });
});
