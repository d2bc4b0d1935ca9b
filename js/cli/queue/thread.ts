// Does one job apart from the thread that renews the lock on it: locks are shorter than what is computed under them.

import { parentPort, workerData } from 'node:worker_threads';
import type { EvaluatorJSON } from '../../evaluate/index.js';
import { doWork, type Work } from './work.js';

const { work, parts } = workerData as { work: Work; parts: EvaluatorJSON[] };
void doWork(work, parts).then((state) => parentPort?.postMessage(state));
