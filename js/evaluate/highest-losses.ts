import type { FloatArray, IndexArray } from '../backend.js';

/**
 * A row of a high loss, and what was predicted for it.
 *
 * @example
 * import { Evaluator, type HighLoss } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[0.5, 0.25, 0.125, 1], [2, 0, 0, 0]], [[1], [0]], { source: 'rows.ndjson', firstRow: 1000 });
 * const highest: HighLoss | undefined = evaluator.result().highestLosses[0];
 * highest?.source; // => 'rows.ndjson'
 * highest?.row; // => 1000
 * highest?.labels; // => [1]
 * highest?.predictions[0]; // => { label: 3, score: 1 }
 */
export interface HighLoss {
  /** The `source` of the call of update() that added the row: the name of a file, say. */
  source: string;
  /** The number of the row in its source, from 0. */
  row: number;
  /** The multi-label margin loss of the row, under the options `loss`. */
  loss: number;
  /** The row's labels, ascending. */
  labels: number[];
  /** The classes of the highest scores, at most 5, without unknown ones, the highest first; of equal ones the lower class. */
  predictions: {
    /** The class, from 0. */
    label: number;
    /** The score that the row has for the label. */
    score: number;
  }[];
}

/** Number of rows that are kept. */
const ROWS = 20;
const PREDICTIONS = 5;

interface Batch {
  /** [rows, classes] */
  scores: FloatArray;
  /** [rows, width], padded with -1 */
  targets: IndexArray;
  /** [rows] */
  losses: FloatArray;
  width: number;
  /** [rows, unknownWidth], padded with -1; null for none */
  unknown: IndexArray | null;
  unknownWidth: number;
  firstRow: number;
  source: string;
}

/** The rows of the highest losses, the same in whatever order they come. */
export class HighestLosses {
  /** In the order of {@link compare}. */
  rows: readonly HighLoss[] = [];

  /** Rows with scores that are not finite are left out. */
  add({ scores, targets, losses, width, unknown, unknownWidth, firstRow, source }: Batch): void {
    const classes = losses.length === 0 ? 0 : scores.length / losses.length;
    for (let i = 0; i < losses.length; i++) {
      const loss = losses[i] as number;
      const last = this.rows[ROWS - 1];
      if (last !== undefined && loss < last.loss) continue;
      const row = firstRow + i;
      if (last !== undefined && compare({ loss, source, row }, last) >= 0) continue;
      const ofRow = scores.subarray(i * classes, (i + 1) * classes);
      if (!ofRow.every(Number.isFinite)) continue;
      const labels = [...classesOf(targets, i * width, width)].sort((a, b) => a - b);
      const leftOut = unknown === null ? new Set<number>() : classesOf(unknown, i * unknownWidth, unknownWidth);
      this.merge([{ source, row, loss, labels, predictions: highest(ofRow, leftOut) }]);
    }
  }

  merge(others: readonly HighLoss[]): void {
    this.rows = [...this.rows, ...others].sort(compare).slice(0, ROWS);
  }
}

/** The highest loss first; of equal ones, by source and row. */
function compare(a: Pick<HighLoss, 'loss' | 'source' | 'row'>, b: Pick<HighLoss, 'loss' | 'source' | 'row'>): number {
  if (a.loss !== b.loss) return b.loss > a.loss ? 1 : -1;
  if (a.source !== b.source) return a.source > b.source ? 1 : -1;
  return a.row - b.row;
}

/** The classes of a list, up to its first -1. */
function classesOf(list: IndexArray, begin: number, width: number): Set<number> {
  const classes = new Set<number>();
  for (let i = begin; i < begin + width; i++) {
    const label = Number(list[i]);
    if (label < 0) break;
    classes.add(label);
  }
  return classes;
}

function highest(scores: FloatArray, leftOut: ReadonlySet<number>): HighLoss['predictions'] {
  const found: HighLoss['predictions'] = [];
  for (let label = 0; label < scores.length; label++) {
    if (leftOut.has(label)) continue;
    const score = scores[label] as number;
    if (found.length === PREDICTIONS && score <= (found[PREDICTIONS - 1] as { score: number }).score) continue;
    let at = Math.min(found.length, PREDICTIONS - 1);
    for (; at > 0 && score > (found[at - 1] as { score: number }).score; at--) {
      found[at] = found[at - 1] as { label: number; score: number };
    }
    found[at] = { label, score };
  }
  return found;
}

/** The rows that {@link HighestLosses.rows} was in JSON, which has null for an infinite loss; or null if they are not. */
export function toHighLosses(json: unknown, classes: number): HighLoss[] | null {
  const isIndex = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  const isLabel = (value: unknown): boolean => isIndex(value) && (value as number) < classes;
  const isPrediction = (value: unknown): boolean => {
    const { label, score } = Object(value) as Record<string, unknown>;
    return isLabel(label) && Number.isFinite(score);
  };
  const isRow = (value: unknown): boolean => {
    const { source, row, loss, labels, predictions } = Object(value) as Record<string, unknown>;
    return (
      typeof source === 'string' &&
      isIndex(row) &&
      (loss === null || (typeof loss === 'number' && loss >= 0)) &&
      Array.isArray(labels) &&
      labels.length <= classes &&
      labels.every(isLabel) &&
      Array.isArray(predictions) &&
      predictions.length <= PREDICTIONS &&
      predictions.every(isPrediction)
    );
  };
  if (!Array.isArray(json) || json.length > ROWS || !json.every(isRow)) return null;
  return (json as HighLoss[]).map((row) => ({ ...row, loss: row.loss ?? Infinity }));
}
