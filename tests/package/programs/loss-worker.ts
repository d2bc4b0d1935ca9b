// The worker posts its errors, because an uncaught one does not always reach the page: some bundlers wrap the module in a
// promise. It imports nothing later: Parcel loses the modules that a worker shares with a chunk of it.
import { nn } from 'multilabel-margin-loss';
import { lossOnThreads } from './on-threads.js';

const scores = [
  [0.1, 2.5, -1.0, 1.2, 0.3],
  [-0.2, 1.0, 3.1, 0.5, 2.2],
];

function loss(): number {
  return new nn.MultiLabelMarginLoss()
    .forward(scores, [
      [1, 3],
      [2, 4],
    ])
    .item();
}

async function say(name: string, compute: () => unknown): Promise<void> {
  try {
    postMessage(`${name} ${String(await compute())}`);
  } catch (error) {
    postMessage(`${name} ${(error as Error).message}`);
  }
}

void say('worker', loss).then(() => say('worker-threads', lossOnThreads));
