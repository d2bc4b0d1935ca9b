// Does tasks, one after the other, apart from the thread that renews the lock on its job: a lock lasts less long than most
// tasks.

import { parentPort } from 'node:worker_threads';
import { reportOf, type TaskRequest } from './task.js';

parentPort?.on('message', ({ task, parts }: TaskRequest) => {
  void reportOf(task, parts).then((report) => parentPort?.postMessage(report));
});
