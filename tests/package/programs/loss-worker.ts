// The worker posts its errors, because an uncaught one does not always reach the page: some bundlers wrap the module in a
// promise. It imports nothing later: Parcel loses the modules that a worker shares with a chunk of it.
import { lossOfExample } from './example.js';
import { lossOnThreads } from './on-threads.js';

async function say(name: string, compute: () => unknown): Promise<void> {
  try {
    postMessage(`${name} ${String(await compute())}`);
  } catch (error) {
    postMessage(`${name} ${(error as Error).message}`);
  }
}

void say('worker', lossOfExample).then(() => say('worker-threads', lossOnThreads));
