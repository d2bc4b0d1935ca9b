/** A progress bar and seeded random numbers, which every training example needs. */
import { Presets, SingleBar } from 'cli-progress';

/** A progress bar on stderr, if stderr is a terminal. */
export class Progress {
  readonly #bar: SingleBar;

  constructor(task: string, total: number, status = '') {
    this.#bar = new SingleBar(
      {
        format: '{task} {bar} {percentage}%  {status}',
        stream: process.stderr,
        barsize: 20, // Leaves the line within 80 columns.
        clearOnComplete: true,
        // With false, the library switches line wrapping off and leaves it off after Ctrl+C. With true, it cuts long lines.
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

/** Random numbers in [0, 1) that repeat for the same seed. Math.random() takes no seed. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
