import { outcome } from './outcome.js';

globalThis.inPage = outcome();
globalThis.inBackground = chrome.runtime.sendMessage('which outcome?');
