/**
 * Trains a classifier of musical genres with the multi-label margin loss: 256 spectral features, a hidden
 * layer of 128, a score for each of 10 genres. Ends with the held-out metrics next to those of ranking genres by how
 * frequent they are.
 *
 *     npx tsx examples/genre-classifier.ts
 *
 * The tracks are generated: a genre is a spectrum, and a track is a mixture of those of its one to three genres, at
 * different volumes, under noise. The same ones come out every time.
 */
import * as torch from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { Progress } from './progress.js';
import { mulberry32 } from './random.js';

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
  features: torch.Tensor<'float32'>;
  /** The genres of each track. */
  genres: number[][];
}

const random = mulberry32(SEED);

/** A random number of the standard normal distribution. */
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
  const genres: number[][] = [];
  for (let track = 0; track < count; track++) {
    const spectrum = features.subarray(track * FEATURES, (track + 1) * FEATURES);
    const drawn = [...drawGenres()];
    genres.push(drawn);
    for (const genre of drawn) {
      const volume = 0.3 + 0.7 * random();
      for (let i = 0; i < FEATURES; i++) spectrum[i]! += volume * spectra[genre]![i]!;
    }
    // Loudness is heard on a logarithmic scale.
    for (let i = 0; i < FEATURES; i++) spectrum[i] = Math.log1p(4 * spectrum[i]!) + NOISE * normal();
  }
  return { features: torch.tensor(features, { shape: [count, FEATURES] }), genres };
}

/** The tracks from `start` to before `end`. */
function slice({ features, genres }: Tracks, start: number, end: number): Tracks {
  const part = features.data.subarray(start * FEATURES, end * FEATURES);
  return { features: torch.tensor(part, { shape: [end - start, FEATURES] }), genres: genres.slice(start, end) };
}

class GenreClassifier extends torch.nn.Module {
  fc1 = new torch.nn.Linear(FEATURES, HIDDEN);
  fc2 = new torch.nn.Linear(HIDDEN, GENRES.length);

  forward(audio: torch.Tensor): torch.Tensor {
    const h = torch.relu(this.fc1.forward(audio));
    return this.fc2.forward(h); // Scores, not probabilities: the loss compares them.
  }
}

function train(model: GenreClassifier, tracks: Tracks): void {
  const lossFn = new torch.nn.MultiLabelMarginLoss({ nan: 'error' });
  const optimizer = new torch.optim.Adam(model.parameters(), { lr: LEARNING_RATE });
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    const progress = new Progress(`Epoch ${epoch}/${EPOCHS}`, TRAINING_TRACKS);
    let sum = 0;
    // The tracks are in no order.
    for (let start = 0; start < TRAINING_TRACKS; start += BATCH_SIZE) {
      const { features, genres } = slice(tracks, start, start + BATCH_SIZE);
      optimizer.zero_grad();
      const loss = lossFn.forward(model.forward(features), genres);
      loss.backward();
      optimizer.step();
      sum += loss.item() * BATCH_SIZE;
      progress.update(start + BATCH_SIZE, `loss ${metric(sum / (start + BATCH_SIZE))}`);
    }
    progress.stop();
    console.log(`Epoch ${epoch}/${EPOCHS}  loss ${metric(sum / TRAINING_TRACKS)}`);
  }
}

/** Label ranking average precision, the mean over the tracks. */
function lrap(scores: torch.Tensor, { genres }: Tracks): number {
  const evaluator = new Evaluator();
  evaluator.update(scores, genres);
  return evaluator.result().labelRankingAveragePrecision;
}

/** Scores each genre by its share of the tracks, whatever the track. */
function genrePrior({ genres }: Tracks, rows: number): torch.Tensor {
  const scores = torch.zeros(rows, GENRES.length);
  for (const genre of genres.flat()) {
    for (let row = 0; row < rows; row++) scores.data[row * GENRES.length + genre]! += 1 / genres.length;
  }
  return scores;
}

function metric(value: number): string {
  return value.toFixed(3);
}

function main(): void {
  torch.manual_seed(SEED);
  const spectra = GENRES.map(makeSpectrum);
  const training = makeTracks(TRAINING_TRACKS, spectra);
  const heldOut = makeTracks(HELD_OUT_TRACKS, spectra);
  console.log(
    `${TRAINING_TRACKS} generated tracks of 1 to ${MOST_GENRES} of ${GENRES.length} genres to train on, ` +
      `${HELD_OUT_TRACKS} held out.\n`,
  );
  const model = new GenreClassifier();
  train(model, training);

  const scores = torch.no_grad(() => model.forward(heldOut.features));
  console.log('\nHeld out        LRAP');
  console.log(`genre prior    ${metric(lrap(genrePrior(training, HELD_OUT_TRACKS), heldOut))}`);
  console.log(`this model     ${metric(lrap(scores, heldOut))}`);
}

main();
