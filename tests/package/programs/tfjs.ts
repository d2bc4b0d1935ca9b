// The documented example with tensors of TensorFlow.js.
import '@tensorflow/tfjs-backend-cpu';
import { tensor2d } from '@tensorflow/tfjs-core';
import { multiLabelMarginLoss } from 'multilabel-margin-loss/tfjs';

const lossFn = multiLabelMarginLoss();
const scores = tensor2d([
  [0.1, 2.5, -1.0, 1.2, 0.3],
  [-0.2, 1.0, 3.1, 0.5, 2.2],
]);
const mask = tensor2d([
  [0, 1, 0, 1, 0],
  [0, 0, 1, 0, 1],
]);
console.log('tfjs', lossFn(mask, scores).dataSync()[0]);
