// The backends of TensorFlow.js that run in this environment.

import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';

export const BACKENDS = typeof window === 'undefined' ? ['cpu', 'wasm'] : ['cpu', 'wasm', 'webgl'];

// A path of the file system in Node, and of the server in a browser. It names a file, because Vite turns a folder into a
// module.
const wasm = new URL('../../node_modules/@tensorflow/tfjs-backend-wasm/package.json', import.meta.url);
setWasmPaths(decodeURI(new URL('dist/', wasm).pathname));

export async function useBackend(name: string): Promise<void> {
  // Suppresses the advice to use another package.
  tf.env().set('PROD', true);
  if (!(await tf.setBackend(name))) throw new Error(`TensorFlow.js has no backend ${name} here`);
}
