/** What training needs that is particular to no task: a progress bar, and chance with a seed. */
import { Presets, SingleBar } from 'cli-progress';

/** A bar on stderr while something runs, if stderr is a terminal. */
export class Progress {
  readonly #bar: SingleBar;

  constructor(task: string, total: number, status = '') {
    this.#bar = new SingleBar(
      {
        format: '{task} {bar} {percentage}%  {status}',
        stream: process.stderr,
        barsize: 20, // Leaves the line within 80 columns.
        clearOnComplete: true,
        // The library would switch the terminal's line wrapping off, and leave it so on Ctrl-C. With true it cuts lines.
        linewrap: true,
      },
      Presets.shades_classic,
    );
    this.#bar.start(total, 0, { task, status });
  }

  update(done: number, status: string): void {
    this.#bar.update(done, { status });
  }

  stop(): void {
    this.#bar.stop();
  }
}

/** Random numbers in [0, 1), the same ones for the same seed; Math.random takes none. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
