import { availableParallelism, hostname } from 'node:os';
import { type Command, numberOf, parse, toCount } from '../command.js';
import { InputError, InterruptedError, SIGNALS } from '../errors.js';
import { serve } from '../queue/serve.js';

const usage = `worker [options] --queue <address>

Evaluates shards for evaluate --queue, until it is stopped. Run it on as many machines as there are: they must see the same
files under the same names.

  --queue <address>       redis://…, rediss://…, postgres://… or postgresql://…
  --concurrency <n>       shards at a time, each on a core of its own (default: as many as there are cores)
  --lock <seconds>        a worker that is not heard of for so long, 0.1 to 86400, loses its shards to others (default: 30)

With SIGTERM, SIGHUP or Ctrl+C it ends when the shards under way are done; with a second one, at once.`;

const OPTIONS = {
  queue: { type: 'string' },
  concurrency: { type: 'string' },
  lock: { type: 'string' },
} as const;

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  if (values.queue === undefined) throw new InputError('worker needs --queue');
  if (positionals.length > 0) throw new InputError(`worker takes no files, got '${positionals[0]}'`);
  const concurrency =
    values.concurrency === undefined ? availableParallelism() : toCount('concurrency', values.concurrency);
  const lock = values.lock === undefined ? 30 : numberOf('lock', values.lock);
  if (!(lock >= 0.1 && lock <= 86_400))
    throw new InputError(`--lock must be from 0.1 to 86400 seconds, got '${values.lock}'`);

  const stop = new AbortController();
  for (const signal of SIGNALS) {
    process.on(signal, () =>
      stop.signal.aborted ? process.exit(new InterruptedError(signal).exitCode) : stop.abort(),
    );
  }
  const log = (line: string): void => console.log(`${new Date().toISOString()} ${line}`);
  await serve(values.queue, { name: hostname(), concurrency, lock, log }, stop.signal);
}

export const worker: Command = { usage, run };
