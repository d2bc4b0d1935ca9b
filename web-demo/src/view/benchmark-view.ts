/** Times as bars. */
import type { BenchmarkResult } from '../worker/benchmark.js';

export class BenchmarkView {
  readonly #place: HTMLElement;
  #results: BenchmarkResult[] = [];

  constructor(place: HTMLElement) {
    this.#place = place;
  }

  clear(): void {
    this.#results = [];
    this.#place.replaceChildren();
  }

  add(result: BenchmarkResult): void {
    this.#results.push(result);
    const shapes = new Map<string, BenchmarkResult[]>();
    for (const one of this.#results) {
      const shape = `${one.rows} × ${one.classes} scores, ${one.targets} targets a row`;
      shapes.set(shape, [...(shapes.get(shape) ?? []), one]);
    }
    this.#place.replaceChildren(
      ...[...shapes].flatMap(([shape, results]) => {
        const longest = Math.max(...results.map(({ ms }) => ms));
        const title = Object.assign(document.createElement('h3'), { textContent: shape });
        return [title, ...results.map((one) => bar(one, longest))];
      }),
    );
  }
}

function bar({ contender, ms }: BenchmarkResult, longest: number): HTMLElement {
  const row = document.createElement('div');
  row.className = contender.startsWith('This package') ? 'bench-row own' : 'bench-row';
  const length = document.createElement('i');
  length.style.setProperty('--share', `${ms / longest}`);
  const value = document.createElement('span');
  value.append(length, `${ms.toPrecision(3)} ms`);
  row.append(Object.assign(document.createElement('span'), { textContent: contender }), value);
  return row;
}
