/**
 * The WordNet tagger as its example was before this package had layers: only the loss is the package's, the model and its optimizer
 * are loops in TypeScript. Each document takes a step of its own down the gradient of its batch.
 */
import { MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
import type { Corpus, WordNetBatch } from './jobs.js';

const LEARNING_RATE = 1;
const INITIAL_SQUARES = 0.01;

export function wordNetLoop({ terms, labels }: Corpus): (batches: readonly WordNetBatch[]) => number {
  const lossFn = new MultiLabelMarginLoss({ reduction: 'sum' });
  const weight = new Float32Array(terms * labels);
  const weightSquares = new Float32Array(terms * labels).fill(INITIAL_SQUARES);
  const bias = new Float32Array(labels);
  const biasSquares = new Float32Array(labels).fill(INITIAL_SQUARES);
  const active = new Int32Array(labels);

  const score = (batch: WordNetBatch, row: number, scores: Float32Array): void => {
    scores.set(bias);
    for (let i = batch.offsets[row]!; i < (batch.offsets[row + 1] ?? batch.terms.length); i++) {
      const at = batch.terms[i]! * labels;
      const value = batch.weights[i]!;
      for (let label = 0; label < labels; label++) scores[label]! += value * weight[at + label]!;
    }
  };
  const step = (batch: WordNetBatch, row: number, gradient: Float32Array): void => {
    let count = 0;
    for (let label = 0; label < labels; label++) if (gradient[label] !== 0) active[count++] = label;
    const some = active.subarray(0, count);
    descend(bias, biasSquares, 0, some, gradient, 1);
    for (let i = batch.offsets[row]!; i < (batch.offsets[row + 1] ?? batch.terms.length); i++) {
      descend(weight, weightSquares, batch.terms[i]! * labels, some, gradient, batch.weights[i]!);
    }
  };

  return (batches) => {
    const begin = performance.now();
    for (const batch of batches) {
      const { rows, targets, width } = batch;
      const scores = new Float32Array(rows * labels);
      const rowOf = (matrix: Float32Array, row: number) => matrix.subarray(row * labels, (row + 1) * labels);
      for (let row = 0; row < rows; row++) score(batch, row, rowOf(scores, row));
      const { grad } = lossFn.valueAndGrad(
        tensor(scores, { shape: [rows, labels] }),
        tensor(targets, { shape: [rows, width] }),
      );
      for (let row = 0; row < rows; row++) step(batch, row, rowOf(grad.data, row));
    }
    return performance.now() - begin;
  };
}

/** A step of Adagrad on the row of parameters that starts at `at`, for the active labels. */
function descend(
  parameters: Float32Array,
  squares: Float32Array,
  at: number,
  active: Int32Array,
  gradient: Float32Array,
  factor: number,
): void {
  for (let i = 0; i < active.length; i++) {
    const label = active[i]!;
    const g = gradient[label]! * factor;
    const sum = squares[at + label]! + g * g;
    squares[at + label] = sum;
    parameters[at + label]! -= (LEARNING_RATE * g) / Math.sqrt(sum);
  }
}
