// What works in a context of an extension.
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { createThreadsBackend } from 'multilabel-margin-loss/threads';
import { scores, targets } from './example.js';

async function said(compute) {
  try {
    return await compute();
  } catch ({ code, message }) {
    return `${code} ${message}`;
  }
}

export async function outcome() {
  return {
    loss: await said(() => new MultiLabelMarginLoss().forward(scores, targets).item()),
    evaluate: await said(() => {
      const evaluator = new Evaluator();
      evaluator.update(scores, targets);
      return evaluator.result().loss;
    }),
    threads: await said(async () => {
      const backend = await createThreadsBackend({ threads: 2 });
      const rows = Array.from({ length: 500 }, () => [7]);
      const loss = new MultiLabelMarginLoss({ backend }).forward(backend.zeros(500, 1000), rows);
      backend.dispose();
      return loss.item();
    }),
  };
}
