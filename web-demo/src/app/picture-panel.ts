/** Which picture is looked at: one of the gallery, or one of the visitor's. */
import { type Remote, transfer } from 'comlink';
import { type Gallery, SHEET } from '../gallery.js';
import type { MarginView } from '../margin/margin-view.js';
import { type GalleryView, placeOf } from '../view/gallery.js';
import { listenForPictures } from '../view/picture-input.js';
import { drawSquare, pixelsOf } from '../vision/picture.js';
import type { Tagger } from '../worker/tagger.js';
import { byId, element, messageOf, say } from './page.js';
import type { Sheets } from './sheets.js';

/** A picture of the visitor's. */
interface OwnPicture {
  name: string;
  pixels: ImageData;
  features: Float32Array | null;
}

const canvas = byId<HTMLCanvasElement>('picture');

export class PicturePanel {
  readonly #tagger: Remote<Tagger>;
  readonly #gallery: Gallery;
  readonly #galleryView: GalleryView;
  readonly #marginView: MarginView;
  readonly #sheets: Sheets;
  readonly #isTrained: () => boolean;
  #isLoaded = false;
  /** The one that was asked for last. */
  #chosen: number | OwnPicture | null = null;
  /** Pictures of the gallery, by number. */
  readonly #heldOut: Set<number>;
  /** Ends drawing and the camera. */
  #endInput = (): void => {};

  constructor(
    tagger: Remote<Tagger>,
    gallery: Gallery,
    views: { gallery: GalleryView; margin: MarginView },
    sheets: Sheets,
    isTrained: () => boolean,
  ) {
    this.#tagger = tagger;
    this.#gallery = gallery;
    this.#galleryView = views.gallery;
    this.#marginView = views.margin;
    this.#sheets = sheets;
    this.#isTrained = isTrained;
    this.#heldOut = new Set(gallery.heldOut);
  }

