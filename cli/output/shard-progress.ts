import { warn } from './print.js';
import { bar, StatusLine, timeLeft } from './status-line.js';

/** Progress of an evaluation on a queue, on stderr. */
export class ShardProgress {
  readonly #start = performance.now();
  readonly #line = new StatusLine();
  #hasWarned = false;

  constructor(private readonly shards: number) {}

  /** @param isIdle whether no worker has come yet, some seconds after the start */
  update(done: number, workers: number, isIdle: boolean): void {
    if (isIdle && !this.#hasWarned) {
      this.stop();
      warn('no worker is connected to the queue; multilabel-margin-loss worker --queue starts one');
      this.#hasWarned = true;
    }
    if (!this.#line.isDue()) return;
    const share = done / this.shards;
    const parts = [bar(share), `${done} of ${this.shards} shards`, `${workers} workers`];
    const seconds = (performance.now() - this.#start) / 1000;
    if (done > 0) parts.push(timeLeft(seconds, share));
    this.#line.show(parts);
  }

  /** Removes the line from a terminal. */
  stop(): void {
    this.#line.clear();
  }
}
