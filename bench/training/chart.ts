/** The chart of training: how many times longer the peers take. */
import { render } from '../chart.js';
import { LOOP, OURS, TENSORFLOW, TORCH, type TrainingRun } from './run.js';

/** @returns SVG */
export async function trainingChartOf({ jobs }: TrainingRun): Promise<string> {
  const peers = [...TORCH, TENSORFLOW, LOOP];
  const values = jobs.flatMap(({ name, steps }) =>
    peers.flatMap((peer) => {
      const time = steps.get(peer)?.median;
      return time === undefined ? [] : [{ job: name, peer, ratio: time / steps.get(OURS)!.median }];
    }),
  );
  return render({
    title: {
      text: 'Time of a training step over that of this package on one thread',
      subtitle: 'float32, loss and optimizer included; log scale',
      anchor: 'start',
    },
    data: { values },
    width: 640,
    encoding: {
      y: { field: 'job', type: 'nominal', sort: null, axis: { title: null, labelLimit: 480 } },
      yOffset: { field: 'peer', type: 'nominal', sort: null },
      x: {
        field: 'ratio',
        type: 'quantitative',
        scale: { type: 'log' },
        axis: { title: 'times as long', format: '~s' },
      },
    },
    layer: [
      {
        mark: { type: 'bar' },
        encoding: {
          x2: { datum: 1 },
          color: {
            field: 'peer',
            type: 'nominal',
            sort: null,
            scale: { range: ['#ee4c2c', '#f28b73', '#ffb000', '#8a8f98'] },
            legend: { title: null, orient: 'top', columns: 2, labelLimit: 400 },
          },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 4, fontSize: 9 },
        encoding: { text: { field: 'ratio', type: 'quantitative', format: '.2~r' } },
      },
    ],
  });
}
