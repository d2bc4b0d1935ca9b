// Two models side by side, as text and as a page.

import { LossError } from 'multilabel-margin-loss/loss';
import type {
  ComparedLabel,
  ComparedMetric,
  CompareOptions,
  Comparison,
  Estimate,
  EvaluationResult,
  Evaluator,
  LabelDifference,
  MetricsAtK,
} from 'multilabel-margin-loss/evaluate';
import { columnsOf } from './classification.js';
import { formatMetric, formatWhole, knownMetrics, rankingNote } from './metrics.js';
import { labelName, nameCell } from './names.js';
import { type Cell, type Column, escape, MOST_LABELS, page, plainTable, sortableTable } from './page.js';

/** Labels to list in a terminal. */
const FEW_LABELS = 10;

export interface Compared {
  files: readonly [first: string, second: string];
  results: readonly [first: EvaluationResult, second: EvaluationResult];
  comparison: Comparison;
}

interface Line {
  metric: string;
  first: string;
  second: string;
  difference: string;
  /** Whether the second model is better or worse, where the interval of the difference excludes 0. */
  verdict: string;
}

const AT_K = [
  ['precision', 'precision'],
  ['recall', 'recall'],
  ['ndcg', 'nDCG'],
] as const satisfies readonly (readonly [keyof MetricsAtK, string])[];

function linesOf({ results: [first, second], comparison }: Compared): Line[] {
  const lines = knownMetrics(comparison).map(([metric, name, better]): Line => {
    const compared = (comparison.metrics as Partial<Record<typeof metric, ComparedMetric>>)[metric];
    if (compared !== undefined) return lineOf(name, compared, better);
    // An average precision.
    const difference = first[metric] === null || second[metric] === null ? Number.NaN : second[metric] - first[metric];
    return {
      metric: name,
      first: formatMetric(first[metric]),
      second: formatMetric(second[metric]),
      difference: signed(difference),
      verdict: '',
    };
  });
  for (const [k, at] of Object.entries(comparison.at)) {
    for (const [metric, name] of AT_K) lines.push(lineOf(`${name} at ${k}`, at[metric], 'higher'));
  }
  const { classification } = comparison;
  if (classification !== null) {
    for (const average of ['micro', 'samples'] as const) {
      for (const [name, metric] of columnsOf(first.classification?.beta ?? null)) {
        const compared = classification[average][metric];
        if (compared !== null) lines.push(lineOf(`${average} ${name}`, compared, 'higher'));
      }
    }
    lines.push(lineOf('Hamming loss', classification.hammingLoss, 'lower'));
    lines.push(lineOf('subset accuracy', classification.subsetAccuracy, 'higher'));
  }
  return lines;
}

function lineOf(metric: string, { first, second, difference }: ComparedMetric, better: 'lower' | 'higher'): Line {
  return {
    metric,
    first: withInterval(first, formatMetric),
    second: withInterval(second, formatMetric),
    difference: withInterval(difference, signed),
    verdict: verdictOf(difference, better),
  };
}

/** Which way a difference goes whose interval excludes 0. */
function verdictOf({ low, high }: Pick<Estimate, 'low' | 'high'>, better: 'lower' | 'higher'): string {
  const isHigher = low !== null && low > 0;
  const differs = isHigher || (high !== null && high < 0);
  return differs ? (isHigher === (better === 'higher') ? 'better' : 'worse') : '';
}

/** Labels are sorted by this verdict: it is that of F1, or without predictions that of the mean rank. */
function verdictOfLabel({ f1, meanRank }: ComparedLabel): string {
  return f1 === null ? verdictOf(meanRank, 'lower') : verdictOf(f1, 'higher');
}

/** The library's comparison, whose advice is given in the words of the command. */
export function compareRows(first: Evaluator, second: Evaluator, options: CompareOptions): Comparison {
  try {
    return first.compare(second, options);
  } catch (error) {
    if (error instanceof LossError) error.message = error.message.replace('(rowIds)', '(--row-id)');
    throw error;
  }
}

function labelDifference({ difference, low, high }: LabelDifference): string {
  return difference === null ? '-' : withInterval({ value: difference, low, high }, signed);
}

/** Which metrics of predicted labels are not compared, and why, in a sentence; null for none. */
function predictionsNote({ results: [first, second] }: Compared): string | null {
  const [one, other] = [first.classification, second.classification];
  if (one === null || other === null) return null;
  const leftOut = (what: string, option: string, values: readonly (number | null)[]): string =>
    `${what} left out: --${option} was ${values.map((value) => value ?? 'not given').join(' for the first model, and ')} for the second.`;
  if (one.zeroDivision !== other.zeroDivision) {
    return leftOut('Metrics of predicted labels are', 'zero-division', [one.zeroDivision, other.zeroDivision]);
  }
  return one.beta === other.beta ? null : leftOut('F-beta is', 'beta', [one.beta, other.beta]);
}

/** How many labels got better and worse, and why there are no intervals, in a sentence. */
function labelsNote({ perLabel, level, labelIntervalsMissing, classification }: Comparison): string {
  if (labelIntervalsMissing !== null) return `No intervals of labels: ${labelIntervalsMissing}.`;
  const count = (verdict: string): number => perLabel.filter((label) => verdictOfLabel(label) === verdict).length;
  return (
    `By ${classification === null ? 'mean rank' : 'F1'}: ${formatWhole(count('better'))} better, ` +
    `${formatWhole(count('worse'))} worse; intervals of ${percentOf(level)} that hold for all labels at once.`
  );
}

