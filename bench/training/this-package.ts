/** The jobs in this package, as its documentation has them. */
import { createRequire } from 'node:module';
import * as torch from 'multilabel-margin-loss';
import { createThreadsBackend } from 'multilabel-margin-loss/threads';
import type { Corpus, StepData, StepJob, WordNetBatch } from './jobs.js';

/** Trains for so many steps, and returns the milliseconds that they took. */
export type Steps = (steps: number) => Promise<number> | number;

export function stepsOf(
  { rows, sizes, targets: width, optimizer: name, lr }: StepJob,
  data: StepData,
  { nn, optim, tensor }: typeof torch,
): Steps {
  const lossFn = new nn.MultiLabelMarginLoss();
  const layers = sizes.slice(1).flatMap((outputs, i) => {
    const linear = new nn.Linear(sizes[i]!, outputs);
    linear.weight.data.set(data.weights[i]!);
    linear.bias!.data.fill(0);
    return i === 0 ? [linear] : [new nn.ReLU(), linear];
  });
  const model = new nn.Sequential(...layers);
  const optimizer = new optim[name](model.parameters(), { lr });
  const x = tensor(data.x, { shape: [rows, sizes[0]!] });
  const targets = tensor(data.targets, { shape: [rows, width] });
  return (steps) => {
    const begin = performance.now();
    for (let step = 0; step < steps; step++) {
      optimizer.zero_grad();
      lossFn.forward(model.forward(x), targets).backward();
      optimizer.step();
    }
    return performance.now() - begin;
  };
}

/** Returns a copy of the package that trains on threads. Each copy has one training core. */
export async function copyOnThreads(threads: number): Promise<typeof torch> {
  const copy = createRequire(import.meta.url)('../../dist/cjs/index.js') as typeof torch;
  copy.useTrainingModule({ backend: await createThreadsBackend({ threads }) });
  return copy;
}

class Tagger extends torch.nn.Module {
  readonly terms: torch.nn.EmbeddingBag;
  readonly bias: torch.nn.Parameter;

  constructor({ terms, labels }: Corpus) {
    super();
    this.terms = new torch.nn.EmbeddingBag(terms, labels, { mode: 'sum' });
    this.terms.weight.data.fill(0);
    this.bias = new torch.nn.Parameter(torch.zeros(labels));
  }

  forward(terms: torch.Tensor<'int32'>, offsets: torch.Tensor<'int32'>, weights: torch.Tensor): torch.Tensor {
    return torch.add(this.terms.forward(terms, offsets, weights), this.bias);
  }
}

export function wordNetTrainer(corpus: Corpus): (batches: readonly WordNetBatch[]) => number {
  const model = new Tagger(corpus);
  const optimizer = new torch.optim.Adagrad(model.parameters(), { lr: 1, initial_accumulator_value: 0.01 });
  const sum = new torch.nn.MultiLabelMarginLoss({ reduction: 'sum' });
  return (batches) => {
    const begin = performance.now();
    for (const { rows, terms, offsets, weights, targets, width } of batches) {
      optimizer.zero_grad();
      const scores = model.forward(torch.tensor(terms), torch.tensor(offsets), torch.tensor(weights));
      sum.forward(scores, torch.tensor(targets, { shape: [rows, width] })).backward();
      optimizer.step();
    }
    return performance.now() - begin;
  };
}
