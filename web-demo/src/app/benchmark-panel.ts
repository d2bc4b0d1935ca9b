/** The benchmark, on request. */
import { proxy, type Remote } from 'comlink';
import { BenchmarkView } from '../view/benchmark-view.js';
import type { Tagger } from '../worker/tagger.js';
import { byId, messageOf, say } from './page.js';

/** @param pause training takes the processor from what is timed */
export function listenForBenchmark(tagger: Remote<Tagger>, pause: () => Promise<void>): void {
  const button = byId<HTMLButtonElement>('run-bench');
  const view = new BenchmarkView(byId('bench-results'));
  const run = async (): Promise<void> => {
    button.disabled = true;
    view.clear();
    say('bench-message', 'Running …');
    try {
      await pause();
      await tagger.benchmark(proxy((report) => view.add(report)));
      say('bench-message', '');
    } catch (error) {
      say('bench-message', `The benchmark stopped: ${messageOf(error)}`, true);
    } finally {
      button.disabled = false;
    }
  };
  button.addEventListener('click', () => void run());
}
