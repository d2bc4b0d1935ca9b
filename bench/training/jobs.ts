/** The jobs: steps of four models, and WordNet in batches. */
import { buildCorpus, readSynsets, splitDocuments, TfIdf } from '../../examples/wordnet.js';
import { mulberry32 } from '../../examples/random.js';

/** Steps over one batch that repeats, of linear layers with ReLU between them. */
export interface StepJob {
  /** The name of the job, by which the peers in other processes know it. */
  key: 'genre' | 'image' | 'random' | 'trained';
  name: string;
  rows: number;
  /** Inputs, hidden layers, labels. */
  sizes: readonly number[];
  targets: number;
  optimizer: 'Adam' | 'AdamW' | 'SGD';
  lr: number;
  /** Float32 numbers of memory that a step reads or writes for each weight. */
  passes: number;
}

// Adam: weights in forward; gradient written; gradient, two averages and the weights read, all but the first written. SGD: weights in
// forward; gradient written and read; weights read and written. Where few labels violate a margin, forward alone touches all.
const ADAM_PASSES = 9;
const SGD_PASSES = 5;
/** The rate is so small that a batch violates about as many margins after many steps as before. */
const STILL = 1e-7;

export const STEP_JOBS: readonly StepJob[] = [
  {
    key: 'genre',
    name: 'genre classifier, 32 x 256-128-10, Adam',
    rows: 32,
    sizes: [256, 128, 10],
    targets: 3,
    optimizer: 'Adam',
    lr: STILL,
    passes: ADAM_PASSES,
  },
  {
    key: 'image',
    name: 'image head, 64 x 1368-145, AdamW',
    rows: 64,
    sizes: [1368, 145],
    targets: 4,
    optimizer: 'AdamW',
    lr: STILL,
    passes: ADAM_PASSES,
  },
  {
    key: 'random',
    name: '32 x 4096-10,000, 20 targets, SGD, random',
    rows: 32,
    sizes: [4096, 10_000],
    targets: 20,
    optimizer: 'SGD',
    lr: STILL,
    passes: SGD_PASSES,
  },
  {
    key: 'trained',
    name: '32 x 4096-10,000, 20 targets, SGD, trained',
    rows: 32,
    sizes: [4096, 10_000],
    targets: 20,
    optimizer: 'SGD',
    lr: STILL,
    passes: 1,
  },
];

export interface StepData {
  /** [rows, inputs] */
  x: Float32Array;
  /** [rows, targets], no two of a row alike */
  targets: Int32Array;
  /** The weight of each layer, [outputs, inputs]; biases are zero. */
  weights: Float32Array[];
}

/**
 * Inputs of variance 1, and weights that keep it. Those of a trained model are planted: a target scores 1.03 times |x|^2 / inputs, so
 * that it leads all labels that are nobody's targets by more than the margin, and nearly all others.
 */
export function stepData({ key, rows, sizes, targets: width }: StepJob): StepData {
  const random = mulberry32(1);
  const uniform = (size: number, deviation: number): Float32Array =>
    Float32Array.from({ length: size }, () => (random() - 0.5) * Math.sqrt(12) * deviation);
  const inputs = sizes[0]!;
  const labels = sizes.at(-1)!;
  const x = uniform(rows * inputs, 1);
  const targets = new Int32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const chosen = new Set<number>();
    while (chosen.size < width) chosen.add(Math.floor(random() * labels));
    targets.set([...chosen], row * width);
  }
  const weights = sizes.slice(1).map((outputs, layer) => {
    const fanIn = sizes[layer]!;
    return key === 'trained' ? new Float32Array(outputs * fanIn) : uniform(outputs * fanIn, Math.sqrt(1 / fanIn));
  });
  if (key === 'trained') {
    targets.forEach((label, at) => {
      const row = Math.floor(at / width);
      for (let i = 0; i < inputs; i++) weights[0]![label * inputs + i]! += (1.03 / inputs) * x[row * inputs + i]!;
    });
  }
  return { x, targets, weights };
}

/** Weights of all layers. */
export const weightsOf = ({ sizes }: StepJob): number =>
  sizes.slice(1).reduce((sum, outputs, layer) => sum + outputs * sizes[layer]!, 0);

/** Two operations for each weight and row, forward and for its gradient, and for the input of layers but the first. */
export function operationsOf(job: StepJob): number {
  const forward = 2 * job.rows * weightsOf(job);
  // The gradient of few labels takes next to nothing.
  if (job.key === 'trained') return forward;
  return 3 * forward - 2 * job.rows * job.sizes[0]! * job.sizes[1]!;
}

/** Rows of a batch of the WordNet tagger. */
export const BATCH = 32;

/** Documents as compressed sparse rows. */
export interface Corpus {
  terms: number;
  labels: number;
  /** [rows + 1], where a document's terms begin in the next two */
  offsets: Int32Array;
  indices: Int32Array;
  values: Float32Array;
  /** [rows + 1], where its labels begin */
  labelOffsets: Int32Array;
  labelIndices: Int32Array;
}

/** The training documents of examples/wordnet-tagger.ts in random order. */
export function wordNet(): Corpus {
  const { documents, labels } = buildCorpus(readSynsets());
  const { training } = splitDocuments(documents);
  const tfIdf = TfIdf.fit(training.map(({ text }) => text));
  const random = mulberry32(1);
  for (let i = training.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [training[i], training[j]] = [training[j]!, training[i]!];
  }
  const features = training.map(({ text }) => tfIdf.transform(text));
  return {
    terms: tfIdf.vocabulary.length,
    labels: labels.length,
    offsets: offsetsOf(features.map(({ indices }) => indices.length)),
    indices: Int32Array.from(features.flatMap(({ indices }) => [...indices])),
    values: Float32Array.from(features.flatMap(({ values }) => [...values])),
    labelOffsets: offsetsOf(training.map((document) => document.labels.length)),
    labelIndices: Int32Array.from(training.flatMap((document) => document.labels)),
  };
}

function offsetsOf(lengths: readonly number[]): Int32Array {
  const offsets = new Int32Array(lengths.length + 1);
  lengths.forEach((length, i) => (offsets[i + 1] = offsets[i]! + length));
  return offsets;
}

export interface WordNetBatch {
  rows: number;
  terms: Int32Array;
  offsets: Int32Array;
  weights: Float32Array;
  /** [rows, width], padded with -1 */
  targets: Int32Array;
  width: number;
}

/** The batches of the documents from `begin` to before `end`. */
export function batchesOf(corpus: Corpus, begin: number, end: number): WordNetBatch[] {
  const batches: WordNetBatch[] = [];
  for (let row = begin; row < end; row += BATCH) {
    const rows = Math.min(BATCH, end - row);
    const { offsets, indices, values, labelOffsets, labelIndices } = corpus;
    const from = offsets[row]!;
    const lengths = Array.from({ length: rows }, (_, i) => labelOffsets[row + i + 1]! - labelOffsets[row + i]!);
    const width = Math.max(...lengths);
    const targets = new Int32Array(rows * width).fill(-1);
    lengths.forEach((length, i) => {
      const first = labelOffsets[row + i]!;
      targets.set(labelIndices.subarray(first, first + length), i * width);
    });
    batches.push({
      rows,
      terms: indices.slice(from, offsets[row + rows]),
      offsets: offsets.slice(row, row + rows).map((offset) => offset - from),
      weights: values.slice(from, offsets[row + rows]),
      targets,
      width,
    });
  }
  return batches;
}
