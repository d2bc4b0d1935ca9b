import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import { evaluatePieces } from '../evaluation/evaluate-pieces.js';
import { type Failure, failureOf, RunError } from '../errors.js';
import type { Piece } from '../input/input.js';

/** The data of a job: evaluate the rows of a shard, or merge the results of other jobs. */
export type Task = { pieces: Piece[]; options: EvaluatorOptions } | { parts: number };

/**
 * The characters of the largest state that the queue takes. While a worker stores a state, or fetches the states of a merge,
 * it renews no lock: for 64 MB about a second, where a lock of 30 s has 15 s left at any time. A merge holds 32 states.
 */
const LARGEST_STATE = 64 * 2 ** 20;

/**
 * The sums of a task, as text: PostgreSQL keeps the members of an object in an order of its own.
 *
 * @param parts the results of the other jobs, for a task that merges
 * @throws RunError for sums that are too large for the queue
 */
async function doTask(task: Task, parts: readonly string[]): Promise<string> {
  if ('pieces' in task) {
    const { evaluator } = await evaluatePieces(task.pieces, task.options, 1, () => {});
    return toText(evaluator);
  }
  // BullMQ keeps results by the ids of jobs: there are never two of one shard.
  if (parts.length !== task.parts) throw new Error(`${task.parts} parts are to be merged, ${parts.length} are there`);
  const [first, ...others] = parts;
  const merged = fromText(first as string);
  for (const other of others) merged.merge(fromText(other));
  return toText(merged);
}

function toText(evaluator: Evaluator): string {
  const text = JSON.stringify(evaluator);
  if (text.length > LARGEST_STATE) {
    const megabytes = (characters: number): number => Math.ceil(characters / 2 ** 20);
    throw new RunError(
      `the sums take ${megabytes(text.length)} MB, and the queue takes up to ${megabytes(LARGEST_STATE)} MB: ` +
        'evaluate without --queue, or with --shard, and merge',
    );
  }
  return text;
}

/** @param text the result of doTask() */
export function fromText(text: string): Evaluator {
  return Evaluator.fromJSON(JSON.parse(text));
}

/** The message to a task's thread: a task, and the results of the other jobs for one that merges. */
export interface TaskRequest {
  task: Task;
  parts: readonly string[];
}

/** The message of a task's thread: the sums, or the reason why there are none. */
export type TaskReport = { sums: string } | { failure: Failure };

/** A failure as the reason that BullMQ keeps with a job, which is one string. */
export function toReason(failure: Failure): string {
  return JSON.stringify(failure);
}

/**
 * The error behind the reason of a job that failed. Reasons that toReason() did not make are BullMQ's: a worker or the
 * queue failed, which is exit code 1.
 */
export function fromReason(reason: string): Failure {
  try {
    const { message, exitCode } = Object(JSON.parse(reason)) as Partial<Failure>;
    if (typeof message === 'string' && typeof exitCode === 'number') return { message, exitCode };
  } catch {
    // Not JSON.
  }
  return { message: reason, exitCode: 1 };
}

/** Runs a task and returns its report. */
export async function reportOf(task: Task, parts: readonly string[]): Promise<TaskReport> {
  try {
    return { sums: await doTask(task, parts) };
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    return { failure };
  }
}
