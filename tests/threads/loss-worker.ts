// A worker of a page that is cross-origin isolated: it makes threads of its own.

import { MultiLabelMarginLoss } from '../../dist/index.js';
import { createThreadsBackend } from '../../dist/threads/index.js';

addEventListener('message', () => void answer());

async function answer(): Promise<void> {
  const backend = await createThreadsBackend({ threads: 2 });
  const lossFn = new MultiLabelMarginLoss({ backend });
  const scores = backend.zeros(500, 1000);
  const { loss, grad } = lossFn.valueAndGrad(
    scores,
    Array.from({ length: 500 }, () => [7]),
  );
  postMessage({ loss: loss.item(), grad: grad.data, threads: backend.threads });
  backend.dispose();
}
