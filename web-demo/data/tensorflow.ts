/** TensorFlow.js in Node, on WebAssembly. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import { io, setBackend } from '@tensorflow/tfjs-core';
import type { Backbone } from './backbone.js';

export async function useWasm(): Promise<void> {
  setWasmPaths(`${path.dirname(fileURLToPath(import.meta.resolve('@tensorflow/tfjs-backend-wasm')))}/`);
  if (!(await setBackend('wasm'))) throw new Error('the WebAssembly backend of TensorFlow.js did not start');
}

export function loadBackbone({ topology, weights }: Backbone): Promise<GraphModel> {
  const { weightsManifest, ...model } = topology;
  return loadGraphModel(
    io.fromMemory({
      ...model,
      weightSpecs: weightsManifest.flatMap((group) => group.weights),
      weightData: new Uint8Array(weights).buffer,
    }),
  );
}
