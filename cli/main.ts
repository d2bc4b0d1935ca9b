#!/usr/bin/env node
// The command multilabel-margin-loss.

import { LossError } from 'multilabel-margin-loss';
import type { Command } from './command.js';
import { compare } from './commands/compare.js';
import { evaluate } from './commands/evaluate.js';
import { merge } from './commands/merge.js';
import { train } from './commands/train.js';
import { worker } from './commands/worker.js';
import { InputError } from './input-error.js';
import { RunError } from './run-error.js';

const COMMANDS: Record<string, Command> = { evaluate, merge, compare, train, worker };

const USAGE = `Usage: multilabel-margin-loss <command> [options]

  evaluate  loss and ranking metrics of data of any size
  merge     the result of parts that evaluate wrote
  compare   two models side by side, with confidence intervals
  train     a linear head, from features and labels
  worker    evaluates shards for evaluate --queue, on any number of machines

multilabel-margin-loss <command> --help says more.
Exit code 2: something is wrong with the arguments or a file, and nothing was written.`;

async function main(): Promise<void> {
  const [name = '', ...args] = process.argv.slice(2);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined) {
    if (args.includes('--help') || args.includes('-h')) console.log(`Usage: multilabel-margin-loss ${command.usage}`);
    else await command.run(args);
  } else if (name === '--help' || name === '-h') {
    console.log(USAGE);
  } else {
    throw new InputError(`${name === '' ? 'no command' : `unknown command '${name}'`}\n\n${USAGE}`);
  }
}

main().catch((error: unknown) => {
  const isInput = error instanceof InputError || error instanceof LossError;
  if (!isInput && !(error instanceof RunError)) throw error;
  console.error(`multilabel-margin-loss: ${error.message}`);
  process.exitCode = isInput ? 2 : 1;
});
