/**
 * TensorFlow.js on its WebAssembly backend: the loss composed of its ops. Copies are included, as for this package: the
 * scores are uploaded, loss and gradient read out.
 *
 * In its favour: the targets hold no padding and no duplicates, the scores of the targets are looked up and masked in
 * TypeScript (the backend has no gradient for a gather), and its float32 sums are taken as they come.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import type { Batch, Input, Point } from '../grid.js';
import { type Call, type Contender, NAMES, type Result, synchronous } from './contender.js';

// The bundle for Node comes without the gradients of its ops.
createRequire(import.meta.url)('@tensorflow/tfjs-core/dist/register_all_gradients.js');

// Replaces a target's score: so low that it violates no margin, and finite, so that its product with 0 is 0.
const MASK = -1e30;

// The most bytes of intermediates, out of the 2 GB that the backend's memory can grow to.
const MOST_BYTES = 768e6;

/** The mean loss as a function of the masked scores [N, C] and of the margins 1 - x[k], [N, K]. */
type Loss = (masked: tf.Tensor2D, margins: tf.Tensor2D) => tf.Scalar;

export const tensorFlowVersion = tf.version_core;

export async function tensorFlow(): Promise<Contender[]> {
  const backendFolder = path.dirname(fileURLToPath(import.meta.resolve('@tensorflow/tfjs-backend-wasm')));
  setWasmPaths(`${backendFolder}/`);
  await tf.setBackend('wasm');
  const createBackend = tf.findBackendFactory('wasm');
  return [
    { name: NAMES.tensorFlow, isByHand: false },
    { name: NAMES.tensorFlowByHand, isByHand: true },
  ].map(({ name, isByHand }) => {
    const contender = synchronous(name, (batch, gradient) => {
      const forms = batch.dtype === 'float32' ? Object.entries(formsFor(batch, gradient)) : [];
      return Object.fromEntries(forms.filter(([form]) => form.startsWith('autograd') !== isByHand));
    });
    return {
      ...contender,
      // A fresh backend for each batch: its memory only grows, and when it is exhausted, nothing works any more.
      async load(batch) {
        tf.removeBackend('wasm');
        tf.registerBackend('wasm', createBackend);
        await tf.setBackend('wasm');
        await contender.load(batch);
      },
    };
  });
}

function formsFor({ point }: Batch, gradient: boolean): Record<string, Call> {
  const { rows, classes, width } = point;
  const pairBytes = rows * classes * width * 4;
  const losses: Record<string, Loss> = {};
  // Autograd keeps two intermediates of the size of the scores for each target; a broadcast makes them at once.
  if (!gradient || 2 * pairBytes < MOST_BYTES) losses['autograd loop'] = hingeLoop(point);
  if (3 * pairBytes < MOST_BYTES) losses['autograd broadcast'] = hingeBroadcast(point);
  if (gradient) losses['customGrad loop'] = customLoop(point);
  losses[gradient ? 'customGrad ranks' : 'ranks'] = customRanks(point);
  return Object.fromEntries(
    Object.entries(losses).map(([form, loss]) => [
      form,
      gradient ? gradientCall(loss, point) : forwardCall(loss, point),
    ]),
  );
}

const hingeLoop =
  ({ rows, classes, width }: Point): Loss =>
  (masked, margins) => {
    let sum: tf.Tensor = tf.scalar(0);
    // Each target's intermediates are freed at once, unless autograd keeps them.
    for (let k = 0; k < width; k++) {
      sum = tf.tidy(() => tf.add(sum, tf.sum(tf.relu(tf.add(columnOf(margins, k), masked)))));
    }
    return tf.div(sum, rows * classes);
  };

const hingeBroadcast =
  ({ rows, classes }: Point): Loss =>
  (masked, margins) =>
    tf.div(tf.sum(tf.relu(tf.add(tf.expandDims(margins, 2), tf.expandDims(masked, 1)))), rows * classes);

