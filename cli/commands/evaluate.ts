import { resolve } from 'node:path';
import {
  type EvaluationResult,
  Evaluator,
  type EvaluatorOptions,
  ExactAveragePrecision,
} from 'multilabel-margin-loss/evaluate';
import {
  CLASSIFICATION_ARGUMENTS,
  CLASSIFICATION_USAGE,
  checkThresholds,
  classificationOf,
} from '../classification-options.js';
import { type Command, numberOf, parse, toCount } from '../command.js';
import { defaultThreads, type Evaluated, evaluatePieces } from '../evaluation/evaluate-pieces.js';
import { evaluateExactly } from '../evaluation/exact.js';
import { checkShards, describeShard, parseShard, type Part, shardOf, WHOLE } from '../evaluation/shards.js';
import { nameOf, type Piece, type Reading, type Source } from '../input/input.js';
import { checkLabelCount, LABELS_USAGE, namesOf, readLabels } from '../input/labels.js';
import { piecesOf } from '../input/pieces.js';
import { INPUT_OPTIONS, INPUT_USAGE, sourcesOf } from '../input/sources.js';
import { InputError } from '../errors.js';
import { interruption } from '../interruption.js';
import { LOSS_ARGUMENTS, lossOptionsOf } from '../loss-options.js';
import { formatWhole } from '../output/metrics.js';
import { warn } from '../output/print.js';
import { tellNumericNames, tellReading } from '../output/reading.js';
import { Progress } from '../output/progress.js';
import { OUTPUT_OPTIONS, OUTPUT_USAGE, prepareOutput } from '../output/result.js';
import { ShardProgress } from '../output/shard-progress.js';
import type { OnShards } from '../queue/submit.js';

const usage = `evaluate [options] <file>... | -
       multilabel-margin-loss evaluate [options] --scores <scores.npy> --targets <targets.npy>

Prints the multi-label margin loss and ranking metrics of data of any size, and where options say which labels are
predicted, precision, recall, F1, Jaccard, Hamming loss and subset accuracy.

${INPUT_USAGE}
${LABELS_USAGE}
  --pairs                 scores are the highest of each row, [label, score], in lines of JSON: metrics at k, one-error and
                          those of predicted labels are exact, and others are left out
  --classes <n>           for --pairs, how many classes there are (default: that of --labels)
  --k <numbers>           for precision, recall and nDCG at k (default: 1,3,5)
  --margin <number>       of the loss (default: 1)
  --normalization <what>  of the loss: classes or targets (default: classes)
  --target-order <what>   of the loss: ignored or ranked (default: ignored)
${CLASSIFICATION_USAGE}
  --threads <number>      (default: one for each processor, fewer for little input)
  --shard <i/n>           evaluate the i-th of n parts of the input, from 1, for merge --expect n
  --queue <address>       have the workers of a queue do it: redis://… or postgres://… (see worker --help)
  --shards <n>            for --queue, jobs to cut the input into (default: one for each 256 MB)
  --exact                 exact average precisions, whatever the number of scores: reads files twice, by one thread,
                          and takes up to 40 bytes of memory for each label of a row
  --skip-non-finite       leave out rows with NaN or infinite scores, and count them
${OUTPUT_USAGE}`;

const OPTIONS = {
  ...INPUT_OPTIONS,
  threads: { type: 'string' },
  shard: { type: 'string' },
  queue: { type: 'string' },
  shards: { type: 'string' },
  labels: { type: 'string' },
  pairs: { type: 'boolean' },
  classes: { type: 'string' },
  k: { type: 'string' },
  ...LOSS_ARGUMENTS,
  ...CLASSIFICATION_ARGUMENTS,
  exact: { type: 'boolean' },
  'skip-non-finite': { type: 'boolean' },
  ...OUTPUT_OPTIONS,
} as const;

/** A few seconds of work for a core. */
const BYTES_PER_SHARD = 2 ** 28;

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