  /** Numbers and scores are there from now on. */
  async start(): Promise<void> {
    this.#isLoaded = true;
    this.#endInput = listenForPictures({
      onPicture: (name, isNew) => this.#takeOwn(name, isNew),
      onErrors: (errors) => this.#showErrors(errors),
    });
    await this.#showScores();
  }

  async chooseImage(image: number): Promise<void> {
    const { names, codes } = this.#gallery;
    this.#endInput();
    this.#chosen = image;
    this.#galleryView.choose(image);
    byId('picture-name').textContent = names[image]! + (this.#heldOut.has(image) ? ', held out' : '');
    canvas.setAttribute('aria-label', names[image]!);
    say('picture-message', '');
    byId('train-first').hidden = true;
    this.#markOwn(null);
    await Promise.all([this.#draw(image, codes[image]!).catch(() => {}), this.#showScores()]);
  }

  /** Another one that was held out. */
  async chooseHeldOut(): Promise<void> {
    const { heldOut } = this.#gallery;
    const at = typeof this.#chosen === 'number' ? heldOut.indexOf(this.#chosen) : -1;
    // A step that has no divisor with their number comes to all of them, and neighbours look alike.
    await this.chooseImage(heldOut[(at + 37) % heldOut.length]!);
  }

  /** Shows the scores of another head. */
  async refresh(): Promise<void> {
    if (typeof this.#chosen === 'object' && this.#chosen?.features === null) {
      await this.#showScores();
      return;
    }
    await this.refreshScores();
  }

  /**
   * Shows the scores of a head that has learned more. The worker is asked, by the channel that also brings the scores of another picture:
   * so they come in their order, and no picture is shown with the scores of the one before.
   */
  async refreshScores(): Promise<void> {
    const scores = await this.#tagger.watched();
    if (scores) this.#marginView.refresh(scores);
  }

  /** The large picture; where it does not load, as offline, the small one, which is part of a sheet. */
  async #draw(image: number, code: string): Promise<void> {
    const large = element('img', { src: `./pictures/${code}.webp` });
    try {
      await large.decode();
      if (this.#chosen === image) drawSquare(canvas, large, large.naturalWidth, large.naturalHeight);
    } catch {
      const sheet = await this.#sheets.of(image);
      if (this.#chosen !== image) return;
      const { column, row } = placeOf(image);
      const { tile } = SHEET;
      const small = new OffscreenCanvas(tile, tile);
      small.getContext('2d')!.drawImage(sheet, column * tile, row * tile, tile, tile, 0, 0, tile, tile);
      drawSquare(canvas, small, tile, tile);
    }
  }

  async #showScores(): Promise<void> {
    const chosen = this.#chosen;
    if (chosen === null) return;
    const targets = typeof chosen === 'number' ? this.#gallery.targets[chosen]! : [];
    if (!this.#isLoaded || !this.#isTrained()) {
      // A head of zeros scores every picture so.
      this.#marginView.show(new Float32Array(this.#gallery.vocabulary.length), targets);
      if (!this.#isLoaded) return;
    }
    if (typeof chosen === 'number') {
      const features = await this.#tagger.featuresOf(chosen);
      if (this.#chosen === chosen) await this.#watch(features, targets);
      return;
    }
    if (!this.#isTrained()) {
      say(
        'picture-message',
        `${chosen.name}: the tagger has learned nothing yet. Train first, and it tags this picture.`,
      );
      byId('train-first').hidden = false;
      return;
    }
    byId('train-first').hidden = true;
    say('picture-message', `${chosen.name}: looking at it …`);
    try {
      chosen.features ??= await this.#tagger.embed(
        transfer(new ImageData(chosen.pixels.data.slice(), chosen.pixels.width), []),
      );
      // Another picture may have come since.
      if (this.#chosen !== chosen) return;
      await this.#watch(chosen.features, []);
      say('picture-message', 'Press the tags that are true, to see what the loss makes of them.');
    } catch (error) {
      if (this.#chosen === chosen) {
        say('picture-message', `${chosen.name} could not be tagged: ${messageOf(error)}`, true);
      }
    }
  }

  async #watch(features: Float32Array, targets: readonly number[]): Promise<void> {
    const chosen = this.#chosen;
    const scores = await this.#tagger.watch(features);
    if (this.#chosen === chosen) this.#marginView.show(scores, targets);
  }

  /** The canvas shows a picture of the visitor's; not a new one if a drawing goes on. */
  async #takeOwn(name: string, isNew: boolean): Promise<void> {
    const pixels = pixelsOf(canvas);
    const own: OwnPicture = { name, pixels, features: null };
    const button = element('button', { type: 'button', title: name });
    button.setAttribute('aria-label', name);
    const copy = element('canvas', { width: pixels.width, height: pixels.height });
    copy.getContext('2d')!.putImageData(pixels, 0, 0);
    button.append(copy);
    button.addEventListener('click', () => {
      this.#endInput();
      void this.#chooseOwn(own, button);
    });
    if (!isNew) byId('own-pictures').lastElementChild?.remove();
    byId('own-pictures').append(button);
    await this.#chooseOwn(own, button);
  }

  async #chooseOwn(own: OwnPicture, button: HTMLElement): Promise<void> {
    this.#chosen = own;
    this.#galleryView.choose(null);
    this.#markOwn(button);
    byId('picture-name').textContent = own.name;
    canvas.setAttribute('aria-label', own.name);
    canvas.getContext('2d')!.putImageData(own.pixels, 0, 0);
    await this.#showScores();
  }

  #markOwn(button: HTMLElement | null): void {
    for (const other of byId('own-pictures').children) other.setAttribute('aria-pressed', `${other === button}`);
  }

  #showErrors(errors: readonly string[]): void {
    const list = byId('picture-errors');
    list.hidden = errors.length === 0;
    list.replaceChildren(...errors.map((textContent) => element('li', { textContent })));
  }
}
