import { InterruptedError } from './errors.js';

/** A signal that the first Ctrl+C or SIGTERM aborts. A second one ends the process. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort(signal));
  return controller.signal;
}

/** @throws InterruptedError once the signal is aborted */
export function checkInterrupted({ aborted, reason }: AbortSignal, message?: string): void {
  if (aborted) throw new InterruptedError(reason as 'SIGINT' | 'SIGTERM', message);
}
