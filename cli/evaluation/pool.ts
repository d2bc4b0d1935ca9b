// Threads that evaluate pieces, each with sums of its own, which are merged in the end.

import { Worker } from 'node:worker_threads';
import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import type { Piece } from '../input/input.js';
import { numberRows } from '../input/pieces.js';
import { InputError } from '../input-error.js';
import { RunError } from '../run-error.js';
import type { OnBatch } from './add-piece.js';

/** What a thread is told: a piece to add, or null to give its sums and end. */
export type Request = Piece | null;

/** What a thread says: of a batch that was added, that it is free, what is wrong with its piece, or its sums in the end. */
export type Report =
  | { kind: 'batch'; bytes: number; rows: number }
  | { kind: 'free' }
  | { kind: 'wrong'; message: string }
  | { kind: 'sums'; json: unknown };

/**
 * The same as one thread gives, to the bit: the sums, or the error of the first piece that has one.
 *
 * @throws InputError for what is wrong with the files, in one line that names file and row
 * @throws RunError for a thread that died
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
  /** The first of those that are wrong. No later one is begun, and earlier ones are read to their end. */
  let wrong: { index: number; message: string } | undefined;

  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('worker.js', import.meta.url), { workerData: options }),
  );
  const work = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      let index = -1;
      const send = (): void => {
        index = next;
        const piece = wrong === undefined ? queue[next++] : undefined;
        worker.postMessage((piece ?? null) satisfies Request);
      };
      worker.on('message', (report: Report) => {
        if (report.kind === 'batch') {
          onBatch(report.bytes, report.rows);
        } else if (report.kind === 'free') {
          send();
        } else if (report.kind === 'wrong') {
          if (wrong === undefined || index < wrong.index) wrong = { index, message: report.message };
          resolve();
        } else {
          merged.merge(Evaluator.fromJSON(report.json));
          resolve();
        }
      });
      worker.on('error', (error) => reject(new RunError(`a thread died: ${error.message}`)));
      worker.on('exit', (code) => reject(new RunError(`a thread died: exit code ${code}`)));
    });
  try {
    await Promise.all(workers.map(work));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  if (wrong !== undefined) throw new InputError(wrong.message);
  return merged;
}
