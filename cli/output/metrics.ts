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
