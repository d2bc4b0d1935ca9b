import { totalmem } from 'node:os';
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { type Command, parse, toNumber } from '../command.js';
import { numberRows, piecesOf } from '../input/pieces.js';
import { sourcesOf } from '../input/sources.js';
import { nameOf } from '../input/input.js';
import { tellReading } from '../output/reading.js';
import { InputError, InterruptedError, RunError } from '../errors.js';
import { LOSS_ARGUMENTS, lossOptionsOf } from '../loss-options.js';
import { formatMetric, formatWhole } from '../output/metrics.js';
import { print, warn } from '../output/print.js';
import { checkWritable } from '../output/write.js';
import { Progress } from '../output/progress.js';
import { writeSafetensors } from '../output/safetensors.js';
import { toTable } from '../output/table.js';
import { LinearHead } from '../training/linear-head.js';
import { type Survey, surveyRows, Trainer } from '../training/trainer.js';

const usage = `train [options] --out <head.safetensors> <rows.ndjson>...
       multilabel-margin-loss train [options] --out <head.safetensors> --features <x.npy> --targets <y.npy>

Trains a linear head, scores = features * weight + bias, with the multi-label margin loss and Adagrad. Writes it as
safetensors: weight [features, classes] and bias [classes], float32. Prints the loss after each epoch, and the metrics
of the rows that are held out.

Input: as for evaluate, with features in place of scores: lines of JSON, each { "features": [...], "targets": [...] },
or .npy files of features [N, F] and targets (class indices padded with -1, [N, K], or a 0/1 mask, [N, C]: each row shows
which). It is read once an epoch, and is not kept in memory. Pieces of files are taken in random order, and so are the rows
of a batch. Ctrl+C writes the best head so far.

  --out <file>               write the head there
  --features <file.npy>      may be given several times; so may --targets
  --targets <file.npy>
  --features-column <name>   in lines of JSON (default: features)
  --targets-column <name>    (default: targets)
  --targets-are <what>       mask or indices, where rows do not show it
  --classes <number>         (default: the width of masks, or one more than the highest target)
  --held-out <share>         of the rows, not to be trained on, chosen by a hash of their number (default: 0.1)
  --epochs <number>          (default: 5)
  --batch-size <number>      rows to a call of the loss (default: 32)
  --learning-rate <number>   of Adagrad (default: 0.1)
  --seed <number>            for the order of rows; the same seed gives the same head (default: 1)
  --margin <number>          of the loss (default: 1)
  --normalization <what>     of the loss: classes or targets (default: classes)
  --target-order <what>      of the loss: ignored or ranked (default: ignored)`;

const OPTIONS = {
  out: { type: 'string' },
  features: { type: 'string', multiple: true },
  targets: { type: 'string', multiple: true },
  'features-column': { type: 'string' },
  'targets-column': { type: 'string' },
  'targets-are': { type: 'string' },
  classes: { type: 'string' },
  'held-out': { type: 'string' },
  epochs: { type: 'string' },
  'batch-size': { type: 'string' },
  'learning-rate': { type: 'string' },
  seed: { type: 'string' },
  ...LOSS_ARGUMENTS,
} as const;

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

/** The largest head that is made without --classes: a mistyped target is more likely. */
const MOST_UNASKED_BYTES = 2 ** 32;

type NumberOption = 'classes' | 'held-out' | 'epochs' | 'batch-size' | 'learning-rate' | 'seed';

function numberOf(
  values: Values,
  name: NumberOption,
  without: number,
  isRight: (value: number) => boolean,
  wanted: string,
) {
  const text = values[name];
  const value = text === undefined ? without : toNumber(text);
  if (text !== undefined && !isRight(value)) throw new InputError(`--${name} must be ${wanted}, got '${text}'`);
  return value;
}

function readOptions(values: Values) {
  const whole = (name: NumberOption, without: number, least: number, most = 2 ** 31 - 1): number =>
    numberOf(
      values,
      name,
      without,
      (value) => Number.isInteger(value) && value >= least && value <= most,
      `a whole number from ${least} to ${most}`,
    );
  if (values.out === undefined) throw new InputError('train needs --out, the name of a file to write the head to');
  return {
    out: values.out,
    classes: values.classes === undefined ? null : whole('classes', 0, 1),
    heldOut: numberOf(values, 'held-out', 0.1, (value) => value >= 0 && value < 1, 'a share from 0 to below 1'),
    epochs: whole('epochs', 5, 1),
    batchSize: whole('batch-size', 32, 1),
    learningRate: numberOf(values, 'learning-rate', 0.1, (value) => value > 0 && value < Infinity, 'a number above 0'),
    seed: whole('seed', 1, 0, 2 ** 32 - 1),
    // 'sum' leaves each row its own gradient, whatever the size of the batch.
    lossFn: new MultiLabelMarginLoss({ ...lossOptionsOf(values), reduction: 'sum' }),
  };
}

/**
 * @throws InputError where one target asks for a head that is larger than anyone trains without saying so
 * @throws RunError where the machine has less memory than the head needs
 */
