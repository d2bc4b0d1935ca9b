/** The page docs/benchmarks.md, and the table of README.md: what a reader takes in at once. */
import { ALTERNATIVES, atGrid, type Comparison, comparisonsOf, workOf } from './comparisons.js';
import { type Name, NAMES } from './contenders/contender.js';
import { formatSpread, formatTime, formatWhole, rowsOf, type Table } from './format.js';
import { machineOf, type WholeRun } from './run.js';
import type { Spread } from './spread.js';
import { OURS } from './training/run.js';

const BEGIN = '<!-- written by npm run bench -->';
const END = '<!-- end of what npm run bench writes -->';

export function headlinePage(run: WholeRun): string {
  const { training, gradient, forward, evaluation } = comparisonsOf(run);
  const parts = [run.training, run.loss, run.evaluation];
  const sections = [
    '# Benchmarks',
    'How many times faster than its alternatives this package is, on one thread. [Details](benchmarks-details.md) has every ' +
      'figure, how each is taken, and what was tried without success.',
    '![How many times faster this package is than PyTorch, TensorFlow.js, scikit-learn and a loop](benchmarks.svg)',
    `\`npm run bench\` measured all of it in one run on ${run.date.toISOString().slice(0, 10)}: ${machineOf(...parts)}. ` +
      `The load average of the machine was ${run.loadBefore.toFixed(2)} before. All contenders take turns over the same ` +
      'data; a figure is the median of its turns, and half of the turns lie between the two in parentheses.',
    ...parts.flatMap(({ leftOut }) => leftOut.map((what) => `Left out: ${what}.`)),
    '## Training',
    'A step: forward, loss, gradients and optimizer, float32. PyTorch has its builtin loss and the better of one and two threads; ' +
      'TensorFlow.js runs on its WebAssembly backend. The comparisons are with this package on one thread. Where dense products ' +
      'take most of a step, PyTorch can be faster: its BLAS has vectors of 256 or 512 bits and fused multiply-add, WebAssembly ' +
      'vectors of 128 bits without. Its C library keeps the memory that it frees: by default, page faults of new memory were most of its step in large layers.',
    tableOf('a step', training),
    '## Loss and gradient',
    'Typed arrays of N x C random float32 scores and K targets a row in, the mean loss and a new array with its gradient out, ' +
      'copies included. "PyTorch" is its builtin `multilabel_margin_loss`; "PyTorch autograd" and "TensorFlow.js" are the loss ' +
      "composed of ops, in the fastest of several ways and on 1 or 2 threads, with the gradient of the library's autograd.",
    tableOf('N x C, K', gradient),
    '## Loss alone',
    tableOf('N x C, K', forward),
    '## Evaluation',
    "All metrics of [evaluation](evaluation.md) on one thread, over four of them for scikit-learn's time: ranking loss, coverage " +
      'error, LRAP and nDCG.',
    tableOf('N x C, K', evaluation),
    'The command over files of 100 float32 scores and 4 labels a row, from the start of its process to its end:',
    rowsOf(readingTable(run)),
    '## Distance to the floor',
    'How far from what the machine can do at all. The floor of the loss copies the scores into linear memory and a gradient out into ' +
      'a new array, and computes nothing; the scores of targets are 6 higher in "trained".',
    rowsOf(floorTable(run)),
    'The floor of a step of training is what its multiplications take at the peak of SIMD128, or its bytes at the speed of memory, ' +
      'whichever is longer. Where weights stay in a cache, a step can take less.',
    rowsOf(trainingFloorTable(run)),
    '## A gradient written by hand',
    "The gradient of this loss follows from counts: this package's own idea, which can be written in the ops of other libraries too. " +
      'No library has it, so it stands apart from the alternatives above. PyTorch has the fastest of four ways on 1 or 2 threads, with ' +
      'vectors twice as wide as those of WebAssembly.',
    rowsOf(byHandTable(run)),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** README.md with its table replaced by that of the run. */
export function withTable(readme: string, run: WholeRun): string {
  const [before, rest] = readme.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`README.md has no place for the table: ${BEGIN} ... ${END}`);
  return `${before}${BEGIN}\n\n${tableOf('times faster, on one thread', chosen(run), false)}\n\n${END}${after}`;
}

/** A row of README.md for each thing that the package is for. */
function chosen(run: WholeRun): Comparison[] {
  const { training, gradient, evaluation } = comparisonsOf(run);
  const renamed = (work: string, comparison: Comparison | undefined): Comparison[] =>
    comparison === undefined ? [] : [{ ...comparison, work }];
  const of = (point: string): Comparison | undefined => gradient.find(({ work }) => work === point);
  return [
    ...renamed('a training step of a text tagger', training[1]),
    ...renamed(
      'a training step of an image head',
      training.find(({ work }) => work.startsWith('image head')),
    ),
    ...renamed('loss and gradient, 1,024 x 1,000, 10 targets', of('1,024 x 1,000, K = 10')),
    ...renamed('ranking metrics of 100,000 x 100', evaluation[0]),
  ];
}

function tableOf(first: string, comparisons: readonly Comparison[], withTimes = true): string {
  const columns = ALTERNATIVES.filter((alternative) => comparisons.some(({ ratios }) => ratios.has(alternative)));
  const withThreads = withTimes && comparisons.some(({ timeOnThreads }) => timeOnThreads !== undefined);
  return rowsOf({
    head: [first, ...(withTimes ? ['this package'] : []), ...(withThreads ? ['on 2 threads'] : []), ...columns],
    rows: comparisons.map(({ work, time, timeOnThreads, ratios }) => [
      work,
      ...(withTimes ? [formatTime(time.median)] : []),
      ...(withThreads ? [timeOnThreads === undefined ? '' : formatTime(timeOnThreads.median)] : []),
      ...columns.map((column) => {
        const ratio = ratios.get(column);
        return ratio === undefined ? '' : formatSpread(ratio);
      }),
    ]),
  });
}

function readingTable({ evaluation: { readings } }: WholeRun): Omit<Table, 'title'> {
  return {
    head: ['files', 'rows', 'threads', 'rows a second', 'memory'],
    rows: readings.map(({ format, rows, threads, rowsPerSecond: { median, low, high }, megabytes }) => [
      format,
      formatWhole(rows),
      String(threads),
      formatWhole(median) + (low === high ? '' : ` (${formatWhole(low)} to ${formatWhole(high)})`),
      `${formatWhole(megabytes)} MB`,
    ]),
  };
}

/** The floor is timed as a multiple of this package; turned over, the high end is the low one. */
const inverse = ({ median, low, high }: Spread): Spread => ({ median: 1 / median, low: 1 / high, high: 1 / low });

function floorTable({ loss: { measurements } }: WholeRun): Omit<Table, 'title'> {
  const [random, trained] = (['random', 'trained'] as const).map((set) => atGrid(measurements, true, set));
  return {
    head: ['N x C, K', 'floor', 'random', 'trained'],
    rows: random!.map(({ point, timings }, i) => [
      workOf(point),
      formatTime(timings.get(NAMES.floor)!.time.median),
      ...[timings, trained![i]!.timings].map((of) => formatSpread(inverse(of.get(NAMES.floor)!.ratio))),
    ]),
  };
}

function trainingFloorTable({ training: { jobs } }: WholeRun): Omit<Table, 'title'> {
  return {
    head: ['a step', 'floor', 'times the floor'],
    rows: jobs.map(({ name, steps, byOperations, byBytes }) => {
      const floor = Math.max(byOperations, byBytes);
      const { median, low, high } = steps.get(OURS)!.time;
      return [
        name,
        `${formatTime(floor)} (${byOperations > byBytes ? 'operations' : 'memory'})`,
        formatSpread({ median: median / floor, low: low / floor, high: high / floor }),
      ];
    }),
  };
}

function byHandTable({ loss: { measurements } }: WholeRun): Omit<Table, 'title'> {
  const names = [NAMES.pyTorchByHand, NAMES.tensorFlowByHand] satisfies Name[];
  const among = atGrid(measurements, true, 'random');
  const columns = names.filter((name) => among.some(({ timings }) => timings.has(name)));
  return {
    head: ['N x C, K', ...columns],
    rows: among.map(({ point, timings }) => [
      workOf(point),
      ...columns.map((name) => (timings.has(name) ? formatSpread(timings.get(name)!.ratio) : '')),
    ]),
  };
}
