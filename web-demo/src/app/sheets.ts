/** The sheets of small pictures: each is loaded when one of its pictures is about to be seen. */
import { placeOf } from '../view/gallery.js';
import { element } from './page.js';

const urls = Object.entries(
  import.meta.glob<string>('../../build/data/sheet-*.webp', { query: '?url', import: 'default', eager: true }),
)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([, url]) => url);

export class Sheets {
  readonly #onSheet: (sheet: number, url: string) => void;
  readonly #loading = new Map<number, Promise<HTMLImageElement>>();

  /** @param onSheet called when a sheet has loaded */
  constructor(onSheet: (sheet: number, url: string) => void) {
    this.#onSheet = onSheet;
  }

  /** The sheet that a picture is on. One that does not load is tried again when it is asked for again. */
  of(image: number): Promise<HTMLImageElement> {
    const { sheet } = placeOf(image);
    let loading = this.#loading.get(sheet);
    if (loading === undefined) {
      loading = this.#load(sheet);
      this.#loading.set(sheet, loading);
      loading.catch(() => this.#loading.delete(sheet));
    }
    return loading;
  }

  async #load(sheet: number): Promise<HTMLImageElement> {
    const image = element('img', { src: urls[sheet]! });
    await image.decode();
    this.#onSheet(sheet, urls[sheet]!);
    return image;
  }
}
