#!/usr/bin/env node
// The command multilabel-margin-loss.

import type { Command } from './command.js';
import { compare } from './commands/compare.js';
import { evaluate } from './commands/evaluate.js';
import { merge } from './commands/merge.js';
import { predict } from './commands/predict.js';
import { train } from './commands/train.js';
import { tune } from './commands/tune.js';
import { worker } from './commands/worker.js';
import { failureOf, InputError } from './errors.js';
import { print, warn } from './output/print.js';
import { version } from './version.js';

const COMMANDS: Record<string, Command> = { evaluate, merge, compare, tune, train, predict, worker };

const USAGE = `Usage: multilabel-margin-loss <command> [options]

  evaluate  loss and ranking metrics of data of any size
  merge     the result of parts that evaluate wrote
  compare   two models side by side, with confidence intervals
  tune      the threshold of each label, for evaluate and predict
  train     a head, from features and labels
  predict   the labels of rows, by a head
  worker    evaluates shards for evaluate --queue, on any number of machines

multilabel-margin-loss <command> --help lists the options, --version prints the version.
Exit code 2: the arguments or a file are wrong. Exit code 1: memory, a disk, a worker or a queue failed.`;

/** The first argument is no command: the message is followed by the commands that there are. */
class UsageError extends InputError {}

async function main(): Promise<void> {
  const [name = '', ...args] = process.argv.slice(2);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined) {
    if (args.includes('--help') || args.includes('-h')) await print(`Usage: multilabel-margin-loss ${command.usage}`);
    else await command.run(args);
  } else if (name === '--version') {
    await print(version());
  } else if (name === '--help' || name === '-h') {
    await print(USAGE);
  } else {
    throw new UsageError(name === '' ? 'no command' : `unknown command '${name}'`);
  }
}

main().catch((error: unknown) => {
  const failure = failureOf(error);
  // A fault of the program: its stack is what a report of it needs.
  if (failure === null) throw error;
  warn(failure.message);
  if (error instanceof UsageError) console.error(`\n${USAGE}`);
  process.exitCode = failure.exitCode;
});
