// The metrics of predicted labels, as text and as a section of a report.

import type {
  ClassificationMetrics,
  ClassificationResult,
  EvaluationResult,
  LabelClassification,
} from 'multilabel-margin-loss/evaluate';
import { formatMetric, formatWhole } from './metrics.js';
import { labelName } from './names.js';
import { type Column, escape, MOST_LABELS, numberColumn, plainTable, sortableTable } from './page.js';

const AVERAGES = ['micro', 'macro', 'weighted', 'samples'] as const;

/** The names of the metrics, and how to get them, in the order of tables. */
export function columnsOf(beta: number | null): [name: string, metric: keyof ClassificationMetrics][] {
  return [
    ['precision', 'precision'],
    ['recall', 'recall'],
    ['F1', 'f1'],
    ...(beta === null ? [] : [[`F${beta}`, 'fBeta'] as [string, 'fBeta']]),
    ['Jaccard', 'jaccard'],
  ];
}

/** Which labels are predicted, in words. */
function ruleOf({ thresholds, k }: ClassificationResult): string {
  const most = k === null ? '' : `the ${formatWhole(k)} highest scores of a row`;
  if (thresholds === null) return most;
  const reached =
    typeof thresholds === 'number' ? `scores of at least ${thresholds}` : 'scores of at least their own threshold';
  return k === null ? reached : `${reached}, ${formatWhole(k)} of a row at most`;
}

export function classificationLines(result: ClassificationResult): string[] {
  const columns = columnsOf(result.beta);
  const lines = [
    `Predicted labels: ${ruleOf(result)}`,
    `${''.padStart(10)}${columns.map(([name]) => name.padStart(11)).join('')}`,
  ];
  for (const average of AVERAGES) {
    const cells = columns.map(([, metric]) => formatMetric(result[average][metric]).padStart(11));
    lines.push(average.padStart(10) + cells.join(''));
  }
  lines.push(
    `Hamming loss ${formatMetric(result.hammingLoss)}, subset accuracy ${formatMetric(result.subsetAccuracy)}`,
  );
  return lines;
}

export function classificationSection({ classification: result, labels }: EvaluationResult): string {
  if (result === null || result.perLabel.length === 0) return '';
  const columns = columnsOf(result.beta);
  const averages = AVERAGES.map((average) => [
    average,
    ...columns.map(([, metric]) => formatMetric(result[average][metric])),
  ]);
  const { thresholds } = result;
  const worst = [...result.perLabel].sort((a, b) => a.f1 - b.f1 || a.label - b.label).slice(0, MOST_LABELS);
  const number = (value: number | null, text: string) => ({ html: value === null ? '-' : text, value });
  const rows = worst.map((label: LabelClassification) => [
    number(label.label, String(label.label)),
    ...(labels === null ? [] : [{ html: escape(labelName(labels, label.label)) }]),
    ...(Array.isArray(thresholds)
      ? [number(thresholds[label.label] ?? null, String(Number(thresholds[label.label]?.toPrecision(4))))]
      : []),
    number(label.support, formatWhole(label.support)),
    number(label.predicted, formatWhole(label.predicted)),
    ...columns.map(([, metric]) => number(label[metric], formatMetric(label[metric]))),
  ]);
  const keys: Column[] = [numberColumn('label'), ...(labels === null ? [] : [{ name: 'name', kind: 'name' } as const])];
  const names = [...(Array.isArray(thresholds) ? ['threshold'] : []), 'rows', 'predicted'];
  const which =
    worst.length < result.perLabel.length
      ? ` The ${formatWhole(worst.length)} of ${formatWhole(result.perLabel.length)} labels that have the lowest F1.`
      : '';
  return `<h2>Predicted labels</h2>
<p>Predicted are ${ruleOf(result)}. Hamming loss ${formatMetric(result.hammingLoss)}, subset accuracy
${formatMetric(result.subsetAccuracy)}.</p>
${plainTable('Metrics of predicted labels', [{ name: 'average' }, ...columns.map(([name]) => numberColumn(name))], averages)}
<p>The labels of the lowest F1 come first.${which}</p>
<div class="tall">${sortableTable(
    'Predictions of labels',
    [...keys, ...[...names, ...columns.map(([name]) => name)].map(numberColumn)],
    rows,
    keys.length + names.length + 2,
  )}</div>`;
}
