import { existsSync, readFileSync } from 'node:fs';
import { LossError, manual_seed, randperm } from 'multilabel-margin-loss';
import { type EvaluationResult, Evaluator } from 'multilabel-margin-loss/evaluate';
import {
  type Tagger,
  type TaggerRows,
  type TrainingEpoch,
  type TrainingStart,
  trainTagger,
  type TrainTaggerOptions,
} from 'multilabel-margin-loss/train';
import { type Command, numberOf, parse, toNumber } from '../command.js';
import { InputError, toCommandError } from '../errors.js';
import { inFile } from '../evaluation/add-piece.js';
import { checkFeatures, FEATURE_OPTIONS, FEATURE_USAGE, featureSources, featuresOf } from '../input/features.js';
import { nameOf, type Piece, type RowBatch, type Source } from '../input/input.js';
import { namesOf, readLabels } from '../input/labels.js';
import { joinPieces, numberRows, piecesOf, readPiece } from '../input/pieces.js';
import { identityOf, inputsOf } from '../input/sources.js';
import type { Names } from '../input/targets.js';
import { checkInterrupted, interruption } from '../interruption.js';
import { LOSS_ARGUMENTS, lossOptionsOf } from '../loss-options.js';
import { loadCharts } from '../output/charts.js';
import { formatMetric, formatWhole } from '../output/metrics.js';
import { isPageName } from '../output/page.js';
import { print, warn } from '../output/print.js';
import { tellReading } from '../output/reading.js';
import { toTable } from '../output/table.js';
import { sparkline, TrainingProgress } from '../output/training-progress.js';
import { trainingReport } from '../output/training-report.js';
import { checkWritable, writeWhole } from '../output/write.js';

const usage = `train [options] --out <head.safetensors> <rows>...
       multilabel-margin-loss train [options] --out <head.safetensors> --features <x.npy> --targets <y.npy>

Trains a head, scores = weight @ features + bias, or one with a hidden layer, with the multi-label margin loss. Writes it as
safetensors that predict reads and PyTorch's nn.Linear loads. Rows are split by a hash: those for validation choose the best
epoch, and training ends when it gets no better on them. Ctrl+C writes the best head so far.

Input: files of rows, each with features and targets:
${FEATURE_USAGE}
Targets are as for evaluate: class indices, or a 0/1 mask. Up to 256 MB of rows are kept in memory; more are read again in
each epoch.

  --out <file>                   write the head there; and with a name that ends in .html, a report with learning curves
  --features <file>              may be given several times; so may --targets
  --targets <file.npy>
  --features-column <name>       of columns, arrays and keys of JSON (default: features)
  --targets-column <name>        (default: targets)
  --targets-are <what>           mask or indices, where rows do not show it
  --sample-weight-column <name>  by how much each row counts (default: each by 1)
  --unknown-column <name>        classes of each row that are neither targets nor others (default: none)
  --row-id <column>              of what rows are known by, whose hash splits them (default: their numbers)
  --labels <file>                names of the labels, a list in .json or one on each line, for predict
  --classes <number>             (default: that of --labels, the width of masks, or one more than the highest target)
  --validation <share>           of rows that the best epoch is chosen by (default: 0.02)
  --test <share or file>         rows that have no part in the training, and are reported at the end (default: 0)
  --test-features <file>         and --test-targets <file.npy>: the same, from files of features
  --standardize                  bring features to mean 0 and deviation 1; the head takes them as they are
  --hidden <number>              units of a hidden layer with ReLU (default: none)
  --dropout <share>              of the hidden layer (default: 0)
  --optimizer <name>             adagrad, adam, adamw or sgd (default: adagrad)
  --learning-rate <number>       (default: 0.1 for adagrad and sgd, 0.001 for adam and adamw)
  --weight-decay <number>        (default: 0)
  --epochs <number>              at most (default: 50)
  --patience <number>            epochs in which neither loss nor LRAP in validation is better than before, after which
                                 training ends (default: 5)
  --batch-size <number>          rows to a step (default: 32)
  --seed <number>                the same seed gives the same head (default: 1)
  --resume                       go on from <head.safetensors>.checkpoint, which is written after each epoch
  --margin <number>              of the loss (default: 1)
  --normalization <what>         of the loss: classes or targets (default: classes)
  --target-order <what>          of the loss: ignored or ranked (default: ignored)`;

