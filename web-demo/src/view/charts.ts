/** The curves of a training. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Gallery } from '../gallery.js';
import { EPOCHS, type RankingMetrics } from '../training/trainer.js';

const HEIGHT = 170;

interface Curve {
  label: string;
  colour: string;
  dash?: number[];
}

// The loss falls by a factor of a thousand. Lines at the powers of ten are enough.
const POWERS_OF_TEN: uPlot.Axis.Filter = (_, splits) => splits.map((y) => (Number.isInteger(Math.log10(y)) ? y : null));
const LOGARITHMIC: uPlot.Scale = {
  distr: 3,
  range: (_, least, most) => uPlot.rangeLog(least ?? 0.01, most ?? 10, 10, true),
};

class Chart {
  readonly #place: HTMLElement;
  readonly #curves: readonly Curve[];
  readonly #scale: uPlot.Scale;
  #plot: uPlot | null = null;
  #data: uPlot.AlignedData;

  constructor(place: HTMLElement, curves: readonly Curve[], scale: uPlot.Scale) {
    this.#place = place;
    this.#scale = scale;
    this.#curves = curves;
    this.#data = [[], ...curves.map(() => [])];
    new ResizeObserver(() => this.#plot?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
    // Colours are drawn, and do not follow the style sheet by themselves.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    this.draw();
  }

  set(data: uPlot.AlignedData): void {
    this.#data = data;
    this.#plot?.setData(data);
  }

  draw(): void {
    this.#plot?.destroy();
    const axis: uPlot.Axis = {
      stroke: colour('--soft'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui, sans-serif',
    };
    this.#plot = new uPlot(
      {
        width: this.#place.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: [0, EPOCHS] }, y: this.#scale },
        axes: [
          { ...axis, size: 24 },
          {
            ...axis,
            size: 40,
            ...(this.#scale === LOGARITHMIC && { grid: { ...axis.grid, filter: POWERS_OF_TEN } }),
          },
        ],
        series: [
          {},
          ...this.#curves.map(({ label, colour: name, dash }) => ({
            label,
            stroke: colour(name),
            width: dash ? 1.5 : 2,
            // A single point makes no line.
            points: { show: (plot: uPlot, i: number) => [...plot.data[i]!].filter((y) => y !== null).length === 1 },
            spanGaps: true,
            ...(dash && { dash }),
          })),
        ],
      },
      this.#data,
      this.#place,
    );
  }
}

/** What a custom property of the page comes to as a colour: a canvas cannot read light-dark(). */
function colour(name: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const METRIC_CURVES = [
  { label: 'LRAP', colour: '--accent' },
  { label: 'P@1', colour: '--wrong' },
  { label: 'LRAP, raw pixels', colour: '--accent', dash: [5, 4] },
  { label: 'LRAP, tag frequency', colour: '--soft', dash: [2, 3] },
] as const;

export class Charts {
  readonly #loss: Chart;
  readonly #metrics: Chart;
  readonly #baselines: Gallery['baselines'];
  #losses: [number[], number[]] = [[], []];
  #points: [number[], number[], number[]] = [[], [], []];

  constructor(lossPlace: HTMLElement, metricPlace: HTMLElement, key: HTMLElement, baselines: Gallery['baselines']) {
    this.#baselines = baselines;
    this.#loss = new Chart(lossPlace, [{ label: 'loss', colour: '--accent' }], LOGARITHMIC);
    this.#metrics = new Chart(
      metricPlace,
      METRIC_CURVES.map((curve) => ({ ...curve, dash: 'dash' in curve ? [...curve.dash] : undefined })) as Curve[],
      { range: [0, 1] },
    );
    key.replaceChildren(
      ...METRIC_CURVES.map((curve) => {
        const entry = document.createElement('span');
        entry.textContent = curve.label;
        entry.style.setProperty('--colour', `var(${curve.colour})`);
        if ('dash' in curve) entry.style.setProperty('--dash', 'dashed');
        return entry;
      }),
    );
    this.clear();
  }

  add(epochs: number, loss: number | null, metrics: RankingMetrics | null): void {
    if (loss !== null) {
      this.#losses[0].push(epochs);
      this.#losses[1].push(loss);
      this.#loss.set(this.#losses);
    }
    if (metrics !== null) {
      this.#points[0].push(epochs);
      this.#points[1].push(metrics.lrap);
      this.#points[2].push(metrics.precisionAt1);
      this.#drawMetrics();
    }
  }

  clear(): void {
    this.#losses = [[], []];
    this.#points = [[], [], []];
    this.#loss.set(this.#losses);
    this.#drawMetrics();
  }

  #drawMetrics(): void {
    const [epochs, lrap, precision] = this.#points;
    // The baselines reach over the whole width.
    const x = [0, ...epochs, EPOCHS];
    const { prior, pixels } = this.#baselines;
    const whole = (value: number): number[] => x.map(() => value);
    this.#metrics.set([x, [null, ...lrap, null], [null, ...precision, null], whole(pixels.lrap), whole(prior.lrap)]);
  }
}
