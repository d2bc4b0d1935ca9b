// The worker posts its errors, because an uncaught one does not always reach the page: some bundlers wrap the module in a
// promise.
import('./loss.js').then(
  ({ loss }) => postMessage(loss.item()),
  ({ message }) => postMessage(message),
);