const OPTIONS = {
  ...FEATURE_OPTIONS,
  out: { type: 'string', multiple: true },
  targets: { type: 'string', multiple: true },
  'targets-column': { type: 'string' },
  'targets-are': { type: 'string' },
  'sample-weight-column': { type: 'string' },
  'unknown-column': { type: 'string' },
  labels: { type: 'string' },
  classes: { type: 'string' },
  validation: { type: 'string' },
  test: { type: 'string', multiple: true },
  'test-features': { type: 'string', multiple: true },
  'test-targets': { type: 'string', multiple: true },
  standardize: { type: 'boolean' },
  hidden: { type: 'string' },
  dropout: { type: 'string' },
  optimizer: { type: 'string' },
  'learning-rate': { type: 'string' },
  'weight-decay': { type: 'string' },
  epochs: { type: 'string' },
  patience: { type: 'string' },
  'batch-size': { type: 'string' },
  seed: { type: 'string' },
  resume: { type: 'boolean' },
  ...LOSS_ARGUMENTS,
} as const;

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

const OPTIMIZERS = { adagrad: 'Adagrad', adam: 'Adam', adamw: 'AdamW', sgd: 'SGD' } as const;

/** The options of the library that are numbers, and their names here. */
const NUMBERS = {
  classes: 'classes',
  validation: 'validation',
  hidden: 'hidden',
  dropout: 'dropout',
  learningRate: 'learning-rate',
  weightDecay: 'weight-decay',
  epochs: 'epochs',
  patience: 'patience',
  batchSize: 'batch-size',
  seed: 'seed',
} as const;

interface Outputs {
  head: string;
  checkpoint: string;
  report: string | null;
}

function outputsOf({ out = [] }: Values): Outputs {
  const heads = out.filter((file) => !isPageName(file));
  const reports = out.filter(isPageName);
  const [head, ...others] = heads;
  if (head === undefined) throw new InputError('train needs --out, the name of a file to write the head to');
  if (others.length > 0) throw new InputError(`--out is one head, and one report in .html, got ${heads.join(', ')}`);
  if (reports.length > 1) throw new InputError(`--out is one head, and one report in .html, got ${reports.join(', ')}`);
  return { head, checkpoint: `${head}.checkpoint`, report: reports[0] ?? null };
}

/** The options of the training that were given. The library checks numbers; here text is read. */
async function settingsOf(values: Values): Promise<TrainTaggerOptions> {
  const settings: Record<string, unknown> = { standardize: values.standardize === true, loss: lossOptionsOf(values) };
  for (const [name, option] of Object.entries(NUMBERS)) {
    const text = values[option];
    if (text === undefined) continue;
    settings[name] = numberOf(option, text);
  }
  if (values.optimizer !== undefined) {
    const known = Object.keys(OPTIMIZERS);
    if (!known.includes(values.optimizer)) {
      throw new InputError(`--optimizer must be one of ${known.join(', ')}, got '${values.optimizer}'`);
    }
    settings['optimizer'] = OPTIMIZERS[values.optimizer as keyof typeof OPTIMIZERS];
  }
  if (values.labels !== undefined) settings['labels'] = await readLabels(values.labels);
  return settings;
}

/** A share of the rows, or other rows. */
function testOf(values: Values): { share: number; files: string[] } {
  const { test = [] } = values;
  const [first] = test;
  const share = first === undefined ? Number.NaN : toNumber(first);
  // A name that exists is that file.
  return test.length === 1 && !Number.isNaN(share) && !existsSync(first as string)
    ? { share, files: [] }
    : { share: 0, files: test };
}

/** The error of the library, with the names that options have here, and targets in the file that they are in. */
function toTrainError(error: unknown, pieces: readonly Piece[], checkpoint: string): unknown {
  const isOfCheckpoint = error instanceof LossError && error.code === 'ERR_STATE';
  const failure = toCommandError(error, isOfCheckpoint ? checkpoint : undefined);
  if (!(failure instanceof Error)) return failure;
  for (const [name, option] of Object.entries({ ...NUMBERS, standardize: 'standardize' })) {
    failure.message = failure.message.replace(new RegExp(`(^|: |was made with )${name}\\b`), `$1--${option}`);
  }
  if (error instanceof LossError && error.code === 'ERR_TARGET_RANGE') {
    const piece = pieces.find(({ scoresFile }) => failure.message.startsWith(`${nameOf(scoresFile)}: `));
    if (piece !== undefined) {
      failure.message = nameOf(piece.targetsFile) + failure.message.slice(nameOf(piece.scoresFile).length);
    }
  }
  return failure;
}

function regularSources(
  values: Omit<Values, 'features' | 'targets'> & { features?: string[] | undefined; targets?: string[] | undefined },
  names: readonly string[],
  classes: number | null,
): Source[] {
  const sources = featureSources(values, names, 'features', classes);
  const pipe = sources.find(({ isPipe }) => isPipe);
  if (pipe !== undefined) {
    throw new InputError(`${nameOf(pipe.scoresFile)} cannot be read once an epoch: give regular files`);
  }
  return sources;
}

