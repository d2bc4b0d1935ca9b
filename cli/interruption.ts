import { InterruptedError, type Signal, SIGNALS } from './errors.js';

let controller: AbortController | undefined;

/** The signal of this process that the first of SIGNALS aborts. A second one ends the process. */
export function interruption(): AbortSignal {
  if (controller === undefined) {
    const made = (controller = new AbortController());
    for (const signal of SIGNALS) process.once(signal, () => made.abort(signal));
  }
  return controller.signal;
}

/** @throws InterruptedError once the signal is aborted */
export function checkInterrupted({ aborted, reason }: AbortSignal, message?: string): void {
  if (aborted) throw new InterruptedError(reason as Signal, message);
}
