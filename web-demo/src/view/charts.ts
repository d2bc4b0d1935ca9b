/** The two charts of a training. */
import type { Gallery } from '../gallery.js';
import type { History } from '../training/kept.js';
import { byId } from '../app/page.js';
import { Chart } from './chart.js';

export class Charts {
  readonly #loss: Chart;
  readonly #metrics: Chart;
  readonly #baselines: Gallery['baselines'];

  constructor(baselines: Gallery['baselines']) {
    this.#baselines = baselines;
    this.#loss = new Chart(byId('loss-chart'), byId('loss-readout'), {
      title: 'Loss per picture, by epochs',
      xTitle: 'epochs',
      yTitle: 'loss',
      isLogarithmic: true,
      format: (value) => value.toPrecision(3),
    });
    this.#metrics = new Chart(byId('metric-chart'), byId('metric-readout'), {
      title: 'Held-out pictures, by epochs',
      xTitle: 'epochs',
      yTitle: 'share',
      isLogarithmic: false,
      range: [0, 1],
      format: (value) => value.toFixed(3),
    });
  }

  /** @param lastEpoch end of the axis */
  show({ losses, metrics }: History, lastEpoch: number): void {
    const points = losses.map(({ epochs, loss, startsCurve }) => ({ x: epochs, y: loss, startsLine: startsCurve }));
    // A loss of 0 has no place on a logarithmic axis.
    this.#loss.set([{ label: 'loss', className: 'first', points: points.filter(({ y }) => y > 0) }], lastEpoch);
    const level = (y: number) => [
      { x: 0, y },
      { x: lastEpoch, y },
    ];
    this.#metrics.set(
      [
        { label: 'LRAP', className: 'first', points: metrics.map(({ epochs, lrap }) => ({ x: epochs, y: lrap })) },
        {
          label: 'P@1',
          className: 'second',
          points: metrics.map(({ epochs, precisionAt1 }) => ({ x: epochs, y: precisionAt1 })),
        },
        { label: 'LRAP of raw pixels', className: 'pixels', points: level(this.#baselines.pixels.lrap) },
        { label: 'LRAP of tag frequency', className: 'prior', points: level(this.#baselines.prior.lrap) },
      ],
      lastEpoch,
    );
  }
}
