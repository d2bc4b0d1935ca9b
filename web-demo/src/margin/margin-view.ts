/** The tags of one picture, what the loss makes of their scores, and handles to move them. */
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { byId, decimal, element } from '../app/page.js';
import { makeStop } from '../view/roving.js';
import type { LossSettings } from '../worker/tagger.js';
import { percentOf, type Range, rangeFor, ticksOf } from './axis.js';
import { Ledger } from './ledger.js';
import { divisorOf, type Pair, violatingPairs } from './pairs.js';
import { Row } from './row.js';

const MOST_ROWS = 12;

// What-if moves a score this much past the margin, so that it can be seen to be past it.
const CLEAR = 0.05;

interface State {
  scores: Float32Array;
  targets: readonly number[];
}

export class MarginView {
  readonly #vocabulary: readonly string[];
  readonly #onEdit: () => void;
  readonly #ledger: Ledger;
  readonly #rows: Row[] = [];
  #settings: LossSettings;
  #lossFn: MultiLabelMarginLoss;
  #state: State = { scores: new Float32Array(), targets: [] };
  /** The state that the tagger gives. */
  #model: State = this.#state;
  #undo: State[] = [];
  #pairs: Pair[] = [];
  #range: Range = [-1, 1];
  /** The target whose margin was asked for; null for the one that is worst off. */
  #chosen: number | null = null;
  #dragging = false;
  #whatIf: (() => void) | null = null;