/** @throws InputError for a file to test on that is trained on, by any of its names */
function checkNotTrainedOn(sources: readonly Source[], testSources: readonly Source[]): void {
  const trained = new Set(sources.map(({ scoresFile }) => identityOf(scoresFile)));
  const both = testSources.find(({ scoresFile }) => trained.has(identityOf(scoresFile)));
  if (both === undefined) return;
  throw new InputError(
    `${nameOf(both.scoresFile)}: its rows are trained on: --test needs others, or the share of them that is held out`,
  );
}

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  const outputs = outputsOf(values);
  const settings = await settingsOf(values);
  const test = testOf(values);
  const classes = settings.classes ?? settings.labels?.length ?? null;
  const sources = regularSources(values, positionals, classes);
  const testSources =
    test.files.length + (values['test-features']?.length ?? 0) === 0
      ? []
      : regularSources(
          { ...values, features: values['test-features'], targets: values['test-targets'] },
          test.files,
          classes,
        );
  checkNotTrainedOn(sources, testSources);
  const inputs = inputsOf(values, positionals);
  for (const file of [outputs.head, outputs.checkpoint, outputs.report]) {
    if (file !== null) checkWritable(file, inputs);
  }
  const draw = outputs.report === null ? null : await loadCharts();
  const resume = values.resume === true ? readCheckpoint(outputs.checkpoint) : undefined;

  const names = namesOf(settings.labels);
  const pieces = await numberRows(await piecesOf(sources, names));
  tellReading(pieces);
  const masks = pieces.find(({ reading }) => reading !== null)?.reading?.classes;
  const known = classes ?? masks ?? undefined;
  const testPieces = (await piecesOf(testSources, names)).map((piece) => ({
    ...piece,
    classesOfTargets: known ?? null,
  }));

  const signal = interruption();
  const epochs = settings.epochs ?? 50;
  const progress = new TrainingProgress(epochs);
  const say = (line: string): Promise<void> => {
    progress.stop();
    return print(line);
  };
  /** The best head so far, once there is one. */
  let best: (() => Tagger) | null = null;
  const order = (epoch: number): readonly Piece[] => {
    if (epoch === 0) return joinPieces(pieces);
    manual_seed((settings.seed ?? 1) * 2 ** 20 + epoch);
    return Array.from(randperm(pieces.length, { dtype: 'int32' }).data, (i) => pieces[i] as Piece);
  };
  try {
    const tagger = await trainTagger({
      ...settings,
      ...(known === undefined || settings.labels !== undefined ? {} : { classes: known }),
      test: test.share,
      rows: (epoch) => rowsOf(order(epoch), known ?? null, names),
      ...(resume === undefined ? {} : { resume }),
      onWarning: warn,
      onStart: async (given) => {
        await checkTest(testPieces, given, names);
        progress.begin(given);
        await say(describeStart(given));
      },
      onProgress: (state) => {
        if (state.phase !== 'reading') best = state.tagger;
        checkInterrupted(signal);
        progress.update(state);
      },
      onEpoch: async (epoch) => {
        best = epoch.tagger;
        writeWhole(outputs.checkpoint, epoch.checkpoint());
        await say(describeEpoch(epoch, epochs, progress.endEpoch()));
        checkInterrupted(signal);
      },
    });
    best = null;
    progress.stop();
    // Written first: what is printed afterwards is in it as well.
    writeWhole(outputs.head, tagger.save());
    const training = tagger.training!;
    // Rows for test that are broken do not cost what is known of the others.
    let problem: unknown;
    let ofFile: EvaluationResult | null = null;
    try {
      if (testPieces.length > 0) ofFile = await evaluateOn(tagger, testPieces, settings);
    } catch (error) {
      problem = error;
    }
    const results: [string, EvaluationResult][] = [];
    if (training.validation !== null) {
      results.push([`Validation, by which epoch ${training.best} was chosen`, training.validation]);
    }
    const onTest = ofFile ?? training.test;
    if (onTest !== null) results.push(['Test', onTest]);
    const curve = training.epochs.map(({ validation }) => validation?.labelRankingAveragePrecision ?? Number.NaN);
    if (training.validation !== null) {
      await print(
        `\nLRAP in validation  ${sparkline(curve)}  ${formatMetric(Math.min(...curve))} to ${formatMetric(Math.max(...curve))}; ` +
          `the best epoch is ${training.best}`,
      );
    }
    for (const [name, result] of results) await print(`\n${name}: ${toTable(result)}`);
    if (draw !== null && outputs.report !== null) {
      const page = await trainingReport(training, results, tagger.metadata, draw);
      writeWhole(outputs.report, page);
    }
    if (problem !== undefined) throw problem as Error;
  } catch (error) {
    // Neither a signal nor a failure costs what has been learned.
    progress.stop();
    if (best !== null) keep(best, outputs.head);
    throw toTrainError(error, pieces, outputs.checkpoint);
  } finally {
    progress.stop();
  }
}

