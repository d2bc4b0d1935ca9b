/** The chart of docs/benchmarks.md and README.md: how many times faster than its alternatives this package is. */
import * as vega from 'vega';
import * as vegaLite from 'vega-lite';
import { type Alternative, ALTERNATIVES, type Comparison, comparisonsOf } from './comparisons.js';
import type { WholeRun } from './run.js';

const COLOURS: Record<Alternative, string> = {
  PyTorch: '#e4572e',
  'PyTorch autograd': '#f3a183',
  'TensorFlow.js': '#f2a900',
  'scikit-learn': '#3f88c5',
  'TypeScript loop': '#8a8f98',
};

/** The points of the loss that are in the chart. All are in the tables. */
const POINTS = ['128 x 80, K = 3', '1,024 x 1,000, K = 10', '64 x 20,000, K = 50', '8 x 670,000, K = 5'];
const TICKS: number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500];

// Rules of a style sheet win over the colours that Vega writes into attributes.
const STYLE = `<style>
svg { background: #fff }
text { fill: #1f2328 }
.role-axis-grid line { stroke: #d1d9e0 }
.role-mark line { stroke: #1f2328 }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 }
  text { fill: #e6edf3 }
  .role-axis-grid line { stroke: #30363d }
  .role-mark line { stroke: #e6edf3 }
}
</style>`;

/** @returns SVG, with colours for pages in light and in dark */
export async function chartOf(run: WholeRun): Promise<string> {
  const { training, gradient, evaluation } = comparisonsOf(run);
  const rows = [
    ...named('Training step: ', training),
    ...named(
      'Loss and gradient: ',
      gradient.filter(({ work }) => POINTS.includes(work)),
    ),
    ...named('Ranking metrics: ', evaluation),
  ];
  const values = rows.flatMap(({ work, ratios }) =>
    [...ratios].map(([alternative, { median }]) => ({
      work,
      alternative,
      ratio: median,
      text: `${Number(median.toPrecision(2))}x`,
    })),
  );
  const present = ALTERNATIVES.filter((alternative) => values.some((value) => value.alternative === alternative));
  const ratios = values.map(({ ratio }) => ratio);
  const position = {
    x: {
      field: 'ratio',
      type: 'quantitative',
      scale: { type: 'log', domainMin: Math.min(1, ...ratios), domainMax: 2 * Math.max(...ratios), nice: false },
      axis: { title: null, values: TICKS, format: '~s', domain: false, ticks: false },
    },
    y: { field: 'alternative', type: 'nominal', sort: [...present], axis: null },
  } as const;
  const { spec } = vegaLite.compile({
    padding: 12,
    background: 'transparent',
    title: {
      text: 'Times faster than the alternatives, on one thread (log scale)',
      anchor: 'start',
      fontSize: 14,
    },
    config: { view: { stroke: null } },
    data: { values },
    spacing: 4,
    resolve: { scale: { y: 'independent' } },
    facet: {
      row: {
        field: 'work',
        type: 'nominal',
        sort: rows.map(({ work }) => work),
        header: { title: null, labelOrient: 'top', labelAnchor: 'start', labelLimit: 0, labelPadding: 2 },
      },
    },
    spec: {
      width: 640,
      height: { step: 12 },
      layer: [
        {
          mark: { type: 'bar' },
          encoding: {
            ...position,
            x2: { datum: 1 },
            color: {
              field: 'alternative',
              type: 'nominal',
              scale: { domain: present, range: present.map((alternative) => COLOURS[alternative]) },
              legend: { title: null, orient: 'top', columns: 5 },
            },
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 4, fontSize: 9 },
          encoding: { ...position, text: { field: 'text', type: 'nominal' } },
        },
        // Where both are equally fast.
        { mark: { type: 'rule', strokeWidth: 1.5 }, encoding: { x: { datum: 1 } } },
      ],
    },
  });
  const svg = await new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
  return `${svg.replace(/(<svg[^>]*>)/, `$1${STYLE}`)}\n`;
}

const named = (prefix: string, comparisons: readonly Comparison[]): Comparison[] =>
  comparisons.map((comparison) => ({ ...comparison, work: prefix + comparison.work }));
