import { createWasmBackend, MultiLabelMarginLoss, nn, useTrainingModule } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import lossModule from 'multilabel-margin-loss/multilabel_margin_loss.wasm?module';
import metricsModule from 'multilabel-margin-loss/ranking_metrics.wasm?module';
import trainingModule from 'multilabel-margin-loss/training.wasm?module';
import { scores, targets } from '../../example.js';

export const runtime = 'edge';

const backend = createWasmBackend({ module: lossModule });
useTrainingModule({ module: trainingModule });

// Prints the loss if the other parts of the package compute what they should, too.
export function GET() {
  const evaluator = new Evaluator({ module: metricsModule, loss: { backend } });
  evaluator.update(scores, targets);
  const works = evaluator.result().oneError === 0 && new nn.Linear(2, 3).forward([[1, 2]]).shape[1] === 3;
  const loss = new MultiLabelMarginLoss({ backend }).forward(scores, targets).item();
  return new Response(`edge-runtime ${works ? loss : 'evaluate or training does not work'}`);
}
