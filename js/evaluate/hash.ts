/**
 * A hash of 64 bits over text, for telling what differs and not against attack. Each step is a bijection of the state for
 * any character, and of the character for any state, so that texts which differ in one character never have one hash.
 */
export class Hash {
  #low = 0x2545f491;
  #high = 0x6c62272e;

  add(text: string): void {
    let low = this.#low;
    let high = this.#high;
    for (let i = 0; i < text.length; i++) {
      const character = text.charCodeAt(i);
      low = Math.imul(low ^ character, 0x85ebca6b);
      low = (low << 13) | (low >>> 19);
      high = Math.imul(high ^ character, 0xc2b2ae35);
      high = (high << 17) | (high >>> 15);
    }
    this.#low = low;
    this.#high = high;
  }

  /** The lower and the upper half. */
  halves(): [low: number, high: number] {
    const low = mix(this.#low);
    return [low, mix(this.#high ^ low)];
  }
}

/** The lower and the upper half of the hash of what a row is known by. */
export function hashOfId(id: string | number | bigint): [low: number, high: number] {
  const hash = new Hash();
  hash.add(String(id));
  return hash.halves();
}

/** The finaliser of MurmurHash3 (Appleby): every bit of the result depends on every bit of the number. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
