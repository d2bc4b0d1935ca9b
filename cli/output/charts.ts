// Charts as SVG, by Vega-Lite, which is loaded only when a chart is to be drawn.

import type { TopLevelSpec } from 'vega-lite';
import type { EvaluationResult, MarginBin } from 'multilabel-margin-loss/evaluate';
import { load } from '../packages.js';
import { type Drawing, escape } from './page.js';

const WIDTHS = { wide: 700, narrow: 300 };

/** Colour and dashes that tell the curves of a chart apart. */
const BY_METRIC = {
  color: {
    field: 'metric',
    type: 'nominal',
    scale: { range: ['var(--first)', 'var(--second)'] },
    legend: { title: null, orient: 'top' },
  },
  strokeDash: { field: 'metric', type: 'nominal' },
} as const;

type Specification = Omit<TopLevelSpec, '$schema'> & object;

/** Draws what a specification says for a width. */
export type Draw = (specification: (width: number) => Specification, description: string) => Promise<Drawing>;

/** @throws InputError if the packages are not there */
export async function loadCharts(): Promise<Draw> {
  const [vega, vegaLite] = await load(
    () => Promise.all([import('vega'), import('vega-lite')]),
    'a report by --out',
    'vega@6',
    'vega-lite@6',
  );
  const config = {
    background: 'transparent',
    padding: 4,
    font: 'system-ui, sans-serif',
    view: { stroke: 'transparent' },
    axis: {
      labelColor: 'currentColor',
      titleColor: 'currentColor',
      labelFontSize: 12,
      titleFontSize: 13,
      titleFontWeight: 'normal',
      domainColor: 'var(--quiet)',
      tickColor: 'var(--quiet)',
      gridColor: 'var(--line)',
    },
    legend: { labelColor: 'currentColor', labelFontSize: 13, symbolSize: 90 },
  } as const;
  return async (specification, description) => {
    const draw = async (width: number): Promise<string> => {
      const { spec } = vegaLite.compile({ ...specification(width), config } as TopLevelSpec);
      const svg = await new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
      // One image for those who cannot see it, with a description in place of its many marks.
      const plain = svg.replace(/ (?:role|aria-\w+)="[^"]*"/g, '');
      return plain.replace('<svg ', () => `<svg role="img" aria-label="${escape(description)}" `);
    };
    return { wide: await draw(WIDTHS.wide), narrow: await draw(WIDTHS.narrow) };
  };
}

/** Narrower axes have steps whose reciprocal float64 does not hold, and no ticks. */
const LEAST_RANGE = 2 ** -1000;
const HALF_OF_WIDEST = 2 ** 1022;

/**
 * The ends of an axis from one value to another: as for a single value where ticks do not tell them apart, and cut off where
 * float64 does not hold their distance.
 */
export function axisBetween(low: number, high: number): [number, number] {
  if (high - low === Infinity) return [Math.max(low, -HALF_OF_WIDEST), Math.min(high, HALF_OF_WIDEST)];
  const half = Math.max(0.5, Math.abs(low) / 1000);
  return high - low >= LEAST_RANGE ? [low, high] : [low - half, low + half];
}

export interface Bar extends MarginBin {
  /** Whether a label of the rows is outscored. */
  outscored: boolean;
}

/** Shares of rows that may lie beyond the axis. */
const BEYOND = 0.005;

/**
 * Bars of one width, at most 40 or so: as wide as the bins of margins are at the ends of the axis. Rows beyond are in the
 * outermost bars.
 */
export function barsOf(bins: readonly MarginBin[]): { bars: Bar[]; beyond: number } {
  const total = bins.reduce((sum, { rows }) => sum + rows, 0);
  const outside = (end: number): number =>
    bins.reduce((sum, { from, to, rows }) => sum + (from < -end || to > end ? rows : 0), 0);
  let end = 2 ** -16;
  while (outside(end) > BEYOND * total && end < 2 ** 16) end *= 2;
  const sum = (width: number): Bar[] => {
    const last = end / width - 1;
    const counts = new Map<number, number>();
    for (const { from, to, rows } of bins) {
      // The edge nearer to 0 is always finite.
      const place =
        from < 0 ? Math.max(-1 - last, -1 - Math.floor(-to / width)) : Math.min(last, Math.floor(from / width));
      counts.set(place, (counts.get(place) ?? 0) + rows);
    }
    const places = [...counts.keys()];
    const bars: Bar[] = [];
    for (let place = Math.min(...places); place <= Math.max(...places); place++) {
      bars.push({ from: place * width, to: (place + 1) * width, rows: counts.get(place) ?? 0, outscored: place < 0 });
    }
    return bars;
  };
  const fine = sum(end / 32);
  return { bars: fine.length <= 40 ? fine : sum(end / 16), beyond: outside(end) };
}

