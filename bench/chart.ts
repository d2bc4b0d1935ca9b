/** The chart of docs/benchmarks.md: how many times slower the peers are. */
import * as vega from 'vega';
import * as vegaLite from 'vega-lite';
import { type Name, NAMES } from './contenders/contender.js';
import { formatPoint, GRID } from './grid.js';
import type { Measurement } from './timing.js';

const PEERS: { peer: string; name: Name }[] = [
  { peer: 'PyTorch builtin', name: NAMES.pyTorchBuiltin },
  { peer: 'PyTorch ops, best form, 1 or 2 threads', name: NAMES.pyTorchOps },
  { peer: 'PyTorch ops, gradient by hand', name: NAMES.pyTorchByHand },
  { peer: 'TensorFlow.js (WebAssembly), best form', name: NAMES.tensorFlow },
  { peer: 'plain TypeScript', name: NAMES.plain },
];

/** @returns SVG */
export async function chartOf(measurements: readonly Measurement[]): Promise<string> {
  const values = GRID.map(formatPoint).flatMap((point) => {
    const timings = measurements.find(
      (one) => one.dtype === 'float32' && one.scoreSet === 'random' && one.gradient && formatPoint(one.point) === point,
    )!.timings;
    const ours = timings.get(NAMES.ours)!.milliseconds;
    return PEERS.flatMap(({ peer, name }) => {
      const time = timings.get(name)?.milliseconds;
      return time === undefined ? [] : [{ point, peer, ratio: time / ours }];
    });
  });
  return render({
    title: {
      text: 'Time of the peer over that of this package on one thread',
      subtitle: 'Loss and gradient of N x C random float32 scores with K targets a row; log scale',
      anchor: 'start',
    },
    data: { values },
    width: 760,
    height: 320,
    encoding: {
      x: { field: 'point', type: 'nominal', sort: null, axis: { title: null, labelAngle: -20 } },
      xOffset: { field: 'peer', type: 'nominal', sort: null },
      y: {
        field: 'ratio',
        type: 'quantitative',
        scale: { type: 'log', domainMin: 1 },
        axis: { title: 'times as long', values: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000], format: '~s' },
      },
    },
    layer: [
      {
        mark: { type: 'bar' },
        encoding: {
          y2: { datum: 1 },
          color: {
            field: 'peer',
            type: 'nominal',
            sort: null,
            scale: { range: ['#ee4c2c', '#f28b73', '#f8cabf', '#ffb000', '#8a8f98'] },
            legend: { title: null, orient: 'top', columns: 2, labelLimit: 400 },
          },
        },
      },
      {
        mark: { type: 'text', dy: -5, fontSize: 9 },
        encoding: { text: { field: 'ratio', type: 'quantitative', format: '.2~r' } },
      },
    ],
  });
}

/** @returns SVG */
export async function render(specification: vegaLite.TopLevelSpec): Promise<string> {
  // On white, the chart is readable on dark pages too.
  const { spec } = vegaLite.compile({ background: 'white', padding: 12, ...specification });
  const view = new vega.View(vega.parse(spec), { renderer: 'none' });
  return `${await view.toSVG()}\n`;
}
