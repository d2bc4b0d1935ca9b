import type { Bounds, EvaluationResult } from 'multilabel-margin-loss/evaluate';
import { classificationLines } from './classification.js';
import { nameCell } from './names.js';
import {
  averagePrecisionNote,
  boundsOf,
  formatBounds,
  formatMetric,
  formatWhole,
  isBinned,
  knownMetrics,
} from './metrics.js';

/** Labels to list, those of the lowest average precision. */
const LABELS = 5;

/** The metrics as text for a terminal. */
export function toTable(result: EvaluationResult): string {
  const { rows, classes, perLabel, at, labels } = result;
  const lines = [
    `${formatWhole(rows)} rows of ${formatWhole(classes)} classes; without labels ${formatWhole(result.rowsWithoutLabels)}, with all labels ` +
      `${formatWhole(result.rowsWithAllLabels)}, with ties ${formatWhole(result.rowsWithTies)}, skipped ${formatWhole(result.rowsSkipped)}`,
    '',
  ];
  const binned = isBinned(result);
  const cellsOf = (bounds: Bounds | null): string[] => (binned ? formatBounds(bounds) : []);
  if (binned) lines.push(['value', 'low', 'high'].map((name, i) => name.padStart(i === 0 ? 43 : 11)).join(''));
  for (const [metric, name] of knownMetrics(result)) {
    const cells = cellsOf(boundsOf(result, metric)).map((cell) => cell.padStart(11));
    lines.push((name.padEnd(33) + formatMetric(result[metric]).padStart(10) + cells.join('')).trimEnd());
  }
  const note = averagePrecisionNote(result);
  if (note !== null) lines.push(...(note.match(/.{1,110}(?: |$)/g) ?? []).map((line) => line.trimEnd()));
  const ks = Object.entries(at);
  if (ks.length > 0) {
    lines.push('', `${'k'.padStart(10)}${['precision', 'recall', 'nDCG'].map((name) => name.padStart(11)).join('')}`);
    for (const [k, { precision, recall, ndcg }] of ks) {
      lines.push(k.padStart(10) + [precision, recall, ndcg].map((value) => formatMetric(value).padStart(11)).join(''));
    }
  }
  if (result.classification !== null) lines.push('', ...classificationLines(result.classification));
  const worst = perLabel
    .filter(({ support, averagePrecision }) => support > 0 && averagePrecision !== null)
    .sort((a, b) => (a.averagePrecision ?? 0) - (b.averagePrecision ?? 0) || a.label - b.label)
    .slice(0, LABELS);
  if (worst.length > 0) {
    lines.push('', 'Labels of the lowest average precision:');
    const names = ['label', 'rows', 'mean rank', 'AP', ...(binned ? ['low', 'high'] : [])];
    lines.push(names.map((name, i) => name.padStart(i === 0 ? 10 : 11)).join('') + nameCell(labels && ['name'], 0));
    for (const { label, support, meanRank, averagePrecision, averagePrecisionBounds } of worst) {
      const cells = [
        formatWhole(support),
        (meanRank as number).toFixed(2),
        formatMetric(averagePrecision),
        ...cellsOf(averagePrecisionBounds),
      ];
      lines.push(
        String(label).padStart(10) + cells.map((cell) => cell.padStart(11)).join('') + nameCell(labels, label),
      );
    }
  }
  return lines.join('\n');
}
