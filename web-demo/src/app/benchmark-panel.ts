/** The benchmark, on request. */
import { proxy } from 'comlink';
import { BenchmarkView } from '../view/benchmark-view.js';
import type { BenchmarkReport } from '../worker/benchmark.js';
import { byId, messageOf, say } from './page.js';
import { startTagger } from './tagger-worker.js';

// A report takes a second or two. Now and then, Firefox 153 freezes a worker for good that starts workers of its own.
const SILENCE_MS = 30_000;

class SilenceError extends Error {}

/** @param pause training takes the processor from what is timed */
export function listenForBenchmark(pause: () => Promise<void>): void {
  const button = byId<HTMLButtonElement>('run-bench');
  const view = new BenchmarkView(byId('bench-results'));
  const run = async (): Promise<void> => {
    button.disabled = true;
    view.clear();
    say('bench-message', 'Running …');
    try {
      await pause();
      try {
        await benchmark(true, (report) => view.add(report));
      } catch (error) {
        if (!(error instanceof SilenceError)) throw error;
        view.clear();
        view.add({ leftOut: 'Several threads: this browser froze the worker that started them.' });
        await benchmark(false, (report) => view.add(report));
      }
      say('bench-message', '');
    } catch (error) {
      say('bench-message', `The benchmark stopped: ${messageOf(error)}`, true);
    } finally {
      button.disabled = false;
    }
  };
  button.addEventListener('click', () => void run());
}

/**
 * Runs the benchmark in a worker of its own, so that the tagger goes on whatever becomes of it.
 *
 * @throws SilenceError if it starts threads, and does not report any more
 */
async function benchmark(withThreads: boolean, onReport: (report: BenchmarkReport) => void): Promise<void> {
  const { tagger, failure, terminate } = startTagger();
  let timer = 0;
  let isOver = false;
  const finished = new Promise<void>((resolve, reject) => {
    const expectReport = (): void => {
      clearTimeout(timer);
      if (withThreads) timer = window.setTimeout(() => reject(new SilenceError()), SILENCE_MS);
    };
    const receive = (report: BenchmarkReport): void => {
      if (isOver) return;
      expectReport();
      onReport(report);
    };
    expectReport();
    failure.catch(reject);
    tagger.benchmark(withThreads, proxy(receive)).then(resolve, reject);
  });
  try {
    await finished;
  } finally {
    isOver = true;
    clearTimeout(timer);
    terminate();
  }
}
