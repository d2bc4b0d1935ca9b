/**
 * Trains a linear multi-label tagger on WordNet with the multi-label margin loss: from the definition of a word, it tells
 * what kinds of thing the word names (see wordnet.ts). Ends with the held-out metrics next to those of ranking labels by
 * how frequent they are.
 *
 *     npm start
 *     npm start -- --epochs 5 --output head.safetensors
 *     npm start -- --help
 *
 * The loss and its gradient come from multilabel-margin-loss. The model, scores = features * weight + bias, and its
 * optimizer, Adagrad, are plain TypeScript.
 */
import { accessSync, closeSync, constants, openSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { mulberry32, Progress } from './training.js';
import {
  buildCorpus,
  type Document,
  type Label,
  readSynsets,
  type SparseVector,
  splitDocuments,
  TfIdf,
} from './wordnet.js';

/** Rows to a batch where there is nothing to learn, only to score. */
const EVALUATION_BATCH_SIZE = 64;
const SAMPLES = 5;
const LABELS_PER_SAMPLE = 5;
const COLUMNS = 100;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

interface Options {
  epochs: number;
  batchSize: number;
  learningRate: number;
  seed: number;
  output?: string;
}

interface Example {
  document: Document;
  features: SparseVector;
}

interface Task {
  labels: Label[];
  tfIdf: TfIdf;
  training: Example[];
  heldOut: Example[];
}

interface Metrics {
  lrap: number;
  precisionAt1: number;
  /** Mean over the documents. */
  loss: number;
}

/** In milliseconds, without evaluation. */
interface TrainingTime {
  total: number;
  inLoss: number;
}

/** Writes the scores of all labels for one document. */
type Scorer = (features: SparseVector, scores: Float32Array) => void;

// 'sum' leaves each row its own gradient, whatever the size of the batch.
const lossFn = new MultiLabelMarginLoss({ reduction: 'sum' });

/** One row of weights for each term, one column for each label, trained by Adagrad. */
class LinearHead {
  /** [terms, labels] */
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  // Adagrad's sums of squared gradients. They start above zero, or a weight's first step would be a full learning rate
  // however small its gradient.
  readonly #weightSquares: Float32Array;
  readonly #biasSquares: Float32Array;
  readonly #active: Int32Array;

  constructor(
    terms: number,
    readonly labels: number,
  ) {
    const initialSquares = 0.01;
    this.weight = new Float32Array(terms * labels);
    this.bias = new Float32Array(labels);
    this.#weightSquares = new Float32Array(terms * labels).fill(initialSquares);
    this.#biasSquares = new Float32Array(labels).fill(initialSquares);
    this.#active = new Int32Array(labels);
  }

  score({ indices, values }: SparseVector, scores: Float32Array): void {
    const { weight, labels } = this;
    scores.set(this.bias);
    for (let i = 0; i < indices.length; i++) {
      const at = indices[i]! * labels;
      const value = values[i]!;
      for (let label = 0; label < labels; label++) scores[label]! += value * weight[at + label]!;
    }
  }

  /** A step of Adagrad down the gradient with respect to the scores of one document. */
  step({ indices, values }: SparseVector, gradient: Float32Array, learningRate: number): void {
    const active = this.#nonZero(gradient);
    descend(this.bias, this.#biasSquares, 0, active, gradient, 1, learningRate);
    for (let i = 0; i < indices.length; i++) {
      const at = indices[i]! * this.labels;
      descend(this.weight, this.#weightSquares, at, active, gradient, values[i]!, learningRate);
    }
  }

  /** Few labels violate the margin once training is under way; the others have nothing to learn from a document. */
  #nonZero(gradient: Float32Array): Int32Array {
    let count = 0;
    for (let label = 0; label < gradient.length; label++) if (gradient[label] !== 0) this.#active[count++] = label;
    return this.#active.subarray(0, count);
  }
}

/** Adagrad on the row of parameters that starts at `at`, whose gradient is `gradient * factor`, for the active labels. */
function descend(
  parameters: Float32Array,
  squares: Float32Array,
  at: number,
  active: Int32Array,
  gradient: Float32Array,
  factor: number,
  learningRate: number,
): void {
  for (let i = 0; i < active.length; i++) {
    const label = active[i]!;
    const g = gradient[label]! * factor;
    const sum = squares[at + label]! + g * g;
    squares[at + label] = sum;
    parameters[at + label]! -= (learningRate * g) / Math.sqrt(sum);
  }
}

function prepareTask(): Task {
  const progress = new Progress('Preparing', 4, 'reading WordNet');
  const synsets = readSynsets();
  progress.update(1, 'labels');
  const { documents, labels } = buildCorpus(synsets);
  const { training, heldOut } = splitDocuments(documents);
  progress.update(2, 'vocabulary');
  const tfIdf = TfIdf.fit(training.map(({ text }) => text));
  progress.update(3, 'features');
  const toExample = (document: Document): Example => ({ document, features: tfIdf.transform(document.text) });
  const task = { labels, tfIdf, training: training.map(toExample), heldOut: heldOut.map(toExample) };
  progress.stop();
  return task;
}

/** Calls back for one batch of examples after the other with their scores, [rows, labels] row by row. */
function forEachBatch(
  examples: readonly Example[],
  batchSize: number,
  labels: number,
  scorer: Scorer,
  callback: (batch: readonly Example[], scores: Float32Array) => void,
): void {
  const buffer = new Float32Array(Math.min(batchSize, examples.length) * labels);
  for (let start = 0; start < examples.length; start += batchSize) {
    const batch = examples.slice(start, start + batchSize);
    batch.forEach(({ features }, row) => {
      scorer(features, rowOf(buffer, row, labels));
    });
    callback(batch, buffer.subarray(0, batch.length * labels));
  }
}

function rowOf(matrix: Float32Array, row: number, columns: number): Float32Array {
  return matrix.subarray(row * columns, (row + 1) * columns);
}

function evaluate(examples: readonly Example[], labels: number, scorer: Scorer, task: string): Metrics {
  const progress = new Progress(task, examples.length);
  const evaluator = new Evaluator({ k: [1] });
  let rows = 0;
  forEachBatch(examples, EVALUATION_BATCH_SIZE, labels, scorer, (batch, scores) => {
    const targets = batch.map(({ document }) => document.labels);
    evaluator.update(tensor(scores, { shape: [batch.length, labels] }), targets);
    rows += batch.length;
    progress.update(rows, '');
  });
  progress.stop();
  const { labelRankingAveragePrecision, at, loss } = evaluator.result();
  return { lrap: labelRankingAveragePrecision, precisionAt1: at[1]!.precision, loss };
}

/** Trains, printing the held-out metrics after each epoch; returns the last ones, and where the time went. */
function train(task: Task, head: LinearHead, options: Options): { metrics: Metrics; time: TrainingTime } {
  const random = mulberry32(options.seed);
  const scorer: Scorer = (features, scores) => head.score(features, scores);
  const time: TrainingTime = { total: 0, inLoss: 0 };
  for (let epoch = 1; ; epoch++) {
    const name = `Epoch ${epoch}/${options.epochs}`;
    const start = performance.now();
    const { loss, inLoss } = trainEpoch(shuffled(task.training, random), head, options, name, options.epochs - epoch);
    const elapsed = performance.now() - start;
    time.total += elapsed;
    time.inLoss += inLoss;

    const metrics = evaluate(task.heldOut, task.labels.length, scorer, `${name}, held out`);
    console.log(
      `${name}  loss ${metric(loss)}   held out: LRAP ${metric(metrics.lrap)}  P@1 ${metric(metrics.precisionAt1)}  ` +
        `loss ${metric(metrics.loss)}   ${whole((task.training.length / elapsed) * 1000)} rows/s`,
    );
    if (epoch === options.epochs) return { metrics, time };
  }
}

function trainEpoch(
  examples: readonly Example[],
  head: LinearHead,
  { batchSize, learningRate }: Options,
  name: string,
  epochsToFollow: number,
): { loss: number; inLoss: number } {
  const progress = new Progress(name, examples.length);
  const start = performance.now();
  const scorer: Scorer = (features, scores) => head.score(features, scores);
  let rows = 0;
  let sumOfLosses = 0;
  let inLoss = 0;
  forEachBatch(examples, batchSize, head.labels, scorer, (batch, scores) => {
    const lossStart = performance.now();
    const { loss, grad } = lossFn.valueAndGrad(
      tensor(scores, { shape: [batch.length, head.labels] }),
      batch.map(({ document }) => document.labels),
    );
    inLoss += performance.now() - lossStart;

    const gradient = grad.data as Float32Array;
    batch.forEach(({ features }, row) => {
      head.step(features, rowOf(gradient, row, head.labels), learningRate);
    });

    rows += batch.length;
    sumOfLosses += Number(loss.item());
    const perRow = (performance.now() - start) / rows;
    const left = perRow * (examples.length * (1 + epochsToFollow) - rows);
    progress.update(rows, `loss ${metric(sumOfLosses / rows)}  ${whole(1000 / perRow)} rows/s  ${duration(left)} left`);
  });
  progress.stop();
  return { loss: sumOfLosses / rows, inLoss };
}

/** Scores every document alike, each label by its share of the training documents. */
function labelPrior({ training, labels }: Task): Scorer {
  const shares = new Float32Array(labels.length);
  for (const { document } of training) for (const label of document.labels) shares[label]! += 1 / training.length;
  return (_, scores) => scores.set(shares);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

function printTask({ labels, tfIdf, training, heldOut }: Task, options: Options): void {
  const examples = [...training, ...heldOut];
  const perDocument = examples.reduce((sum, { document }) => sum + document.labels.length, 0) / examples.length;
  console.log(
    `WordNet 3.1: ${whole(examples.length)} documents (${whole(training.length)} to train on, ` +
      `${whole(heldOut.length)} held out),\n` +
      `${whole(labels.length)} labels, ${perDocument.toFixed(1)} a document; ` +
      `TF-IDF of ${whole(tfIdf.vocabulary.length)} terms.\n` +
      `Linear model, multi-label margin loss, Adagrad: learning rate ${options.learningRate}, ` +
      `batches of ${whole(options.batchSize)}, seed ${options.seed}.\n`,
  );
}

function printComparison(prior: Metrics, model: Metrics): void {
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
function printSamples({ heldOut, labels }: Task, head: LinearHead): void {
  const scores = new Float32Array(labels.length);
  console.log(
    `\nHeld-out definitions and the ${LABELS_PER_SAMPLE} labels ranked highest (✓ true, ✗ not; numbers tell namesakes apart):`,
  );
  for (let i = 0; i < SAMPLES; i++) {
    const { document, features } = heldOut[Math.floor(((i + 0.5) * heldOut.length) / SAMPLES)]!;
    head.score(features, scores);
    const ranking = [...labels.keys()].sort((a, b) => scores[b]! - scores[a]!);
    const marked = ranking
      .slice(0, LABELS_PER_SAMPLE)
      .map((label) => `${document.labels.includes(label) ? '✓' : '✗'} ${labels[label]!.name}`);
    const names = document.labels.map((label) => labels[label]!.name);
    // A gloss is a definition, then usage examples in quotes.
    const definition = document.text.split('; "')[0]!;
    console.log();
    printHanging(`${document.title}: `, definition.split(' '), ' ', 4);
    printHanging('  predicted  ', marked, '  ');
    printHanging('  true       ', names, ', ');
  }
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

/**
 * Writes the trained head as a safetensors file: the length of a JSON header, the header, the arrays that it lists. The
 * header's metadata tells how to get from a text to features and from scores to labels.
 */
function writeHead(path: string, head: LinearHead, { tfIdf, labels }: Task, options: Options, metrics: Metrics): void {
  const tensors: [name: string, shape: number[], data: Float32Array][] = [
    ['weight', [tfIdf.vocabulary.length, labels.length], head.weight],
    ['bias', [labels.length], head.bias],
    ['idf', [tfIdf.vocabulary.length], tfIdf.idf],
  ];
  const header: Record<string, unknown> = {
    __metadata__: {
      description:
        'scores = features * weight + bias. A feature is (1 + ln(count)) * idf of a term of the vocabulary, over the ' +
        'length of that vector. Terms: lower-case words by [a-z][a-z0-9]+, and the first three again with ^ before them.',
      vocabulary: JSON.stringify(tfIdf.vocabulary),
      labels: JSON.stringify(labels),
      training: JSON.stringify({ ...options, output: undefined }),
      heldOut: JSON.stringify(metrics),
    },
  };
  let offset = 0;
  for (const [name, shape, { byteLength }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + byteLength] };
    offset += byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc(-json.length & 7, ' '); // So that the arrays are aligned.
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length + padding.length));

  const file = openSync(path, 'w');
  for (const part of [length, json, padding, ...tensors.map(([, , data]) => data)]) writeFileSync(file, part);
  closeSync(file);
}

function readOptions(): Options {
  return new Command('npm start --')
    .description('Trains a multi-label tagger on WordNet with the multi-label margin loss.')
    .option('-e, --epochs <number>', 'passes over the training documents', wholeNumber(1), 3)
    .option('-b, --batch-size <number>', 'documents to a call of the loss', wholeNumber(1), 32)
    .option('-l, --learning-rate <number>', 'of Adagrad', positiveNumber, 1)
    .option('-s, --seed <number>', 'for the order of documents; repeats a run exactly', wholeNumber(0), 1)
    .option('-o, --output <file>', 'write the trained head here, as safetensors', writableFile)
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE))
    .parse()
    .opts<Options>();
}

function wholeNumber(least: number): (text: string) => number {
  const most = 2 ** 32 - 1;
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

function positiveNumber(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value > 0 && value < Infinity) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

/** Refuses before the training what could not be written after it. */
function writableFile(path: string): string {
  const folder = dirname(path);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InvalidArgumentError(`There is no folder '${folder}'.`);
  }
  const existing = statSync(path, { throwIfNoEntry: false });
  if (/(^|\/)$/.test(path) || existing?.isDirectory()) throw new InvalidArgumentError('It must be a file.');
  try {
    accessSync(existing ? path : folder, constants.W_OK);
  } catch {
    throw new InvalidArgumentError('It cannot be written.');
  }
  return path;
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

function main(): void {
  const options = readOptions();
  const task = prepareTask();
  printTask(task, options);

  const prior = evaluate(task.heldOut, task.labels.length, labelPrior(task), 'Label prior');
  const head = new LinearHead(task.tfIdf.vocabulary.length, task.labels.length);
  const { metrics, time } = train(task, head, options);

  printComparison(prior, metrics);
  printSamples(task, head);
  console.log(
    `\nTraining took ${(time.total / 1000).toFixed(1)} s, ${((100 * time.inLoss) / time.total).toFixed(1)} % of it in ` +
      'the loss and its gradient.',
  );
  if (options.output === undefined) return;
  try {
    writeHead(options.output, head, task, options, metrics);
  } catch (error) {
    console.error(`error: the trained head was not written: ${(error as Error).message}`);
    process.exit(EXIT_FAILURE);
  }
  console.log(`The trained head is in ${options.output}`);
}

main();
