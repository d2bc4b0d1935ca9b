/** The command line of wordnet-tagger.ts. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';

const EXIT_USAGE = 2;

export interface Options {
  epochs: number;
  batchSize: number;
  learningRate: number;
  seed: number;
  output?: string;
  head?: string;
  tag?: string;
}

export function readOptions(): Options {
  return new Command('npm start --')
    .description('Trains a multi-label tagger on WordNet with the multi-label margin loss.')
    .option('-e, --epochs <number>', 'passes over the training documents', wholeNumber(1), 3)
    .option('-b, --batch-size <number>', 'documents to a call of the loss', wholeNumber(1), 32)
    .option('-l, --learning-rate <number>', 'of Adagrad', positiveNumber, 1)
    .option('-s, --seed <number>', 'for the order of documents; repeats a run exactly', wholeNumber(0), 1)
    .option('-o, --output <file>', 'write the trained head here, as safetensors', writableFile)
    .addOption(
      new Option('--head <file>', 'use the head of this file, which --output wrote, and train none')
        .conflicts(['epochs', 'batchSize', 'learningRate', 'seed', 'output'])
        .argParser(readableFile),
    )
    .option('-t, --tag <text>', 'then tag this text, the definition of a word', someText)
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

function readableFile(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new InvalidArgumentError(`There is no file '${path}'.`);
  return path;
}

function someText(text: string): string {
  if (!/[a-z]/i.test(text)) throw new InvalidArgumentError('It must have a word in it.');
  return text;
}