/** Counts the positive hinges target by target; the gradient follows from these counts. */
const customLoop = ({ rows, classes, width }: Point): Loss =>
  withCounts(rows * classes, (masked, margins) => {
    let below: tf.Tensor = tf.zerosLike(masked);
    const above: tf.Tensor[] = [];
    for (let k = 0; k < width; k++) {
      const [nextBelow, nextAbove] = tf.tidy((): [tf.Tensor, tf.Tensor] => {
        const positive = tf.step(tf.add(columnOf(margins, k), masked));
        return [tf.add(below, positive), tf.sum(positive, 1, true)];
      });
      below.dispose();
      below = nextBelow;
      above.push(nextAbove);
    }
    return { below, above: tf.concat(above, 1) };
  });

/** Finds these counts from the rank of each score among the sorted thresholds x[k] - 1, in O(C * log K). */
const customRanks = ({ rows, classes, width }: Point): Loss =>
  withCounts(rows * classes, (masked, margins) => {
    const thresholds = tf.neg(margins);
    const sorted = tf.neg(tf.topk(margins, width).values);
    const ranks = tf.searchSorted(sorted, masked, 'left');
    const histogram = tf.denseBincount(ranks as tf.Tensor2D, tf.tensor2d([], [0, 0]), width + 1);
    const aboveSorted = tf.cumsum(histogram, 1, true, true);
    // The place of each target's threshold among the sorted thresholds of its row.
    const rowStarts = tf.expandDims(tf.range(0, rows * (width + 1), width + 1, 'int32'), 1);
    const places = tf.add(tf.searchSorted(sorted, thresholds, 'left'), rowStarts);
    const above = tf.gather(tf.reshape(aboveSorted, [-1]), tf.reshape(places, [-1]));
    return { below: tf.cast(ranks, 'float32'), above: tf.reshape(above, [rows, width]) };
  });

/** A loss with a hand-written gradient, from the number of margins below each score and of scores above each margin. */
function withCounts(
  divisor: number,
  count: (masked: tf.Tensor2D, margins: tf.Tensor2D) => { below: tf.Tensor; above: tf.Tensor },
): Loss {
  const loss = tf.customGrad((...args) => {
    const [masked, margins, save] = args as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const { below, above } = count(masked, margins);
    save([below, above]);
    return {
      value: tf.div(tf.add(tf.sum(tf.mul(below, masked)), tf.sum(tf.mul(above, margins))), divisor),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const factor = tf.div(dy, divisor);
        return saved.map((counts) => tf.mul(counts, factor));
      },
    };
  });
  return (masked, margins) => loss(masked, margins) as tf.Scalar;
}

const columnOf = (matrix: tf.Tensor2D, column: number): tf.Tensor2D =>
  tf.slice(matrix, [0, column], [matrix.shape[0], 1]);

function forwardCall(loss: Loss, point: Point): Call {
  return (input) => {
    let value = NaN;
    tf.tidy(() => {
      const { masked, margins } = upload(input, point);
      value = loss(masked, margins).dataSync()[0]!;
    });
    return { loss: value, grad: null };
  };
}

function gradientCall(loss: Loss, point: Point): Call {
  const { rows, classes, width } = point;
  const lossAndGradients = tf.valueAndGrads(loss as (...tensors: tf.Tensor[]) => tf.Scalar);
  return (input) => {
    const result: Result = { loss: NaN, grad: null };
    tf.tidy(() => {
      const { masked, margins } = upload(input, point);
      const { value, grads } = lossAndGradients([masked, margins]);
      const grad = grads[0]!.dataSync<'float32'>();
      const marginGrad = grads[1]!.dataSync<'float32'>();
      for (let row = 0, i = 0; row < rows; row++) {
        for (let k = 0; k < width; k++, i++) grad[row * classes + input.targets[i]!]! -= marginGrad[i]!;
      }
      result.loss = value.dataSync()[0]!;
      result.grad = grad;
    });
    return result;
  };
}

function upload(
  { scores, targets }: Input,
  { rows, classes, width }: Point,
): { masked: tf.Tensor2D; margins: tf.Tensor2D } {
  const masked = (scores as Float32Array).slice();
  const margins = new Float32Array(targets.length);
  for (let i = 0; i < targets.length; i++) {
    const at = Math.floor(i / width) * classes + targets[i]!;
    margins[i] = 1 - scores[at]!;
    masked[at] = MASK;
  }
  return { masked: tf.tensor2d(masked, [rows, classes]), margins: tf.tensor2d(margins, [rows, width]) };
}
