// A Worker of Cloudflare's, whose bundler makes a WebAssembly.Module of each import of a .wasm file.
import * as main from 'multilabel-margin-loss';
import { createWasmBackend, MultiLabelMarginLoss, nn, optim, useTrainingModule } from 'multilabel-margin-loss';
import * as evaluate from 'multilabel-margin-loss/evaluate';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import * as loss from 'multilabel-margin-loss/loss';
import lossModule from 'multilabel-margin-loss/multilabel_margin_loss.wasm';
import metricsModule from 'multilabel-margin-loss/ranking_metrics.wasm';
import * as threads from 'multilabel-margin-loss/threads';
import * as train from 'multilabel-margin-loss/train';
import trainingModule from 'multilabel-margin-loss/training.wasm?module';
import * as webgpu from 'multilabel-margin-loss/webgpu';
import { scores, targets } from './example.js';

async function said(compute) {
  try {
    return await compute();
  } catch ({ name, code, message }) {
    return `${name} ${code} ${message}`;
  }
}

export default {
  async fetch() {
    const lossBackend = createWasmBackend({ module: lossModule });
    const modules = { module: metricsModule, loss: { backend: lossBackend } };
    return Response.json({
      // An entry that did something when it was imported would not have come this far.
      entries: [main, evaluate, loss, threads, train, webgpu].map((entry) => Object.keys(entry).length),
      lossWithout: await said(() => new MultiLabelMarginLoss().forward(scores, targets).item()),
      evaluateWithout: await said(() => new Evaluator({ loss: { backend: lossBackend } }).update(scores, targets)),
      trainingWithout: await said(() => new nn.Linear(2, 3)),
      threads: await said(() => threads.createThreadsBackend({ threads: 2 })),
      loss: await said(() => new MultiLabelMarginLoss({ backend: lossBackend }).forward(scores, targets).item()),
      evaluate: await said(() => {
        const evaluator = new Evaluator(modules);
        evaluator.update(scores, targets);
        const copy = Evaluator.fromJSON(JSON.parse(JSON.stringify(evaluator)), modules);
        copy.update(scores, targets);
        return copy.result().loss;
      }),
      training: await said(() => {
        useTrainingModule({ module: trainingModule });
        const model = new nn.Linear(2, 5);
        const optimizer = new optim.SGD(model.parameters(), { lr: 1 });
        const lossFn = new MultiLabelMarginLoss();
        let last = 1;
        for (let i = 0; i < 20; i++) {
          optimizer.zero_grad();
          const loss = lossFn.forward(
            model.forward(
              main.tensor([
                [1, 0],
                [0, 1],
              ]),
            ),
            targets,
          );
          loss.backward();
          optimizer.step();
          last = loss.item();
        }
        return last;
      }),
    });
  },
};
