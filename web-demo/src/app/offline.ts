/** A copy of the page for when there is no network: made on request, or after a training. */
import { byId, messageOf } from './page.js';

export class Offline {
  // Undefined on pages that are not served securely; the server for development has nothing to keep.
  readonly #container = import.meta.env.PROD
    ? (navigator.serviceWorker as ServiceWorkerContainer | undefined)
    : undefined;

  constructor() {
    if (!this.#container) return;
    const button = byId('offline');
    button.addEventListener('click', () => void this.keep());
    if (this.#container.controller) this.#tell('This page works offline.');
    else button.hidden = false;
  }

  /** Does nothing if there is a copy. */
  async keep(): Promise<void> {
    if (!this.#container) return;
    try {
      byId('offline').hidden = true;
      if (!this.#container.controller) this.#tell('Keeping this page for offline use …');
      const registration = await this.#container.register('./service-worker.js');
      const worker = registration.installing ?? registration.waiting ?? registration.active;
      await new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (worker?.state === 'activated') resolve();
          else if (worker?.state === 'redundant') reject(new Error('a file did not load'));
        };
        worker?.addEventListener('statechange', look);
        look();
      });
      this.#tell('This page works offline.');
    } catch (error) {
      this.#tell(`This page could not be kept for offline use: ${messageOf(error)}`);
      byId('offline').hidden = false;
    }
  }

  #tell(text: string): void {
    byId('offline-text').textContent = text;
  }
}
