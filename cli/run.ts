// The command multilabel-margin-loss: from arguments to an exit code.

import type { Command } from './command.js';
import { failureOf, InputError } from './errors.js';
import { print, warn } from './output/print.js';
import { version } from './version.js';

/** The commands. Each is loaded when it is named: to load all takes longer than most evaluations. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  evaluate: async () => (await import('./commands/evaluate.js')).evaluate,
  merge: async () => (await import('./commands/merge.js')).merge,
  compare: async () => (await import('./commands/compare.js')).compare,
  tune: async () => (await import('./commands/tune.js')).tune,
  train: async () => (await import('./commands/train.js')).train,
  predict: async () => (await import('./commands/predict.js')).predict,
  worker: async () => (await import('./commands/worker.js')).worker,
};

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

async function runCommand([name = '', ...args]: readonly string[]): Promise<void> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load !== undefined) {
    const command = await load();
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

/** Runs the command, says what was wrong, and returns the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    await runCommand(args);
    return 0;
  } catch (error) {
    const failure = failureOf(error);
    // A fault of the program: its stack is what a report of it needs.
    if (failure === null) throw error;
    warn(failure.message);
    if (error instanceof UsageError) console.error(`\n${USAGE}`);
    return failure.exitCode;
  }
}
