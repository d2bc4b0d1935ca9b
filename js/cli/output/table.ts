import type { EvaluationResult } from '../../evaluate/index.js';

/** Labels to list, those of the lowest average precision. */
const LABELS = 5;

/** The metrics as text for a terminal. */
export function toTable(result: EvaluationResult): string {
  const { rows, classes, perLabel, at } = result;
  const lines = [
    `${whole(rows)} rows of ${whole(classes)} classes; without labels ${whole(result.rowsWithoutLabels)}, with all labels ` +
      `${whole(result.rowsWithAllLabels)}, with ties ${whole(result.rowsWithTies)}, skipped ${whole(result.rowsSkipped)}`,
    '',
  ];
  const metrics: [string, number][] = [
    ['multi-label margin loss', result.loss],
    ['ranking loss', result.rankingLoss],
    ['coverage error', result.coverageError],
    ['label ranking average precision', result.labelRankingAveragePrecision],
    ['one-error', result.oneError],
    ['mean reciprocal rank', result.meanReciprocalRank],
    ['macro average precision', result.macroAveragePrecision],
    ['micro average precision', result.microAveragePrecision],
  ];
  for (const [name, value] of metrics) lines.push(name.padEnd(33) + number(value).padStart(10));
  if (result.averagePrecisionResolution > 0) {
    lines.push(`(average precisions of scores rounded to ${result.averagePrecisionResolution} of their power of two)`);
  }
  const ks = Object.entries(at);
  if (ks.length > 0) {
    lines.push('', `${'k'.padStart(10)}${['precision', 'recall', 'nDCG'].map((name) => name.padStart(11)).join('')}`);
    for (const [k, { precision, recall, ndcg }] of ks) {
      lines.push(k.padStart(10) + [precision, recall, ndcg].map((value) => number(value).padStart(11)).join(''));
    }
  }
  const worst = perLabel
    .filter(({ support }) => support > 0)
    .sort((a, b) => a.averagePrecision - b.averagePrecision || a.label - b.label)
    .slice(0, LABELS);
  if (worst.length > 0) {
    lines.push('', 'Labels of the lowest average precision:');
    lines.push(['label', 'rows', 'mean rank', 'AP'].map((name, i) => name.padStart(i === 0 ? 10 : 11)).join(''));
    for (const { label, support, meanRank, averagePrecision } of worst) {
      const cells = [whole(support), (meanRank as number).toFixed(2), number(averagePrecision)];
      lines.push(String(label).padStart(10) + cells.map((cell) => cell.padStart(11)).join(''));
    }
  }
  return lines.join('\n');
}

function whole(value: number): string {
  return value.toLocaleString('en-US');
}

function number(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(4);
}
