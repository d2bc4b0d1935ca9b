/** A line chart as SVG: it takes its colours from the style sheet, and shows values to a mouse, a finger and a screen reader. */

export interface Point {
  x: number;
  y: number;
  /** No line leads to it. */
  startsLine?: boolean;
}

export interface Curve {
  label: string;
  /** A class of the style sheet, which has its colour and dashes. */
  className: string;
  points: readonly Point[];
}

export interface ChartOptions {
  /** What is shown, for those who do not see it: "Loss per picture". */
  title: string;
  xTitle: string;
  yTitle: string;
  isLogarithmic: boolean;
  /** Ends of the vertical axis, if they do not follow from the points. */
  range?: readonly [number, number];
  format: (value: number) => string;
}

const NAMESPACE = 'http://www.w3.org/2000/svg';
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 8, 32];
const HEIGHT = 116;

export class Chart {
  readonly #svg: SVGSVGElement;
  readonly #readout: HTMLElement;
  readonly #options: ChartOptions;
  #curves: readonly Curve[] = [];
  #xMost = 1;
  #width = 300;
  /** Where the pointer is, in epochs. */
  #pointedAt: number | null = null;

  constructor(place: HTMLElement, readout: HTMLElement, options: ChartOptions) {
    this.#options = options;
    this.#readout = readout;
    this.#svg = make('svg', { role: 'img', height: HEIGHT });
    place.replaceChildren(this.#svg);
    new ResizeObserver(() => {
      this.#width = Math.max(160, place.clientWidth);
      this.#draw();
    }).observe(place);
    const point = ({ clientX }: PointerEvent): void => {
      const share = (clientX - this.#svg.getBoundingClientRect().left - LEFT) / (this.#width - LEFT - RIGHT);
      this.#pointedAt = Math.min(1, Math.max(0, share)) * this.#xMost;
      this.#draw();
    };
    this.#svg.addEventListener('pointerdown', point);
    this.#svg.addEventListener('pointermove', point);
    this.#svg.addEventListener('pointerleave', ({ pointerType }) => {
      // What a finger has chosen stays when it is lifted.
      if (pointerType === 'touch') return;
      this.#pointedAt = null;
      this.#draw();
    });
  }

  set(curves: readonly Curve[], xMost: number): void {
    this.#curves = curves;
    this.#xMost = xMost;
    this.#draw();
  }

  #draw(): void {
    const { isLogarithmic, xTitle, yTitle } = this.#options;
    const [least, most] = this.#range();
    const scale = isLogarithmic ? Math.log10 : Number;
    const right = this.#width - RIGHT;
    const bottom = HEIGHT - BOTTOM;
    const xOf = (x: number): number => LEFT + (x / this.#xMost) * (right - LEFT);
    const yOf = (y: number): number =>
      bottom - ((scale(y) - scale(least)) / (scale(most) - scale(least))) * (bottom - TOP);
    const parts: SVGElement[] = [];
    for (const y of isLogarithmic ? powersOfTen(least, most) : [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(make('line', { class: 'grid', x1: LEFT, x2: right, y1: yOf(y), y2: yOf(y) }));
      parts.push(make('text', { class: 'y', x: LEFT - 6, y: yOf(y) + 4 }, String(y)));
    }
    for (let i = 0; i <= 4; i++) {
      const x = (this.#xMost * i) / 4;
      parts.push(make('text', { class: 'x', x: xOf(x), y: bottom + 14 }, String(Math.round(x * 10) / 10)));
    }
    parts.push(make('text', { class: 'x', x: (LEFT + right) / 2, y: HEIGHT - 3 }, xTitle));
    const middle = (TOP + bottom) / 2;
    parts.push(make('text', { class: 'x', x: 9, y: middle, transform: `rotate(-90 9 ${middle})` }, yTitle));
    for (const { points, className } of this.#curves) {
      const path = points
        .map(
          ({ x, y, startsLine }, i) => `${i === 0 || startsLine ? 'M' : 'L'}${xOf(x).toFixed(1)} ${yOf(y).toFixed(1)}`,
        )
        .join('');
      // A line of one point has a round end, which is a dot.
      parts.push(make('path', { class: `curve ${className}`, d: points.length === 1 ? `${path}h0` : path }));
    }
    const pointed = this.#pointed();
    if (pointed) {
      parts.push(make('line', { class: 'cursor', x1: xOf(pointed.x), x2: xOf(pointed.x), y1: TOP, y2: bottom }));
      for (const { className, y } of pointed.values) {
        parts.push(make('circle', { class: className, cx: xOf(pointed.x), cy: yOf(y), r: 3.5 }));
      }
    }
    this.#readout.textContent = pointed
      ? `epoch ${pointed.x.toFixed(1)}: ${pointed.values.map(({ label, y }) => `${label} ${this.#options.format(y)}`).join(', ')}`
      : '';
    this.#svg.setAttribute('viewBox', `0 0 ${this.#width} ${HEIGHT}`);
    this.#svg.setAttribute('width', String(this.#width));
    this.#svg.setAttribute('aria-label', this.#inWords());
    this.#svg.replaceChildren(...parts);
  }

  /** The point nearest to the pointer, of the curve that has the most, and those of the others beside it. */
  #pointed() {
    const at = this.#pointedAt;
    const [longest] = [...this.#curves].sort((a, b) => b.points.length - a.points.length);
    if (at === null || longest === undefined || longest.points.length === 0) return null;
    const { x } = nearest(longest.points, at);
    const values = this.#curves
      .filter(({ points }) => points.length > 0)
      .map(({ label, className, points }) => ({ label, className, y: nearest(points, x).y }));
    return { x, values };
  }

  #range(): readonly [number, number] {
    if (this.#options.range) return this.#options.range;
    const values = this.#curves.flatMap(({ points }) => points.map(({ y }) => y)).filter((y) => y > 0);
    if (values.length === 0) return [0.01, 10];
    const least = 10 ** Math.floor(Math.log10(Math.min(...values)));
    const most = 10 ** Math.ceil(Math.log10(Math.max(...values)));
    return [least, Math.max(most, 10 * least)];
  }

  #inWords(): string {
    const { title, format } = this.#options;
    const curves = this.#curves.flatMap(({ label, points }) => {
      const [first, last] = [points[0], points.at(-1)];
      if (!first || !last) return [];
      const end = `${format(last.y)} at epoch ${last.x.toFixed(1)}`;
      return first === last || first.y === last.y
        ? `${label} ${end}`
        : `${label} from ${format(first.y)} at epoch ${first.x.toFixed(1)} to ${end}`;
    });
    return `${title}: ${curves.length === 0 ? 'nothing yet' : curves.join('; ')}.`;
  }
}

function nearest(points: readonly Point[], x: number): Point {
  return points.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best));
}

function powersOfTen(least: number, most: number): number[] {
  const powers = [];
  for (let power = Math.round(Math.log10(least)); power <= Math.log10(most) + 1e-9; power++) powers.push(10 ** power);
  return powers;
}

function make<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Record<string, string | number>,
  text = '',
): SVGElementTagNameMap[K] {
  const node = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.textContent = text;
  return node;
}
