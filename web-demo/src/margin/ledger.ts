/** The pairs that violate the margin, as a sum that comes to the loss. */
import { decimal, element } from '../app/page.js';
import type { Pair } from './pairs.js';

export interface LedgerState {
  pairs: readonly Pair[];
  scores: Float32Array;
  vocabulary: readonly string[];
  margin: number;
  divisor: number;
  /** What the divisor counts. */
  divided: string;
}

const MOST_PAIRS = 10;

export class Ledger {
  readonly #place: HTMLElement;
  readonly #onPoint: (pair: Pair | null) => void;
  #rows: { pair: Pair; row: HTMLElement }[] = [];

  constructor(place: HTMLElement, onPoint: (pair: Pair | null) => void) {
    this.#place = place;
    this.#onPoint = onPoint;
  }

  show({ pairs, scores, vocabulary, margin, divisor, divided }: LedgerState): void {
    const table = element('table');
    table.createCaption().textContent =
      pairs.length === 0
        ? 'No pair violates the margin: the loss is 0.'
        : `${pairs.length} ${pairs.length === 1 ? 'pair violates' : 'pairs violate'} the margin.` +
          (pairs.length > MOST_PAIRS ? ` The largest ${MOST_PAIRS}:` : '');
    this.#rows = [];
    if (pairs.length > 0) {
      table.createTHead().innerHTML =
        '<tr><th scope="col">True tag, other tag</th><th scope="col" class="number">margin − true + other</th></tr>';
      const body = table.createTBody();
      for (const pair of pairs.slice(0, MOST_PAIRS)) this.#rows.push({ pair, row: this.#add(body, pair) });
      const sum = pairs.reduce((total, { hinge }) => total + hinge, 0);
      const rest = pairs.slice(MOST_PAIRS).reduce((total, { hinge }) => total + hinge, 0);
      const foot = table.createTFoot();
      if (rest > 0) addLine(foot, `${pairs.length - MOST_PAIRS} more`, decimal(rest));
      addLine(foot, 'Sum', decimal(sum));
      addLine(foot, `Loss: the sum ÷ ${divisor} ${divided}`, (sum / divisor).toFixed(4));
    }
    this.#place.replaceChildren(table);
    for (const { pair, row } of this.#rows) {
      const [tags, sum] = row.children as unknown as [HTMLElement, HTMLElement];
      tags.append(
        element('b', { textContent: vocabulary[pair.target]! }),
        ' and ',
        element('span', { className: 'other', textContent: vocabulary[pair.other]! }),
      );
      sum.append(
        `${margin} − ${signed(scores[pair.target]!)} + ${signed(scores[pair.other]!)} = `,
        element('b', { textContent: decimal(pair.hinge) }),
      );
    }
  }

  /** Lights the line of a pair, as its bar is. */
  light(isLit: (pair: Pair) => boolean): void {
    for (const { pair, row } of this.#rows) row.classList.toggle('lit', isLit(pair));
  }

  #add(body: HTMLTableSectionElement, pair: Pair): HTMLElement {
    const row = body.insertRow();
    row.insertCell();
    row.insertCell().className = 'number';
    row.addEventListener('pointerenter', () => this.#onPoint(pair));
    row.addEventListener('pointerleave', () => this.#onPoint(null));
    return row;
  }
}

function addLine(section: HTMLTableSectionElement, title: string, value: string): void {
  const row = section.insertRow();
  row.append(element('th', { scope: 'row', textContent: title }));
  Object.assign(row.insertCell(), { textContent: value, className: 'number' });
}

const signed = (score: number): string => (score < 0 ? `(${decimal(score)})` : decimal(score));
