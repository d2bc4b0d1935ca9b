import { type Draws, forEachDraw, quantile } from './bootstrap.js';
import { LABEL_GROUP } from './layout.js';
import type { EvaluationResult, LabelResult } from './result.js';

/**
 * A metric of a label, of two models, and the ends of a simultaneous confidence interval of the difference.
 *
 * @example
 * import { Evaluator, type LabelDifference } from 'multilabel-margin-loss/evaluate';
 *
 * const [first, second] = [new Evaluator(), new Evaluator()];
 * first.update([[0.5, 0.25, 0, 1]], [[1]]);
 * second.update([[0.5, 1, 0, 0.75]], [[1]]);
 * const meanRank: LabelDifference | undefined = first.compare(second).perLabel[0]?.meanRank;
 * meanRank; // => { first: 3, second: 1, difference: -2, low: null, high: null }
 */
export interface LabelDifference {
  /** That of the evaluator whose method was called; null where it has none. */
  first: number | null;
  /** That of the other one; null where it has none. */
  second: number | null;
  /** The second minus the first; null where one of them is null. */
  difference: number | null;
  /** The lower end of the interval of the difference; null where there is none. */
  low: number | null;
  /** The upper end of the interval of the difference; null where there is none. */
  high: number | null;
}

/**
 * A label of two models.
 *
 * @example
 * import { type ComparedLabel, Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const [first, second] = [new Evaluator(), new Evaluator()];
 * first.update([[0.5, 0.25], [0.25, 0.75]], [[1], [0]]);
 * second.update([[0.5, 0.75], [0.25, 0.75]], [[1], [0]]);
 * const labels: ComparedLabel[] = first.compare(second).perLabel;
 * labels.map(({ label, averagePrecision }) => [label, averagePrecision.difference]); // => [[1, 0], [0, 0]]
 * labels[0]?.f1; // => null
 */
export interface ComparedLabel {
  /** The class, from 0. */
  label: number;
  /** Number of rows that have the label. */
  support: number;
  /** Average precision, which is no mean over rows and has no interval. */
  averagePrecision: LabelDifference;
  /** Mean rank of the label over the rows that have it: lower is better. */
  meanRank: LabelDifference;
  /** F1 of the predictions of the label; null where {@link Comparison.classification} is null. */
  f1: LabelDifference | null;
}

/** What is known of a label in each group, [groups, LABEL_GROUP.size], of both models. */
export type LabelGroupsOf = (label: number) => readonly [first: Float64Array, second: Float64Array];

/** What labels are compared by, in the order of the columns of tables. */
const METRICS = ['meanRank', 'f1'] as const;
type Metric = (typeof METRICS)[number];

/**
 * Compares each label of two models over the same rows, and sorts them by effect: by how far the interval of the difference of
 * F1, or without predictions of the mean rank, is from 0; then by the difference itself. Labels without an interval come after
 * those that have one.
 *
 * @param draws null for no intervals
 * @param leastGroups with rows that have a label, which it needs for an interval
 */
export function compareLabels(
  results: readonly [first: EvaluationResult, second: EvaluationResult],
  hasF1: boolean,
  groupsOf: LabelGroupsOf | null,
  draws: Draws | null,
  leastGroups: number,
): ComparedLabel[] {
  const [first, second] = results;
  const compared = first.perLabel.map((label, i): ComparedLabel => {
    const other = second.perLabel[i] as LabelResult;
    const f1Of = (result: EvaluationResult): number | null => result.classification?.perLabel[i]?.f1 ?? null;
    const has = label.support > 0;
    return {
      label: label.label,
      support: label.support,
      averagePrecision: differenceOf(has ? label.averagePrecision : null, has ? other.averagePrecision : null),
      meanRank: differenceOf(label.meanRank, other.meanRank),
      f1: hasF1 ? differenceOf(f1Of(first), f1Of(second)) : null,
    };
  });
  if (draws !== null && groupsOf !== null) {
    const zeroDivision = first.classification?.zeroDivision ?? 0;
    const hasRanks = first.rankingMissing === null && second.rankingMissing === null;
    const metrics = METRICS.filter((metric) => (metric === 'f1' ? hasF1 : hasRanks));
    addIntervals(compared, metrics, groupsOf, zeroDivision, draws, leastGroups);
  }
  const effect = ({ f1, meanRank }: ComparedLabel): [least: number, size: number] => {
    const { difference, low, high } = f1 ?? meanRank;
    return [
      low === null || high === null ? -1 : Math.max(low, -high, 0),
      difference === null ? -1 : Math.abs(difference),
    ];
  };
  return compared
    .map((label) => ({ label, effect: effect(label) }))
    .sort((a, b) => b.effect[0] - a.effect[0] || b.effect[1] - a.effect[1] || a.label.label - b.label.label)
    .map(({ label }) => label);
}

