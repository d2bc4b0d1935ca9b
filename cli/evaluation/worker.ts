// A thread of the pool.

import { parentPort, workerData } from 'node:worker_threads';
import { LossError } from 'multilabel-margin-loss';
import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import { InputError } from '../input-error.js';
import { addPiece } from './add-piece.js';
import type { Report, Request } from './pool.js';

const evaluator = new Evaluator(workerData as EvaluatorOptions);

function report(what: Report): void {
  parentPort?.postMessage(what);
}

async function add(piece: Request): Promise<void> {
  if (piece === null) {
    report({ kind: 'sums', json: evaluator.toJSON() });
    return;
  }
  try {
    await addPiece(evaluator, piece, (bytes, rows) => report({ kind: 'batch', bytes, rows }));
    report({ kind: 'free' });
  } catch (error) {
    if (!(error instanceof InputError || error instanceof LossError)) throw error;
    report({ kind: 'wrong', message: error.message });
  }
}

parentPort?.on('message', (piece: Request) => void add(piece));
report({ kind: 'free' });
