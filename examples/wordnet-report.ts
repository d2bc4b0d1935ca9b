/** The output of wordnet-tagger.ts. */
import { type Tensor, tensor, topk } from 'multilabel-margin-loss';
import { Progress } from './progress.js';
import type { Batch, Task } from './wordnet-batches.js';
import type { Options } from './wordnet-options.js';

const SAMPLES = 5;
const LABELS_PER_SAMPLE = 5;
const COLUMNS = 100;

export interface Metrics {
  lrap: number;
  precisionAt1: number;
  /** Mean over the documents. */
  loss: number;
}

/** The progress of an epoch: rows, mean loss and speed. */
export class EpochProgress {
  readonly name: string;
  readonly #progress: Progress;
  readonly #start = performance.now();
  #end = this.#start;
  #rows = 0;
  #sumOfLosses = 0;

  readonly #epochsToFollow: number;

  constructor(
    epoch: number,
    epochs: number,
    private readonly total: number,
  ) {
    this.name = `Epoch ${epoch}/${epochs}`;
    this.#epochsToFollow = epochs - epoch;
    this.#progress = new Progress(this.name, total);
  }

  /** @param sumOfLosses of the rows */
  update(rows: number, sumOfLosses: number): void {
    this.#rows += rows;
    this.#sumOfLosses += sumOfLosses;
    this.#end = performance.now();
    const left = (this.total * (1 + this.#epochsToFollow) - this.#rows) / this.rowsPerSecond;
    const speed = `${whole(this.rowsPerSecond)} rows/s`;
    this.#progress.update(this.#rows, `loss ${metric(this.loss)}  ${speed}  ${duration(1000 * left)} left`);
  }

  stop(): void {
    this.#progress.stop();
  }

  get loss(): number {
    return this.#sumOfLosses / this.#rows;
  }

  get rowsPerSecond(): number {
    return (1000 * this.#rows) / (this.#end - this.#start);
  }
}

export function printEpoch({ name, loss, rowsPerSecond }: EpochProgress, metrics: Metrics): void {
  console.log(
    `${name}  loss ${metric(loss)}   held out: LRAP ${metric(metrics.lrap)}  P@1 ${metric(metrics.precisionAt1)}  ` +
      `loss ${metric(metrics.loss)}   ${whole(rowsPerSecond)} rows/s`,
  );
}

/** Scores every document alike, each label by its share of the training documents. */
export function labelPrior({ training, labels: { length } }: Task): { forward(batch: Batch): Tensor } {
  const shares = new Float32Array(length);
  for (const { labels } of training) for (const label of labels) shares[label]! += 1 / training.length;
  return {
    forward({ labels: { length: rows } }) {
      const scores = new Float32Array(rows * length);
      for (let row = 0; row < rows; row++) scores.set(shares, row * length);
      return tensor(scores, { shape: [rows, length] });
    },
  };
}

export function printTask({ labels, tfIdf, training, heldOut }: Task, options: Options): void {
  const examples = [...training, ...heldOut];
  const perDocument = examples.reduce((sum, { document }) => sum + document.labels.length, 0) / examples.length;
  const how =
    options.head === undefined
      ? `Adagrad: learning rate ${options.learningRate}, batches of ${whole(options.batchSize)}, seed ${options.seed}`
      : `trained before: ${options.head}`;
  console.log(
    `WordNet 3.1: ${whole(examples.length)} documents (${whole(training.length)} to train on, ` +
      `${whole(heldOut.length)} held out),\n` +
      `${whole(labels.length)} labels, ${perDocument.toFixed(1)} a document; ` +
      `TF-IDF of ${whole(tfIdf.vocabulary.length)} terms.\n` +
      `Linear model, multi-label margin loss, ${how}.\n`,
  );
}

export function printComparison(prior: Metrics, model: Metrics): void {
  const row = (name: string, lrap: string, precisionAt1: string, loss: string): void =>
    console.log(name.padEnd(12) + lrap.padStart(9) + precisionAt1.padStart(9) + loss.padStart(9));
  const metrics = (name: string, { lrap, precisionAt1, loss }: Metrics): void =>
    row(name, metric(lrap), metric(precisionAt1), metric(loss));
  console.log();
  row('Held out', 'LRAP', 'P@1', 'loss');
  metrics('label prior', prior);
  metrics('this model', model);
}

/** Held-out definitions at even distances, with the labels ranked highest, and the true ones. */
export function printSamples({ heldOut, labels }: Task, scoresOf: (text: string) => Tensor): void {
  console.log(
    `\nHeld-out definitions and the ${LABELS_PER_SAMPLE} labels ranked highest (✓ true, ✗ not; numbers tell namesakes apart):`,
  );
  for (let i = 0; i < SAMPLES; i++) {
    const { document } = heldOut[Math.floor(((i + 0.5) * heldOut.length) / SAMPLES)]!;
    const marked = highest(scoresOf(document.text)).map(
      (label) => `${document.labels.includes(label) ? '✓' : '✗'} ${labels[label]!.name}`,
    );
    const names = document.labels.map((label) => labels[label]!.name);
    // A gloss is a definition, then usage examples in quotes.
    const definition = document.text.split('; "')[0]!;
    console.log();
    printHanging(`${document.title}: `, definition.split(' '), ' ', 4);
    printHanging('  predicted  ', marked, '  ');
    printHanging('  true       ', names, ', ');
  }
}

export function printTags(text: string, scores: Tensor, { labels, tfIdf }: Task): void {
  console.log();
  printHanging(
    `${text}: `,
    highest(scores).map((label) => labels[label]!.name),
    ', ',
    4,
  );
  if (tfIdf.transform(text).indices.length === 0) {
    console.log('No word of it is known, so these are the labels of any text.');
  }
}

/** Three things to try next. */
export function printNext(): void {
  console.log(`
Next:
  npm start -- --tag "a small fast warship"   tags a text of yours with the trained model
  npm run demo                                opens a page in which an image tagger is trained
  docs/guides/text-tagger.md                  trains on texts of yours, docs/guides/tagger.md on embeddings`);
}

function highest(scores: Tensor): number[] {
  return Array.from(topk(scores, LABELS_PER_SAMPLE).indices.data as ArrayLike<number | bigint>, Number);
}

/** Prints the pieces behind a heading, with as many lines as they need, indented. */
function printHanging(heading: string, pieces: readonly string[], separator: string, indent = heading.length): void {
  let line = heading;
  for (const [i, piece] of pieces.entries()) {
    const following = i < pieces.length - 1 ? separator : '';
    if (line.length + piece.length + following.trimEnd().length > COLUMNS) {
      console.log(line.trimEnd());
      line = ' '.repeat(indent);
    }
    line += piece + following;
  }
  console.log(line);
}

const wholeFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

function whole(value: number): string {
  return wholeFormat.format(value);
}

function metric(value: number): string {
  return value.toFixed(4);
}

function duration(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
