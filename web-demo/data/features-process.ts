/** Sends the features of the images that are its arguments one by one, in order. */
import { tensor4d } from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { embed } from '../src/vision/embed.js';
import { IMAGE_SIZE } from '../src/vision/layers.js';
import { readBackbone } from './backbone.js';
import { loadBackbone, useWasm } from './tensorflow.js';

await useWasm();
const backbone = await loadBackbone(readBackbone());
for (const file of process.argv.slice(2)) {
  // As the page does with images that have transparency: on white.
  const pixels = await sharp(file).flatten({ background: '#fff' }).resize(IMAGE_SIZE, IMAGE_SIZE).raw().toBuffer();
  const image = tensor4d(new Int32Array(pixels), [1, IMAGE_SIZE, IMAGE_SIZE, 3], 'float32');
  const features = embed(backbone, image);
  process.send?.(await features.data());
  image.dispose();
  features.dispose();
}
process.disconnect();
