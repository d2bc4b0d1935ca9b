// A queue of BullMQ. What differs between Redis and PostgreSQL stays in this file.

import { setTimeout as delay } from 'node:timers/promises';
import type { FlowProducer, Queue, Worker, WorkerOptions } from 'bullmq';
import { InputError, RunError } from '../errors.js';
import { load } from '../packages.js';
import type { Task } from './task.js';

/** Processes a job. `signal` is aborted when another worker has taken the job over. */
export type DoJob = NonNullable<Exclude<ConstructorParameters<typeof Worker<Task, string>>[1], string | URL>>;

export interface Connection {
  /** The address, for messages. */
  name: string;
  queue: Queue<Task, string>;
  flows: FlowProducer;
  /** An error of a job that another attempt would only repeat. */
  final: (message: string) => Error;
  startWorker: (doJob: DoJob, options: Omit<WorkerOptions, 'connection'>) => Worker<Task, string>;
  /** Rejects with a RunError when the queue has not answered for a minute, or has been closed. Never resolves. */
  lost: Promise<never>;
  /** Aborted by `close`. */
  closed: AbortSignal;
  close: () => Promise<void>;
}

export const QUEUE = 'evaluate';
/** Milliseconds without an answer after which the queue is lost. */
const PATIENCE = 60_000;
/** Milliseconds between two questions to the queue. */
const PROBE_INTERVAL = PATIENCE / 12;

/**
 * @param url redis://, rediss://, postgres:// or postgresql://
 * @throws InputError where it is another address, nothing answers there, or BullMQ or the driver is not installed
 */
export async function connect(url: string): Promise<Connection> {
  const protocol = /^(rediss?|postgres(?:ql)?):\/\//.exec(url)?.[1];
  if (protocol === undefined)
    throw new InputError(`--queue must be redis://…, rediss://…, postgres://… or postgresql://…, got '${url}'`);
  // A password is not for logs.
  const name = url.replace(/(:\/\/[^/@]*?:)[^/@]*@/, '$1***@');
  const driver = protocol.startsWith('redis') ? 'ioredis' : 'pg';
  const bullmq = await load(() => import('bullmq'), '--queue', 'bullmq@6', driver);

  let opened = false;
  const connection =
    driver === 'ioredis'
      ? {
          url,
          maxRetriesPerRequest: null,
          // An address where nothing was yet is most likely wrong. What was there is most likely restarting.
          retryStrategy: () => (opened ? 1000 : null),
        }
      : // A schema of its own: to migrate another's would shut out those who use it with another version of BullMQ.
        { connectionString: url, schema: 'multilabel_margin_loss', migrate: true, max: 4 };
  const options = { connection, prefix: 'multilabel-margin-loss' };
  // The two backends differ in types alone.
  const backend = (driver === 'ioredis' ? bullmq.createRedisBackend : bullmq.createPostgresBackend) as BackendOfRedis;
  const { FlowProducer, Queue, Worker } = bullmq.withBackend(backend);

  let problem = '';
  const onError = (error: NodeJS.ErrnoException): void => {
    // Several addresses of one name make an error of errors, without a message.
    problem = error.message || (error.code ?? 'no answer');
  };
  let queue: Connection['queue'];
  try {
    // Events hold what jobs return. Nobody listens to them, so that a few are enough.
    queue = new Queue<Task, string>(QUEUE, { ...options, streams: { events: { maxLen: 10 } } });
    queue.on('error', onError);
    await queue.waitUntilReady();
  } catch (error) {
    if ((error as Error).message.includes(`npm install ${driver}`)) {
      throw new InputError(`--queue ${protocol}:// needs ${driver}, which is not installed: npm install ${driver}`);
    }
    onError(error as Error);
    throw new InputError(`${name}: cannot be reached: ${problem}`);
  }
  opened = true;
  const flows = new FlowProducer(options);
  flows.on('error', onError);

  const closing = new AbortController();
  const { signal: closed } = closing;
  const pause = (): Promise<void> =>
    delay(PROBE_INTERVAL, undefined, { ref: false, signal: closed }).catch(() => undefined);
  const lost = (async () => {
    let answered = Date.now();
    while (!closed.aborted && Date.now() - answered < PATIENCE) {
      const answers = await Promise.race([queue.getActiveCount().then(() => true, onError), pause()]);
      if (answers === true) answered = Date.now();
      await pause();
    }
    if (closed.aborted) throw new RunError(`${name}: is closed`);
    opened = false;
    throw new RunError(`${name}: has not answered for ${PATIENCE / 1000} s: ${problem}`);
  })();
  // Its users attach later, or never.
  lost.catch(() => {});

  return {
    name,
    queue,
    flows,
    lost,
    closed,
    final: (message) => new bullmq.UnrecoverableError(message),
    startWorker: (doJob, workerOptions) => new Worker<Task, string>(QUEUE, doJob, { ...options, ...workerOptions }),
    close: async () => {
      closing.abort();
      opened = false;
      await Promise.all([flows.close(), queue.close()]);
    },
  };
}

type BackendOfRedis = typeof import('bullmq').createRedisBackend;
