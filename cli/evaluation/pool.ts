// Threads that evaluate pieces, each with sums of its own, which are merged in the end.

import { Worker } from 'node:worker_threads';
import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import type { Piece } from '../input/input.js';
import { numberRows } from '../input/pieces.js';
import { CommandError, type Failure, RunError } from '../errors.js';
import type { OnBatch } from './add-piece.js';

/** A message to a thread: a piece to add, or null to send its sums and end. */
export type Request = Piece | null;

/** A message of a thread: it added a batch, is free for another piece, failed at its piece, or sends its sums in the end. */
export type Report =
  | { kind: 'batch'; bytes: number; rows: number }
  | { kind: 'free' }
  | { kind: 'failed'; failure: Failure }
  | { kind: 'sums'; json: unknown };

/**
 * Evaluates pieces on several threads. The result has the bits that one thread gives: the sums, or the error of the first
 * piece that has one.
 *
 * @throws InputError for a fault of the files, in one line that names file and row
 * @throws RunError for a thread that did not start, or died
 */
export async function evaluateInThreads(
  pieces: readonly Piece[],
  options: EvaluatorOptions,
  threads: number,
  onBatch: OnBatch,
): Promise<Evaluator> {
  const queue = await numberRows(pieces);
  const merged = new Evaluator(options);
  let next = 0;
  /** The first piece that failed. No later one is begun, and earlier ones are read to their end. */
  let failed: { index: number; failure: Failure } | undefined;

  const serve = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      let index = -1;
      const send = (): void => {
        index = next;
        const piece = failed === undefined ? queue[next++] : undefined;
        worker.postMessage((piece ?? null) satisfies Request);
      };
      const receive = (report: Report): void => {
        if (report.kind === 'batch') {
          onBatch(report.bytes, report.rows);
        } else if (report.kind === 'free') {
          send();
        } else if (report.kind === 'failed') {
          if (failed === undefined || index < failed.index) failed = { index, failure: report.failure };
          resolve();
        } else {
          merged.merge(Evaluator.fromJSON(report.json));
          resolve();
        }
      };
      worker.on('message', (report: Report) => {
        try {
          receive(report);
        } catch (error) {
          // Nobody catches what a listener throws.
          const problem = error as Error;
          reject(problem);
        }
      });
      worker.on('error', (error) => reject(new RunError(`a thread died: ${error.message}`)));
      worker.on('exit', (code) => reject(new RunError(`a thread died: exit code ${code}`)));
    });
  const workers: Worker[] = [];
  try {
    while (workers.length < threads) workers.push(startWorker(options));
    await Promise.all(workers.map(serve));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  if (failed !== undefined) throw new CommandError(failed.failure.message, failed.failure.exitCode);
  return merged;
}

/** @throws RunError where the system gives no thread more, as in a container with a limit of processes */
function startWorker(options: EvaluatorOptions): Worker {
  try {
    return new Worker(new URL('pool-thread.js', import.meta.url), { workerData: options });
  } catch (error) {
    throw new RunError(`a thread did not start: ${(error as Error).message}`);
  }
}
