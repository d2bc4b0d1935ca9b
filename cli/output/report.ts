// evaluate --out: a page of one file with what was found.

import type { Comparison, EvaluationResult, Evaluator, HighLoss, LabelResult } from 'multilabel-margin-loss/evaluate';
import { version } from '../version.js';
import { classificationSection } from './classification.js';
import { barsOf, type Draw, marginsChart, precisionRecallChart } from './charts.js';
import { comparisonSections } from './comparison.js';
import { curvesSections } from './curves.js';
import {
  averagePrecisionNote,
  boundsOf,
  formatBounds,
  formatMetric,
  formatWhole,
  isBinned,
  knownMetrics,
} from './metrics.js';
import { labelName } from './names.js';
import {
  type Cell,
  type Column,
  escape,
  figure,
  MOST_LABELS,
  numberColumn,
  page,
  plainTable,
  sortableTable,
} from './page.js';

/** Labels of a row that a table names. */
const LABELS_OF_ROW = 12;

/** Files to name in the head of a report. */
const FILES = 10;

/** A model and what it was evaluated over. */
export interface Evaluation {
  /** The name of the model, or null. */
  model: string | null;
  /** The names of the files of scores. */
  files: readonly string[];
  evaluator: Evaluator;
  result: EvaluationResult;
}

/** Another model that a report puts beside its own. */
export interface Against {
  name: string;
  evaluator: Evaluator;
  result: EvaluationResult;
  /** The other model first. */
  comparison: Comparison;
}

export async function reportOf(own: Evaluation, against: Against | null, draw: Draw): Promise<string> {
  const { result, evaluator } = own;
  const name = nameOfModel(own);
  const others =
    against === null ? [] : [{ ...against, name: against.name === name ? `${name} (other)` : against.name }];
  const sections = [
    heading(own, against),
    await sectionsOf(result, draw, await curvesSections({ name, evaluator }, result, others, draw)),
  ];
  if (against !== null) {
    const { comparison } = against;
    sections.push(
      `<h1>${escape(name)} against ${escape(against.name)}</h1>
<p>First: ${escape(against.name)}. Second: ${escape(name)}. The same ${formatWhole(comparison.rows)} rows.</p>
${comparisonSections({ files: [against.name, name], results: [against.result, result], comparison })}`,
    );
  }
  return page(`Evaluation report: ${name}`, sections.join('\n'));
}

function nameOfModel({ model, files: [first, ...more] }: Evaluation): string {
  return model ?? (first === undefined ? 'no files' : more.length === 0 ? first : `${first} and ${more.length} more`);
}

/**
 * The sections of a result, under headings of the second level.
 *
 * @param curves a section that comes among them
 */
export async function sectionsOf(result: EvaluationResult, draw: Draw, curves = ''): Promise<string> {
  const sections = [
    metricsSection(result),
    await marginsSection(result, draw),
    await atKSection(result, draw),
    classificationSection(result),
    curves,
    confusionsSection(result),
    labelsSection(result),
    rowsSection(result),
  ];
  return sections.filter((section) => section !== '').join('\n');
}

