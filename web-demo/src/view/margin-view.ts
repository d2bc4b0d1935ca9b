/** The tags of one picture, what the loss makes of their scores, and handles to move them. */
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { divisorOf, type Pair, violatingPairs } from '../margin/pairs.js';
import type { LossSettings } from '../worker/tagger.js';

const MOST_ROWS = 16;
const MOST_PAIRS = 8;
const KEY_STEP = 0.1;

interface Elements {
  rows: HTMLElement;
  pairs: HTMLElement;
  loss: HTMLElement;
  hint: HTMLElement;
}

interface Row {
  tag: number;
  element: HTMLElement;
  name: HTMLButtonElement;
  hinge: HTMLElement;
  handle: HTMLElement;
  gradient: HTMLElement;
}

export class MarginView {
  readonly #elements: Elements;
  readonly #vocabulary: readonly string[];
  #settings: LossSettings;
  #lossFn: MultiLabelMarginLoss;
  #scores = new Float32Array();
  #targets: number[] = [];
  #rows: Row[] = [];
  /** Ends of the axis. */
  #range: [number, number] = [-1, 1];
  /** The target whose margin is drawn; null for the one that is worst off. */
  #focus: number | null = null;
  #dragging = false;

  /** @param settings those of training, whose reduction makes no difference to a single row */
  constructor(elements: Elements, vocabulary: readonly string[], settings: LossSettings) {
    this.#elements = elements;
    this.#vocabulary = vocabulary;
    this.#settings = settings;
    this.#lossFn = lossFor(settings);
  }

