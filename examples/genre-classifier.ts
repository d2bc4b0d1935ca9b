/**
 * Trains a classifier of musical genres with TensorFlow.js and the multi-label margin loss: 256 spectral features, a hidden
 * layer of 128, a score for each of 10 genres. Ends with the held-out metrics next to those of ranking genres by how
 * frequent they are.
 *
 *     npx tsx examples/genre-classifier.ts
 *
 * The tracks are generated: a genre is a spectrum, and a track is a mixture of those of its one to three genres, at
 * different volumes, under noise. The same ones come out every time.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { fromMultiHot } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { multiLabelMarginLoss } from 'multilabel-margin-loss/tfjs';
import { mulberry32, Progress } from './training.js';

const GENRES = ['blues', 'classical', 'disco', 'electronic', 'folk', 'hip-hop', 'jazz', 'metal', 'reggae', 'rock'];
const MOST_GENRES = 3;
const FEATURES = 256;
const HIDDEN = 128;
const BANDS_PER_GENRE = 5;
const NOISE = 1;

const TRAINING_TRACKS = 4096;
const HELD_OUT_TRACKS = 1024;
const EPOCHS = 8;
const BATCH_SIZE = 64;
const LEARNING_RATE = 1e-3;
const SEED = 1;

interface Tracks {
  /** [tracks, FEATURES] */
  features: tf.Tensor2D;
  /** 1 for the genres of a track: [tracks, GENRES] */
  mask: tf.Tensor2D;
}

const random = mulberry32(SEED);

/** Of the standard normal distribution. */
function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Where a genre has its energy: a few bands, narrow or wide. */
function makeSpectrum(): Float32Array {
  const spectrum = new Float32Array(FEATURES);
  for (let band = 0; band < BANDS_PER_GENRE; band++) {
    const [center, width, energy] = [random() * FEATURES, 2 + 10 * random(), 0.5 + random()];
    for (let i = 0; i < FEATURES; i++) spectrum[i]! += energy * Math.exp(-(((i - center) / width) ** 2) / 2);
  }
  return spectrum;
}

/** The first genres come up more often than the last. */
function drawGenres(): Set<number> {
  const genres = new Set<number>();
  const count = 1 + Math.floor(MOST_GENRES * random());
  while (genres.size < count) genres.add(Math.floor(GENRES.length * random() ** 1.5));
  return genres;
}

function makeTracks(count: number, spectra: readonly Float32Array[]): Tracks {
  const features = new Float32Array(count * FEATURES);
  const mask = new Float32Array(count * GENRES.length);
  for (let track = 0; track < count; track++) {
    const spectrum = features.subarray(track * FEATURES, (track + 1) * FEATURES);
    for (const genre of drawGenres()) {
      mask[track * GENRES.length + genre] = 1;
      const volume = 0.3 + 0.7 * random();
      for (let i = 0; i < FEATURES; i++) spectrum[i]! += volume * spectra[genre]![i]!;
    }
    // Loudness is heard on a logarithmic scale.
    for (let i = 0; i < FEATURES; i++) spectrum[i] = Math.log1p(4 * spectrum[i]!) + NOISE * normal();
  }
  return { features: tf.tensor2d(features, [count, FEATURES]), mask: tf.tensor2d(mask, [count, GENRES.length]) };
}

function makeModel(): tf.Sequential {
  const kernel = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        units: HIDDEN,
        activation: 'relu',
        inputShape: [FEATURES],
        kernelInitializer: kernel(SEED),
      }),
      // No activation: the loss compares scores, of any size.
      tf.layers.dense({ units: GENRES.length, kernelInitializer: kernel(SEED + 1) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(LEARNING_RATE), loss: multiLabelMarginLoss() });
  return model;
}

async function train(model: tf.Sequential, { features, mask }: Tracks): Promise<void> {
  const batches = TRAINING_TRACKS / BATCH_SIZE;
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    const progress = new Progress(`Epoch ${epoch}/${EPOCHS}`, batches);
    const { history } = await model.fit(features, mask, {
      batchSize: BATCH_SIZE,
      // The tracks are in no order, and TensorFlow.js has no seed for another.
      shuffle: false,
      verbose: 0,
      callbacks: { onBatchEnd: (batch, logs) => progress.update(batch + 1, `loss ${metric(Number(logs?.['loss']))}`) },
    });
    progress.stop();
    console.log(`Epoch ${epoch}/${EPOCHS}  loss ${metric(Number(history['loss']![0]))}`);
  }
}

/** Label ranking average precision, the mean over the tracks. */
function lrap(scores: tf.Tensor2D, { mask }: Tracks): number {
  const evaluator = new Evaluator();
  evaluator.update(
    { data: scores.dataSync<'float32'>(), shape: scores.shape },
    fromMultiHot({ data: mask.dataSync(), shape: mask.shape }),
  );
  return evaluator.result().labelRankingAveragePrecision;
}

function metric(value: number): string {
  return value.toFixed(3);
}

async function main(): Promise<void> {
  setWasmPaths(`${dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  await tf.setBackend('wasm');

  const spectra = GENRES.map(makeSpectrum);
  const training = makeTracks(TRAINING_TRACKS, spectra);
  const heldOut = makeTracks(HELD_OUT_TRACKS, spectra);
  console.log(
    `${TRAINING_TRACKS} generated tracks of 1 to ${MOST_GENRES} of ${GENRES.length} genres to train on, ` +
      `${HELD_OUT_TRACKS} held out.\n`,
  );
  const model = makeModel();
  await train(model, training);

  const prior = tf.tile(tf.mean<tf.Tensor2D>(training.mask, 0, true), [HELD_OUT_TRACKS, 1]);
  console.log('\nHeld out        LRAP');
  console.log(`genre prior    ${metric(lrap(prior, heldOut))}`);
  console.log(`this model     ${metric(lrap(model.predict(heldOut.features) as tf.Tensor2D, heldOut))}`);
}

await main();
