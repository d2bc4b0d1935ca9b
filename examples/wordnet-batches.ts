/** The documents of wordnet.ts as batches of a model: bags of terms with their weights, and lists of labels. */
import { type Tensor, tensor } from 'multilabel-margin-loss';
import { Progress } from './progress.js';
import {
  buildCorpus,
  type Document,
  type Label,
  readSynsets,
  type SparseVector,
  splitDocuments,
  TfIdf,
} from './wordnet.js';

export interface Example {
  features: SparseVector;
  /** Indices of the true labels. */
  labels: number[];
}

export interface DocumentExample extends Example {
  document: Document;
}

export interface Task {
  labels: Label[];
  tfIdf: TfIdf;
  training: DocumentExample[];
  heldOut: DocumentExample[];
}

export interface Batch {
  /** The terms of all texts, one text after the other. */
  terms: Tensor<'int32'>;
  /** Where each text begins in `terms`. */
  offsets: Tensor<'int32'>;
  /** The TF-IDF weight of each term in its text. */
  weights: Tensor<'float32'>;
  /** The labels of each text. */
  labels: number[][];
}

export function prepareTask(): Task {
  const progress = new Progress('Preparing', 4, 'reading WordNet');
  const synsets = readSynsets();
  progress.update(1, 'labels');
  const { documents, labels } = buildCorpus(synsets);
  const { training, heldOut } = splitDocuments(documents);
  progress.update(2, 'vocabulary');
  const tfIdf = TfIdf.fit(training.map(({ text }) => text));
  progress.update(3, 'features');
  const toExample = (document: Document): DocumentExample => ({
    document,
    features: tfIdf.transform(document.text),
    labels: document.labels,
  });
  const task = { labels, tfIdf, training: training.map(toExample), heldOut: heldOut.map(toExample) };
  progress.stop();
  return task;
}

export function toBatch(examples: readonly Example[]): Batch {
  const offsets = new Int32Array(examples.length);
  let size = 0;
  examples.forEach(({ features }, i) => {
    offsets[i] = size;
    size += features.indices.length;
  });
  const terms = new Int32Array(size);
  const weights = new Float32Array(size);
  examples.forEach(({ features }, i) => {
    terms.set(features.indices, offsets[i]);
    weights.set(features.values, offsets[i]);
  });
  return {
    terms: tensor(terms),
    offsets: tensor(offsets),
    weights: tensor(weights),
    labels: examples.map(({ labels }) => labels),
  };
}

/** Batches of all examples, in the order given by their numbers, or else in their own. */
export function* batchesOf(examples: readonly Example[], batchSize: number, order?: Int32Array): Generator<Batch> {
  for (let start = 0; start < examples.length; start += batchSize) {
    const end = Math.min(start + batchSize, examples.length);
    yield toBatch(order ? Array.from(order.subarray(start, end), (i) => examples[i]!) : examples.slice(start, end));
  }
}
