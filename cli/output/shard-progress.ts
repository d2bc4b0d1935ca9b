import { warn } from './print.js';
import { bar, LineClock, timeLeft } from './progress.js';

/** Progress of an evaluation on a queue on stderr: a line that changes on a terminal, and else a line now and then. */
export class ShardProgress {
  readonly #start = performance.now();
  readonly #clock = new LineClock();
  #shown = false;
  #hasWarned = false;

  constructor(private readonly shards: number) {}

  /** @param isIdle whether no worker has come yet, some seconds after the start */
  update(done: number, workers: number, isIdle: boolean): void {
    if (isIdle && !this.#hasWarned) {
      this.stop();
      warn('no worker is connected to the queue; multilabel-margin-loss worker --queue starts one');
      this.#hasWarned = true;
    }
    const { isTTY } = process.stderr;
    if (!isTTY && !this.#clock.isDue()) return;
    const share = done / this.shards;
    const parts = [bar(share), `${done} of ${this.shards} shards`, `${workers} workers`];
    const seconds = (performance.now() - this.#start) / 1000;
    if (done > 0) parts.push(timeLeft(seconds, share));
    const line = parts.join('  ');
    this.#shown = isTTY;
    process.stderr.write(isTTY ? `\r\x1b[2K${line}` : `${line}\n`);
  }

  stop(): void {
    if (this.#shown) process.stderr.write('\r\x1b[2K');
    this.#shown = false;
  }
}
