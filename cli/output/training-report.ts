// train --out: a page of one file with learning curves and metrics.

import type { EvaluationResult } from 'multilabel-margin-loss/evaluate';
import type { TrainingSummary } from 'multilabel-margin-loss/train';
import { type Draw, learningChart } from './charts.js';
import { formatMetric, formatWhole } from './metrics.js';
import { escape, figure, page, plainTable } from './page.js';
import { sectionsOf } from './report.js';

/**
 * @param results of parts of the rows, with their names
 * @param metadata of the head
 */
export async function trainingReport(
  { epochs, best }: TrainingSummary,
  results: readonly (readonly [name: string, result: EvaluationResult])[],
  metadata: Readonly<Record<string, string>>,
  draw: Draw,
): Promise<string> {
  const sections = [
    `<h1>Training report</h1>
<p class="quiet">A head for multi-label classification, trained with the multi-label margin loss.</p>`,
    options(metadata),
    await curves(epochs, best, draw),
  ];
  for (const [name, result] of results) {
    sections.push(
      `<h1>${escape(name)}</h1>\n<p>${formatWhole(result.rows)} rows of ${formatWhole(result.classes)} classes.</p>`,
    );
    sections.push(await sectionsOf(result, draw));
  }
  return page('Training report', sections.join('\n'));
}

function options({ training = '{}', version = '' }: Readonly<Record<string, string>>): string {
  const given = { ...(JSON.parse(training) as Record<string, unknown>), version };
  const rows = Object.entries(given).map(([name, value]) => [
    escape(name),
    escape(typeof value === 'string' ? value : JSON.stringify(value)),
  ]);
  return `<h2>Options</h2>\n${plainTable('Options', [{ name: 'option' }, { name: 'value', kind: 'long' }], rows)}`;
}

async function curves(epochs: TrainingSummary['epochs'], best: number, draw: Draw): Promise<string> {
  const validated = epochs.flatMap(({ validation }) => (validation === null ? [] : [validation]));
  const losses = [{ name: 'training', values: epochs.map(({ loss }) => loss) }];
  const drawings: string[] = [];
  const marked = validated.length > 0 ? best : 0;
  const note =
    marked > 0
      ? ` The dotted line is epoch ${best}, the last in which loss or LRAP in validation was better than before.`
      : '';
  if (validated.length > 0) {
    losses.push({ name: 'validation', values: validated.map(({ loss }) => loss) });
    const lrap = validated.map(({ labelRankingAveragePrecision }) => labelRankingAveragePrecision);
    const description = `LRAP in validation by epoch, ${formatMetric(lrap[0] ?? null)} to ${formatMetric(Math.max(...lrap))}.`;
    const chart = await learningChart(draw, [{ name: 'LRAP in validation', values: lrap }], marked, description);
    drawings.push(figure(chart, `Label ranking average precision of the rows for validation.${note}`));
  }
  const chart = await learningChart(draw, losses, marked, 'Loss by epoch.');
  drawings.unshift(figure(chart, `Mean loss of a row, in training before each step.${note}`));
  const columns = ['epoch', 'loss', 'loss in validation', 'LRAP', 'one-error'].map((name) => ({
    name,
    kind: 'number' as const,
  }));
  const rows = epochs.map(({ epoch, loss, validation }) => [
    String(epoch),
    ...[loss, validation?.loss, validation?.labelRankingAveragePrecision, validation?.oneError].map((value) =>
      formatMetric(value ?? null),
    ),
  ]);
  return `<h2>Learning curves</h2>\n${drawings.join('\n')}\n<div class="tall">${plainTable('Epochs', columns, rows)}</div>`;
}
