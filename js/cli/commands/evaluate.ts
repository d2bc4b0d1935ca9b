import { LossError } from '../../errors.js';
import { Evaluator, type EvaluatorOptions } from '../../evaluate/index.js';
import { type Command, parse, toNumber } from '../command.js';
import { expand, type RowBatch, sizeOfFile } from '../input/input.js';
import { readNdjson } from '../input/ndjson.js';
import { readNpy } from '../input/npy.js';
import { InputError } from '../input-error.js';
import { Progress } from '../output/progress.js';
import { OUTPUT_OPTIONS, OUTPUT_USAGE, prepareOutput } from '../output/result.js';

const usage = `evaluate [options] <rows.ndjson>... | -
       multilabel-margin-loss evaluate [options] --scores <scores.npy> --targets <targets.npy>

Prints the multi-label margin loss and ranking metrics of data of any size.

Input: lines of JSON, each { "scores": [...], "targets": [...] }, from files or standard input (-); or .npy files
of scores (float16, 32 or 64, [N, C]) and targets (int32 or int64 class indices padded with -1, [N, K], or a 0/1
mask of one byte each, [N, C]). * and ? in a file's name match several files; scores and targets pair up in order.

  --scores <file>         may be given several times; so may --targets
  --targets <file>
  --k <numbers>           for precision, recall and nDCG at k (default: 1,3,5)
  --margin <number>       of the loss (default: 1)
  --normalization <what>  of the loss: classes or targets (default: classes)
  --target-order <what>   of the loss: ignored or ranked (default: ignored)
  --skip-non-finite       leave out rows with NaN or infinite scores, and count them
${OUTPUT_USAGE}`;

const OPTIONS = {
  scores: { type: 'string', multiple: true },
  targets: { type: 'string', multiple: true },
  k: { type: 'string' },
  margin: { type: 'string' },
  normalization: { type: 'string' },
  'target-order': { type: 'string' },
  'skip-non-finite': { type: 'boolean' },
  ...OUTPUT_OPTIONS,
} as const;

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

function evaluatorOptions(values: Values): EvaluatorOptions {
  const loss = {
    ...(values.margin === undefined ? {} : { margin: toNumber(values.margin) }),
    ...(values.normalization === undefined ? {} : { normalization: values.normalization as 'classes' }),
    ...(values['target-order'] === undefined ? {} : { targetOrder: values['target-order'] as 'ignored' }),
  };
  return {
    ...(values.k === undefined ? {} : { k: values.k.split(',').map(toNumber) }),
    loss,
    nonFinite: values['skip-non-finite'] === true ? 'skip' : 'error',
  };
}

interface Input {
  bytes: number;
  read: () => Iterable<RowBatch> | AsyncIterable<RowBatch>;
}

function inputsOf(values: Values, files: readonly string[]): Input[] {
  const scores = expand(values.scores ?? []);
  const targets = expand(values.targets ?? []);
  const lines = expand(files);
  if (scores.length + targets.length + lines.length === 0) throw new InputError('no input');
  if (lines.length > 0 && scores.length + targets.length > 0) {
    throw new InputError('give either files of lines, or --scores and --targets');
  }
  if (scores.length !== targets.length) {
    throw new InputError(`${scores.length} files of scores need as many of targets, got ${targets.length}`);
  }
  return [
    ...lines.map((file) => ({ bytes: file === '-' ? 0 : sizeOfFile(file), read: () => readNdjson(file) })),
    ...scores.map((file, i) => ({ bytes: sizeOfFile(file), read: () => readNpy(file, targets[i] as string) })),
  ];
}

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  const putOut = await prepareOutput(values);
  const evaluator = new Evaluator(evaluatorOptions(values));
  const inputs = inputsOf(values, positionals);
  const sizes = inputs.map(({ bytes }) => bytes);
  const progress = new Progress(sizes.includes(0) ? 0 : sizes.reduce((a, b) => a + b));
  let before = 0;
  let rows = 0;
  try {
    for (const { bytes, read } of inputs) {
      for await (const batch of read()) {
        try {
          evaluator.update(batch.scores, batch.targets, { source: batch.scoresFile, firstRow: batch.firstRow });
        } catch (error) {
          throw error instanceof LossError ? inFile(error, batch) : error;
        }
        rows += batch.scores.shape[0];
        progress.update(before + batch.bytes, rows);
      }
      before += bytes;
    }
  } finally {
    progress.stop();
  }
  await putOut(evaluator);
}

/** With the row's number in its file for that in its batch. */
function inFile({ code, message }: LossError, { firstRow, scoresFile, targetsFile }: RowBatch): InputError {
  const file = code === 'ERR_TARGET_RANGE' ? targetsFile : scoresFile;
  return new InputError(`${file}: ${message.replace(/\brow (\d+)/, (_, row) => `row ${firstRow + Number(row)}`)}`);
}

export const evaluate: Command = { usage, run };
