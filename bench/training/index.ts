/** Times training beside PyTorch, TensorFlow.js and a loop in TypeScript. */
import * as thisPackage from 'multilabel-margin-loss';
import { spreadOf } from '../spread.js';
import { progress } from '../timing.js';
import {
  BATCH,
  batchesOf,
  operationsOf,
  STEP_JOBS,
  type StepData,
  stepData,
  type StepJob,
  weightsOf,
  wordNet,
  type WordNetBatch,
} from './jobs.js';
import { type Limits, measureLimits } from './limits.js';
import { type JobTiming, LOOP, OURS, OURS_ON_THREADS, TENSORFLOW, TORCH, type TrainingRun } from './run.js';
import { tensorFlowSteps } from './tensorflow.js';
import { copyOnThreads, stepsOf, wordNetTrainer } from './this-package.js';
import { startTorch, type Torch } from './pytorch.js';
import { wordNetLoop } from './typescript-loop.js';

interface Effort {
  rounds: number;
  turnMilliseconds: number;
  /** Documents of WordNet in an epoch, and in a turn. */
  documents: number;
  part: number;
}

export const FULL: Effort = { rounds: 7, turnMilliseconds: 300, documents: Infinity, part: 6400 };
export const QUICK: Effort = { rounds: 3, turnMilliseconds: 50, documents: 3200, part: 1600 };

const WARM_UP_CALLS = 10;
const WARM_UP_MILLISECONDS = 10_000;

/** Shows progress on a terminal. */
export async function timeTraining(effort: Effort, python: string): Promise<TrainingRun> {
  const versions: Record<string, string> = { 'Node.js': process.versions.node };
  const leftOut: string[] = [];
  const torchFor = async (job: object, arrays: Parameters<typeof startTorch>[3]): Promise<Map<string, Torch>> => {
    const processes = new Map<string, Torch>();
    try {
      for (const [i, name] of TORCH.entries()) processes.set(name, await startTorch(python, i + 1, job, arrays));
    } catch (error) {
      const why = `PyTorch (Debian's python3-torch): ${(error as Error).message}`;
      if (!leftOut.includes(why)) leftOut.push(why);
    }
    for (const { version } of processes.values()) versions['PyTorch'] = version;
    return processes;
  };

  progress('limits of this machine');
  const limits = measureLimits();
  const jobs = await timeWordNet(effort, limits, torchFor);
  const onThreads = await copyOnThreads(2);
  for (const job of STEP_JOBS) jobs.push(await timeSteps(job, effort, limits, onThreads, torchFor));
  progress('');
  return { jobs, limits, versions, leftOut };
}

type TorchFor = (job: object, arrays: Parameters<typeof startTorch>[3]) => Promise<Map<string, Torch>>;

async function timeSteps(
  job: StepJob,
  effort: Effort,
  limits: Limits,
  onThreads: typeof thisPackage,
  torchFor: TorchFor,
): Promise<JobTiming> {
  progress(job.name);
  const data: StepData = stepData(job);
  const arrays = Object.fromEntries(data.weights.map((weight, i) => [`weight${i}`, weight]));
  const torch = await torchFor(job, { ...arrays, x: data.x, targets: data.targets });
  const contenders: [string, (steps: number) => Promise<number> | number][] = [
    [OURS, stepsOf(job, data, thisPackage)],
    [OURS_ON_THREADS, stepsOf(job, data, onThreads)],
    [TENSORFLOW, await tensorFlowSteps(job, data)],
    ...[...torch].map(([name, { time }]): [string, (steps: number) => Promise<number>] => [
      name,
      (steps) => time({ steps }),
    ]),
  ];
  // Calls until functions are compiled and memory is there: the heap of PyTorch grew for up to eight steps. The last one tells
  // how many make a turn.
  const counts = new Map<string, number>();
  for (const [name, time] of contenders) {
    const begin = performance.now();
    for (let call = 0; call < WARM_UP_CALLS && performance.now() - begin < WARM_UP_MILLISECONDS; call++) await time(1);
    let steps = 1;
    while ((await time(steps)) < effort.turnMilliseconds / 2) steps *= 2;
    counts.set(name, steps);
  }
  const samples = new Map<string, number[]>(contenders.map(([name]) => [name, []]));
  for (let round = 0; round < effort.rounds; round++) {
    for (const [name, time] of contenders) samples.get(name)!.push((await time(counts.get(name)!)) / counts.get(name)!);
  }
  for (const { end } of torch.values()) end();
  return {
    name: job.name,
    key: job.key,
    steps: stepsFrom(samples),
    byOperations: (operationsOf(job) / limits.operationsPerSecond) * 1000,
    byBytes: ((weightsOf(job) * job.passes * 4) / limits.bytesPerSecond) * 1000,
  };
}

/** Two epochs in parts, for which the contenders take turns. */
async function timeWordNet(effort: Effort, limits: Limits, torchFor: TorchFor): Promise<JobTiming[]> {
  progress('reading WordNet');
  const corpus = wordNet();
  const { terms, labels, offsets, indices, values, labelOffsets, labelIndices } = corpus;
  const documents = Math.min(offsets.length - 1, effort.documents);
  const torch = await torchFor(
    { key: 'wordnet', terms, labels, batch: BATCH },
    { offsets, indices, values, labelOffsets, labelIndices },
  );
  type Time = (batches: readonly WordNetBatch[], begin: number, end: number) => Promise<number> | number;
  const contenders: [string, Time][] = [
    [OURS, wordNetTrainer(corpus)],
    [LOOP, wordNetLoop(corpus)],
    ...[...torch].map(([name, { time }]): [string, Time] => [name, (_, begin, end) => time({ begin, end })]),
  ];
  const jobs: JobTiming[] = [];
  for (const epoch of ['epoch 1', 'later'] as const) {
    const samples = new Map<string, number[]>(contenders.map(([name]) => [name, []]));
    for (let begin = 0; begin < documents; begin += effort.part) {
      progress(`WordNet, ${epoch}: ${begin} of ${documents} documents`);
      const end = Math.min(documents, begin + effort.part);
      const batches = batchesOf(corpus, begin, end);
      for (const [name, time] of contenders) {
        samples.get(name)!.push((await time(batches, begin, end)) / batches.length);
      }
    }
    // Forward reads a row of the table for each entry; what the step touches depends on how many labels violate a margin.
    const weights = (BATCH * indices.length * labels) / (offsets.length - 1);
    jobs.push({
      name: `WordNet tagger, 32 x 18,699-2342, Adagrad, ${epoch === 'later' ? 'epoch 2' : epoch}`,
      key: epoch,
      steps: stepsFrom(samples),
      byOperations: ((2 * weights) / limits.operationsPerSecond) * 1000,
      byBytes: ((4 * weights) / limits.bytesPerSecond) * 1000,
    });
  }
  for (const { end } of torch.values()) end();
  return jobs;
}

/** @param samples milliseconds of a step in each turn, by contender */
function stepsFrom(samples: ReadonlyMap<string, readonly number[]>): JobTiming['steps'] {
  const ours = samples.get(OURS)!;
  return new Map(
    [...samples].map(([name, values]) => [
      name,
      { time: spreadOf(values), ratio: spreadOf(values.map((value, turn) => value / ours[turn]!)) },
    ]),
  );
}
