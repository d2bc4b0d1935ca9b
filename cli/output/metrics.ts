import type { EvaluationResult } from 'multilabel-margin-loss/evaluate';

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

export function formatMetric(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(4);
}
