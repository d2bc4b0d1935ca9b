// A queue of BullMQ in Redis or PostgreSQL: the same to all that is beyond this file.

import { setTimeout as delay } from 'node:timers/promises';
import type { FlowProducer, Queue, Worker, WorkerOptions } from 'bullmq';
import { InputError } from '../input-error.js';
import { load } from '../packages.js';
import { RunError } from '../run-error.js';
import type { Work } from './work.js';

/** What a worker does of each job. `signal` says that the job is somebody else's by now. */
export type DoJob = NonNullable<Exclude<ConstructorParameters<typeof Worker<Work, string>>[1], string | URL>>;

export interface Connection {
  /** The address, for messages. */
  name: string;
  queue: Queue<Work, string>;
  flows: FlowProducer;
  /** An error of a job that no other attempt would spare. */
  final: (message: string) => Error;
  startWorker: (doJob: DoJob, options: Omit<WorkerOptions, 'connection'>) => Worker<Work, string>;
  /** Rejects with a RunError when the queue has not answered for a minute. */
  lost: Promise<never>;
  close: () => Promise<void>;
}

export const QUEUE = 'evaluate';
const PATIENCE = 60_000;

/**
 * @param url redis://, rediss:// or postgres://
 * @throws InputError where it is another address, nothing answers there, or BullMQ or the driver is not installed
 */
export async function connect(url: string): Promise<Connection> {
  const protocol = /^(rediss?|postgres(?:ql)?):\/\//.exec(url)?.[1];
  if (protocol === undefined) throw new InputError(`--queue must be redis://… or postgres://…, got '${url}'`);
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
    queue = new Queue<Work, string>(QUEUE, { ...options, streams: { events: { maxLen: 10 } } });
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

  let closed = false;
  const lost = (async () => {
    let answered = Date.now();
    while (closed || Date.now() - answered < PATIENCE) {
      const answers = await Promise.race([
        queue.getActiveCount().then(() => true, onError),
        delay(PATIENCE / 12, false, { ref: false }),
      ]);
      if (answers === true) answered = Date.now();
      await delay(PATIENCE / 12, undefined, { ref: false });
    }
    opened = false;
    throw new RunError(`${name}: has not answered for ${PATIENCE / 1000} s: ${problem}`);
  })();
  // Who waits for it comes later, or never.
  lost.catch(() => {});

  return {
    name,
    queue,
    flows,
    lost,
    final: (message) => new bullmq.UnrecoverableError(message),
    startWorker: (doJob, workerOptions) => new Worker<Work, string>(QUEUE, doJob, { ...options, ...workerOptions }),
    close: async () => {
      closed = true;
      opened = false;
      await Promise.all([flows.close(), queue.close()]);
    },
  };
}

type BackendOfRedis = typeof import('bullmq').createRedisBackend;
