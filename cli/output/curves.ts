// Curves over thresholds: of all labels together, and of the label that the reader of a page chooses.

import type { EvaluationResult, Evaluator, PrecisionRecallCurve } from 'multilabel-margin-loss/evaluate';
import {
  axisBetween,
  type CalibrationBar,
  calibrationChart,
  type CurveLine,
  curvesChart,
  type Draw,
} from './charts.js';
import { lastOf, OUTSIDE, rangesOf } from './calibration.js';
import { formatMetric, formatWhole } from './metrics.js';
import { labelName } from './names.js';
import { type Column, dataOf, escape, figure, plainTable } from './page.js';

/** Labels whose curves a page holds: more would make it large. Those of the lowest average precision. */
const LABELS = 300;
/** Points that a curve is drawn through, evenly by recall; half as many follow evenly by number. */
const POINTS = 40;

/** A model whose curve is drawn. */
export interface CurveOf {
  name: string;
  evaluator: Evaluator;
}

/** @param others models to be drawn beside it */
export async function curvesSections(
  own: CurveOf,
  result: EvaluationResult,
  others: readonly CurveOf[],
  draw: Draw,
): Promise<string> {
  if (result.rows === 0 || result.classes === 0) return '';
  if (result.averagePrecisionMissing !== null) {
    return `<h2>Curves</h2>\n<p>There are none: ${escape(result.averagePrecisionMissing)}.</p>`;
  }
  const micro = own.evaluator.precisionRecallCurve();
  if (micro.thresholds.length === 0) return '';
  return [await thresholdsSection(own, micro, result, others, draw), await calibrationSection(micro, draw)].join('\n');
}

async function thresholdsSection(
  { name, evaluator }: CurveOf,
  micro: PrecisionRecallCurve,
  result: EvaluationResult,
  others: readonly CurveOf[],
  draw: Draw,
): Promise<string> {
  const worst = result.perLabel
    .filter(({ support }) => support > 0)
    .sort((a, b) => (a.averagePrecision ?? 0) - (b.averagePrecision ?? 0) || a.label - b.label)
    .slice(0, LABELS);
  const curves = worst.map(({ label }) => ({
    name: labelName(result.labels, label),
    curve: evaluator.precisionRecallCurve(label),
  }));
  const lines: CurveLine[] = [
    { name: others.length === 0 ? 'all labels' : name, curve: pointsOf(micro) },
    ...others.map((other) => ({ name: other.name, curve: pointsOf(other.evaluator.precisionRecallCurve()) })),
  ];
  const chosen = curves[0] as (typeof curves)[number];
  const domain = axisOf(micro);
  const precisionRecall = await curvesChart(draw, 'precision and recall', lines, pointsOf(chosen.curve), [0, 1]);
  const f1 = await curvesChart(draw, 'F1 by threshold', lines, pointsOf(chosen.curve), domain);
  const data = curves.map(({ name: label, curve }) => ({ label, best: bestOf(curve), points: pointsOf(curve) }));
  const which =
    worst.length < result.perLabel.length
      ? ` There are those of ${formatWhole(worst.length)} labels, which have the lowest average precision of those that rows have.`
      : '';
  return `<h2>Thresholds</h2>
<p>Predicted are the classes whose score is at or above a threshold. The solid line is of all labels of all rows together;
${escape(bestOf(micro))}. The dotted line is of one label: <label>label <select id="chosen">${curves
    .map(({ name: label }, i) => `<option value="${i}">${escape(label)}</option>`)
    .join('')}</select></label>: <output id="best" for="chosen">${escape(bestOf(chosen.curve))}</output>.${which}</p>
${figure(precisionRecall, 'Precision by recall.')}
${figure(f1, `F1 by threshold. Each curve is drawn through some of its points; best thresholds are of all points. They are of the rows of this report, where they look better than on others.`)}
${dataOf('curves', { domain, labels: data })}`;
}

/** The highest F1, in words. */
function bestOf({ f1, thresholds }: PrecisionRecallCurve): string {
  const at = indexOfBest(f1);
  return `F1 is highest, ${formatMetric(f1[at] as number)}, at the threshold ${Number((thresholds[at] as number).toPrecision(4))}`;
}

/** Finds the place of the highest F1; the last one, where several are equal. */
function indexOfBest(f1: Float64Array): number {
  let best = 0;
  f1.forEach((value, i) => {
    if (value >= (f1[best] as number)) best = i;
  });
  return best;
}

/** Some points of a curve, evenly by recall and by number, and that of the best F1: [threshold, precision, recall, F1]. */
function pointsOf({ thresholds, precision, recall, f1 }: PrecisionRecallCurve): number[][] {
  const places = new Set<number>([0, indexOfBest(f1), recall.length - 1]);
  for (let i = 1, at = 0; i < POINTS; i++) {
    while (at + 1 < recall.length && (recall[at + 1] as number) >= 1 - i / POINTS) at++;
    places.add(at);
    if (i % 2 === 0) places.add(Math.floor((i / POINTS) * recall.length));
  }
  return [...places]
    .sort((a, b) => a - b)
    .map((at) => [thresholds, precision, recall, f1].map((values) => Number((values[at] as number).toPrecision(5))));
}

/** Thresholds that leave out few scores on either side. */
function axisOf({ thresholds, predicted, truePositives }: PrecisionRecallCurve): [number, number] {
  const low = lastOf(predicted, (1 - OUTSIDE.below) * (predicted[0] as number));
  const high = lastOf(truePositives, OUTSIDE.above * (truePositives[0] as number));
  return axisBetween(thresholds[Math.max(0, low)] as number, thresholds[Math.max(low, high)] as number);
}

async function calibrationSection(micro: PrecisionRecallCurve, draw: Draw): Promise<string> {
  const ranges = rangesOf(micro);
  const bars: CalibrationBar[] = ranges.map(({ from, to, scores, labels }, i) => ({
    // The outermost ranges reach further than they are drawn.
    from: i === 0 && ranges.length > 1 ? Math.max(from, to - ((ranges[1] as { to: number }).to - to)) : from,
    to,
    share: labels / scores,
  }));
  const text = (value: number): string => String(Number(value.toPrecision(4)));
  const rows = ranges.map(({ from, to, scores, labels }, i) => [
    i === ranges.length - 1 ? `${text(from)} and above` : `${text(from)} to below ${text(to)}`,
    formatWhole(scores),
    formatWhole(labels),
    formatMetric(labels / scores),
  ]);
  const columns: Column[] = [
    { name: 'score' },
    ...['scores', 'labels', 'share'].map((name): Column => ({ name, kind: 'number' })),
  ];
  const drawing = await calibrationChart(draw, bars, 'Share of labels by score: the table below has the numbers.');
  return `<h2>Scores and labels</h2>
<p>For the scores of all rows and classes in a range, each bar shows the share whose class is a label of the row. Where it grows
with the score, one threshold suits all labels. Where scores are probabilities, the share of a range should lie in it.</p>
${figure(drawing, 'Share of labels by score. The outermost ranges hold all scores beyond.')}
<div class="tall">${plainTable('Share of labels by score', columns, rows)}</div>`;
}
