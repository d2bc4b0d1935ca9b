#!/usr/bin/env node
// The command multilabel-margin-loss. No library: what Node brings along parses its arguments.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LossError } from '../errors.js';
import { Evaluator, type EvaluatorOptions } from '../evaluate/index.js';
import { expand, InputError, type RowBatch, sizeOfFile } from './input.js';
import { readNdjson } from './ndjson.js';
import { readNpy } from './npy.js';
import { Progress } from './progress.js';
import { toTable } from './table.js';

const USAGE = `Usage: multilabel-margin-loss evaluate [options] <rows.ndjson>... | -
       multilabel-margin-loss evaluate [options] --scores <scores.npy> --targets <targets.npy>
       multilabel-margin-loss merge [options] <part.json>...

The multi-label margin loss and ranking metrics of data of any size.

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
  --state <file>          write the exact sums there, for merge
  --json                  print the metrics as JSON, those of each label too
  -h, --help

merge adds up what --state wrote, in any order: the result is that of a single run, to the bit.
Exit code 2: something is wrong with the arguments or a file, and nothing was written.`;

const OPTIONS = {
  scores: { type: 'string', multiple: true },
  targets: { type: 'string', multiple: true },
  k: { type: 'string' },
  margin: { type: 'string' },
  normalization: { type: 'string' },
  'target-order': { type: 'string' },
  'skip-non-finite': { type: 'boolean' },
  state: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Those of them that merge takes. */
const OF_MERGE: readonly string[] = ['state', 'json', 'help'];

type Values = ReturnType<typeof parse>['values'];

function parse() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new InputError((error as Error).message);
  }
}

/** As numbers; what is none is left to the Evaluator to refuse, with its message. */
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

function toNumber(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

interface Input {
  bytes: number;
  read: () => Iterable<RowBatch> | AsyncIterable<RowBatch>;
}

function inputsOf(values: Values, files: readonly string[]): Input[] {
  const scores = expand(values.scores ?? []);
  const targets = expand(values.targets ?? []);
  const lines = expand(files);
  if (scores.length + targets.length + lines.length === 0) throw new InputError(`no input\n\n${USAGE}`);
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

async function evaluate(values: Values, files: readonly string[]): Promise<Evaluator> {
  const evaluator = new Evaluator(evaluatorOptions(values));
  const inputs = inputsOf(values, files);
  const sizes = inputs.map(({ bytes }) => bytes);
  const progress = new Progress(sizes.includes(0) ? 0 : sizes.reduce((a, b) => a + b));
  let before = 0;
  let rows = 0;
  try {
    for (const { bytes, read } of inputs) {
      for await (const batch of read()) {
        try {
          evaluator.update(batch.scores, batch.targets);
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
  return evaluator;
}

/** With the row's number in its file for that in its batch. */
function inFile({ code, message }: LossError, { firstRow, scoresFile, targetsFile }: RowBatch): InputError {
  const file = code === 'ERR_TARGET_RANGE' ? targetsFile : scoresFile;
  return new InputError(`${file}: ${message.replace(/\brow (\d+)/, (_, row) => `row ${firstRow + Number(row)}`)}`);
}

function merge(values: Values, files: readonly string[]): Evaluator {
  const foreign = Object.keys(values).find((name) => !OF_MERGE.includes(name));
  if (foreign !== undefined) throw new InputError(`merge has no option --${foreign}: parts know theirs`);
  let merged: Evaluator | undefined;
  for (const file of expand(files)) {
    try {
      const part = Evaluator.fromJSON(JSON.parse(readFileSync(file, 'utf8')));
      if (merged === undefined) merged = part;
      else merged.merge(part);
    } catch (error) {
      throw new InputError(`${file}: ${(error as Error).message}`);
    }
  }
  if (merged === undefined) throw new InputError(`no parts to merge\n\n${USAGE}`);
  return merged;
}

/** To a temporary name and then renamed, so that a file of this name is whole. */
function writeWhole(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new InputError(`${file}: cannot be written: ${(error as Error).message}`);
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parse();
  const [command, ...files] = positionals;
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  if (command !== 'evaluate' && command !== 'merge') {
    throw new InputError(`${command === undefined ? 'no command' : `unknown command '${command}'`}\n\n${USAGE}`);
  }
  const evaluator = command === 'evaluate' ? await evaluate(values, files) : merge(values, files);
  const result = evaluator.result();
  if (values.state !== undefined) writeWhole(values.state, JSON.stringify(evaluator));
  console.log(values.json === true ? JSON.stringify(result) : toTable(result));
}

main().catch((error: unknown) => {
  if (!(error instanceof InputError || error instanceof LossError)) throw error;
  console.error(`multilabel-margin-loss: ${error.message}`);
  process.exitCode = 2;
});