function keep(best: () => Tagger, file: string): void {
  let tagger: Tagger;
  try {
    tagger = best();
  } catch {
    // The model has numbers that are not finite, and is not worth a file.
    return;
  }
  writeWhole(file, tagger.save());
  const epoch = tagger.training?.best ?? 0;
  const which = epoch === 0 ? 'as it was by then' : `of epoch ${epoch}, the best so far`;
  warn(`training ended early: the head, ${which}, is in ${file}`);
}

function readCheckpoint(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw toCommandError(error, `--resume: ${file}`);
  }
}

/** @param classes null for a number that is one more than the highest target */
async function* rowsOf(
  pieces: readonly Piece[],
  classes: number | null,
  names: Names | null,
): AsyncGenerator<TaggerRows> {
  for (const given of pieces) {
    const piece = { ...given, classesOfTargets: classes };
    for await (const batch of readPiece(piece, names)) yield toTaggerRows(piece, batch);
  }
}

function toTaggerRows(piece: Piece, batch: RowBatch): TaggerRows {
  const { targets, sampleWeight, unknown, rowIds, firstRow } = batch;
  return {
    features: featuresOf(batch),
    targets,
    ...(sampleWeight === null ? {} : { sampleWeight }),
    ...(unknown === null ? {} : { unknown }),
    ...(rowIds === null ? {} : { rowIds }),
    source: nameOf(piece.scoresFile),
    sourceIndex: piece.ordinal,
    firstRow,
  };
}

/**
 * Looks at the first rows of each file for test, before training.
 *
 * @throws InputError for rows that the head will not take
 */
async function checkTest(
  pieces: readonly Piece[],
  { features, classes }: TrainingStart,
  names: Names | null,
): Promise<void> {
  for (const [i, piece] of pieces.entries()) {
    if (piece.ordinal === pieces[i - 1]?.ordinal) continue;
    const masks = piece.reading?.classes ?? classes;
    if (masks !== classes) {
      throw new InputError(
        `${nameOf(piece.targetsFile)}: has masks of ${masks} classes, and there are ${classes} to train on`,
      );
    }
    for await (const batch of readPiece({ ...piece, classesOfTargets: classes }, names)) {
      checkFeatures(piece, batch, features);
      break;
    }
  }
}

async function evaluateOn(
  tagger: Tagger,
  pieces: readonly Piece[],
  { loss = {} }: TrainTaggerOptions,
): Promise<EvaluationResult> {
  const evaluator = new Evaluator({ loss });
  for (const piece of joinPieces(pieces)) {
    for await (const batch of readPiece({ ...piece, classesOfTargets: tagger.classes }, namesOf(tagger.labels))) {
      const { targets, sampleWeight, unknown, firstRow } = batch;
      try {
        evaluator.update(tagger.scores(featuresOf(batch)), targets, {
          source: nameOf(piece.scoresFile),
          sourceIndex: piece.ordinal,
          firstRow,
          ...(sampleWeight === null ? {} : { sampleWeight }),
          ...(unknown === null ? {} : { unknown }),
        });
      } catch (error) {
        checkFeatures(piece, batch, tagger.features);
        throw inFile(error, piece, batch);
      }
    }
  }
  return evaluator.result();
}

function describeStart({ training, validation, test, features, classes, resumed }: TrainingStart): string {
  const parts = [
    `${formatWhole(training)} rows to train on`,
    ...(validation > 0 ? [`${formatWhole(validation)} for validation`] : []),
    ...(test > 0 ? [`${formatWhole(test)} for test`] : []),
  ];
  const going = resumed > 0 ? `; going on after epoch ${resumed}` : '';
  return `${parts.join(', ')}; ${formatWhole(features)} features, ${formatWhole(classes)} classes${going}`;
}

function describeEpoch({ epoch, loss, validation }: TrainingEpoch, epochs: number, rowsPerSecond: number): string {
  const of =
    validation === null
      ? ''
      : `   validation: loss ${formatMetric(validation.loss)}  LRAP ${formatMetric(validation.labelRankingAveragePrecision)}` +
        `  one-error ${formatMetric(validation.oneError)}`;
  return `epoch ${epoch}/${epochs}  loss ${formatMetric(loss)}${of}   ${formatWhole(Math.round(rowsPerSecond))} rows/s`;
}

export const train: Command = { usage, run };
