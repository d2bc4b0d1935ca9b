/** Milliseconds between two lines of progress where stderr is no terminal, and before the first. */
const LINE_INTERVAL = 10_000;
/** Removes the line that the cursor is in. */
const CLEAR = '\r\x1b[2K';

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

/** Progress on stderr: a line that changes on a terminal, and else a line every ten seconds. */
export class StatusLine {
  #isShown = false;

  constructor(private readonly clock = new LineClock()) {}

  /** Whether to show a line now. */
  isDue(): boolean {
    return process.stderr.isTTY || this.clock.isDue();
  }

  show(parts: readonly string[]): void {
    const line = parts.join('  ');
    this.#isShown = process.stderr.isTTY;
    process.stderr.write(this.#isShown ? CLEAR + line : `${line}\n`);
  }

  /** Removes the line from a terminal. */
  clear(): void {
    if (this.#isShown) process.stderr.write(CLEAR);
    this.#isShown = false;
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
