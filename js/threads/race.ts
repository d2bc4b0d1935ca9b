/** Calls in a row of one way. The first finds in the caches what the other way left there, and is not counted. */
const HEAT = 8;
/** How much quicker the other way must be to be preferred. */
const LEAST_GAIN = 0.95;
/** Calls from one heat of the slower way to the next: scores change while a model is trained. It costs about a percent. */
const RETRY = 512;

/** Which of two ways to the same result is quicker: each gets a heat, and then the quicker one is preferred. */
export class Race {
  /** The latest. Their median counts: the garbage collector, or a thread that has to wait, delays some. */
  readonly #times: readonly [number[], number[]] = [[], []];
  #preferred: 0 | 1 = 0;
  #last: 0 | 1 | null = null;
  #calls = 0;

  /** The way to take now. `took()` is to be called once it has been taken. */
  next(): 0 | 1 {
    return this.#isHeatOfOther() ? this.#other : this.#preferred;
  }

  /** @param time in any unit */
  took(way: 0 | 1, time: number): void {
    const times = this.#times[way];
    if (way === this.#last) times.push(time);
    if (times.length === HEAT) times.shift();
    this.#last = way;
    const wasHeat = this.#isHeatOfOther();
    this.#calls++;
    if (!wasHeat || this.#isHeatOfOther()) return;
    if (median(this.#times[this.#other]) <= LEAST_GAIN * median(this.#times[this.#preferred])) {
      this.#preferred = this.#other;
    }
  }

  get #other(): 0 | 1 {
    return this.#preferred === 0 ? 1 : 0;
  }

  #isHeatOfOther(): boolean {
    const call = this.#calls;
    return call < RETRY ? call >= HEAT && call < 2 * HEAT : call % RETRY < HEAT;
  }
}

function median(times: readonly number[]): number {
  return times.slice().sort((a, b) => a - b)[times.length >> 1] as number;
}
