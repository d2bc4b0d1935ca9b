import { once } from 'node:events';
import { Worker as Thread } from 'node:worker_threads';
import { connect, type DoJob } from './connection.js';

export interface WorkerSettings {
  /** Of this machine, for messages. */
  name: string;
  /** Jobs at a time, each in a thread of its own. */
  concurrency: number;
  /** Seconds. A worker that is not heard of for so long loses its jobs to others. */
  lock: number;
  log: (line: string) => void;
}

/**
 * One that takes its worker with it is to fail at some time; but machines that are taken away as others need them are no
 * reason to.
 */
const MOST_LOSSES = 3;

/** Works for a queue until `stop` is aborted, and then until the jobs under way are done. */
export async function work(
  url: string,
  { name, concurrency, lock, log }: WorkerSettings,
  stop: AbortSignal,
): Promise<void> {
  const connection = await connect(url);
  const doJob: DoJob = async (job, _token, signal) => {
    log(`${job.name}: started`);
    // In this thread, which has the connection.
    const parts = 'parts' in job.data ? Object.values(await job.getChildrenValues<string>()) : [];
    const thread = new Thread(new URL('thread.js', import.meta.url), { workerData: { work: job.data, parts } });
    signal?.addEventListener('abort', () => void thread.terminate());
    const ended = once(thread, 'exit').then(() => Promise.reject(new Error('its thread ended')));
    try {
      const [sums] = (await Promise.race([once(thread, 'message'), ended])) as [string];
      return sums;
    } catch (error) {
      throw connection.final((error as Error).message);
    }
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
    // As long as there is no connection, it is the same each second; and `lost` ends it.
    if (message !== '' && message !== lastError) log(message);
    lastError = message;
  });
  worker.on('lockRenewalFailed', (ids) => ids.forEach((id) => worker.cancelJob(id)));
  worker.on('completed', ({ name: job }) => log(`${job}: done`));
  worker.on('failed', (job, { message }) => log(`${job?.name ?? 'a job'}: ${message}`));
  log(`${connection.name}: waiting for shards`);
  try {
    await Promise.race([connection.lost, stop.aborted || once(stop, 'abort')]);
    await worker.close();
  } catch (error) {
    // Without waiting for what cannot be told of any more.
    void worker.close(true);
    throw error;
  } finally {
    await connection.close();
  }
}
