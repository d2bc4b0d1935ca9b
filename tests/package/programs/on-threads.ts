import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { createThreadsBackend } from 'multilabel-margin-loss/threads';

/** A batch on two threads, in the memory that they share: how many threads there are, and the loss. */
export async function lossOnThreads(): Promise<string> {
  const backend = await createThreadsBackend({ threads: 2 });
  const lossFn = new MultiLabelMarginLoss({ backend });
  const scores = backend.zeros(1000, 1000);
  const targets = Array.from({ length: 1000 }, () => [7]);
  const loss = lossFn.forward(scores, targets).item();
  backend.dispose();
  return `${backend.threads} ${loss}`;
}