function labelLines({ perLabel, labels }: Comparison, note: string): string[] {
  const shown = perLabel.filter(({ support }) => support > 0).slice(0, FEW_LABELS);
  if (shown.length === 0) return [];
  const hasF1 = shown[0]?.f1 !== null;
  const rows = [
    ['label', 'rows', 'AP', 'mean rank', ...(hasF1 ? ['F1'] : []), ''],
    ...shown.map((label) => [
      String(label.label),
      formatWhole(label.support),
      labelDifference(label.averagePrecision),
      labelDifference(label.meanRank),
      ...(label.f1 === null ? [] : [labelDifference(label.f1)]),
      verdictOfLabel(label),
    ]),
  ];
  const widths = (rows[0] as string[]).map(
    (_, column) => Math.max(...rows.map((row) => (row[column] as string).length)) + 2,
  );
  return [
    '',
    `Labels that differ most, second - first. ${note}`,
    ...rows.map((row, i) => {
      const name = i === 0 ? nameCell(labels && ['name'], 0) : nameCell(labels, (shown[i - 1] as ComparedLabel).label);
      return (row.map((cell, column) => cell.padEnd(widths[column] as number)).join('') + name).trimEnd();
    }),
  ];
}

function withInterval({ value, low, high }: Estimate, format: (value: number) => string): string {
  return low === null || high === null ? format(value) : `${format(value)} [${format(low)}, ${format(high)}]`;
}

function signed(value: number): string {
  return `${value > 0 ? '+' : ''}${formatMetric(value)}`;
}

function percentOf(level: number): string {
  return `${Number((100 * level).toPrecision(6))} %`;
}

export function toComparisonTable(compared: Compared): string {
  const { files, comparison } = compared;
  const rows = [
    { metric: '', first: 'first', second: 'second', difference: 'second - first', verdict: '' },
    ...linesOf(compared),
  ];
  const widthOf = (column: keyof Line): number => Math.max(...rows.map((row) => row[column].length)) + 2;
  const columns = (['metric', 'first', 'second', 'difference', 'verdict'] as const).map(
    (column) => [column, widthOf(column)] as const,
  );
  const notes = [rankingNote(comparison), predictionsNote(compared)].filter((note) => note !== null);
  return [
    `first:  ${files[0]}`,
    `second: ${files[1]}`,
    `${formatWhole(comparison.rows)} rows; ${comparison.intervalsMissing ?? `intervals of ${percentOf(comparison.level)}`}`,
    ...notes,
    '',
    ...rows.map((row) =>
      columns
        .map(([column, width]) => row[column].padEnd(width))
        .join('')
        .trimEnd(),
    ),
    ...labelLines(comparison, labelsNote(comparison)),
  ].join('\n');
}

export function comparisonPage(compared: Compared): string {
  const { files, comparison } = compared;
  return page(
    'Comparison of two models',
    `<h1>Comparison of two models</h1>
<p class="quiet">First: ${escape(files[0])}. Second: ${escape(files[1])}. ${formatWhole(comparison.rows)} rows.
${rankingNote(comparison) ?? ''}</p>
${comparisonSections(compared)}`,
  );
}

/** The tables of a comparison, under headings of the second level. */
export function comparisonSections(compared: Compared): string {
  const { comparison } = compared;
  const columns = ['metric', 'first', 'second', 'second - first', 'second is'].map((name) => ({ name }));
  const rows = linesOf(compared).map(({ metric, first, second, difference, verdict }) =>
    [metric, first, second, difference, verdict].map((text) => interval(escape(text))),
  );
  const why = comparison.intervalsMissing === null ? '' : ` There are no intervals: ${comparison.intervalsMissing}.`;
  return `<h2>Both models</h2>
${plainTable('Metrics of both models', columns, rows)}
<p>In brackets are confidence intervals of ${percentOf(comparison.level)}, from a bootstrap. The difference is taken row by
row. Where its interval does not hold 0, the last column says which way it goes. Average precisions are not means over rows,
and have no interval.${escape(why)} ${predictionsNote(compared) ?? ''}</p>
${comparedLabelsSection(comparison)}`;
}

function interval(html: string): string {
  return html.replace(/\[.*\]/, '<span class="interval">$&</span>');
}

function comparedLabelsSection(comparison: Comparison): string {
  const { perLabel, labels, classification } = comparison;
  if (perLabel.length === 0) return '';
  const shown = perLabel.slice(0, MOST_LABELS);
  const cell = (difference: LabelDifference): Cell => ({
    html: interval(escape(labelDifference(difference))),
    value: difference.difference,
  });
  const rows = shown.map((label): Cell[] => [
    { html: String(label.label), value: label.label },
    ...(labels === null ? [] : [{ html: escape(labelName(labels, label.label)) }]),
    { html: formatWhole(label.support), value: label.support },
    cell(label.averagePrecision),
    cell(label.meanRank),
    ...(label.f1 === null ? [] : [cell(label.f1)]),
    { html: verdictOfLabel(label) },
  ]);
  const columns: Column[] = [
    { name: 'label', kind: 'number' },
    ...(labels === null ? [] : [{ name: 'name', kind: 'name' } as const]),
    ...['rows', 'average precision', 'mean rank', ...(classification === null ? [] : ['F1'])].map((name): Column => ({
      name,
      kind: 'number',
    })),
    { name: 'second is' },
  ];
  const which =
    shown.length < perLabel.length
      ? ` The first ${formatWhole(shown.length)} of ${formatWhole(perLabel.length)} labels.`
      : '';
  return `<h2>Labels of both models</h2>
<p>Second minus first; the labels whose difference is surest to be large come first. ${escape(labelsNote(comparison))}
A rank is better where it is lower. Labels that few rows have get no interval.${which}</p>
<div class="tall">${sortableTable('Labels of both models', columns, rows, null)}</div>`;
}
