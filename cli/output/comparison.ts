// Two models side by side, as text and as a page.

import type {
  ComparedMetric,
  Comparison,
  Estimate,
  EvaluationResult,
  MetricsAtK,
} from 'multilabel-margin-loss/evaluate';
import { formatMetric, formatWhole, METRICS } from './metrics.js';
import { escape, page, plainTable } from './page.js';

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
  const lines = METRICS.map(([metric, name, better]): Line => {
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
  return lines;
}

function lineOf(metric: string, { first, second, difference }: ComparedMetric, better: 'lower' | 'higher'): Line {
  const isHigher = difference.low !== null && difference.low > 0;
  const differs = isHigher || (difference.high !== null && difference.high < 0);
  return {
    metric,
    first: withInterval(first, formatMetric),
    second: withInterval(second, formatMetric),
    difference: withInterval(difference, signed),
    verdict: differs ? (isHigher === (better === 'higher') ? 'better' : 'worse') : '',
  };
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
  return [
    `first:  ${files[0]}`,
    `second: ${files[1]}`,
    `${formatWhole(comparison.rows)} rows; ${comparison.intervalsMissing ?? `intervals of ${percentOf(comparison.level)}`}`,
    '',
    ...rows.map((row) =>
      columns
        .map(([column, width]) => row[column].padEnd(width))
        .join('')
        .trimEnd(),
    ),
  ].join('\n');
}

export function comparisonPage(compared: Compared): string {
  const { files, comparison } = compared;
  const columns = ['metric', 'first', 'second', 'second - first', 'second is'].map((name) => ({ name }));
  const rows = linesOf(compared).map(({ metric, first, second, difference, verdict }) =>
    [metric, first, second, difference, verdict].map((text) =>
      escape(text).replace(/\[.*\]/, '<span class="interval">$&</span>'),
    ),
  );
  return page(
    'Comparison of two models',
    `<h1>Comparison of two models</h1>
<p class="quiet">First: ${escape(files[0])}. Second: ${escape(files[1])}. ${formatWhole(comparison.rows)} rows.</p>
${plainTable('Metrics of both models', columns, rows)}
<p>In brackets are confidence intervals of ${percentOf(comparison.level)}, from a bootstrap. The difference is taken row by
row. Where its interval does not hold 0, the last column says which way it goes. Average precisions are not means over rows,
and have no interval.</p>`,
  );
}
