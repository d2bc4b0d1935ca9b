/** The axis of scores: its ends, and numbers along it. */

export type Range = readonly [from: number, to: number];

const MOST_TICKS = 8;

/** @returns ends at ticks, a little beyond the values */
export function rangeFor(values: readonly number[]): Range {
  const least = Math.min(...values, -1);
  const most = Math.max(...values, 1);
  const step = stepOf(most - least);
  return [Math.floor(least / step - 0.1) * step, Math.ceil(most / step + 0.1) * step];
}

export function ticksOf([from, to]: Range): number[] {
  const step = stepOf(to - from);
  return Array.from({ length: Math.floor((to - from) / step + 1.001) }, (_, i) => Number((from + i * step).toFixed(6)));
}

/** In percent of the axis; values beyond its ends are at them. */
export function percentOf(value: number, [from, to]: Range): number {
  return Math.max(0, Math.min(100, ((value - from) / (to - from)) * 100));
}

/** 1, 2 or 5 times a power of ten. */
function stepOf(length: number): number {
  const power = 10 ** Math.floor(Math.log10(length / MOST_TICKS));
  return power * ([1, 2, 5].find((factor) => length / (power * factor) <= MOST_TICKS) ?? 10);
}
