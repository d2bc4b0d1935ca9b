import { once } from 'node:events';
import { connect, type DoJob } from './connection.js';
import { fromReason, toReason } from './task.js';
import { TaskThreads } from './task-threads.js';

export interface ServeSettings {
  /** The name of this machine, for messages. */
  name: string;
  /** Number of jobs at a time, each in a thread of its own. */
  concurrency: number;
  /** Seconds. A worker that the queue has not heard of for so long loses its jobs to others. */
  lock: number;
  log: (line: string) => void;
}

/**
 * How many workers a shard may lose before its evaluation fails: a shard that ends its workers has to fail at some time, and
 * machines that are taken away because others need them are no fault of a shard.
 */
const MOST_LOSSES = 3;

/** Does jobs of a queue until `stop` is aborted, and then ends the jobs under way. */
export async function serve(
  url: string,
  { name, concurrency, lock, log }: ServeSettings,
  stop: AbortSignal,
): Promise<void> {
  const connection = await connect(url);
  const threads = new TaskThreads();
  const doJob: DoJob = async (job, _token, signal) => {
    log(`${job.name}: started`);
    // Read in this thread, which has the connection.
    const parts = 'parts' in job.data ? Object.values(await job.getChildrenValues<string>()) : [];
    const report = await threads.run({ task: job.data, parts }, signal);
    if ('failure' in report) throw connection.final(toReason(report.failure));
    return report.sums;
  };
  const milliseconds = Math.round(1000 * lock);
  const worker = connection.startWorker(doJob, {
    name,
    concurrency,
    lockDuration: milliseconds,
    stalledInterval: milliseconds,
    maxStalledCount: MOST_LOSSES,
  });
  let lastError = '';
  worker.on('error', ({ message }) => {
    // Without a connection, the same error comes every second, until `lost`.
    if (message !== '' && message !== lastError) log(message);
    lastError = message;
  });
  worker.on('lockRenewalFailed', (ids) => ids.forEach((id) => worker.cancelJob(id)));
  worker.on('completed', ({ name: job }) => log(`${job}: done`));
  worker.on('failed', (job, { message }) => log(`${job?.name ?? 'a job'}: ${fromReason(message).message}`));
  log(`${connection.name}: waiting for shards`);
  try {
    await Promise.race([connection.lost, stop.aborted || once(stop, 'abort')]);
    await worker.close();
  } catch (error) {
    // Does not wait for jobs whose results the queue cannot take any more.
    void worker.close(true);
    throw error;
  } finally {
    threads.close();
    await connection.close();
  }
}
