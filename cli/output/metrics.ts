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

/** The metrics that are known: all, or where only the highest scores of rows are, one-error. */
export function knownMetrics({
  rankingMissing,
}: Pick<EvaluationResult, 'rankingMissing'>): readonly (typeof METRICS)[number][] {
  return rankingMissing === null ? METRICS : METRICS.filter(([metric]) => metric === 'oneError');
}

/** Which metrics are left out, and why; null where none is. */
export function rankingNote({ rankingMissing }: Pick<EvaluationResult, 'rankingMissing'>): string | null {
  if (rankingMissing === null) return null;
  const names = METRICS.filter(([metric]) => metric !== 'oneError').map(([, name]) => name);
  return `Left out are ${names.join(', ')}: ${rankingMissing}.`;
}

/** A whole number with commas. `toLocaleString` takes a tenth of a second at first. */
export function formatWhole(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function formatMetric(value: number | null): string {
  return value === null || Number.isNaN(value) ? '-' : value.toFixed(4);
}

/** Whether average precisions were counted in bins, so that `low` and `high` differ from the value. */
export function isBinned({
  macroAveragePrecisionBounds,
  microAveragePrecisionBounds,
  perLabel,
}: EvaluationResult): boolean {
  const differ = (bounds: Bounds | null): boolean => bounds !== null && bounds.low < bounds.high;
  return (
    differ(macroAveragePrecisionBounds) ||
    differ(microAveragePrecisionBounds) ||
    perLabel.some(({ averagePrecisionBounds }) => differ(averagePrecisionBounds))
  );
}

/** The bounds of a metric of all rows, or null for one that is not counted in bins. */
export function boundsOf(result: EvaluationResult, metric: (typeof METRICS)[number][0]): Bounds | null {
  if (metric === 'macroAveragePrecision') return result.macroAveragePrecisionBounds;
  return metric === 'microAveragePrecision' ? result.microAveragePrecisionBounds : null;
}

/** `low` and `high` for a table. */
export function formatBounds(bounds: Bounds | null): [low: string, high: string] {
  return bounds === null ? ['', ''] : [formatMetric(bounds.low), formatMetric(bounds.high)];
}

/** How far average precisions can be trusted, or why there are none; null where they are exact. */
export function averagePrecisionNote(result: EvaluationResult): string | null {
  if (result.rankingMissing !== null) return rankingNote(result);
  if (result.averagePrecisionMissing !== null) return result.averagePrecisionMissing;
  return isBinned(result) ? 'Scores were counted in bins: the exact average precision is between low and high.' : null;
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
