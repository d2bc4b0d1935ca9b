/**
 * Makes what the page loads, in build/data: images, tags, features and the backbone. About two minutes on two cores; not
 * again until something that goes into it changes.
 *
 *     npx tsx web-demo/data/build.ts
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { Progress } from '../../examples/progress.js';
import { type Gallery, packEmbeddings, quantise, SHEET, standardisation, toDataset } from '../src/gallery.js';
import { EPOCHS, priorMetrics, type RankingMetrics, Trainer } from '../src/training/trainer.js';
import { FEATURES } from '../src/vision/layers.js';
import { readBackbone } from './backbone.js';
import { readEmoji } from './emoji.js';
import { computeFeatures } from './features.js';
import { largePictures, makeSheets, pixelFeatures } from './pictures.js';

const demo = fileURLToPath(new URL('..', import.meta.url));
const FEATURE_SOURCES = [
  ...['backbone', 'features', 'features-process', 'tensorflow'].map((name) => `data/${name}.ts`),
  ...['src/vision/embed.ts', 'src/vision/layers.ts', 'package.json'],
];
const out = path.join(demo, 'build/data');
mkdirSync(out, { recursive: true });
await unlessDone('data', ['data', ...FEATURE_SOURCES, 'src/training', 'src/gallery.ts'], build);

/** Does something once, and again when one of the sources has changed. */
async function unlessDone(name: string, sources: string[], make: () => Promise<void>): Promise<void> {
  const stamp = path.join(demo, `build/${name}.stamp`);
  const fingerprint = hashOfSources(sources);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return;
  await make();
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

  // They take most of the time, and depend on the least.
  const featuresFile = path.join(demo, 'build/features.bin');
  await unlessDone('features', FEATURE_SOURCES, async () => {
    const computed = await withProgress('Features', files.length, (onProgress) => computeFeatures(files, onProgress));
    writeFileSync(featuresFile, new Uint8Array(computed.buffer));
  });
  const features = new Float32Array(new Uint8Array(readFileSync(featuresFile)).buffer);
  const embeddings = embed(features, FEATURES, labels);
  const pixels = await pixelFeatures(files);
  const pixelDataset = toDataset(
    labels,
    embed(pixels, pixels.length / files.length, labels).quantised,
    pixels.length / files.length,
  );
  const gallery: Gallery = {
    names: emoji.map(({ name }) => name),
    codes: emoji.map(({ code }) => code),
    ...labels,
    baselines: {
      prior: priorMetrics(pixelDataset),
      pixels: await withProgress('Pixels', EPOCHS, (onProgress) => train(new Trainer(pixelDataset), onProgress)),
    },
  };
  const { topology, weights } = readBackbone();

  const write = (name: string, data: string | Uint8Array): void => writeFileSync(path.join(out, name), data);
  write('gallery.json', JSON.stringify(gallery));
  const sheets = await makeSheets(files);
  if (sheets.length !== SHEET.count) throw new Error(`${sheets.length} sheets of pictures instead of ${SHEET.count}`);
  sheets.forEach((sheet, i) => write(`sheet-${i}.webp`, sheet));
  rmSync(path.join(out, 'pictures'), { recursive: true, force: true });
  mkdirSync(path.join(out, 'pictures'));
  const largePicture = largePictures();
  await withProgress('Pictures', emoji.length, async (onProgress) => {
    for (const [i, one] of emoji.entries()) {
      write(`pictures/${one.code}.webp`, await largePicture(one));
      onProgress(i + 1);
    }
  });
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

function train(trainer: Trainer, onProgress: (epochs: number) => void): RankingMetrics {
  const settings = { lossFn: new MultiLabelMarginLoss(), batchSize: 64, learningRate: 0.001 };
  while (trainer.epoch < EPOCHS) {
    if (trainer.step(settings).endsEpoch) onProgress(trainer.epoch);
  }
  return trainer.evaluate();
}

async function withProgress<T>(
  task: string,
  total: number,
  run: (onProgress: (done: number) => void) => T | Promise<T>,
): Promise<T> {
  const progress = new Progress(task, total);
  try {
    return await run((done) => progress.update(done, ''));
  } finally {
    progress.stop();
  }
}
