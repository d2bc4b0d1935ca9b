import { formatWhole } from './metrics.js';
import { bar, type LineClock, StatusLine, timeLeft } from './status-line.js';

/** Milliseconds between two changes of the line on a terminal. */
const REFRESH_INTERVAL = 200;

/** Progress over files on stderr: how much is done, rows per second and the time left. */
export class Progress {
  readonly #start = performance.now();
  #refreshed = this.#start;
  readonly #line: StatusLine;

  /** In bytes, or 0 if it is unknown. */
  readonly #total: number;
  #bytes = 0;
  #rows = 0;

  constructor(work: readonly { bytes: number }[], clock?: LineClock) {
    this.#line = new StatusLine(clock);
    this.#total = work.some(({ bytes }) => bytes === 0) ? 0 : work.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Counts what has been done since the last call. */
  add(bytes: number, rows: number): void {
    this.#bytes += bytes;
    this.#rows += rows;
    const now = performance.now();
    if (process.stderr.isTTY && now - this.#refreshed < REFRESH_INTERVAL) return;
    if (!this.#line.isDue()) return;
    this.#refreshed = now;
    const seconds = (now - this.#start) / 1000;
    const share = this.#total === 0 ? null : Math.min(1, this.#bytes / this.#total);
    const parts = [`${formatWhole(this.#rows)} rows`, `${formatWhole(Math.round(this.#rows / seconds))} rows/s`];
    if (share !== null) {
      parts.unshift(bar(share));
      parts.push(timeLeft(seconds, share));
    }
    this.#line.show(parts);
  }

  /** Removes the line from a terminal. */
  stop(): void {
    this.#line.clear();
  }
}