function heading(own: Evaluation, against: Against | null): string {
  const { result, files, evaluator } = own;
  const { k, loss, nonFinite } = evaluator.toJSON();
  const names = files.slice(0, FILES).join(', ');
  const about: [string, string][] = [
    ['model', nameOfModel(own)],
    ...(against === null ? [] : [['against', against.name] as [string, string]]),
    ['files', files.length > FILES ? `${names} and ${formatWhole(files.length - FILES)} more` : names],
    [
      'options',
      `k ${k.join(', ')}; margin ${loss.margin}, normalization ${loss.normalization}, target order ${loss.targetOrder}; ` +
        `rows with scores that are not finite: ${nonFinite === 'skip' ? 'skipped' : 'refused'}`,
    ],
    ['made', `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC by multilabel-margin-loss ${version()}`],
  ];
  const facts: [string, number][] = [
    ['rows', result.rows],
    ['classes', result.classes],
    ['without labels', result.rowsWithoutLabels],
    ['with all labels', result.rowsWithAllLabels],
    ['with ties', result.rowsWithTies],
    ['skipped', result.rowsSkipped],
  ];
  return `<h1>Evaluation report</h1>
<p class="quiet">Multi-label classification: loss and ranking metrics, from the scores of all classes in each row.</p>
<dl class="about">${about.map(([name, value]) => `<div><dt>${name}</dt><dd>${escape(value)}</dd></div>`).join('')}</dl>
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${formatWhole(value)}</dd></div>`).join('')}</dl>`;
}

function metricsSection(result: EvaluationResult): string {
  const binned = isBinned(result);
  const rows = knownMetrics(result).map(([metric, name, better]) => [
    name,
    formatMetric(result[metric]),
    ...(binned ? formatBounds(boundsOf(result, metric)) : []),
    better,
  ]);
  const note = averagePrecisionNote(result);
  const bounds = binned ? ['low', 'high'].map(numberColumn) : [];
  const columns: Column[] = [{ name: 'metric' }, numberColumn('value'), ...bounds, { name: 'better' }];
  return `<h2>Metrics</h2>\n${plainTable('Metrics', columns, rows)}\n${note === null ? '' : `<p class="quiet">${note}</p>`}`;
}

async function marginsSection({ margins, rows }: EvaluationResult, draw: Draw): Promise<string> {
  if (margins.length === 0) return '';
  const count = (bins: readonly { rows: number }[]): number => bins.reduce((sum, bin) => sum + bin.rows, 0);
  const all = count(margins);
  const outscored = count(margins.filter(({ from }) => from < 0));
  const { bars, beyond } = barsOf(margins);
  const share = `${formatWhole(outscored)} of ${formatWhole(all)} rows (${((100 * outscored) / all).toFixed(1)} %)`;
  const drawing = await marginsChart(draw, bars, `Histogram of margins. They are below 0 in ${share}.`);
  const notes = [
    beyond > 0 ? ` ${formatWhole(beyond)} rows beyond the axis are in the outermost bars.` : '',
    all < rows ? ` The other ${formatWhole(rows - all)} rows have no label or all, and so no margin.` : '',
  ];
  return `<h2>Margins</h2>
<p>The margin of a row is the lowest score of its labels minus the highest score of another class. Where it is above 0, all
labels rank before all others. It is below 0 in <strong>${share}</strong>.</p>
${figure(drawing, `Number of rows by margin.${notes.join('')}`)}`;
}

async function atKSection({ at }: EvaluationResult, draw: Draw): Promise<string> {
  const entries = Object.entries(at);
  if (entries.length === 0 || Number.isNaN(entries[0]?.[1].precision)) return '';
  const columns: Column[] = [{ name: 'k' }, ...['precision', 'recall', 'nDCG'].map(numberColumn)];
  const rows = entries.map(([k, { precision, recall, ndcg }]) => [k, ...[precision, recall, ndcg].map(formatMetric)]);
  const drawing = await precisionRecallChart(draw, at, 'Precision and recall at k: the table below has the numbers.');
  const caption =
    'Precision at k: labels of the row among the first k classes, over k. Recall at k: over its number of labels.';
  return `<h2>Precision and recall at k</h2>
${figure(drawing, caption)}
${plainTable('Precision, recall and nDCG at k', columns, rows)}`;
}

function confusionsSection({ confusions, perLabel, labels, classes, rankingMissing }: EvaluationResult): string {
  if (classes === 0 || rankingMissing !== null) return '';
  const heading = '<h2>Labels that are outscored</h2>';
  if (confusions === null) {
    return `${heading}
<p>Left out: pairs are counted for up to 4,096 classes. There are ${formatWhole(classes)} classes.</p>`;
  }
  if (confusions.length === 0) return '';
  const rows = confusions.map(({ label, other, rows: count }) => {
    const support = perLabel[label]?.support ?? 0;
    return [
      escape(labelName(labels, label)),
      escape(labelName(labels, other)),
      formatWhole(count),
      formatWhole(support),
      formatMetric(count / support),
    ];
  });
  const columns: Column[] = [{ name: 'label' }, { name: 'outscored by' }, ...['rows', 'of', 'share'].map(numberColumn)];
  return `${heading}
