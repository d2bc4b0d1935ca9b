import { setTimeout as delay } from 'node:timers/promises';
import type { FlowJob, Job, JobNode } from 'bullmq';
import type { Evaluator, EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import type { Piece } from '../input/input.js';
import { InputError } from '../input-error.js';
import { RunError } from '../run-error.js';
import { type Connection, connect, QUEUE } from './connection.js';
import { fromText, type Work } from './work.js';

/** Is told from time to time how many shards are done, and how many workers there are. */
export type OnShards = (done: number, workers: number) => void;

/** Milliseconds between two looks at the queue. */
const POLL = 250;
/** One after the other: a minute, like that of the connection. */
const MOST_FAILURES = 240;
/**
 * Of a job. What comes of a shard is final; but BullMQ takes it for a failure where a database that is starting refuses to
 * have it, and has recovered when it is to have the failure.
 */
const MOST_ATTEMPTS = 10;
/** After this many seconds, what nobody asked for is removed. */
const DAY = { age: 24 * 60 * 60 };
/** A worker has as many states in memory at a time, and the queue keeps about as many for each worker. */
const PARTS_PER_MERGE = 32;

/**
 * Has the workers of a queue evaluate shards: a job for each, and above them jobs that merge what came of them.
 *
 * @throws InputError for what a worker could not do, with its message
 * @throws RunError where the queue or the evaluation is lost, and when `cancel` is aborted
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
  { name, queue }: Connection,
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
      if (job.failedReason) throw new InputError(await reasonOf(job, queue));
      return fromText(job.returnvalue);
    }
    // Each time, that is a list of all connections.
    if (count % 20 === 0) workers = await queue.getWorkersCount();
    onShards(await shardsDone(merges), workers);
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
        if (error instanceof InputError || error instanceof RunError || ++failures > MOST_FAILURES) throw error;
      }
      await delay(POLL, undefined, { signal: cancel });
    }
  } catch (error) {
    if (cancel.aborted) throw new RunError('interrupted: the evaluation is off the queue');
    throw error;
  } finally {
    await flow.job.removeUnprocessedChildren().catch(() => {});
    // Now that there is nothing below them; what is under way is done by its worker, and then for nobody.
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
    // Of a merge that is done too, nothing is left.
    const { unprocessed = 0 } = await job.getDependenciesCount({ unprocessed: true });
    done += children.length - unprocessed;
    // Shards are done about in their order.
    if (unprocessed === children.length) break;
  }
  return done;
}

/** What went wrong below a job that failed for it. */
async function reasonOf({ failedReason, name, processedBy }: QueuedJob, queue: Connection['queue']): Promise<string> {
  const below = /^child .*?([^:]+) failed$/.exec(failedReason)?.[1];
  const child = below === undefined ? undefined : await queue.getJob(below);
  if (child !== undefined) return reasonOf(child, queue);
  const reason = failedReason.includes('stalled') ? `${name}: each of its workers ended before it` : failedReason;
  return processedBy === undefined ? reason : `${reason} (on ${processedBy})`;
}

type QueuedJob = Job<Work, string>;

function flowOf(shards: readonly Piece[][], options: EvaluatorOptions): FlowJob {
  const jobOf = (name: string, data: Work, opts: FlowJob['opts'] = {}): FlowJob => ({
    name,
    queueName: QUEUE,
    data,
    // What comes of a job is kept with the one above it. If nothing does, that is to fail, not to wait for ever.
    opts: { attempts: MOST_ATTEMPTS, removeOnComplete: true, removeOnFail: DAY, failParentOnFailure: true, ...opts },
  });
  const mergeOf = (children: FlowJob[], opts: FlowJob['opts'] = {}): FlowJob => ({
    ...jobOf(`merge of ${children.length}`, { parts: children.length }, opts),
    children,
  });

  // After all jobs that merge, so that states do not pile up in the queue.
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
