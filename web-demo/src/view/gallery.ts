/** The small pictures, as tiles of sheets. */
import { type Gallery, SHEET } from '../gallery.js';
import { makeStop } from './roving.js';

export class GalleryView {
  readonly #buttons: HTMLButtonElement[];
  readonly #place: HTMLElement;

  /** @param onNear called with a picture that is in view, or a little beyond its edge */
  constructor(
    place: HTMLElement,
    gallery: Gallery,
    onChoose: (image: number) => void,
    onNear: (image: number) => void,
  ) {
    this.#place = place;
    place.style.setProperty('--columns', `${SHEET.columns}`);
    place.style.setProperty('--rows', `${SHEET.tiles / SHEET.columns}`);
    const heldOut = new Set(gallery.heldOut);
    this.#buttons = gallery.names.map((name, image) => {
      const button = document.createElement('button');
      const tile = document.createElement('i');
      const { sheet, column, row } = placeOf(image);
      tile.style.setProperty('--sheet', `var(--sheet-${sheet})`);
      tile.style.setProperty('--column', `${column}`);
      tile.style.setProperty('--row', `${row}`);
      button.append(tile);
      button.type = 'button';
      button.title = name;
      button.setAttribute('aria-label', heldOut.has(image) ? `${name}, held out` : name);
      button.setAttribute('aria-pressed', 'false');
      button.classList.toggle('held-out', heldOut.has(image));
      button.addEventListener('click', () => onChoose(image));
      return button;
    });
    makeStop(this.#buttons, this.#buttons[0]);
    place.addEventListener('keydown', (event) => this.#move(event));
    place.replaceChildren(...this.#buttons);
    const imageOf = new Map<Element, number>(this.#buttons.map((button, image) => [button, image]));
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) if (isIntersecting) onNear(imageOf.get(target)!);
      },
      { root: place, rootMargin: '100%' },
    );
    for (const button of this.#buttons) observer.observe(button);
  }

  showSheet(sheet: number, url: string): void {
    this.#place.style.setProperty(`--sheet-${sheet}`, `url("${url}")`);
  }

  /** Marks one; null for none. */
  choose(image: number | null): void {
    this.#place.querySelector('[aria-pressed="true"]')?.setAttribute('aria-pressed', 'false');
    if (image === null) return;
    this.#buttons[image]!.setAttribute('aria-pressed', 'true');
    makeStop(this.#buttons, this.#buttons[image]);
  }

  /** Shows those for which it is true, and returns how many they are. */
  filter(shows: (image: number) => boolean): number {
    this.#buttons.forEach((button, image) => (button.hidden = !shows(image)));
    const shown = this.#shown();
    makeStop(this.#buttons, shown[0]);
    return shown.length;
  }

  #shown(): HTMLButtonElement[] {
    return this.#buttons.filter(({ hidden }) => !hidden);
  }

  #move(event: KeyboardEvent): void {
    const shown = this.#shown();
    const from = shown.indexOf(document.activeElement as HTMLButtonElement);
    const perRow = getComputedStyle(this.#place).gridTemplateColumns.split(' ').length;
    const to = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from - perRow,
      ArrowDown: from + perRow,
      Home: 0,
      End: shown.length - 1,
    }[event.key];
    if (from < 0 || to === undefined || shown[to] === undefined) return;
    event.preventDefault();
    makeStop(this.#buttons, shown[to], true);
  }
}

/** Where a picture is on the sheets. */
export function placeOf(image: number): { sheet: number; column: number; row: number } {
  const onSheet = image % SHEET.tiles;
  return {
    sheet: Math.floor(image / SHEET.tiles),
    column: onSheet % SHEET.columns,
    row: Math.floor(onSheet / SHEET.columns),
  };
}
