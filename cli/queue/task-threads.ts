import { once } from 'node:events';
import { Worker as Thread } from 'node:worker_threads';
import type { TaskReport, TaskRequest } from './task.js';

/** Threads that do tasks, each one at a time. A thread takes a tenth of a second to start, so that it stays for the next task. */
export class TaskThreads {
  readonly #idle = new Set<Thread>();
  #isClosed = false;

  /** @param signal ends the thread, and the task with it */
  async run(request: TaskRequest, signal: AbortSignal | undefined): Promise<TaskReport> {
    const thread = this.#take();
    const end = (): void => void thread.terminate();
    signal?.addEventListener('abort', end);
    const waiting = new AbortController();
    try {
      const ended = once(thread, 'exit', waiting).then(() => Promise.reject(new Error('its thread ended')));
      ended.catch(() => undefined);
      thread.postMessage(request);
      const [report] = (await Promise.race([once(thread, 'message', waiting), ended])) as [TaskReport];
      if (this.#isClosed) end();
      else this.#idle.add(thread);
      return report;
    } catch (error) {
      end();
      return { failure: { message: (error as Error).message, exitCode: 1 } };
    } finally {
      waiting.abort();
      signal?.removeEventListener('abort', end);
    }
  }

  /** Ends threads that have no task now, and the others after theirs. */
  close(): void {
    this.#isClosed = true;
    for (const thread of this.#idle) void thread.terminate();
  }

  #take(): Thread {
    const [idle] = this.#idle;
    if (idle !== undefined) {
      this.#idle.delete(idle);
      return idle;
    }
    const thread = new Thread(new URL('task-thread.js', import.meta.url));
    thread.once('exit', () => this.#idle.delete(thread));
    return thread;
  }
}
