/** Times this loss and one composed of operations of TensorFlow.js, forward and gradient, in this browser. */
import {
  add,
  div,
  expandDims,
  mul,
  relu,
  type Scalar,
  sub,
  sum,
  type Tensor,
  tensor2d,
  tensor3d,
  tidy,
  valueAndGrad,
} from '@tensorflow/tfjs-core';
// The library's own index leaves them out.
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { backendFor } from '../backends.js';
import { randomNumbers } from '../training/trainer.js';
import { useWasm } from '../vision/backbone.js';

export interface BenchmarkResult {
  rows: number;
  classes: number;
  targets: number;
  contender: string;
  /** Median of one call, in milliseconds. */
  ms: number;
}

interface Batch {
  rows: number;
  classes: number;
  targets: number;
  scores: Float32Array;
  /** [rows, targets] */
  indices: Int32Array;
}

const SHAPES = [
  { rows: 64, classes: 145, targets: 5 },
  { rows: 256, classes: 1000, targets: 10 },
];

// A call is timed for so long, and at least three times.
const BUDGET_MS = 400;

interface Contender {
  name: string;
  /** Computes loss and gradient, and returns the loss. */
  call: () => number;
  dispose?: () => void;
}

/** @param onResult called with each as it is there */
export async function benchmark(onResult: (result: BenchmarkResult) => void): Promise<void> {
  await useWasm();
  const threads = await backendFor('threads').catch(() => undefined);
  for (const { rows, classes, targets } of SHAPES) {
    const batch = makeBatch(rows, classes, targets);
    const contenders = [
      thisPackage('This package, one thread', batch, new MultiLabelMarginLoss()),
      ...(threads
        ? [
            thisPackage(
              `This package, ${threads.threads} threads`,
              batch,
              new MultiLabelMarginLoss({ backend: threads }),
            ),
          ]
        : []),
      composed(batch),
    ];
    const reference = contenders[0]!.call();
    for (const { name, call, dispose } of contenders) {
      const value = call();
      // Both are sums of float32 numbers in another order: 2.5 million of them at the most, each rounded by 2^-24.
      if (Math.abs(value - reference) > rows * classes * targets * 2 ** -24 * reference) {
        throw new Error(`${name} computes ${value} instead of ${reference}`);
      }
      onResult({ rows, classes, targets, contender: name, ms: medianTime(call) });
      dispose?.();
      // Lets messages in.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
}

function thisPackage(
  name: string,
  { rows, classes, targets, scores, indices }: Batch,
  lossFn: MultiLabelMarginLoss,
): Contender {
  const x = { data: scores, shape: [rows, classes] };
  const y = { data: indices, shape: [rows, targets] };
  return { name, call: () => Number(lossFn.valueAndGrad(x, y).loss.item()) };
}

/**
 * Every target against every class at once, with a gradient by TensorFlow.js. In its favour, masks and one-hot targets are
 * made before; the scores are uploaded, and loss and gradient read out, as for this package.
 */
function composed({ rows, classes, targets, scores, indices }: Batch): Contender {
  const oneHot = new Float32Array(rows * targets * classes);
  const others = new Float32Array(rows * classes).fill(1);
  indices.forEach((index, i) => {
    oneHot[i * classes + index] = 1;
    others[Math.floor(i / targets) * classes + index] = 0;
  });
  const picked = tensor3d(oneHot, [rows, targets, classes]);
  const mask = tensor3d(others, [rows, 1, classes]);
  const lossAndGradient = valueAndGrad((x: Tensor): Scalar => {
    const spread = expandDims(x, 1);
    const own = sum(mul(picked, spread), 2, true);
    const hinges = mul(relu(add(sub(1, own), spread)), mask);
    return div(sum(hinges), rows * classes);
  });
  return {
    name: 'TensorFlow.js, composed',
    call: () => {
      const { value, grad } = tidy(() => lossAndGradient(tensor2d(scores, [rows, classes])));
      grad.dataSync();
      const [loss] = value.dataSync();
      value.dispose();
      grad.dispose();
      return loss!;
    },
    dispose: () => {
      picked.dispose();
      mask.dispose();
    },
  };
}

function makeBatch(rows: number, classes: number, targets: number): Batch {
  const random = randomNumbers(7);
  // The sum of four uniform numbers is near enough to a normal one.
  const scores = Float32Array.from(
    { length: rows * classes },
    () => 1.7 * (random() + random() + random() + random() - 2),
  );
  const indices = new Int32Array(rows * targets);
  for (let row = 0; row < rows; row++) {
    const chosen = new Set<number>();
    while (chosen.size < targets) chosen.add(Math.floor(random() * classes));
    indices.set([...chosen], row * targets);
  }
  return { rows, classes, targets, scores, indices };
}

function medianTime(call: () => void): number {
  const times: number[] = [];
  const end = performance.now() + BUDGET_MS;
  while (times.length < 3 || performance.now() < end) {
    const start = performance.now();
    call();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)]!;
}
