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
import { type AsyncBackend, type Backend, MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { createThreadsBackend } from 'multilabel-margin-loss/threads';
import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
import { mulberry32 } from '../../../examples/random.js';
import { useWasm } from '../vision/backbone.js';

export interface BenchmarkResult {
  rows: number;
  classes: number;
  targets: number;
  contender: string;
  isThisPackage: boolean;
  /** Median time of one call, in milliseconds. */
  ms: number;
}

export type BenchmarkReport = { result: BenchmarkResult } | { leftOut: string };

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

// Threads share out tasks of this many scores: a smaller batch is computed by one.
const SCORES_PER_TASK = 16_000;

// Clocks of browsers tick once in a millisecond at the slowest: so long a turn is measured to 5 %.
const TURN_MS = 20;
const TURNS = 9;

interface Contender {
  name: string;
  isThisPackage: boolean;
  /** Computes loss and gradient, and returns the loss. */
  call: () => number | Promise<number>;
  dispose?: () => void;
}

/** @param onReport called with each result as it is there, and with what cannot be timed here */
export async function benchmark(withThreads: boolean, onReport: (report: BenchmarkReport) => void): Promise<void> {
  await useWasm();
  const leaveOut = (what: string) => (error: unknown) => {
    onReport({ leftOut: `${what}: ${error instanceof Error ? error.message : String(error)}` });
  };
  const threads = withThreads
    ? ((await createThreadsBackend().catch(leaveOut('Several threads'))) ?? undefined)
    : undefined;
  const webgpu = (await createWebGPUBackend().catch(leaveOut('WebGPU'))) ?? undefined;
  try {
    await timeAll(threads, webgpu, (result) => onReport({ result }));
  } finally {
    threads?.dispose();
    webgpu?.dispose();
  }
}

async function timeAll(
  threads: Backend | undefined,
  webgpu: AsyncBackend | undefined,
  onResult: (result: BenchmarkResult) => void,
): Promise<void> {
  for (const { rows, classes, targets } of SHAPES) {
    const batch = makeBatch(rows, classes, targets);
    const contenders = [thisPackage('one thread', batch, new MultiLabelMarginLoss())];
    if (threads && rows * classes > SCORES_PER_TASK) {
      contenders.push(thisPackage(`${threads.threads} threads`, batch, new MultiLabelMarginLoss({ backend: threads })));
    }
    if (webgpu) contenders.push(thisPackage('WebGPU', batch, new MultiLabelMarginLoss({ backend: webgpu })));
    contenders.push(composed(batch));
    const reference = await contenders[0]!.call();
    for (const { name, isThisPackage, call, dispose } of contenders) {
      const value = await call();
      // Both are sums of float32 numbers in another order: 2.5 million of them at the most, each rounded by 2^-24.
      if (Math.abs(value - reference) > rows * classes * targets * 2 ** -24 * reference) {
        throw new Error(`${name} computes ${value} instead of ${reference}`);
      }
      onResult({ rows, classes, targets, contender: name, isThisPackage, ms: await medianTime(call) });
      dispose?.();
      // Lets messages in.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
}

function thisPackage(
  where: string,
  { rows, classes, targets, scores, indices }: Batch,
  lossFn: MultiLabelMarginLoss,
): Contender {
  const x = { data: scores, shape: [rows, classes] };
  const y = { data: indices, shape: [rows, targets] };
  const call = async (): Promise<number> => Number((await lossFn.valueAndGradAsync(x, y)).loss.item());
  return { name: `This package, ${where}`, isThisPackage: true, call };
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
    isThisPackage: false,
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
  const random = mulberry32(7);
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

/** In milliseconds. A turn makes as many calls as can be measured. */
async function medianTime(call: () => number | Promise<number>): Promise<number> {
  const turn = async (calls: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) await call();
    return performance.now() - start;
  };
  let calls = 1;
  let ms = await turn(calls);
  while (ms < TURN_MS) {
    calls *= 2;
    ms = await turn(calls);
  }
  const times = [ms];
  while (times.length < TURNS) times.push(await turn(calls));
  times.sort((a, b) => a - b);
  return times[Math.floor(TURNS / 2)]! / calls;
}
