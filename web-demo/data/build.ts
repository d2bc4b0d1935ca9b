/**
 * Makes what the page loads, in build/data: images, tags, features and the backbone. About two minutes on two cores; not
 * again until something that goes into it changes.
 *
 *     npx tsx web-demo/data/build.ts
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { MultiLabelMarginLoss } from '../../dist/index.js';
import { Progress } from '../../examples/training.js';
import { type Gallery, packEmbeddings, quantise, standardisation, toDataset } from '../src/gallery.js';
import type { RankingMetrics } from '../src/training/metrics.js';
import { EPOCHS, priorMetrics, Trainer } from '../src/training/trainer.js';
import { FEATURES } from '../src/vision/layers.js';
import { readBackbone } from './backbone.js';
import { readEmoji } from './emoji.js';
import { computeFeatures } from './features.js';
import { COLUMNS, makeSprite, pixelFeatures, TILE } from './sprite.js';

const demo = fileURLToPath(new URL('..', import.meta.url));
const out = path.join(demo, 'build/data');
const stamp = path.join(out, 'stamp.txt');

const fingerprint = hashOfSources(['data', 'src/vision', 'src/training', 'package.json', 'src/gallery.ts']);
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== fingerprint) {
  await build();
  writeFileSync(stamp, fingerprint);
}

function hashOfSources(sources: string[]): string {
  const hash = createHash('sha256');
  for (const source of sources) {
    const place = path.join(demo, source);
    const files = source.includes('.') ? [place] : readdirSync(place).map((name) => path.join(place, name));
    for (const file of files) hash.update(readFileSync(file));
  }
  return hash.digest('hex');
}

async function build(): Promise<void> {
  const { emoji, vocabulary } = readEmoji();
  const files = emoji.map(({ file }) => file);
  const tagIds = new Map(vocabulary.map((tag, id) => [tag, id]));
  const labels = {
    targets: emoji.map(({ tags }) => tags.map((tag) => tagIds.get(tag)!)),
    vocabulary,
    heldOut: emoji.flatMap(({ heldOut }, image) => (heldOut ? [image] : [])),
  };

  const features = await withProgress('Features', files.length, (onProgress) => computeFeatures(files, onProgress));
  const embeddings = embed(features, FEATURES, labels);
  const pixels = await pixelFeatures(files);
  const pixelDataset = toDataset(
    labels,
    embed(pixels, pixels.length / files.length, labels).quantised,
    pixels.length / files.length,
  );
  const gallery: Gallery = {
    names: emoji.map(({ name }) => name),
    ...labels,
    sprite: { columns: COLUMNS, tile: TILE },
    baselines: {
      prior: priorMetrics(pixelDataset),
      pixels: await withProgress('Pixels', EPOCHS, (onProgress) => train(new Trainer(pixelDataset), onProgress)),
    },
  };
  const { topology, weights } = readBackbone();

  mkdirSync(out, { recursive: true });
  const write = (name: string, data: string | Uint8Array): void => writeFileSync(path.join(out, name), data);
  write('gallery.json', JSON.stringify(gallery));
  write('sprite.webp', await makeSprite(files));
  // Compressed here, for not every server does, and the page reads how far it is.
  write('embeddings.bin', gzipSync(packEmbeddings(embeddings), { level: 9 }));
  write('backbone.bin', gzipSync(weights, { level: 9 }));
  write('backbone.json', JSON.stringify(topology));
}

function embed(features: Float32Array, width: number, { heldOut, targets }: Pick<Gallery, 'heldOut' | 'targets'>) {
  const isHeldOut = new Set(heldOut);
  const train = targets.map((_, image) => image).filter((image) => !isHeldOut.has(image));
  const { mean, deviation } = standardisation(features, width, train);
  return { features: width, mean, deviation, quantised: quantise(features, mean, deviation) };
}

function train(trainer: Trainer, onProgress: (epochs: number) => void): Promise<RankingMetrics> {
  const settings = { lossFn: new MultiLabelMarginLoss(), batchSize: 64, learningRate: 0.001 };
  while (trainer.epoch < EPOCHS) {
    if (trainer.step(settings).endsEpoch) onProgress(trainer.epoch);
  }
  return Promise.resolve(trainer.evaluate());
}

async function withProgress<T>(
  task: string,
  total: number,
  run: (onProgress: (done: number) => void) => Promise<T>,
): Promise<T> {
  const progress = new Progress(task, total);
  try {
    return await run((done) => progress.update(done, ''));
  } finally {
    progress.stop();
  }
}
