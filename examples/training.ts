/** What training needs that is particular to no task: a progress bar, chance with a seed, and metrics. */
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

/**
 * Label ranking average precision of one document: of the labels ranked no lower than a true label, the share that is
 * true; the mean of that over the true labels. Ties count against, as in scikit-learn: the rank of a label is the number
 * of scores no lower than its own.
 */
export function labelRankingAveragePrecision(scores: Float32Array, labels: readonly number[]): number {
  if (labels.length === 0) return 1;
  let sum = 0;
  for (const label of labels) {
    const score = scores[label]!;
    let rank = 0;
    for (let i = 0; i < scores.length; i++) if (scores[i]! >= score) rank++;
    const hits = labels.filter((other) => scores[other]! >= score).length;
    sum += hits / rank;
  }
  return sum / labels.length;
}

/** The label with the highest score, the first one of several. */
export function argmax(scores: Float32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
  return best;
}
