/**
 * The steps in TensorFlow.js on its WebAssembly backend. The loss is composed of its ops, with a gradient by hand, since that is the
 * quickest form there (see ../contenders/tensorflow.ts).
 *
 * In its favour: masks of the targets are made before the timing, and where the job is AdamW, which it lacks, it runs Adam.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { AdamOptimizer, SGDOptimizer } from '@tensorflow/tfjs-core';
import type { StepData, StepJob } from './jobs.js';
import type { Steps } from './this-package.js';

// The bundle for Node comes without the gradients of its ops.
createRequire(import.meta.url)('@tensorflow/tfjs-core/dist/register_all_gradients.js');

/** A score that violates no margin. It is finite, so that its product with 0 is 0. */
const MASK = -1e30;

export async function tensorFlowSteps(job: StepJob, data: StepData): Promise<Steps> {
  setWasmPaths(`${path.dirname(fileURLToPath(import.meta.resolve('@tensorflow/tfjs-backend-wasm')))}/`);
  const createBackend = tf.findBackendFactory('wasm');
  // A fresh backend for each job: its memory only grows.
  tf.removeBackend('wasm');
  tf.registerBackend('wasm', createBackend);
  await tf.setBackend('wasm');

  const { rows, sizes, targets: width } = job;
  const labels = sizes.at(-1)!;
  const x = tf.tensor2d(data.x, [rows, sizes[0]!]);
  // [inputs, outputs], as it multiplies quickest.
  const weights = data.weights.map((weight, i) => {
    const rowMajor = tf.tensor2d(weight, [sizes[i + 1]!, sizes[i]!]);
    return tf.variable(tf.transpose(rowMajor));
  });
  const biases = sizes.slice(1).map((outputs) => tf.variable(tf.zeros([outputs])));
  const lossOf = multiLabelMarginLoss(data.targets, rows, labels, width);
  const optimizer = job.optimizer === 'SGD' ? new SGDOptimizer(job.lr) : new AdamOptimizer(job.lr, 0.9, 0.999, 1e-8);
  const forward = (): tf.Scalar => {
    let y: tf.Tensor = x;
    weights.forEach((weight, i) => {
      y = tf.add(tf.matMul(i === 0 ? y : tf.relu(y), weight), biases[i]!);
    });
    return lossOf(y);
  };
  return (steps) => {
    const begin = performance.now();
    for (let step = 0; step < steps; step++) {
      tf.tidy(() => {
        optimizer.minimize(forward);
      });
    }
    return performance.now() - begin;
  };
}

/** The mean loss of scores [rows, labels], of targets without padding or duplicates. */
function multiLabelMarginLoss(targets: Int32Array, rows: number, labels: number, width: number) {
  const mask = new Float32Array(rows * labels);
  targets.forEach((label, at) => (mask[Math.floor(at / width) * labels + label] = MASK));
  const masks = tf.tensor2d(mask, [rows, labels]);
  const places = tf.tensor1d(
    targets.map((label, at) => Math.floor(at / width) * labels + label),
    'int32',
  );
  const indices = tf.expandDims<tf.Tensor2D>(places, 1);
  return tf.customGrad<tf.Scalar>((...args) => {
    const scores = args[0] as tf.Tensor2D;
    const save = args[1] as tf.GradSaveFunc;
    const masked = tf.add(scores, masks);
    const margins = tf.sub(1, tf.reshape(tf.gather(tf.reshape(scores, [-1]), places), [rows, width]));
    let below: tf.Tensor = tf.zerosLike(scores);
    let value: tf.Tensor = tf.scalar(0);
    const above: tf.Tensor[] = [];
    for (let k = 0; k < width; k++) {
      const hinge = tf.relu(tf.add(masked, tf.slice(margins, [0, k], [rows, 1])));
      const positive = tf.step(hinge);
      value = tf.add(value, tf.sum(hinge));
      below = tf.add(below, positive);
      above.push(tf.sum(positive, 1, true));
    }
    save([below, tf.concat(above, 1)]);
    return {
      value: tf.div(value, rows * labels),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const ofTargets = tf.scatterND(indices, tf.reshape(saved[1]!, [-1]), [rows * labels]);
        return tf.mul(tf.sub(saved[0]!, tf.reshape(ofTargets, [rows, labels])), tf.div(dy, rows * labels));
      },
    };
  });
}