export function marginsChart(draw: Draw, bars: readonly Bar[], description: string): Promise<Drawing> {
  return draw(
    (width) => ({
      data: { values: [...bars] },
      width,
      height: 220,
      layer: [
        {
          mark: { type: 'bar', binSpacing: 1 },
          encoding: {
            x: {
              field: 'from',
              type: 'quantitative',
              bin: 'binned',
              axis: { title: 'margin', format: '~g', tickCount: width / 60, grid: false },
            },
            x2: { field: 'to' },
            y: { field: 'rows', type: 'quantitative', axis: { title: 'rows', format: '~s', tickCount: 5 } },
            color: {
              field: 'outscored',
              type: 'nominal',
              scale: { domain: [true, false], range: ['var(--second)', 'var(--first)'] },
              legend: null,
            },
          },
        },
        {
          mark: { type: 'rule', color: 'currentColor', strokeWidth: 1.5 },
          encoding: { x: { datum: 0 } },
        },
      ],
    }),
    description,
  );
}

/** Points of a curve by epoch. */
export interface Curve {
  name: string;
  values: readonly number[];
}

/** @param best the number of the epoch that is marked, or 0 */
export function learningChart(
  draw: Draw,
  curves: readonly Curve[],
  best: number,
  description: string,
): Promise<Drawing> {
  const values = curves.flatMap(({ name, values: points }) =>
    points.map((value, i) => ({ epoch: i + 1, metric: name, value })),
  );
  const epochs = Math.max(...curves.map(({ values: { length } }) => length));
  return draw(
    (width) => ({
      data: { values },
      width,
      height: 220,
      layer: [
        {
          mark: { type: 'line', point: epochs <= 60 ? { size: 30, filled: true } : false, strokeWidth: 2 },
          encoding: {
            x: {
              field: 'epoch',
              type: 'quantitative',
              axis: { title: 'epoch', grid: false, format: 'd', tickMinStep: 1 },
              scale: { domain: [1, Math.max(2, epochs)], nice: false, zero: false, padding: 8 },
            },
            y: {
              field: 'value',
              type: 'quantitative',
              scale: { zero: false },
              axis: { title: null, format: '~g', tickCount: 5 },
            },
            ...BY_METRIC,
          },
        },
        ...(best === 0
          ? []
          : [
              {
                mark: { type: 'rule' as const, color: 'currentColor', strokeWidth: 1, strokeDash: [2, 3] },
                encoding: { x: { datum: best } },
              },
            ]),
      ],
    }),
    description,
  );
}

export function precisionRecallChart(draw: Draw, at: EvaluationResult['at'], description: string): Promise<Drawing> {
  const values = Object.entries(at).flatMap(([k, { precision, recall }]) => [
    { k: Number(k), metric: 'precision at k', value: precision },
    { k: Number(k), metric: 'recall at k', value: recall },
  ]);
  const ks = Object.keys(at).map(Number);
  return draw(
    (width) => ({
      data: { values },
      width,
      height: 220,
      mark: { type: 'line', point: { size: 60, filled: true }, strokeWidth: 2 },
      encoding: {
        x: {
          field: 'k',
          type: 'quantitative',
          axis: { title: 'k', values: ks, grid: false, labelOverlap: true, format: 'd' },
          scale: { domain: [Math.min(1, ...ks), Math.max(...ks)], nice: false, zero: false, padding: 8 },
        },
        y: {
          field: 'value',
          type: 'quantitative',
          scale: { domain: [0, 1] },
          axis: { title: null, format: '.1f', tickCount: 5 },
        },
        ...BY_METRIC,
      },
    }),
    description,
  );
}

