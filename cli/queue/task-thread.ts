// Does one task, apart from the thread that renews the lock on its job: a lock lasts less long than most tasks.

import { parentPort, workerData } from 'node:worker_threads';
import { reportOf, type Task } from './task.js';

const { task, parts } = workerData as { task: Task; parts: string[] };
void reportOf(task, parts).then((report) => parentPort?.postMessage(report));
