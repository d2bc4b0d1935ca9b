/** The results of training as tables and goals. */
import { formatRatio, formatTime, formatTiming, formatWhole, type Table } from '../format.js';
import type { Goal } from '../goals.js';
import { type JobTiming, LOOP, OURS, OURS_ON_THREADS, TENSORFLOW, TORCH, type TrainingRun } from './run.js';
import { BATCH } from './jobs.js';

export const TRAINING_READING = `\
Time of a step, loss and optimizer included, and how many times that of this package, on one thread, it is. All take a turn one
after the other. Beside them the physical limit: what the operations of the matrix
products take at the peak of SIMD128, or the bytes of weights, gradients and state at the speed of memory, both measured in this run;
the longer of the two. For WordNet it is that of the forward pass alone, and where a table fits in a cache it can be beaten.
PyTorch has its builtin loss, OpenBLAS where it is installed, sparse gradients for WordNet, and a C library that keeps freed
memory. TensorFlow.js has the loss as ops with a gradient by hand; it has no AdamW, and runs Adam. Two threads of this package
share all but WordNet's EmbeddingBag.`;

/** The least ratio of a peer's time to this package's. PyTorch counts with its better number of threads. */
const WANTED: { key: JobTiming['key']; peers: readonly string[]; text: string; ratio: number }[] = [
  { key: 'epoch 1', peers: TORCH, text: "WordNet, epoch 1: PyTorch's better", ratio: 5 },
  { key: 'later', peers: TORCH, text: "WordNet, later: PyTorch's better", ratio: 12 },
  { key: 'genre', peers: [TENSORFLOW], text: 'genre classifier: TensorFlow.js', ratio: 4 },
  { key: 'genre', peers: TORCH, text: "genre classifier: PyTorch's better", ratio: 1 },
  { key: 'image', peers: [TENSORFLOW], text: 'image head: TensorFlow.js', ratio: 2 },
  { key: 'random', peers: [TENSORFLOW], text: '10,000 classes, random: TensorFlow.js', ratio: 1 },
  { key: 'trained', peers: [TENSORFLOW], text: '10,000 classes, trained: TensorFlow.js', ratio: 3 },
];

export function trainingGoalsOf({ jobs }: TrainingRun): Goal[] {
  return WANTED.map(({ key, peers, text, ratio }) => {
    const { steps } = jobs.find((job) => job.key === key)!;
    const times = peers.flatMap((peer) => steps.get(peer)?.time.median ?? []);
    const measured = Math.min(...times) / steps.get(OURS)!.time.median;
    return {
      text: `${text}, time over this package's`,
      wanted: `at least ${formatRatio(ratio)}`,
      measured: times.length === 0 ? 'not measured' : formatRatio(measured),
      reached: times.length === 0 ? null : measured >= ratio,
    };
  });
}

export function trainingTables({ jobs }: TrainingRun): Table[] {
  const names = [OURS, OURS_ON_THREADS, ...TORCH, TENSORFLOW, LOOP].filter((name) =>
    jobs.some(({ steps }) => steps.has(name)),
  );
  const ofWordNet = names.filter((name) => name !== OURS_ON_THREADS && name !== TENSORFLOW);
  const rate = (milliseconds: number): string => formatWhole((BATCH * 1000) / milliseconds);
  return [
    {
      title: 'A step',
      head: ['job', 'limit', ...names],
      rows: jobs.map(({ name, steps, byOperations, byBytes }) => [
        name,
        `${formatTime(Math.max(byOperations, byBytes))} (${byOperations > byBytes ? 'operations' : 'memory'})`,
        ...names.map((contender) => {
          const timing = steps.get(contender);
          return timing === undefined ? '-' : formatTiming(timing, contender === OURS);
        }),
      ]),
    },
    {
      title: 'WordNet, documents a second',
      head: ['', ...ofWordNet],
      rows: jobs
        .filter(({ key }) => key === 'epoch 1' || key === 'later')
        .map(({ key, steps }) => [
          key === 'later' ? 'epoch 2' : key,
          ...ofWordNet.map((name) => (steps.has(name) ? rate(steps.get(name)!.time.median) : '-')),
        ]),
    },
  ];
}

export function limitsOf({ limits }: TrainingRun): string {
  return (
    `One thread of SIMD128 reaches ${(limits.operationsPerSecond / 1e9).toFixed(1)} GFLOP/s, and reads ` +
    `${(limits.bytesPerSecond / 1e9).toFixed(1)} GB/s from memory.`
  );
}