function differenceOf(first: number | null, second: number | null): LabelDifference {
  return {
    first,
    second,
    difference: first === null || second === null ? null : second - first,
    low: null,
    high: null,
  };
}

/** Standard errors below this are of rounding. */
const NOISE = 1e-12;

/** The sums that a metric of a label follows from, each of a field of a model. The labels of both, and so the support, are the same. */
const SUMS = {
  meanRank: [
    [0, LABEL_GROUP.support],
    [0, LABEL_GROUP.twiceRankSum],
    [1, LABEL_GROUP.twiceRankSum],
  ],
  f1: [
    [0, LABEL_GROUP.support],
    [0, LABEL_GROUP.predicted],
    [0, LABEL_GROUP.truePositives],
    [1, LABEL_GROUP.predicted],
    [1, LABEL_GROUP.truePositives],
  ],
} as const;

/** Gives intervals to labels that rows of enough groups have. */
function addIntervals(
  labels: readonly ComparedLabel[],
  metrics: readonly Metric[],
  groupsOf: LabelGroupsOf,
  zeroDivision: 0 | 1,
  draws: Draws,
  leastGroups: number,
): void {
  const { groups, resamples, level } = draws;
  // How often each group is in each draw, [groups, resamples]; the last column is all groups as they are.
  const columns = resamples + 1;
  const times = new Uint16Array(groups.length * columns);
  forEachDraw(draws, (places, draw) => {
    for (const place of places) (times[place * columns + draw] as number) += 1;
  });
  groups.forEach((_, place) => (times[place * columns + resamples] = 1));
  const totals = Array.from({ length: 5 }, () => new Float64Array(columns));
  /** The largest deviation among the labels so far, in standard errors, of each draw. */
  const largest = metrics.map(() => new Float64Array(resamples));
  const errors = metrics.map(() => new Float64Array(labels.length).fill(Number.NaN));
  const deviations = new Float64Array(resamples);

  labels.forEach((label, i) => {
    if (label.support < leastGroups) return;
    const models = groupsOf(label.label);
    const valueOf = (model: 0 | 1, field: number, group: number): number =>
      models[model][group * LABEL_GROUP.size + field] as number;
    if (groups.filter((group) => valueOf(0, LABEL_GROUP.support, group) > 0).length < leastGroups) return;
    metrics.forEach((metric, m) => {
      SUMS[metric].forEach(([model, field], sum) => {
        const total = (totals[sum] as Float64Array).fill(0);
        groups.forEach((group, place) => addTimes(total, times, place * columns, valueOf(model, field, group)));
      });
      const differenceOfDraw = (draw: number): number => {
        const of = (sum: number): number => (totals[sum] as Float64Array)[draw] as number;
        if (metric === 'meanRank') return (of(2) - of(1)) / 2 / of(0);
        const f1 = (predicted: number, right: number): number =>
          predicted + of(0) === 0 ? zeroDivision : (2 * right) / (predicted + of(0));
        return f1(of(3), of(4)) - f1(of(1), of(2));
      };
      const whole = differenceOfDraw(resamples);
      let squares = 0;
      for (let draw = 0; draw < resamples; draw++) {
        // A draw without the label, as hardly one is, tells nothing.
        const deviation = totals[0]?.[draw] === 0 ? 0 : differenceOfDraw(draw) - whole;
        deviations[draw] = deviation;
        squares += deviation * deviation;
      }
      const error = Math.sqrt(squares / resamples);
      (errors[m] as Float64Array)[i] = error < NOISE ? 0 : error;
      if (error < NOISE) return;
      const most = largest[m] as Float64Array;
      for (let draw = 0; draw < resamples; draw++) {
        most[draw] = Math.max(most[draw] as number, Math.abs(deviations[draw] as number) / error);
      }
    });
  });

  metrics.forEach((metric, m) => {
    const width = quantile((largest[m] as Float64Array).sort(), level);
    labels.forEach((label, i) => {
      const error = errors[m]?.[i] as number;
      if (Number.isNaN(error)) return;
      const compared = label[metric] as LabelDifference;
      compared.low = (compared.difference as number) - width * error;
      compared.high = (compared.difference as number) + width * error;
    });
  });
}

/** Adds a number as often as times[begin + i] says to total[i]. A loop of its own, which most of the time is spent in. */
function addTimes(total: Float64Array, times: Uint16Array, begin: number, value: number): void {
  if (value === 0) return;
  for (let i = 0; i < total.length; i++) (total[i] as number) += value * (times[begin + i] as number);
}