async function evaluatorOptions(values: Values): Promise<EvaluatorOptions> {
  const labels = values.labels === undefined ? null : await readLabels(values.labels);
  return {
    ...(values.k === undefined ? {} : { k: values.k.split(',').map((k) => numberOf('k', k)) }),
    loss: lossOptionsOf(values),
    nonFinite: values['skip-non-finite'] === true ? 'skip' : 'error',
    classification: classificationOf(values, labels),
    labels,
  };
}

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  const putOut = await prepareOutput(values, positionals);
  const options = await evaluatorOptions(values);
  const evaluator = new Evaluator(options);
  const threads = values.threads === undefined ? undefined : toCount('threads', values.threads);
  const { index, of } = values.shard === undefined ? WHOLE : parseShard(values.shard);
  const sources =
    values.pairs === true
      ? sourcesOf(values, positionals, 'pairs', classesOf(values, options))
      : sourcesOf(values, positionals);
  if (values.classes !== undefined && values.pairs !== true) throw new InputError('--classes is for --pairs');
  const named = { model: null, files: sources.map(({ scoresFile }) => nameOf(scoresFile)).sort() };
  if (values.exact === true) checkExact(values, sources);
  if (values.queue !== undefined) {
    if (values.shard !== undefined) throw new InputError('--queue evaluates all shards: give no --shard');
    const { evaluator: merged, reading, part } = await evaluateOnQueue(values.queue, sources, options, values);
    await putOut(merged, { ...named, parts: [part], targetsAre: reading?.targetsAre ?? null });
    return;
  }
  if (values.shards !== undefined) throw new InputError('--shards is for --queue; one of them is --shard i/n');
  checkShards(sources, of);
  const all = await piecesOf(sources, namesOf(options.labels), of);
  checkClasses(values, options, all);
  if (all.every(({ classes, isPipe }) => classes === null && !isPipe) && values['allow-empty'] !== true) {
    throw new InputError('there are no rows to evaluate (--allow-empty prints metrics all the same)');
  }
  tellReading(all);
  const pieces = shardOf(all, index, of);
  const part = describeShard(all, evaluator, index, of);
  const isExact = values.exact === true;
  const progress = new Progress(isExact ? [...pieces, ...pieces] : pieces);
  let amend: ((result: EvaluationResult) => EvaluationResult) | undefined;
  let reading: Reading | null;
  try {
    const onBatch = (bytes: number, rows: number): void => progress.add(bytes, rows);
    if (isExact) {
      warn(
        `--exact reads the input twice, and takes up to ${ExactAveragePrecision.BYTES_PER_LABEL} bytes of memory for each label of a row`,
      );
      const evaluated = await evaluateExactly(evaluator, pieces, options, onBatch, tellMemory);
      amend = (result) => evaluated.exact.amend(result);
      ({ reading } = evaluated);
    } else {
      const evaluated = await evaluatePieces(pieces, options, threads ?? defaultThreads(pieces), onBatch);
      evaluator.merge(evaluated.evaluator);
      ({ reading } = evaluated);
    }
  } finally {
    progress.stop();
  }
  if (all[0]?.reading === null) tellReading([{ ...all[0], reading }]);
  const { targetsAre = null } = reading ?? all[0]?.reading ?? {};
  await putOut(evaluator, { ...named, parts: [part], targetsAre }, amend);
}

/** The number of classes, which pairs do not tell. */
function classesOf({ classes, labels: file }: Values, { labels }: EvaluatorOptions): number {
  const given = classes === undefined ? undefined : toCount('classes', classes);
  const names = labels?.length;
  if (given === undefined && names === undefined) {
    throw new InputError('--pairs needs --labels, or --classes, how many there are');
  }
  if (given !== undefined && names !== undefined && given !== names) {
    throw new InputError(`${file}: has ${names} names, and --classes is ${given}`);
  }
  return (given ?? names) as number;
}

/** @throws InputError for thresholds or names that are not as many as classes */
function checkClasses(values: Values, { classification, labels }: EvaluatorOptions, pieces: readonly Piece[]): void {
  checkThresholds(values, classification, pieces);
  if (values.labels === undefined || !labels) return;
  checkLabelCount(values.labels, labels, pieces);
  tellNumericNames(values.labels, labels, pieces);
}

/** @throws InputError for what --exact cannot be beside */
function checkExact(values: Values, sources: readonly Source[]): void {
  for (const option of ['shard', 'queue', 'threads'] as const) {
    if (values[option] !== undefined && !(option === 'threads' && values.threads === '1')) {
      throw new InputError(`--exact is for one thread that reads all: give no --${option}`);
    }
  }
  if (values.pairs === true) throw new InputError('--exact needs the scores of all classes: give no --pairs');
  const pipe = sources.find(({ isPipe }) => isPipe);
  if (pipe !== undefined) throw new InputError(`${nameOf(pipe.scoresFile)} cannot be read twice, as --exact does`);
}

/** Says what the second pass takes, before it begins. */
function tellMemory(labels: number, bytes: number): void {
  warn(
    `--exact takes up to ${formatWhole(Math.ceil(bytes / 2 ** 20))} MB for the ${formatWhole(labels)} labels of the rows`,
  );
}

async function evaluateOnQueue(
  queue: string,
  given: readonly Source[],
  options: EvaluatorOptions,
  values: Values,
): Promise<Evaluated & { part: Part }> {
  const pipe = given.find(({ isPipe }) => isPipe);
  if (pipe !== undefined) {
    throw new InputError(`${nameOf(pipe.scoresFile)} cannot be read by other machines: give regular files`);
  }
  // Workers have working directories of their own.
  const sources = given.map((source) => ({
    ...source,
    scoresFile: resolve(source.scoresFile),
    targetsFile: resolve(source.targetsFile),
  }));
  const names = namesOf(options.labels);
  const bytes = (await piecesOf(sources, names)).reduce((sum, piece) => sum + piece.bytes, 0);
  const count =
    values.shards === undefined ? Math.max(1, Math.ceil(bytes / BYTES_PER_SHARD)) : toCount('shards', values.shards);
  const pieces = await piecesOf(sources, names, count);
  checkClasses(values, options, pieces);
  const part = describeShard(pieces, new Evaluator(options), WHOLE.index, WHOLE.of);
  const all = Array.from({ length: count }, (_, i) => shardOf(pieces, i + 1, count));
  const reading = pieces[0]?.reading ?? null;
  tellReading(pieces);
  const { submit } = await import('../queue/submit.js');
  const progress = new ShardProgress(count);
  const cancel = interruption();
  try {
    const onShards = (...state: Parameters<OnShards>): void => progress.update(...state);
    return { evaluator: await submit(queue, all, options, onShards, cancel), reading, part };
  } finally {
    progress.stop();
  }
}

export const evaluate: Command = { usage, run };