  /**
   * @param settings those of training, whose reduction makes no difference to a single row
   * @param onEdit called when the visitor has moved a score
   */
  constructor(vocabulary: readonly string[], settings: LossSettings, onEdit: () => void) {
    this.#vocabulary = vocabulary;
    this.#settings = settings;
    this.#lossFn = lossFor(settings);
    this.#onEdit = onEdit;
    this.#ledger = new Ledger(byId('pairs'), (pair) => {
      if (pair) this.#focusOn(pair.target);
      this.#light(pair?.other ?? null);
    });
    byId('undo').addEventListener('click', () => this.#goBack());
    byId('follow').addEventListener('click', () => this.show(this.#model.scores, this.#model.targets));
    byId('what-if').addEventListener('click', () => this.#whatIf?.());
  }

  set settings(settings: LossSettings) {
    this.#settings = settings;
    this.#lossFn = lossFor(settings);
    if (this.#state.scores.length > 0) this.#build();
  }

  /** Shows another picture. */
  show(scores: Float32Array, targets: readonly number[]): void {
    this.#model = this.#state = { scores: scores.slice(), targets: [...targets] };
    this.#undo = [];
    this.#chosen = null;
    this.#build();
  }

  /** New scores of the tagger for the picture that is shown: shown unless the visitor has moved some. */
  refresh(scores: Float32Array): void {
    this.#model = { ...this.#model, scores: scores.slice() };
    if (this.#dragging || this.#undo.length > 0) return;
    this.#state = { scores: scores.slice(), targets: this.#state.targets };
    this.#build();
  }

  /** Puts the keyboard on the score that is worth moving. */
  focusHandle(): void {
    const focus = this.#focus();
    (this.#rows.find(({ tag }) => tag === focus) ?? this.#rows[0])?.handle.focus();
  }

  /** The rows: all true tags, and the others that score highest. */
  #build(): void {
    const { scores, targets } = this.#state;
    const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);
    const others = order.filter((tag) => !targets.includes(tag)).slice(0, Math.max(4, MOST_ROWS - targets.length));
    const tags = order.filter((tag) => targets.includes(tag) || others.includes(tag));
    // Rows are kept, and with them the focus of the keyboard.
    while (this.#rows.length > tags.length) this.#rows.pop()!.element.remove();
    while (this.#rows.length < tags.length) this.#addRow();
    this.#rescale(tags);
    this.#update(tags);
    const focused = this.#rows.findIndex(({ handle }) => handle.tabIndex === 0);
    this.#makeStop(Math.max(0, focused));
  }

  #addRow(): void {
    const row = new Row({
      onToggle: (tag) => this.#toggle(tag),
      onFocus: (tag) => {
        this.#makeStop(this.#rows.findIndex((other) => other.tag === tag));
        this.#focusOn(tag);
      },
      onGrab: (tag) => {
        this.#remember();
        this.#dragging = true;
        this.#focusOn(tag);
      },
      onMove: (tag, score) => {
        this.#set(tag, score);
        this.#update();
      },
      onDrop: () => {
        this.#dragging = false;
        this.#rescale();
        this.#update();
      },
      onPoint: (tag) => this.#light(tag),
      onStep: (tag, rows, control) => {
        const to = this.#rows[this.#rows.findIndex((other) => other.tag === tag) + rows];
        if (!to) return;
        this.#makeStop(this.#rows.indexOf(to));
        to[control].focus();
      },
    });
    this.#rows.push(row);
    byId('margin-rows').append(row.element);
  }

  /** Two stops for the Tab key: the tags, and the handles. */
  #makeStop(index: number): void {
    makeStop(
      this.#rows.map(({ name }) => name),
      this.#rows[index]?.name,
    );
    makeStop(
      this.#rows.map(({ handle }) => handle),
      this.#rows[index]?.handle,
    );
  }

  #remember(): void {
    this.#undo.push({ scores: this.#state.scores.slice(), targets: this.#state.targets });
    this.#onEdit();
  }

  #goBack(): void {
    const before = this.#undo.pop();
    if (!before) return;
    this.#state = this.#undo.length === 0 ? { ...before, scores: this.#model.scores.slice() } : before;
    this.#build();
  }

  #set(tag: number, score: number): void {
    const scores = this.#state.scores.slice();
    scores[tag] = score;
    this.#state = { ...this.#state, scores };
  }

  #toggle(tag: number): void {
    this.#remember();
    const { targets } = this.#state;
    const isTarget = targets.includes(tag);
    this.#state = {
      ...this.#state,
      targets: isTarget ? targets.filter((other) => other !== tag) : [...targets, tag],
    };
    this.#chosen = isTarget ? null : tag;
    this.#rescale();
    this.#update();
  }

  #focusOn(tag: number): void {
    if (!this.#state.targets.includes(tag) || this.#chosen === tag) return;
    this.#chosen = tag;
    this.#update();
  }

  /** The target whose margin is drawn; undefined if no tag is true. */
  #focus(): number | undefined {
    const { targets } = this.#state;
    if (this.#chosen !== null && targets.includes(this.#chosen)) return this.#chosen;
    return this.#pairs[0]?.target ?? targets[0];
  }

  /** Fits the axis to the scores and the thresholds of targets. */
  #rescale(tags = this.#rows.map(({ tag }) => tag)): void {
    const { scores, targets } = this.#state;
    const thresholds = targets.map((tag) => scores[tag]! - this.#settings.margin);
    this.#range = rangeFor([...tags.map((tag) => scores[tag]!), ...thresholds]);
    byId('axis').replaceChildren(
      ...ticksOf(this.#range).map((tick) => {
        const mark = element('span', { textContent: decimal(tick, Number.isInteger(tick) ? 0 : 1) });
        mark.style.setProperty('--x', `${percentOf(tick, this.#range)}%`);
        return mark;
      }),
    );
  }

  #update(tags = this.#rows.map(({ tag }) => tag)): void {
    const { scores, targets } = this.#state;
    const { margin, normalization } = this.#settings;
    const { loss, grad } = this.#lossFn.valueAndGrad(scores, targets);
    const gradient = grad.data;
    this.#pairs = violatingPairs(scores, targets, this.#settings);
    const focus = this.#focus();
    const threshold = focus === undefined ? null : scores[focus]! - margin;
    const steepest = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    this.#rows.forEach((row, i) => {
      const tag = tags[i]!;
      row.show({
        tag,
        name: this.#vocabulary[tag]!,
        score: scores[tag]!,
        isTarget: targets.includes(tag),
        isFocus: tag === focus,
        threshold,
        margin,
        violates: this.#pairs.some((pair) => pair.target === focus && pair.other === tag),
        push: steepest === 0 ? 0 : -gradient[tag]! / steepest,
        range: this.#range,
      });
    });
    this.#drawThreshold(focus, threshold);
    byId('row-loss').textContent = `loss ${Number(loss.item()).toFixed(4)}`;
    byId('margin-hint').textContent = this.#explain(focus);
    this.#ledger.show({
      pairs: this.#pairs,
      scores,
      vocabulary: this.#vocabulary,
      margin,
      divisor: divisorOf(this.#settings, scores.length, targets.length),
      divided: normalization === 'classes' ? 'tags' : 'true tags',
    });
    this.#offer(focus);
    const edited = this.#undo.length > 0;
    byId<HTMLButtonElement>('undo').disabled = !edited;
    byId<HTMLButtonElement>('follow').disabled = !edited;
  }

  #drawThreshold(focus: number | undefined, threshold: number | null): void {
    const plot = byId('plot');
    plot.classList.toggle('unmarked', threshold === null);
    if (focus === undefined || threshold === null) return;
    plot.style.setProperty('--threshold', `${percentOf(threshold, this.#range)}%`);
    const label = byId('threshold-label');
    label.textContent = `“${this.#vocabulary[focus]!}” − ${this.#settings.margin}`;
    label.classList.toggle('at-right', percentOf(threshold, this.#range) > 60);
  }

  #explain(focus: number | undefined): string {
    if (focus === undefined) {
      return 'No tag is marked as true, so there is nothing to learn: the loss is 0. Press a tag to mark it.';
    }
    const { scores } = this.#state;
    const { margin } = this.#settings;
    const name = (tag: number): string => `“${this.#vocabulary[tag]!}”`;
    const worst = this.#pairs.find(({ target }) => target === focus);
    if (worst === undefined) {
      return (
        `${name(focus)} is true, and every tag that is not true scores at least ${margin} less, left of the dashed line: ` +
        'none adds to the loss. Drag one across the line, and it does.'
      );
    }
    const gap = scores[focus]! - scores[worst.other]!;
    const ahead = gap >= 0 ? `only ${decimal(gap)} ahead of` : `${decimal(-gap)} behind`;
    return (
      `${name(focus)} is true, and ${ahead} ${name(worst.other)}, which is not. ` +
      `It should be ${margin} ahead. What is missing, ${decimal(worst.hinge)}, is a red bar, and adds to the loss.`
    );
  }

  /** A change that shows what the loss is about: it ends what the target adds, or makes it add something. */
  #offer(focus: number | undefined): void {
    const button = byId<HTMLButtonElement>('what-if');
    const { scores, targets } = this.#state;
    const best = scores.reduce(
      (top, score, tag) => (targets.includes(tag) || (top !== -1 && scores[top]! >= score) ? top : tag),
      -1,
    );
    button.hidden = focus === undefined || best === -1;
    if (focus === undefined || best === -1) return;
    const violates = this.#pairs.some(({ target }) => target === focus);
    const [name, other] = [this.#vocabulary[focus]!, this.#vocabulary[best]!];
    button.textContent = violates
      ? `What if “${name}” were a whole margin ahead?`
      : `What if “${name}” scored no more than “${other}”?`;
    this.#whatIf = () => {
      this.#remember();
      this.#chosen = focus;
      this.#set(focus, violates ? scores[best]! + this.#settings.margin + CLEAR : scores[best]!);
      this.#rescale();
      this.#update();
    };
  }

  /** Lights the bar of a tag, and its line among the pairs. */
  #light(tag: number | null): void {
    for (const row of this.#rows) row.element.classList.toggle('lit', row.tag === tag);
    const focus = this.#focus();
    this.#ledger.light(({ target, other }) => other === tag && target === focus);
  }
}

function lossFor({ margin, normalization, targetOrder }: LossSettings): MultiLabelMarginLoss {
  return new MultiLabelMarginLoss({ reduction: 'mean', margin, normalization, targetOrder });
}
