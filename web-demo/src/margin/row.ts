/** One row of the margin picture: a tag, its score as a handle on the axis, and where training pushes it. */
import { decimal, element } from '../app/page.js';
import { percentOf, type Range } from './axis.js';

/** What a row shows. */
export interface RowState {
  tag: number;
  name: string;
  score: number;
  isTarget: boolean;
  /** Its margin is the one that is drawn. */
  isFocus: boolean;
  /** Score of the target that is looked at less the margin; null if there is none. */
  threshold: number | null;
  margin: number;
  violates: boolean;
  /** -gradient, as a share of the steepest of the picture, from -1 to 1. */
  push: number;
  range: Range;
}

export interface RowEvents {
  onToggle(tag: number): void;
  onFocus(tag: number): void;
  /** Before a run of moves. */
  onGrab(tag: number): void;
  onMove(tag: number, score: number): void;
  onDrop(): void;
  onPoint(tag: number | null): void;
  /** To the row above or below. */
  onStep(tag: number, rows: number, control: 'name' | 'handle'): void;
}

const KEY_STEP = 0.1;

export class Row {
  readonly element = element('div', { className: 'row' });
  readonly name = element('button', { type: 'button' });
  readonly handle = element('div', { className: 'handle' });
  readonly #score = element('span', { className: 'score' });
  readonly #hinge = element('div', { className: 'hinge' });
  readonly #bracket = element('div', { className: 'bracket' });
  readonly #margin = element('span');
  readonly #push = element('i');
  #state: RowState | null = null;

  constructor(events: RowEvents) {
    const track = element('div', { className: 'track' });
    const push = element('div', { className: 'push' });
    push.append(this.#push);
    this.#bracket.append(this.#margin);
    track.append(this.#hinge, this.#bracket, this.handle);
    this.element.append(this.name, this.#score, track, push);
    this.handle.setAttribute('role', 'slider');
    this.handle.setAttribute('aria-orientation', 'horizontal');
    this.name.addEventListener('click', () => events.onToggle(this.tag));
    this.name.addEventListener('keydown', (event) => this.#step(event, events, 'name'));
    this.handle.addEventListener('keydown', (event) => this.#key(event, events));
    this.handle.addEventListener('focus', () => events.onFocus(this.tag));
    this.element.addEventListener('pointerenter', () => events.onPoint(this.tag));
    this.element.addEventListener('pointerleave', () => events.onPoint(null));
    this.handle.addEventListener('focus', () => events.onPoint(this.tag));
    this.handle.addEventListener('blur', () => events.onPoint(null));
    this.handle.addEventListener('pointerdown', (event) => {
      this.handle.setPointerCapture(event.pointerId);
      events.onGrab(this.tag);
    });
    this.handle.addEventListener('pointermove', (event) => {
      if (!this.handle.hasPointerCapture(event.pointerId) || this.#state === null) return;
      const { left, width } = track.getBoundingClientRect();
      const [from, to] = this.#state.range;
      events.onMove(this.tag, from + Math.max(0, Math.min(1, (event.clientX - left) / width)) * (to - from));
    });
    this.handle.addEventListener('lostpointercapture', () => events.onDrop());
  }

  get tag(): number {
    return this.#state?.tag ?? -1;
  }

  show(state: RowState): void {
    this.#state = state;
    const { name, score, isTarget, isFocus, threshold, violates, push, range, margin } = state;
    this.name.textContent = name;
    this.name.setAttribute('aria-pressed', `${isTarget}`);
    this.name.title = isTarget ? `${name}: a true tag` : `${name}: mark it as a true tag`;
    this.#score.textContent = decimal(score);
    this.element.classList.toggle('focused', isFocus);
    this.element.classList.toggle('violates', violates);
    this.handle.classList.toggle('target', isTarget);
    const at = percentOf(score, range);
    this.handle.style.setProperty('--x', `${at}%`);
    this.#span(this.#hinge, violates ? threshold : null, at);
    this.#span(this.#bracket, isFocus ? threshold : null, at);
    this.#bracket.classList.toggle('at-right', at > 60);
    this.#margin.textContent = `margin = ${margin}`;
    this.#push.classList.toggle('up', push > 0);
    this.#push.style.setProperty('--size', `${Math.abs(push) * 50}%`);
    const direction =
      push === 0 ? 'training leaves it' : push > 0 ? 'training pushes it up' : 'training pushes it down';
    this.#push.parentElement!.title = direction;
    this.handle.setAttribute('aria-label', `Score of ${name}`);
    this.handle.setAttribute('aria-valuemin', range[0].toFixed(2));
    this.handle.setAttribute('aria-valuemax', range[1].toFixed(2));
    this.handle.setAttribute('aria-valuenow', score.toFixed(2));
    this.handle.setAttribute('aria-valuetext', `${decimal(score)}, ${direction}`);
  }

  /** From the threshold to the score; hidden where there is no threshold. */
  #span(bar: HTMLElement, threshold: number | null, at: number): void {
    bar.hidden = threshold === null;
    if (threshold === null) return;
    const from = percentOf(threshold, this.#state!.range);
    bar.style.setProperty('--from', `${from}%`);
    bar.style.setProperty('--size', `${Math.max(0, at - from)}%`);
  }

  #key(event: KeyboardEvent, events: RowEvents): void {
    if (this.#state === null) return;
    const { score, range } = this.#state;
    const to = {
      ArrowLeft: score - KEY_STEP,
      ArrowRight: score + KEY_STEP,
      PageDown: score - 10 * KEY_STEP,
      PageUp: score + 10 * KEY_STEP,
      Home: range[0],
      End: range[1],
    }[event.key];
    if (to === undefined) {
      this.#step(event, events, 'handle');
      return;
    }
    event.preventDefault();
    events.onGrab(this.tag);
    events.onMove(this.tag, to);
    events.onDrop();
  }

  #step(event: KeyboardEvent, events: RowEvents, control: 'name' | 'handle'): void {
    const rows = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (rows === undefined) return;
    event.preventDefault();
    events.onStep(this.tag, rows, control);
  }
}
