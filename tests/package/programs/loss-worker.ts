// An error would not always reach the page: some bundlers make it one of a promise.
import('./loss.js').then(
  ({ loss }) => postMessage(loss.item()),
  ({ message }) => postMessage(message),
);
