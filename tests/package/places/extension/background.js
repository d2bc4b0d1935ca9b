import { outcome } from './outcome.js';

chrome.runtime.onMessage.addListener((message, sender, answer) => {
  void outcome().then(answer);
  // The answer comes later.
  return true;
});
