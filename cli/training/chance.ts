// Chance with a seed: the same on every machine.

import { uniform } from './uniform.js';

export function shuffled<T>(items: Iterable<T>, random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

/** In [0, 1), by a row's number alone: the same share of rows every time, whatever the seed. */
export function shareOf(row: number): number {
  return uniform(Math.imul(row, 0x9e3779b1))();
}
