import { LossError } from './errors.js';

/** Whether a backend can still be used, and if not, why. */
export class Usability {
  #reason: LossError | null = null;

  /**
   * Makes the backend unusable.
   *
   * @param reason what later calls throw
   * @returns false if it was unusable before; the first reason stays
   */
  end(reason: LossError): boolean {
    if (this.#reason !== null) return false;
    this.#reason = reason;
    return true;
  }

  /** @throws LossError a new one, with the stack of this call, if the backend is unusable */
  check(): void {
    if (this.#reason !== null) throw new LossError(this.#reason.code, this.#reason.message, this.#reason);
  }
}
