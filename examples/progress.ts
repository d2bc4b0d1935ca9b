/** The progress bar of the programs that train. */
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
