/** Times as bars, and what they are times of. */
import { element } from '../app/page.js';
import type { BenchmarkReport, BenchmarkResult } from '../worker/benchmark.js';

export class BenchmarkView {
  readonly #place: HTMLElement;
  #results: BenchmarkResult[] = [];
  #leftOut: string[] = [];

  constructor(place: HTMLElement) {
    this.#place = place;
  }

  clear(): void {
    this.#results = [];
    this.#leftOut = [];
    this.#place.replaceChildren();
  }

  add(report: BenchmarkReport): void {
    if ('result' in report) this.#results.push(report.result);
    else this.#leftOut.push(report.leftOut);
    const shapes = new Map<string, BenchmarkResult[]>();
    for (const one of this.#results) {
      const shape = `${one.rows} × ${one.classes} scores, ${one.targets} targets a row`;
      shapes.set(shape, [...(shapes.get(shape) ?? []), one]);
    }
    this.#place.replaceChildren(
      ...[...shapes].flatMap(([shape, results]) => {
        const longest = Math.max(...results.map(({ ms }) => ms));
        const peer = results.find(({ isThisPackage }) => !isThisPackage);
        return [element('h3', { textContent: shape }), ...results.map((one) => bar(one, longest, peer))];
      }),
      ...this.#leftOut.map((text) => element('p', { className: 'hint', textContent: `Not timed here. ${text}` })),
    );
  }
}

function bar({ contender, isThisPackage, ms }: BenchmarkResult, longest: number, peer?: BenchmarkResult): HTMLElement {
  const row = element('div', { className: isThisPackage ? 'bench-row own' : 'bench-row' });
  const length = element('i');
  length.style.setProperty('--share', `${ms / longest}`);
  const value = element('span');
  value.append(length, `${ms.toPrecision(3)}\u00a0ms`);
  if (peer && isThisPackage) value.append(element('b', { textContent: ratio(peer.ms / ms) }));
  row.append(element('span', { textContent: contender }), value);
  return row;
}

const ratio = (times: number): string =>
  times >= 1 ? `${times.toPrecision(2)} times as fast` : `${(1 / times).toPrecision(2)} times as slow`;
