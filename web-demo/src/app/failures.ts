/** What keeps the page from starting, told where it says that it loads. */
import { byId, messageOf } from './page.js';

export function tellFailure(error: unknown): void {
  byId('loading-bar').hidden = true;
  byId('loading-text').textContent = `This page could not start: ${messageOf(error)} Load it again to try once more.`;
}

/** Rejects when the script of the worker does not load or run. */
export function failureOf(worker: Worker): Promise<never> {
  return new Promise((_, reject) => {
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      reject(new Error(`the script that trains did not load or run${event.message ? `: ${event.message}` : ''}.`));
    });
  });
}
