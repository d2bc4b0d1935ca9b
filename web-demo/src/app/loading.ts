/** How far the files are that the page needs before it can train. */
import { byId } from './page.js';

export function loadingProgress() {
  const bar = byId<HTMLProgressElement>('loading-bar');
  const text = byId('loading-text');
  let bytes = 0;
  return {
    add: (more: number): void => {
      // A failure that was told in the meantime stays.
      if (bar.hidden) return;
      bytes += more;
      bar.value = Math.min(0.99, bytes / __DATA_BYTES__);
      text.textContent = `Loading the features of the pictures: ${(bytes / 1e6).toFixed(1)} of ${(__DATA_BYTES__ / 1e6).toFixed(1)} MB`;
    },
    done: (): void => {
      bar.hidden = true;
      text.textContent = 'Ready. Press Train.';
    },
    clear: (): void => void (text.textContent = ''),
  };
}
