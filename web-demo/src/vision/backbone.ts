/** The backbone in the page: TensorFlow.js on WebAssembly. It is loaded when the first image is to be embedded. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import { env, io, setBackend, tensor4d } from '@tensorflow/tfjs-core';
import wasmUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import backboneUrl from '../../build/data/backbone.bin?url';
import topologyUrl from '../../build/data/backbone.json?url';
import { download, gunzip } from '../download.js';
import { embed } from './embed.js';
import { IMAGE_SIZE } from './layers.js';

export async function useWasm(): Promise<void> {
  // One image at a time gains little from threads, whose script the library makes from a blob.
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  // The library wants to know all three, and takes the one for SIMD wherever this page runs.
  setWasmPaths({
    'tfjs-backend-wasm.wasm': wasmUrl,
    'tfjs-backend-wasm-simd.wasm': wasmUrl,
    'tfjs-backend-wasm-threaded-simd.wasm': wasmUrl,
  });
  if (!(await setBackend('wasm'))) throw new Error('the WebAssembly backend of TensorFlow.js did not start');
}

/** @returns features of an image of IMAGE_SIZE x IMAGE_SIZE */
export async function loadEmbedder(): Promise<(image: ImageData) => Promise<Float32Array>> {
  await useWasm();
  const [topology, weightData] = await Promise.all([
    download(topologyUrl).then(async (blob) => JSON.parse(await blob.text()) as io.ModelJSON),
    download(backboneUrl).then(gunzip),
  ]);
  const { weightsManifest, ...model } = topology;
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
  const backbone = await loadGraphModel(io.fromMemory({ ...model, weightSpecs, weightData }));
  return async ({ data }) => {
    const rgb = Float32Array.from({ length: IMAGE_SIZE * IMAGE_SIZE * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return data[pixel * 4 + (i - pixel * 3)]!;
    });
    const input = tensor4d(rgb, [1, IMAGE_SIZE, IMAGE_SIZE, 3]);
    const features = embed(backbone, input);
    try {
      return (await features.data()) as Float32Array;
    } finally {
      input.dispose();
      features.dispose();
    }
  };
}
