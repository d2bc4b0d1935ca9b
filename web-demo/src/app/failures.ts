/** What keeps the page from starting, told where it says that it loads. */
import { byId, messageOf } from './page.js';

export function tellFailure(error: unknown): void {
  byId('loading-bar').hidden = true;
  byId('loading-text').textContent = `This page could not start: ${messageOf(error)} Load it again to try once more.`;
}
