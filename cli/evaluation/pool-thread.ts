// A thread of the pool.

import { parentPort, workerData } from 'node:worker_threads';
import { Evaluator, type EvaluatorOptions } from 'multilabel-margin-loss/evaluate';
import { failureOf } from '../errors.js';
import { namesOf } from '../input/labels.js';
import { addPiece } from './add-piece.js';
import type { Report, Request } from './pool.js';

const options = workerData as EvaluatorOptions;
const evaluator = new Evaluator(options);
const names = namesOf(options.labels);

function report(what: Report): void {
  parentPort?.postMessage(what);
}

async function answer(piece: Request): Promise<void> {
  try {
    if (piece === null) {
      report({ kind: 'sums', json: evaluator.toJSON() });
    } else {
      await addPiece(evaluator, piece, names, (bytes, rows) => report({ kind: 'batch', bytes, rows }));
      report({ kind: 'free' });
    }
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    report({ kind: 'failed', failure });
  }
}

parentPort?.on('message', (piece: Request) => void answer(piece));
report({ kind: 'free' });
