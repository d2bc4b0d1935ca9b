/** The settings of training, as they are chosen. */
import type { TrainSettings } from '../worker/tagger.js';
import { byId } from './page.js';

export class SettingsForm {
  readonly #form = document.querySelector<HTMLFormElement>('form.settings')!;

  readonly #onChange: (settings: TrainSettings) => void;

  /** @param onChange called with settings that are valid */
  constructor(onChange: (settings: TrainSettings) => void) {
    this.#onChange = onChange;
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    this.#form.addEventListener('change', () => this.#tell());
  }

  #tell(): void {
    const settings = this.read();
    if (settings !== null) this.#onChange(settings);
  }

  /** Null if one is not valid. */
  read(): TrainSettings | null {
    if (!this.#form.checkValidity()) return null;
    const data = new FormData(this.#form);
    const text = (name: string): string => data.get(name) as string;
    return {
      reduction: text('reduction') as TrainSettings['reduction'],
      margin: Number(text('margin')),
      normalization: text('normalization') as TrainSettings['normalization'],
      targetOrder: text('targetOrder') as TrainSettings['targetOrder'],
      batchSize: Number(text('batchSize')),
      learningRate: Number(text('learningRate')),
    };
  }

  write(settings: TrainSettings): void {
    for (const [name, value] of Object.entries(settings)) {
      const field = this.#form.elements.namedItem(name);
      if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.value = String(value);
    }
    this.#tell();
  }

  /** Says which one is not valid. */
  complain(): void {
    byId<HTMLDetailsElement>('settings').open = true;
    this.#form.reportValidity();
  }
}
