import { lossOfExample } from './example.js';

addEventListener('message', ({ source }) => {
  try {
    source!.postMessage(lossOfExample());
  } catch (error) {
    source!.postMessage((error as Error).message);
  }
});