<p>The ten pairs that are in the wrong order in the most rows: rows that have the label and not the other class, and score the
other class higher. Equal scores do not count. Beside them is the number of rows that have the label.</p>
${plainTable('Labels that are outscored', columns, rows)}`;
}

function labelsSection(result: EvaluationResult): string {
  const { perLabel, classes, labels } = result;
  const binned = isBinned(result);
  if (perLabel.length === 0) return '';
  // NaN, of no rows, and labels that no row has come last.
  const rank = ({ support, averagePrecision }: LabelResult): number =>
    support === 0 ? Infinity : (averagePrecision ?? 0);
  const worst = [...perLabel].sort((a, b) => Math.sign(rank(a) - rank(b)) || a.label - b.label).slice(0, MOST_LABELS);
  const metric = (value: number | null, support: number): Cell =>
    support === 0 ? { html: '-', value: null } : { html: formatMetric(value), value };
  const rows = worst.map(({ label, support, meanRank, averagePrecision, averagePrecisionBounds }): Cell[] => [
    { html: String(label), value: label },
    ...(labels === null ? [] : [{ html: escape(labelName(labels, label)) }]),
    { html: formatWhole(support), value: support },
    meanRank === null ? { html: '-', value: null } : { html: meanRank.toFixed(2), value: meanRank },
    metric(averagePrecision, support),
    ...(binned
      ? [metric(averagePrecisionBounds?.low ?? null, support), metric(averagePrecisionBounds?.high ?? null, support)]
      : []),
  ]);
  const columns: Column[] = [
    numberColumn('label'),
    ...(labels === null ? [] : [{ name: 'name', kind: 'name' } as const]),
    ...['rows', 'mean rank', 'average precision', ...(binned ? ['low', 'high'] : [])].map(numberColumn),
  ];
  const which =
    worst.length < classes
      ? `The ${formatWhole(worst.length)} of ${formatWhole(classes)} labels that have the lowest average precision. `
      : '';
  return `<h2>Labels</h2>
<p>${which}The worst come first. A click on a heading sorts by that column, a second one the other way round.</p>
<div class="tall">${sortableTable('Labels', columns, rows, labels === null ? 3 : 4)}</div>`;
}

function rowsSection({ highestLosses, labels: names }: EvaluationResult): string {
  if (highestLosses.length === 0) return '';
  const hasSource = highestLosses.some(({ source }) => source !== '');
  const rows = highestLosses.map(({ source, row, loss, labels, predictions }) => [
    formatWhole(row),
    ...(hasSource ? [escape(source)] : []),
    formatMetric(loss),
    labelsOf(labels, names),
    predictionsOf(predictions, labels, names),
  ]);
  const columns: Column[] = [
    { name: 'row' },
    ...(hasSource ? [{ name: 'file' }] : []),
    { name: 'loss', kind: 'number' },
    { name: 'labels' },
    { name: 'highest scores', kind: 'long' },
  ];
  return `<h2>Rows of the highest loss</h2>
<p>Rows are counted from 0 in their file. A prediction that is a label of the row is marked ✓.</p>
${plainTable('Rows of the highest loss', columns, rows)}`;
}

function labelsOf(labels: readonly number[], names: EvaluationResult['labels']): string {
  const more = labels.length - LABELS_OF_ROW;
  const shown = labels.slice(0, LABELS_OF_ROW).map((label) => escape(labelName(names, label)));
  return shown.join(', ') + (more > 0 ? ` and ${formatWhole(more)} more` : '');
}

function predictionsOf(
  predictions: HighLoss['predictions'],
  labels: readonly number[],
  names: EvaluationResult['labels'],
): string {
  return predictions
    .map(({ label, score }) => {
      const text = `${escape(labelName(names, label))}&nbsp;(${Number(score.toPrecision(3))})`;
      return labels.includes(label) ? `<span class="right">✓&nbsp;${text}</span>` : text;
    })
    .join(', ');
}
