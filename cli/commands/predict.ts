import { readFileSync } from 'node:fs';
import { type Prediction, type PredictOptions, Tagger } from 'multilabel-margin-loss/train';
import { type Command, parse, toCount } from '../command.js';
import { InputError, toCommandError } from '../errors.js';
import { inFile } from '../evaluation/add-piece.js';
import { checkFeatures, FEATURE_OPTIONS, FEATURE_USAGE, featureSources, featuresOf } from '../input/features.js';
import { nameOf, type Piece, type RowBatch } from '../input/input.js';
import { readLabels, readThresholds } from '../input/labels.js';
import { joinPieces, numberRows, piecesOf, readPiece } from '../input/pieces.js';
import { inputsOf } from '../input/sources.js';
import { checkInterrupted, interruption } from '../interruption.js';
import { GrowingFile } from '../output/growing-file.js';
import { NpyFile } from '../output/npy-file.js';
import { Progress } from '../output/progress.js';
import { print } from '../output/print.js';
import { checkWritable } from '../output/write.js';

const usage = `predict [options] --head <head.safetensors> <rows>... | -
       multilabel-margin-loss predict [options] --head <head.safetensors> --features <x.npy>

Prints the labels of the highest scores of each row, with a head that train wrote, or the state of PyTorch's nn.Linear.

Input: files of rows, or standard input (-), each row with features; targets are not read:
${FEATURE_USAGE}

  --head <file>             safetensors
  --features <file>         may be given several times
  --features-column <name>  of columns, arrays and keys of JSON (default: features)
  --row-id <column>         what rows are known by, to print with them (default: their numbers)
  --labels <file>           names of the labels, a list in .json or one on each line (default: those of the head)
  --k <number>              labels of a row at most (default: 5, or all that reach their threshold)
  --thresholds <file.json>  what scores must reach: a list of numbers, or an object of numbers by label
  --format <what>           table; ndjson, a line of JSON for each row; or npy, the scores of all labels, for evaluate
                            (default: table)
  --out <file>              write there, and not to standard output; npy needs it`;

const OPTIONS = {
  ...FEATURE_OPTIONS,
  head: { type: 'string' },
  labels: { type: 'string' },
  k: { type: 'string' },
  thresholds: { type: 'string' },
  format: { type: 'string' },
  out: { type: 'string' },
} as const;

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

const FORMATS = ['table', 'ndjson', 'npy'] as const;

/** Writes the predictions of rows, batch by batch. */
interface Writer {
  write: (piece: Piece, batch: RowBatch) => Promise<void> | void;
  /** Puts the whole in its place. */
  end: () => void;
  /** Leaves nothing behind. */
  abandon: () => void;
}

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  if (values.head === undefined) throw new InputError('predict needs --head, a file that train wrote');
  const { format = 'table' } = values;
  if (!FORMATS.includes(format as 'table')) {
    throw new InputError(`--format must be one of ${FORMATS.join(', ')}, got '${format}'`);
  }
  const k = values.k === undefined ? undefined : toCount('k', values.k);
  if (format === 'npy' && values.out === undefined)
    throw new InputError('--format npy needs --out, the name of a file');
  for (const option of ['k', 'thresholds'] as const) {
    if (format === 'npy' && values[option] !== undefined) {
      throw new InputError(`--format npy has the scores of all labels: give no --${option}`);
    }
  }
  const sources = featureSources(values, positionals, 'unlabelled features');
  if (values.out !== undefined) checkWritable(values.out, inputsOf(values, positionals), format === 'npy');
  const tagger = await readHead(values.head, values.labels);
  const options = { ...(k === undefined ? {} : { k }), ...thresholdsOf(values, tagger) };
  const pieces = await piecesOf(sources, null);
  const numbered = pieces.some(({ isPipe }) => isPipe) ? pieces : await numberRows(pieces);
  const writer = writerOf(format as (typeof FORMATS)[number], values, tagger, options, sources.length > 1);
  const signal = interruption();
  const progress = new Progress(numbered);
  try {
    for (const piece of joinPieces(numbered)) {
      for await (const batch of readPiece(piece, null)) {
        checkInterrupted(signal);
        try {
          await writer.write(piece, batch);
        } catch (error) {
          // The tagger checks features before anything is written, and does not know in which file they are.
          checkFeatures(piece, batch, tagger.features);
          throw inFile(error, piece, batch);
        }
        progress.add(batch.bytes, batch.scores.shape[0]);
      }
    }
    writer.end();
  } catch (error) {
    writer.abandon();
    throw error;
  } finally {
    progress.stop();
  }
}

async function readHead(file: string, labels: string | undefined): Promise<Tagger> {
  const names = labels === undefined ? null : await readLabels(labels);
  try {
    return Tagger.load(readFileSync(file), names === null ? {} : { labels: names });
  } catch (error) {
    throw toCommandError(error, file);
  }
}

/** Reads the thresholds, and tries them before the first row is read. */
function thresholdsOf({ thresholds: file }: Values, tagger: Tagger): PredictOptions {
  if (file === undefined) return {};
  const thresholds = readThresholds(file);
  try {
    tagger.predict(new Float32Array(tagger.features), { thresholds });
  } catch (error) {
    throw toCommandError(error, file);
  }
  return { thresholds };
}

function writerOf(
  format: (typeof FORMATS)[number],
  { out }: Values,
  tagger: Tagger,
  options: PredictOptions,
  hasFiles: boolean,
): Writer {
  if (format === 'npy') {
    const file = new NpyFile(out as string, tagger.classes);
    return {
      write: (_, batch) => file.append(tagger.scores(featuresOf(batch)).data),
      end: () => file.end(),
      abandon: () => file.abandon(),
    };
  }
  const file = out === undefined ? null : new GrowingFile(out);
  const lineOf = format === 'ndjson' ? jsonOf : textOf;
  return {
    write: async (piece, batch) => {
      const lines = tagger.predict(featuresOf(batch), options).map((predictions, i) =>
        lineOf({
          row: batch.firstRow + i,
          id: batch.rowIds?.[i] ?? null,
          source: hasFiles ? nameOf(piece.scoresFile) : null,
          predictions,
        }),
      );
      if (lines.length === 0) return;
      if (file === null) await print(lines.join('\n'));
      else file.append(Buffer.from(`${lines.join('\n')}\n`));
    },
    end: () => file?.end(),
    abandon: () => file?.abandon(),
  };
}

interface Line {
  row: number;
  id: string | number | bigint | null;
  /** Null where there is one file. */
  source: string | null;
  predictions: readonly Prediction[];
}

function jsonOf({ row, id, source, predictions }: Line): string {
  return JSON.stringify({
    ...(source === null ? {} : { source }),
    row,
    ...(id === null ? {} : { id: typeof id === 'bigint' ? String(id) : id }),
    predictions,
  });
}

function textOf({ row, id, source, predictions }: Line): string {
  const name = `${source === null ? '' : `${source}:`}${id ?? row}`;
  const labels = predictions.map((prediction) => `${prediction.name} ${prediction.score.toFixed(3)}`);
  return `${name}  ${labels.length === 0 ? '-' : labels.join(', ')}`.replaceAll('\n', '\\n');
}

export const predict: Command = { usage, run };
