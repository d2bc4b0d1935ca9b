import type { TrainingProgress as State, TrainingStart } from 'multilabel-margin-loss/train';
import { formatMetric, formatWhole } from './metrics.js';
import { bar, StatusLine, timeLeft } from './status-line.js';

/** Progress of a training on stderr. */
export class TrainingProgress {
  readonly #line = new StatusLine();
  #start: TrainingStart | null = null;
  #began = performance.now();
  #epochBegan = performance.now();

  constructor(private readonly epochs: number) {}

  /** @param start what the survey of the rows found */
  begin(start: TrainingStart): void {
    this.#start = start;
    this.#began = this.#epochBegan = performance.now();
  }

  /** Ends an epoch. @returns the rows that it trained on in a second, its validation included */
  endEpoch(): number {
    const rowsPerSecond = this.#rowsPerSecond(this.#start?.training ?? 0);
    this.#epochBegan = performance.now();
    return rowsPerSecond;
  }

  #rowsPerSecond(rows: number): number {
    return (1000 * rows) / (performance.now() - this.#epochBegan);
  }

  update({ phase, epoch, rows, loss }: State): void {
    if (!this.#line.isDue()) return;
    const parts = [`${formatWhole(rows)} rows`];
    if (this.#start === null) {
      parts.unshift('looking at all rows');
    } else {
      const { training, validation, resumed } = this.#start;
      const perEpoch = training + validation;
      const done = (epoch - 1 - resumed) * perEpoch + rows + (phase === 'training' ? 0 : training);
      const share = Math.min(1, done / (perEpoch * (this.epochs - resumed)));
      parts.unshift(`epoch ${epoch}/${this.epochs}`, bar(share));
      if (phase === 'training') {
        parts.push(`${formatWhole(Math.round(this.#rowsPerSecond(rows)))} rows/s`, `loss ${formatMetric(loss)}`);
      } else {
        parts.push(phase);
      }
      // Training may end before, when validation gets no better.
      if (share > 0) parts.push(`at most ${timeLeft((performance.now() - this.#began) / 1000, share)}`);
    }
    this.#line.show(parts);
  }

  /** Removes the line from a terminal. */
  stop(): void {
    this.#line.clear();
  }
}

const BARS = '▁▂▃▄▅▆▇█';
const MOST_BARS = 60;

/** Values as bars, the lowest and the highest of them at the ends of the scale; of many, every so many-th. */
export function sparkline(values: readonly number[]): string {
  const step = Math.ceil(values.length / MOST_BARS);
  const shown = values.filter((_, i) => (values.length - 1 - i) % step === 0);
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  const place = (value: number): number =>
    high === low ? 0 : Math.round(((value - low) / (high - low)) * (BARS.length - 1));
  return shown.map((value) => BARS[place(value)]).join('');
}