function checkSize({ features, classes, classesBy }: Survey, batchSize: number): void {
  const arrays = 3 * (features + 1) + 4 * batchSize; // Weights, Adagrad's sums, the best weights; scores and gradients.
  const bytes = arrays * classes * Float32Array.BYTES_PER_ELEMENT;
  const size = `a head of ${formatWhole(features)} x ${formatWhole(classes)} weights, which takes ${gigabytes(bytes)} to train`;
  if (classesBy !== '' && bytes > MOST_UNASKED_BYTES) {
    throw new InputError(`${classesBy} asks for ${size}: --classes says how many there are`);
  }
  if (bytes > totalmem()) throw new RunError(`${size}: this machine has ${gigabytes(totalmem())} of memory`);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}

/** Weights of a head that can be kept while it goes on learning. */
interface Snapshot {
  weight: Float32Array;
  bias: Float32Array;
  epoch: number;
}

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  const options = readOptions(values);
  const sources = sourcesOf(
    {
      scores: values.features,
      targets: values.targets,
      'scores-column': values['features-column'],
      'targets-column': values['targets-column'],
      'targets-are': values['targets-are'],
    },
    positionals,
    'features',
    options.classes,
  );
  const pipe = sources.find(({ isPipe }) => isPipe);
  if (pipe !== undefined) {
    throw new InputError(`${nameOf(pipe.scoresFile)} cannot be read once an epoch: give regular files`);
  }
  checkWritable(options.out);
  const given = await numberRows(await piecesOf(sources));
  tellReading(given);
  const passes = 1 + options.epochs * (options.heldOut > 0 ? 2 : 1);
  const progress = new Progress(Array.from({ length: passes }, () => given).flat());
  let interruption: NodeJS.Signals | null = null;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (interruption = signal));
  const onBatch = (bytes: number, rows: number): void => {
    progress.add(bytes, rows);
    if (interruption !== null) throw new InterruptedError(interruption as 'SIGINT' | 'SIGTERM');
  };
  const say = (line: string): Promise<void> => {
    progress.stop();
    return print(line);
  };
  try {
    const survey = await surveyRows(given, options.classes, onBatch);
    const { rows, features, classes } = survey;
    checkSize(survey, options.batchSize);
    const pieces = given.map((piece) => ({ ...piece, classesOfTargets: classes }));
    const head = new LinearHead(features, classes);
    const trainer = new Trainer(head, pieces, options, onBatch);
    const save = ({ weight, bias }: Pick<Snapshot, 'weight' | 'bias'>): void =>
      writeSafetensors(
        options.out,
        [
          { name: 'weight', shape: [features, classes], data: weight },
          { name: 'bias', shape: [classes], data: bias },
        ],
        metadataOf(options),
      );
    /** The head of the epoch with the lowest loss on the rows that are held out. */
    let best: Snapshot | null = null;
    let lowest = Infinity;
    await say(`${formatWhole(rows)} rows of ${formatWhole(features)} features, ${formatWhole(classes)} classes`);
    try {
      for (let epoch = 1; epoch <= options.epochs; epoch++) {
        const loss = await trainer.epoch(epoch);
        const heldOut = options.heldOut > 0 ? (await trainer.heldOut()).result() : null;
        if (heldOut !== null && heldOut.loss < lowest) {
          lowest = heldOut.loss;
          best = { weight: head.weight.slice(), bias: head.bias.slice(), epoch };
        }
        const ofHeldOut =
          heldOut === null
            ? ''
            : `   held out: loss ${formatMetric(heldOut.loss)}  LRAP ${formatMetric(heldOut.labelRankingAveragePrecision)}` +
              `  one-error ${formatMetric(heldOut.oneError)}`;
        await say(`epoch ${epoch}/${options.epochs}  loss ${formatMetric(loss)}${ofHeldOut}`);
        if (epoch === options.epochs && heldOut !== null) await say(`\nHeld out: ${toTable(heldOut)}`);
      }
    } catch (error) {
      // Neither a signal nor a failure costs what has been learned.
      if (!trainer.hasLearned) throw error;
      const kept: Pick<Snapshot, 'weight' | 'bias'> & { epoch?: number } = best ?? head;
      save(kept);
      progress.stop();
      const which = kept.epoch === undefined ? 'as it was by then' : `of epoch ${kept.epoch}, the best so far`;
      warn(`training ended early: the head, ${which}, is in ${options.out}`);
      throw error;
    }
    save(head);
  } finally {
    progress.stop();
  }
}

function metadataOf(options: ReturnType<typeof readOptions>): Record<string, string> {
  const { epochs, batchSize, learningRate, seed, heldOut } = options;
  const { margin, normalization, targetOrder } = options.lossFn.options;
  return {
    description: 'scores = features * weight + bias',
    training: JSON.stringify({
      epochs,
      batchSize,
      learningRate,
      seed,
      heldOut,
      margin,
      normalization,
      targetOrder,
    }),
  };
}

export const train: Command = { usage, run };
