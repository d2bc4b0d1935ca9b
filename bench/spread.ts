/** Several turns are reported by their median and quartiles. */

/**
 * The middle of the turns, and the quartiles around it: half of the turns lie between them. Of fewer than four turns, the
 * lowest and the highest.
 */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const last = sorted.length - 1;
  const quarter = sorted.length >> 2;
  return { median: sorted[sorted.length >> 1]!, low: sorted[quarter]!, high: sorted[last - quarter]! };
}

export const median = (values: readonly number[]): number => spreadOf(values).median;
