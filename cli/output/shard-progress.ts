import { bar, timeLeft } from './progress.js';

/** A line on stderr, if that is a terminal: how many shards are done, the workers and the time left. */
export class ShardProgress {
  readonly #start = performance.now();
  #shown = false;

  constructor(private readonly shards: number) {}

  update(done: number, workers: number): void {
    if (!process.stderr.isTTY) return;
    this.#shown = true;
    const share = done / this.shards;
    const parts = [bar(share), `${done} of ${this.shards} shards`, `${workers} workers`];
    const seconds = (performance.now() - this.#start) / 1000;
    if (done > 0) parts.push(timeLeft(seconds, share));
    process.stderr.write(`\r\x1b[2K${parts.join('  ')}`);
  }

  stop(): void {
    if (this.#shown) process.stderr.write('\r\x1b[2K');
  }
}
