// The loss on threads of the page or process.
import { lossOnThreads } from './on-threads.js';

export const done = lossOnThreads().then((words) => console.log(`threads ${words}`));
