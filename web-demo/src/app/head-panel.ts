/** A head as a file: downloaded, and loaded again. */
import type { Remote } from 'comlink';
import type { Tagger } from '../worker/tagger.js';
import { byId, element, messageOf, say } from './page.js';
import type { TrainingPanel } from './training-panel.js';

export function listenForHeads(tagger: Remote<Tagger>, training: TrainingPanel): void {
  const file = byId<HTMLInputElement>('head-file');
  byId('save').addEventListener('click', () => {
    void tagger.saveHead().then((bytes) => {
      const link = element('a', { href: URL.createObjectURL(new Blob([bytes])), download: 'emoji-tagger.head' });
      link.click();
      // The address stays for a while: a browser may ask where to put the file.
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
  });
  byId('open').addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    const [chosen] = file.files ?? [];
    if (chosen) void load(chosen);
    file.value = '';
  });

  async function load(chosen: File): Promise<void> {
    try {
      const { epochs, metrics } = await tagger.loadHead(await chosen.arrayBuffer());
      training.showHead(epochs, metrics);
      say('head-message', `Loaded ${chosen.name}, trained for ${epochs} epochs.`);
    } catch (error) {
      say('head-message', `${chosen.name}: ${messageOf(error)}`, true);
    }
  }
}
