import type { Bounds, EvaluationResult } from 'multilabel-margin-loss/evaluate';

/** The metrics of all rows, in the order of tables: their names, and which way is better. */
export const METRICS = [
  ['loss', 'multi-label margin loss', 'lower'],
  ['rankingLoss', 'ranking loss', 'lower'],
  ['coverageError', 'coverage error', 'lower'],
  ['labelRankingAveragePrecision', 'label ranking average precision', 'higher'],
  ['oneError', 'one-error', 'lower'],
  ['meanReciprocalRank', 'mean reciprocal rank', 'higher'],
  ['macroAveragePrecision', 'macro average precision', 'higher'],
  ['microAveragePrecision', 'micro average precision', 'higher'],
] as const satisfies readonly (readonly [keyof EvaluationResult, string, 'lower' | 'higher'])[];

export function formatWhole(value: number): string {
  return value.toLocaleString('en-US');
}

export function formatMetric(value: number | null): string {
  return value === null || Number.isNaN(value) ? '-' : value.toFixed(4);
}

/** What is known of the average precisions that were counted in bins, or why there are none; null where they are exact. */
export function averagePrecisionNote(result: EvaluationResult): string | null {
  const { macroAveragePrecisionBounds: macro, microAveragePrecisionBounds: micro } = result;
  if (macro === null || micro === null) return result.averagePrecisionMissing;
  if (!(macro.low < macro.high || micro.low < micro.high)) return null;
  const between = ({ low, high }: Bounds): string => `between ${formatMetric(low)} and ${formatMetric(high)}`;
  return `Scores were counted in bins: macro average precision is ${between(macro)}, micro ${between(micro)}.`;
}

/** Bounds of an average precision that lie further apart than this are worth a warning. */
const WIDE = 0.005;

/** That the bounds of average precisions are wide, and what makes them exact; null where they are not. */
export function precisionWarning(result: EvaluationResult): string | null {
  const isWide = (bounds: Bounds | null): boolean => bounds !== null && bounds.high - bounds.low > WIDE;
  const labels = result.perLabel.filter(({ averagePrecisionBounds }) => isWide(averagePrecisionBounds)).length;
  const names = [
    ...(isWide(result.macroAveragePrecisionBounds) ? ['macro average precision'] : []),
    ...(isWide(result.microAveragePrecisionBounds) ? ['micro average precision'] : []),
    ...(labels > 0 ? [`the average precision of ${formatWhole(labels)} labels`] : []),
  ];
  if (names.length === 0) return null;
  return `the bounds of ${names.join(', ')} are more than ${WIDE} apart: evaluate --exact gives exact values`;
}
