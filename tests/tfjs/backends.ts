// TensorFlow.js's backends, where this runs.

import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';

export const BACKENDS = typeof window === 'undefined' ? ['cpu', 'wasm'] : ['cpu', 'wasm', 'webgl'];

// A path of the file system in Node, and of the server in a browser. By way of a file: of a folder, Vite makes a module.
const wasm = new URL('../../node_modules/@tensorflow/tfjs-backend-wasm/package.json', import.meta.url);
setWasmPaths(decodeURI(new URL('dist/', wasm).pathname));

export async function useBackend(name: string): Promise<void> {
  // Without its advice to use another package.
  tf.env().set('PROD', true);
  if (!(await tf.setBackend(name))) throw new Error(`TensorFlow.js has no backend ${name} here`);
}
