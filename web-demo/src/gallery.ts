/** The gallery as it is shipped: written by data/build.ts, read by the page. */
import type { Dataset, RankingMetrics } from './training/trainer.js';

export interface Gallery {
  /** Of each image. */
  names: string[];
  /** Code points of each image, which name the file of its large picture. */
  codes: string[];
  /** True tags of each image. */
  targets: number[][];
  /** Names of the tags, the most frequent first. */
  vocabulary: string[];
  /** Images that are not trained on. */
  heldOut: number[];
  baselines: { prior: RankingMetrics; pixels: RankingMetrics };
}

/** The small pictures are on sheets. 48 pixels are what a tile of the gallery takes on a phone. */
export const SHEET = { count: 8, tiles: 240, columns: 20, tile: 48 } as const;

// Features are standardised, cut off at 31 / 8 standard deviations, and stored in steps of an eighth of one.
const STEPS = 8;
const LIMIT = 31;

/** No feature is larger, be it of the gallery or of the visitor's pictures. */
export const LARGEST_FEATURE = LIMIT / STEPS;

export interface Embeddings {
  features: number;
  mean: Float32Array;
  deviation: Float32Array;
  /** [images, features] */
  quantised: Int8Array;
}

/** @param features [images, mean.length] */
export function quantise(features: Float32Array, mean: Float32Array, deviation: Float32Array): Int8Array {
  return Int8Array.from(features, (value, i) => {
    const k = i % mean.length;
    const steps = Math.round(((value - mean[k]!) / deviation[k]!) * STEPS);
    return Math.max(-LIMIT, Math.min(LIMIT, steps));
  });
}

/** Standardised features, as a head takes them. */
export function dequantise(quantised: Int8Array): Float32Array {
  const features = new Float32Array(quantised);
  for (let i = 0; i < features.length; i++) features[i] = features[i]! / STEPS;
  return features;
}

/** Mean and standard deviation of each feature, over some of the images. */
export function standardisation(
  features: Float32Array,
  width: number,
  images: readonly number[],
): { mean: Float32Array; deviation: Float32Array } {
  const mean = new Float64Array(width);
  for (const image of images) for (let k = 0; k < width; k++) mean[k]! += features[image * width + k]! / images.length;
  const variance = new Float64Array(width);
  for (const image of images) {
    for (let k = 0; k < width; k++) variance[k]! += (features[image * width + k]! - mean[k]!) ** 2 / images.length;
  }
  // A feature that hardly varies is noise.
  return { mean: Float32Array.from(mean), deviation: Float32Array.from(variance, (v) => Math.sqrt(v) + 1e-3) };
}

/** One after the other: the means, the deviations, and the quantised features. */
export function packEmbeddings({ mean, deviation, quantised }: Embeddings): Uint8Array {
  const bytes = new Uint8Array(mean.byteLength + deviation.byteLength + quantised.byteLength);
  bytes.set(new Uint8Array(mean.buffer), 0);
  bytes.set(new Uint8Array(deviation.buffer), mean.byteLength);
  bytes.set(new Uint8Array(quantised.buffer), mean.byteLength + deviation.byteLength);
  return bytes;
}

export function unpackEmbeddings(bytes: ArrayBuffer, images: number): Embeddings {
  // 4 bytes for the mean, 4 for the deviation, and one for each image.
  const features = bytes.byteLength / (8 + images);
  return {
    features,
    mean: new Float32Array(bytes, 0, features),
    deviation: new Float32Array(bytes, 4 * features, features),
    quantised: new Int8Array(bytes, 8 * features),
  };
}

type Labels = Pick<Gallery, 'targets' | 'vocabulary' | 'heldOut'>;

/** @param quantised [images, features] */
export function toDataset({ targets, vocabulary, heldOut }: Labels, quantised: Int8Array, features: number): Dataset {
  const isHeldOut = new Set(heldOut);
  return {
    features,
    classes: vocabulary.length,
    targets,
    train: targets.map((_, image) => image).filter((image) => !isHeldOut.has(image)),
    heldOut,
    rows(images) {
      const rows = new Float32Array(images.length * features);
      images.forEach((image, row) => {
        rows.set(dequantise(quantised.subarray(image * features, (image + 1) * features)), row * features);
      });
      return rows;
    },
  };
}
