/** The search for pictures by words of their names and tags. */
import type { Gallery } from '../gallery.js';
import type { GalleryView } from '../view/gallery.js';
import { byId, grouped } from './page.js';

export function listenForSearch({ names, targets, vocabulary }: Gallery, view: GalleryView): void {
  const input = byId<HTMLInputElement>('search');
  const hint = byId('gallery-hint').textContent;
  const texts = names.map((name, image) =>
    [name, ...targets[image]!.map((tag) => vocabulary[tag]!)].join(' ').toLowerCase(),
  );
  input.addEventListener('input', () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = view.filter((image) => words.every((word) => texts[image]!.includes(word)));
    byId('gallery-hint').textContent = words.length === 0 ? hint : `${found} of ${grouped(names.length)} pictures`;
  });
  input.disabled = false;
}
