/** Reports to the page, in the course of a call of the page's. */

/** A function of the page, which is called in the worker. The page's own returns nothing, and its proxy a promise. */
export type Receive<T> = (report: T) => void | Promise<void>;

/**
 * A function of the page has a channel of its own, and engines do not keep the order between channels: WebKit may tell
 * that a call is done before its last reports are there. The call waits for them.
 */
export class Reports<T> {
  readonly #receive: Receive<T>;
  #last = Promise.resolve();

  constructor(receive: Receive<T>) {
    this.#receive = receive;
  }

  send(report: T): void {
    this.#last = Promise.resolve(this.#receive(report));
  }

  /** Resolves when the page has all that were sent: one channel keeps their order. */
  arrived(): Promise<void> {
    return this.#last;
  }
}
