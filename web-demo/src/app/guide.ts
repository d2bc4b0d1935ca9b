/** Three steps that lead a first visitor: each is a button that takes it. */
import { byId } from './page.js';

const STEPS = ['train', 'choose', 'drag'] as const;
export type Step = (typeof STEPS)[number];

export class Guide {
  readonly #done = new Set<Step>();

  constructor() {
    this.#show();
  }

  /** @param take what takes each step for the visitor */
  start(take: Record<Step, () => void>): void {
    for (const step of STEPS) {
      const button = buttonOf(step);
      button.disabled = false;
      button.addEventListener('click', take[step]);
    }
  }

  done(step: Step): void {
    this.#done.add(step);
    this.#show();
  }

  #show(): void {
    const next = STEPS.find((step) => !this.#done.has(step));
    for (const step of STEPS) {
      const button = buttonOf(step);
      button.classList.toggle('done', this.#done.has(step));
      if (step === next) button.setAttribute('aria-current', 'step');
      else button.removeAttribute('aria-current');
    }
  }
}

const buttonOf = (step: Step): HTMLButtonElement => byId(`step-${step}`);
