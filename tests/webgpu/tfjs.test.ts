// Scores of TensorFlow.js's WebGPU backend, used where they are, and a gradient that it goes on with: docs/webgpu.md.

import { expect, test } from 'vitest';
import { MultiLabelMarginLoss } from '../../dist/index.js';
import { createWebGPUBackend, fromGPUBuffer } from '../../dist/webgpu/index.js';
import { expectSameBits } from '../js/support.js';

test.runIf(typeof window !== 'undefined')('scores and gradient stay on the GPU', async () => {
  const tf = await import('@tensorflow/tfjs');
  await import('@tensorflow/tfjs-backend-webgpu');
  tf.env().set('PROD', true);
  // Tensors as small as these it would compute on the CPU.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  expect(await tf.setBackend('webgpu')).toBe(true);
  const { device } = tf.backend() as unknown as { device: GPUDevice };
  const backend = await createWebGPUBackend({ device });
  const lossFn = new MultiLabelMarginLoss({ backend });

  const scores = tf.mul(tf.tensor2d([[1, 2, -1, 0], [3, 0, 0.5, 1]]), 0.5); // prettier-ignore
  const targets = [[1, 3], [2]]; // prettier-ignore
  const { buffer, tensorRef } = scores.dataToGPU();
  const onGPU = fromGPUBuffer(buffer as GPUBuffer, { shape: scores.shape });
  const { loss, grad } = await lossFn.valueAndGradAsync(onGPU, targets);
  const gradient = tf.tensor({ buffer: grad.buffer, zeroCopy: true }, [2, 4]);

  const expected = new MultiLabelMarginLoss().valueAndGrad(
    { data: (await scores.data()) as Float32Array, shape: [2, 4] },
    targets,
  );
  expect(loss.item()).toBe(expected.loss.item());
  expectSameBits(await gradient.data(), expected.grad.data, 'gradient');
  expectSameBits(
    await tf.mul(gradient, 2).data(),
    expected.grad.data.map((one) => 2 * one),
    'what is computed with it',
  );
  tf.dispose([scores, tensorRef, gradient]);
  backend.dispose();
});
