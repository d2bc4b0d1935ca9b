// How often a class of some score is a label of its row.

import type { PrecisionRecallCurve } from 'multilabel-margin-loss/evaluate';

/** Scores from an edge up to before the next, or for the last one any above. */
export interface ScoreRange {
  from: number;
  to: number;
  /** Scores of all rows and classes that lie there: the sum of the weights of their rows. */
  scores: number;
  /** The part of these scores whose class is a label of the row. */
  labels: number;
}

const RANGES = 12;
/** Shares of the scores below where thresholds are drawn, and of those of labels above. */
export const OUTSIDE = { below: 0.5, above: 0.01 };

/**
 * Ranges of about one width. Their edges are thresholds of the curve, so that the counts are exact where scores were counted
 * in bins too. The first range has all scores below, and the last one all above.
 *
 * @param curve that of all scores together
 */
export function rangesOf({ thresholds, predicted, truePositives }: PrecisionRecallCurve): ScoreRange[] {
  const all = predicted[0];
  const positives = truePositives[0];
  if (all === undefined || positives === undefined) return [];
  const lowest = predicted.findIndex((count) => count <= (1 - OUTSIDE.below) * all);
  const highest = lastOf(truePositives, OUTSIDE.above * positives);
  const low = thresholds[Math.max(0, Math.min(lowest, highest))] as number;
  const high = thresholds[highest] as number;
  const edges = [0];
  for (let i = 1; i < RANGES; i++) {
    const wanted = low + ((high - low) * i) / RANGES;
    const at = thresholds.findIndex((threshold) => threshold >= wanted);
    if (at > (edges.at(-1) as number)) edges.push(at);
  }
  return edges.map((at, i) => {
    const next = edges[i + 1];
    const between = (counts: Float64Array): number =>
      (counts[at] as number) - (next === undefined ? 0 : (counts[next] as number));
    return {
      from: thresholds[at] as number,
      to: next === undefined ? (thresholds.at(-1) as number) : (thresholds[next] as number),
      scores: between(predicted),
      labels: between(truePositives),
    };
  });
}

/** The last place of a number that is at least as large, in a list that descends. */
export function lastOf(descending: Float64Array, least: number): number {
  const next = descending.findIndex((value) => value < least);
  return (next === -1 ? descending.length : next) - 1;
}
