/** A line on stderr, if that is a terminal: how far it is, rows per second and the time left. */
export class Progress {
  readonly #start = performance.now();
  #shown = this.#start;

  /** @param total bytes, or 0 if that is unknown */
  constructor(private readonly total: number) {}

  update(bytes: number, rows: number): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#shown < 200) return;
    this.#shown = now;
    const seconds = (now - this.#start) / 1000;
    const share = this.total === 0 ? null : bytes / this.total;
    const parts = [
      `${rows.toLocaleString('en-US')} rows`,
      `${Math.round(rows / seconds).toLocaleString('en-US')} rows/s`,
    ];
    if (share !== null) {
      const done = Math.round(20 * share);
      parts.unshift(`${'█'.repeat(done)}${'░'.repeat(20 - done)} ${Math.floor(100 * share)}%`);
      parts.push(`${Math.ceil((seconds * (1 - share)) / share)} s left`);
    }
    process.stderr.write(`\r\x1b[2K${parts.join('  ')}`);
  }

  stop(): void {
    if (process.stderr.isTTY && this.#shown !== this.#start) process.stderr.write('\r\x1b[2K');
  }
}