  set settings(settings: LossSettings) {
    this.#settings = settings;
    this.#lossFn = lossFor(settings);
    if (this.#scores.length > 0) this.#update();
  }

  /** Shows another picture. */
  show(scores: Float32Array, targets: readonly number[]): void {
    this.#targets = [...targets];
    this.#focus = null;
    this.#scores = scores.slice();
    this.#build();
  }

  /** New scores for the picture that is shown; not while somebody moves one. */
  refresh(scores: Float32Array): void {
    if (this.#dragging || this.#scores.length === 0) return;
    this.#scores = scores.slice();
    this.#build();
  }

  /** The rows: all true tags, and the others that score highest. */
  #build(): void {
    const order = [...this.#scores.keys()].sort((a, b) => this.#scores[b]! - this.#scores[a]!);
    const others = order.filter((tag) => !this.#targets.includes(tag)).slice(0, MOST_ROWS - this.#targets.length);
    const tags = order.filter((tag) => this.#targets.includes(tag) || others.includes(tag));
    const shown = [
      ...tags.map((tag) => this.#scores[tag]!),
      ...tags.map((tag) => this.#scores[tag]! - this.#settings.margin),
    ];
    this.#range = [Math.min(...shown, -1) - 0.25, Math.max(...shown, 1) + 0.25];
    // Rows are kept, and with them the focus of the keyboard.
    while (this.#rows.length > tags.length) this.#rows.pop()!.element.remove();
    while (this.#rows.length < tags.length) this.#rows.push(this.#makeRow());
    tags.forEach((tag, i) => (this.#rows[i]!.tag = tag));
    if (!this.#elements.rows.querySelector('.scale')) {
      const scale = document.createElement('div');
      scale.className = 'scale';
      scale.append(
        ...['Tag', 'Score', '− Gradient'].map((text) =>
          Object.assign(document.createElement('span'), { textContent: text }),
        ),
      );
      this.#elements.rows.prepend(scale);
    }
    this.#update();
  }

  #makeRow(): Row {
    const element = document.createElement('div');
    element.className = 'row';
    element.innerHTML = `<button type="button"></button>
      <div class="track"><div class="zone"></div><div class="hinge"></div>
        <div class="handle" role="slider" tabindex="0"></div></div>
      <div class="gradient"><i></i></div>`;
    const find = (selector: string): HTMLElement => element.querySelector<HTMLElement>(selector)!;
    const row: Row = {
      tag: 0,
      element,
      name: find('button') as HTMLButtonElement,
      hinge: find('.hinge'),
      handle: find('.handle'),
      gradient: find('.gradient i'),
    };
    row.name.addEventListener('click', () => this.#toggle(row.tag));
    row.handle.addEventListener('focus', () => this.#focusOn(row.tag));
    row.handle.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.#move(row.tag, this.#scores[row.tag]! + step * KEY_STEP);
    });
    row.handle.addEventListener('pointerdown', (event) => {
      row.handle.setPointerCapture(event.pointerId);
      this.#dragging = true;
      this.#focusOn(row.tag);
    });
    row.handle.addEventListener('pointermove', (event) => {
      if (!row.handle.hasPointerCapture(event.pointerId)) return;
      const { left, width } = row.handle.parentElement!.getBoundingClientRect();
      const [from, to] = this.#range;
      const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
      this.#move(row.tag, from + share * (to - from));
    });
    row.handle.addEventListener('lostpointercapture', () => (this.#dragging = false));
    this.#elements.rows.append(element);
    return row;
  }

  #toggle(tag: number): void {
    this.#targets = this.#targets.includes(tag)
      ? this.#targets.filter((other) => other !== tag)
      : [...this.#targets, tag];
    this.#focus = this.#targets.includes(tag) ? tag : null;
    this.#update();
  }

  #focusOn(tag: number): void {
    if (!this.#targets.includes(tag) || this.#focus === tag) return;
    this.#focus = tag;
    this.#update();
  }

  #move(tag: number, score: number): void {
    this.#scores[tag] = Math.max(this.#range[0], Math.min(this.#range[1], score));
    this.#update();
  }

  #update(): void {
    const scores = this.#scores;
    const { loss, grad } = this.#lossFn.valueAndGrad(scores, this.#targets);
    const pairs = violatingPairs(scores, this.#targets, this.#settings);
    const focus = this.#focus ?? pairs[0]?.target ?? this.#targets[0];
    const gradient = grad.data;
    const steepest = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 1e-9);
    const percent = (score: number): string => {
      const [from, to] = this.#range;
      return `${((score - from) / (to - from)) * 100}%`;
    };
    const threshold = focus === undefined ? Infinity : scores[focus]! - this.#settings.margin;
    this.#elements.rows.classList.toggle('unmarked', focus === undefined);
    if (focus !== undefined) this.#elements.rows.style.setProperty('--threshold', percent(threshold));

    for (const { tag, element, name, hinge, handle, gradient: bar } of this.#rows) {
      const score = scores[tag]!;
      const isTarget = this.#targets.includes(tag);
      name.textContent = this.#vocabulary[tag]!;
      name.setAttribute('aria-pressed', `${isTarget}`);
      name.title = isTarget ? 'A true tag' : 'Mark it as a true tag';
      element.classList.toggle('focused', tag === focus);
      handle.classList.toggle('target', isTarget);
      handle.style.setProperty('--x', percent(score));
      handle.setAttribute('aria-label', `Score of ${this.#vocabulary[tag]!}`);
      handle.setAttribute('aria-valuemin', this.#range[0].toFixed(2));
      handle.setAttribute('aria-valuemax', this.#range[1].toFixed(2));
      handle.setAttribute('aria-valuenow', score.toFixed(2));
      const violates = pairs.some((pair) => pair.target === focus && pair.other === tag);
      hinge.hidden = !violates;
      if (violates) {
        hinge.style.setProperty('--from', percent(threshold));
        hinge.style.setProperty('--to', percent(score));
      }
      // Downhill is where training moves the score: against the gradient.
      const share = (gradient[tag]! / steepest) * 50;
      bar.classList.toggle('up', share < 0);
      bar.style.setProperty('--from', `${share < 0 ? 50 : 50 - share}%`);
      bar.style.setProperty('--size', `${Math.abs(share)}%`);
      bar.parentElement!.title = `d(loss)/d(score) = ${gradient[tag]!.toPrecision(3)}`;
    }
    this.#elements.loss.textContent = `loss ${Number(loss.item()).toFixed(4)}`;
    this.#elements.hint.textContent = this.#explain(focus, pairs);
    this.#listPairs(pairs);
  }

  #explain(focus: number | undefined, pairs: Pair[]): string {
    if (focus === undefined)
      return 'No tag is marked as true, so there is nothing to learn: the loss is 0. Press a tag to mark it.';
    const name = this.#vocabulary[focus]!;
    const count = pairs.filter(({ target }) => target === focus).length;
    const what = count === 0 ? 'none does' : count === 1 ? 'one does' : `${count} do`;
    return (
      `“${name}” is true, and every other tag is to score at least ${this.#settings.margin} less: left of the dashed line. ` +
      `Of those that reach beyond it, each adds the length of its bar: ${what}. Move a score, and see.`
    );
  }

  #listPairs(pairs: Pair[]): void {
    const { pairs: place } = this.#elements;
    const { margin } = this.#settings;
    const divisor = divisorOf(this.#settings, this.#scores.length, this.#targets.length);
    if (pairs.length === 0) {
      place.replaceChildren();
      return;
    }
    const table = document.createElement('table');
    const sum = pairs.reduce((total, { hinge }) => total + hinge, 0);
    table.createCaption().textContent =
      `${pairs.length} ${pairs.length === 1 ? 'pair violates' : 'pairs violate'} the margin: ` +
      `${sum.toFixed(3)} in all, divided by ${divisor} ${this.#settings.normalization === 'classes' ? 'tags' : 'true tags'} ` +
      `is the loss, ${(sum / divisor).toFixed(4)}.` +
      (pairs.length > MOST_PAIRS ? ` The largest ${MOST_PAIRS}:` : '');
    table.createTHead().innerHTML =
      '<tr><th scope="col">True tag</th><th scope="col">Other tag</th><th scope="col">max(0, margin − x[target] + x[other])</th><th scope="col" class="number">Adds</th></tr>';
    const body = table.createTBody();
    for (const { target, other, hinge } of pairs.slice(0, MOST_PAIRS)) {
      const row = body.insertRow();
      const cell = (text: string): HTMLTableCellElement => Object.assign(row.insertCell(), { textContent: text });
      cell(this.#vocabulary[target]!);
      cell(this.#vocabulary[other]!);
      cell(`${margin} − ${signed(this.#scores[target]!)} + ${signed(this.#scores[other]!)} = ${hinge.toFixed(2)}`);
      cell((hinge / divisor).toFixed(4)).className = 'number';
    }
    place.replaceChildren(table);
  }
}

const signed = (score: number): string => (score < 0 ? `(−${Math.abs(score).toFixed(2)})` : score.toFixed(2));

function lossFor({ margin, normalization, targetOrder }: LossSettings): MultiLabelMarginLoss {
  return new MultiLabelMarginLoss({ reduction: 'mean', margin, normalization, targetOrder });
}
