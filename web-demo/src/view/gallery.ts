/** The pictures, as tiles of one sprite. */
import type { Gallery } from '../gallery.js';

export class GalleryView {
  readonly #buttons: HTMLButtonElement[];
  readonly #place: HTMLElement;

  constructor(place: HTMLElement, gallery: Gallery, spriteUrl: string, onChoose: (image: number) => void) {
    this.#place = place;
    const { columns } = gallery.sprite;
    place.style.setProperty('--sprite', `url("${spriteUrl}")`);
    place.style.setProperty('--columns', `${columns}`);
    const heldOut = new Set(gallery.heldOut);
    this.#buttons = gallery.names.map((name, image) => {
      const button = document.createElement('button');
      const tile = document.createElement('i');
      tile.style.setProperty('--column', `${image % columns}`);
      tile.style.setProperty('--row', `${Math.floor(image / columns)}`);
      button.append(tile);
      button.type = 'button';
      button.title = name;
      button.setAttribute('aria-label', heldOut.has(image) ? `${name}, held out` : name);
      button.setAttribute('aria-pressed', 'false');
      button.classList.toggle('held-out', heldOut.has(image));
      // One stop for the Tab key; arrows go on from there.
      button.tabIndex = image === 0 ? 0 : -1;
      button.addEventListener('click', () => {
        this.choose(image);
        onChoose(image);
      });
      return button;
    });
    place.addEventListener('keydown', (event) => this.#move(event));
    place.replaceChildren(...this.#buttons);
  }

  /** Marks one; null for none. */
  choose(image: number | null): void {
    this.#place.querySelector('[aria-pressed="true"]')?.setAttribute('aria-pressed', 'false');
    if (image === null) return;
    this.#buttons[image]!.setAttribute('aria-pressed', 'true');
    this.#focusable(this.#buttons[image]!);
  }

  /** Shows those for which it is true, and returns how many they are. */
  filter(shows: (image: number) => boolean): number {
    this.#buttons.forEach((button, image) => (button.hidden = !shows(image)));
    const [first, ...others] = this.#shown();
    if (first) this.#focusable(first);
    return first ? 1 + others.length : 0;
  }

  #shown(): HTMLButtonElement[] {
    return this.#buttons.filter(({ hidden }) => !hidden);
  }

  #focusable(button: HTMLButtonElement): void {
    this.#place.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
    button.tabIndex = 0;
  }

  #move(event: KeyboardEvent): void {
    const shown = this.#shown();
    const from = shown.indexOf(document.activeElement as HTMLButtonElement);
    const perRow = getComputedStyle(this.#place).gridTemplateColumns.split(' ').length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow }[event.key];
    const to = step === undefined ? undefined : shown[from + step];
    if (from < 0 || to === undefined) return;
    event.preventDefault();
    this.#focusable(to);
    to.focus();
  }
}