/** A curve over thresholds: points of [threshold, precision, recall, F1]. */
export interface CurveLine {
  name: string;
  curve: readonly (readonly number[])[];
}

/** The name of the mark whose points the script of the page replaces. */
const CHOSEN = 'chosen';
const CURVE_HEIGHT = 240;

/**
 * Lines, and a dotted one that the reader can choose: the script of the page replaces its points.
 *
 * @param domain of the axis of thresholds, or [0, 1] of recall
 */
export async function curvesChart(
  draw: Draw,
  what: 'precision and recall' | 'F1 by threshold',
  lines: readonly CurveLine[],
  chosen: CurveLine['curve'],
  domain: readonly [number, number],
): Promise<Drawing> {
  const [x, y, title] = what === 'F1 by threshold' ? [0, 3, 'threshold'] : [2, 1, 'recall'];
  const toValues = (metric: string, curve: CurveLine['curve']) =>
    curve
      .map((point, i) => ({ metric, i, x: point[x] as number, y: point[y] as number }))
      .filter((point) => point.x >= domain[0] && point.x <= domain[1]);
  const encoding = {
    x: {
      field: 'x',
      type: 'quantitative',
      axis: { title, grid: false, format: '~g', tickCount: 6 },
      scale: { domain: [...domain], nice: false, zero: false },
    },
    y: {
      field: 'y',
      type: 'quantitative',
      scale: { domain: [0, 1] },
      axis: { title: what === 'F1 by threshold' ? 'F1' : 'precision', format: '.1f', tickCount: 5 },
    },
    order: { field: 'i' },
  } as const;
  const names = lines.map(({ name }) => name);
  const drawing = await draw(
    (width) => ({
      width,
      height: CURVE_HEIGHT,
      layer: [
        {
          data: { values: lines.flatMap(({ name, curve }) => toValues(name, curve)) },
          mark: { type: 'line', strokeWidth: 2 },
          encoding: {
            ...encoding,
            color: {
              field: 'metric',
              type: 'nominal',
              scale: { domain: names, range: ['var(--first)', 'var(--second)'] },
              legend: names.length === 1 ? null : { title: null, orient: 'top' },
            },
          },
        },
        {
          name: CHOSEN,
          data: { values: toValues(CHOSEN, chosen) },
          mark: { type: 'line', strokeWidth: 2, stroke: 'currentColor', strokeDash: [2, 4] },
          encoding,
        },
      ],
    }),
    `Curve of ${what}, of all labels together and of one.`,
  );
  const place = `data-x="${x}" data-y="${y}" data-low="${domain[0]}" data-high="${domain[1]}" data-height="${CURVE_HEIGHT}"`;
  const marked = (svg: string, width: number): string =>
    svg.replace(/(<g class="[^"]*chosen_marks[^"]*"[^>]*><path )/, `$1data-width="${width}" ${place} `);
  return { wide: marked(drawing.wide, WIDTHS.wide), narrow: marked(drawing.narrow, WIDTHS.narrow) };
}

/** Scores between two edges, and the share of them whose class is a label of the row. */
export interface CalibrationBar {
  from: number;
  to: number;
  share: number;
}

export function calibrationChart(draw: Draw, bars: readonly CalibrationBar[], description: string): Promise<Drawing> {
  const domain = axisBetween((bars[0] as CalibrationBar).from, (bars.at(-1) as CalibrationBar).to);
  const inside = (value: number): number => Math.min(Math.max(value, domain[0]), domain[1]);
  return draw(
    (width) => ({
      data: { values: bars.map(({ from, to, share }) => ({ from: inside(from), to: inside(to), share })) },
      width,
      height: 180,
      mark: { type: 'bar', color: 'var(--first)', binSpacing: 1 },
      encoding: {
        x: {
          field: 'from',
          type: 'quantitative',
          bin: 'binned',
          scale: { domain, zero: false, nice: false },
          axis: { title: 'score', format: '~g', tickCount: width / 60, grid: false },
        },
        x2: { field: 'to' },
        y: {
          field: 'share',
          type: 'quantitative',
          scale: { domain: [0, 1] },
          axis: { title: 'share of labels', format: '.1f', tickCount: 5 },
        },
      },
    }),
    description,
  );
}
