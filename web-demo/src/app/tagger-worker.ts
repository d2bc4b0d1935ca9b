/** Starts a worker. */
import { type Remote, wrap } from 'comlink';
import type { Tagger } from '../worker/tagger.js';

export interface TaggerWorker {
  tagger: Remote<Tagger>;
  /** Rejects when the script of the worker does not load or run. */
  failure: Promise<never>;
  /** Calls under way are not answered then. */
  terminate: () => void;
}

export function startTagger(): TaggerWorker {
  const worker = new Worker(new URL('../worker/index.ts', import.meta.url), { type: 'module' });
  const failure = new Promise<never>((_, reject) => {
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      reject(new Error(`the script that trains did not load or run${event.message ? `: ${event.message}` : ''}.`));
    });
  });
  failure.catch(() => {});
  return { tagger: wrap<Tagger>(worker), failure, terminate: () => worker.terminate() };
}
