import { PAIR } from './layout.js';

/**
 * A label that another class outscores.
 *
 * @example
 * import { type Confusion, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[0.5, 0.25, 0], [0.25, 0.75, 0], [0.5, 0.75, 1]], [[1], [0], [0]]);
 * const worst: Confusion | undefined = evaluator.result().confusions?.[0];
 * worst; // => { label: 0, other: 1, rows: 2 }
 */
export interface Confusion {
  /** The class of the label, from 0. */
  label: number;
  /** The other class. */
  other: number;
  /** Number of rows that have the label, do not have the other class, and score the other class above the label. */
  rows: number;
}

/** Number of pairs that a result has. */
export const CONFUSIONS = 10;

/** @param numbers what WasmMetrics.confusions() returned */
export function toConfusions(numbers: Float64Array): Confusion[] {
  return Array.from({ length: numbers.length / PAIR.size }, (_, i) => {
    const at = (place: number): number => numbers[PAIR.size * i + place] as number;
    return { label: at(PAIR.label), other: at(PAIR.other), rows: at(PAIR.rows) };
  });
}
