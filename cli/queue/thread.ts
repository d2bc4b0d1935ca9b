// Does one job apart from the thread that renews the lock on it: locks are shorter than what is computed under them.

import { parentPort, workerData } from 'node:worker_threads';
import { doWork, type Work } from './work.js';

const { work, parts } = workerData as { work: Work; parts: string[] };
void doWork(work, parts).then((sums) => parentPort?.postMessage(sums));
