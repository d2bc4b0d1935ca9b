/** Milliseconds between two lines of progress where stderr is no terminal, and before the first. */
const LINE_INTERVAL = 10_000;
/** Milliseconds between two changes of the line on a terminal. */
const REFRESH_INTERVAL = 200;

/** Says when the next line of progress is due. */
export class LineClock {
  #last: number;

  /** @param now gives the time in milliseconds */
  constructor(private readonly now = () => performance.now()) {
    this.#last = now();
  }

  isDue(): boolean {
    const now = this.now();
    if (now - this.#last < LINE_INTERVAL) return false;
    this.#last = now;
    return true;
  }
}

/**
 * Progress on stderr: how much is done, rows per second and the time left. A line that changes on a terminal, and else a line
 * every ten seconds.
 */
export class Progress {
  readonly #start = performance.now();
  #shown = this.#start;

  /** In bytes, or 0 if it is unknown. */
  readonly #total: number;
  #bytes = 0;
  #rows = 0;

  constructor(
    work: readonly { bytes: number }[],
    private readonly clock = new LineClock(),
  ) {
    this.#total = work.some(({ bytes }) => bytes === 0) ? 0 : work.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Counts what has been done since the last call. */
  add(bytes: number, rows: number): void {
    this.#bytes += bytes;
    this.#rows += rows;
    const now = performance.now();
    const { isTTY } = process.stderr;
    if (isTTY ? now - this.#shown < REFRESH_INTERVAL : !this.clock.isDue()) return;
    this.#shown = now;
    const seconds = (now - this.#start) / 1000;
    const share = this.#total === 0 ? null : Math.min(1, this.#bytes / this.#total);
    const parts = [
      `${this.#rows.toLocaleString('en-US')} rows`,
      `${Math.round(this.#rows / seconds).toLocaleString('en-US')} rows/s`,
    ];
    if (share !== null) {
      parts.unshift(bar(share));
      parts.push(timeLeft(seconds, share));
    }
    process.stderr.write(isTTY ? `\r\x1b[2K${parts.join('  ')}` : `${parts.join('  ')}\n`);
  }

  /** Removes the line from a terminal. */
  stop(): void {
    if (process.stderr.isTTY && this.#shown !== this.#start) process.stderr.write('\r\x1b[2K');
  }
}

/** @param share what was done in so many seconds, above 0 */
export function timeLeft(seconds: number, share: number): string {
  return `${Math.ceil((seconds * (1 - share)) / share)} s left`;
}

/** @param share from 0 to 1 */
export function bar(share: number): string {
  const done = Math.round(20 * share);
  return `${'█'.repeat(done)}${'░'.repeat(20 - done)} ${Math.floor(100 * share)}%`;
}
