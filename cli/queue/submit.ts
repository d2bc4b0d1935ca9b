import { setTimeout as delay } from 'node:timers/promises';
import type { FlowJob, Job, JobNode } from 'bullmq';
import type { Evaluator, EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import type { Piece } from '../input/input.js';
import { CommandError, RunError } from '../errors.js';
import { checkInterrupted } from '../interruption.js';
import { type Connection, connect, QUEUE } from './connection.js';
import { fromReason, fromText, type Task } from './task.js';

/**
 * Is called from time to time with the number of shards that are done and the number of workers; `isIdle` says that there
 * still was no worker some seconds after the start.
 */
export type OnShards = (done: number, workers: number, isIdle: boolean) => void;

/** Milliseconds between two looks at the queue. */
const POLL = 250;
/** Looks at the queue for each count of the workers. */
const LOOKS_PER_COUNT = 20;
/** Looks at the queue that fail one after the other: a minute of them, as long as the connection waits. */
const MOST_FAILURES = 240;
/**
 * Attempts at a job. The result of a shard is final; but a database that is starting may refuse to store it, which BullMQ
 * takes for a failure of the job, and may have started by the time that it stores the failure.
 */
const MOST_ATTEMPTS = 10;
/** Results that nobody fetched are removed after this many seconds. */
const DAY = { age: 24 * 60 * 60 };
/** States that a worker has in memory at a time; the queue keeps about as many for each worker. */
const PARTS_PER_MERGE = 32;

/**
 * Lets the workers of a queue evaluate shards: one job for each shard, and jobs above them that merge the results.
 *
 * @param cancel aborted by a signal, whose name is the reason
 * @throws CommandError of a worker that failed, with its message and exit code
 * @throws RunError where the queue or the evaluation is lost
 * @throws InterruptedError when `cancel` is aborted
 */
export async function submit(
  url: string,
  shards: readonly Piece[][],
  options: EvaluatorOptions,
  onShards: OnShards,
  cancel: AbortSignal,
): Promise<Evaluator> {
  const connection = await connect(url);
  try {
    const flow = await Promise.race([connection.lost, connection.flows.add(flowOf(shards, options))]);
    return await Promise.race([connection.lost, resultOf(flow, connection, onShards, cancel)]);
  } finally {
    await connection.close();
  }
}

async function resultOf(
  flow: JobNode,
  { name, queue, closed }: Connection,
  onShards: OnShards,
  cancel: AbortSignal,
): Promise<Evaluator> {
  const merges = mergesIn(flow);
  let workers = 0;
  /** The result, if there is one. */
  const look = async (count: number): Promise<Evaluator | null> => {
    const job = await queue.getJob(flow.job.id as string);
    if (job === undefined) {
      throw new RunError(`${name}: has lost the evaluation; Redis keeps it with appendonly yes, and without eviction`);
    }
    if (job.finishedOn !== undefined) {
      if (job.failedReason) throw await errorOf(job, queue);
      return fromText(job.returnvalue);
    }
    // Redis answers this with a list of all connections, which is too much for each look.
    if (count % LOOKS_PER_COUNT === 0) workers = await queue.getWorkersCount();
    onShards(await shardsDone(merges), workers, count >= LOOKS_PER_COUNT && workers === 0);
    return null;
  };
  try {
    for (let looks = 0, failures = 0; ; looks++) {
      try {
        const result = await look(looks);
        if (result !== null) return result;
        failures = 0;
      } catch (error) {
        // A PostgreSQL that restarts refuses, where Redis has one wait.
        if (error instanceof CommandError || ++failures > MOST_FAILURES) throw error;
      }
      await delay(POLL, undefined, { signal: AbortSignal.any([cancel, closed]) });
    }
  } catch (error) {
    checkInterrupted(cancel, 'interrupted: the evaluation is off the queue');
    throw error;
  } finally {
    await flow.job.removeUnprocessedChildren().catch(() => {});
    // A merge can be removed once nothing is below it. A worker ends the task under way, whose result nobody reads.
    for (const { job } of merges) await queue.remove(job.id as string, { removeChildren: false }).catch(() => {});
  }
}

/** The jobs that merge, those above others first. */
function mergesIn(node: JobNode): JobNode[] {
  return node.children === undefined ? [] : [node, ...node.children.flatMap(mergesIn)];
}

async function shardsDone(merges: readonly JobNode[]): Promise<number> {
  let done = 0;
  for (const { job, children = [] } of merges) {
    if (children[0]?.children !== undefined) continue;
    // A merge that is done has left nothing in the queue, and counts as 0 unprocessed.
    const { unprocessed = 0 } = await job.getDependenciesCount({ unprocessed: true });
    done += children.length - unprocessed;
    // Shards are done about in their order.
    if (unprocessed === children.length) break;
  }
  return done;
}

/** The error of a job that failed, or of the job below that it failed for. */
async function errorOf(
  { failedReason, name, processedBy }: QueuedJob,
  queue: Connection['queue'],
): Promise<CommandError> {
  const below = /^child .*?([^:]+) failed$/.exec(failedReason)?.[1];
  const child = below === undefined ? undefined : await queue.getJob(below);
  if (child !== undefined) return errorOf(child, queue);
  const { message, exitCode } = fromReason(failedReason);
  const reason = message.includes('stalled') ? `${name}: each of its workers ended before it` : message;
  return new CommandError(processedBy === undefined ? reason : `${reason} (on ${processedBy})`, exitCode);
}

type QueuedJob = Job<Task, string>;

function flowOf(shards: readonly Piece[][], options: EvaluatorOptions): FlowJob {
  const jobOf = (name: string, data: Task, opts: FlowJob['opts'] = {}): FlowJob => ({
    name,
    queueName: QUEUE,
    data,
    // The result of a job is kept with the job above it, which fails where there is none: it would wait for ever.
    opts: { attempts: MOST_ATTEMPTS, removeOnComplete: true, removeOnFail: DAY, failParentOnFailure: true, ...opts },
  });
  const mergeOf = (children: FlowJob[], opts: FlowJob['opts'] = {}): FlowJob => ({
    ...jobOf(`merge of ${children.length}`, { parts: children.length }, opts),
    children,
  });

  // Shards come after all jobs that merge, so that states do not pile up in the queue.
  const last = { priority: 1 };
  let level = shards.map((pieces, i) => jobOf(`shard ${i + 1} of ${shards.length}`, { pieces, options }, last));
  while (level.length > PARTS_PER_MERGE) {
    const groups = Math.ceil(level.length / PARTS_PER_MERGE);
    const size = Math.ceil(level.length / groups);
    const all = level;
    level = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
      mergeOf(all.slice(i * size, (i + 1) * size)),
    );
  }
  return mergeOf(level, { removeOnComplete: DAY, failParentOnFailure: false });
}
