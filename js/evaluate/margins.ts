import { MARGINS } from './layout.js';

/**
 * Rows whose margins lie between two edges.
 *
 * @example
 * import { Evaluator, type MarginBin } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[1, 0.5, 0], [0, 0.25, 0.5]], [[0], [0]]);
 * const bins: MarginBin[] = evaluator.result().margins;
 * bins; // => [{ from: -0.53125, to: -0.5, rows: 1 }, { from: 0.5, to: 0.53125, rows: 1 }]
 */
export interface MarginBin {
  /** The lower edge; -Infinity of the bin of all below -2^16. */
  from: number;
  /** The upper edge; Infinity of the bin of all from 2^16 on. */
  to: number;
  /** Number of rows. The edge nearer to 0 belongs to the bin. */
  rows: number;
}

const { stepsPerPowerOfTwo, least } = MARGINS;

/**
 * The bins that are not empty, ascending.
 *
 * @param counts the rows in the bins from 0 on, away from 0, and then in those below 0
 */
export function toMarginBins(counts: Float64Array): MarginBin[] {
  const size = counts.length / 2;
  const edge = (bin: number): number =>
    bin === 0
      ? 0
      : least *
        2 ** Math.floor((bin - 1) / stepsPerPowerOfTwo) *
        (1 + ((bin - 1) % stepsPerPowerOfTwo) / stepsPerPowerOfTwo);
  const outer = (bin: number): number => (bin === size - 1 ? Infinity : edge(bin + 1));
  const bins: MarginBin[] = [];
  for (let bin = size - 1; bin >= 0; bin--)
    bins.push({ from: -outer(bin), to: -edge(bin) || 0, rows: counts[size + bin] as number });
  for (let bin = 0; bin < size; bin++) bins.push({ from: edge(bin), to: outer(bin), rows: counts[bin] as number });
  return bins.filter(({ rows }) => rows > 0);
}
