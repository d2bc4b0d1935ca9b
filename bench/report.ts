/** The results of a run as tables, for the terminal and for docs/benchmarks.md. */
import os from 'node:os';
import { type Name, NAMES } from './contenders/contender.js';
import type { MetricsTiming, ReadingTiming } from './evaluation.js';
import { formatError, formatRatio, formatTime, formatWhole, type Table, toMarkdown, toText } from './format.js';
import type { Goal } from './goals.js';
import { type DType, formatPoint } from './grid.js';
import type { Measurement } from './timing.js';
import type { TrainingRun } from './training/run.js';
import { limitsOf, TRAINING_READING, trainingGoalsOf, trainingTables } from './training/report.js';

export interface Run {
  measurements: readonly Measurement[];
  goals: readonly Goal[];
  /** Version numbers by name of the software. */
  versions: Readonly<Record<string, string>>;
  /** What was left out, and why. */
  leftOut: readonly string[];
  date: Date;
}

/** A run with one thread, several, and a GPU. */
export interface WebGPURun extends Run {
  /** The GPU, or the program that stands in for one. */
  adapter: string;
  isSoftware: boolean;
}

/** The heading of the last part of docs/benchmarks.md, which a run of the peers keeps. */
export interface EvaluationRun extends Omit<Run, 'measurements'> {
  metrics: readonly MetricsTiming[];
  readings: readonly ReadingTiming[];
}

export const WEBGPU_HEADING = '## WebGPU' as const;
export const EVALUATION_HEADING = '## Evaluation' as const;
export const TRAINING_HEADING = '## Training' as const;

const PEERS: Name[] = [NAMES.pyTorchBuiltin, NAMES.pyTorchOps, NAMES.pyTorchByHand, NAMES.tensorFlow, NAMES.plain];
const WAYS: Name[] = [
  NAMES.oursReused,
  NAMES.threads,
  NAMES.threadsReused,
  NAMES.threadsShared,
  NAMES.floor,
  NAMES.floorReused,
];

const FLOORS: Name[] = [NAMES.floor, NAMES.floorReused, NAMES.webgpuFloor];

const LEGEND =
  'Median time of a call, and how many times that of this package on one thread it is. A dash: it cannot compute that.';

export function terminalReport(run: Run): string {
  return [
    machineOf(run),
    ...run.leftOut.map((what) => `Left out: ${what}`),
    LEGEND,
    ...[...timeTables(run), errorTable(run), goalsTable(run.goals)].map((table) => `\n${toText(table)}`),
  ].join('\n');
}

export function webgpuTerminalReport(run: WebGPURun): string {
  return [
    `${machineOf(run)}; adapter: ${run.adapter}`,
    ...(run.isSoftware ? [SOFTWARE] : []),
    LEGEND,
    ...webgpuTables(run).map((table) => `\n${toText(table)}`),
    ...(run.isSoftware ? [] : [`\n${toText(goalsTable(run.goals))}`]),
  ].join('\n');
}

export function webgpuMarkdownReport(run: WebGPURun): string {
  const sections = [
    WEBGPU_HEADING,
    `Written by \`npm run bench -- --webgpu\` on ${run.date.toISOString().slice(0, 10)}: ${machineOf(run)}. The adapter: ` +
      `**${run.adapter}**.`,
    ...(run.isSoftware ? [`**${SOFTWARE}**`] : [goalRows(run.goals)]),
    WEBGPU_READING,
    ...webgpuTables(run).map(toMarkdown),
  ];
  return `${sections.join('\n\n')}\n`;
}

export function evaluationTerminalReport(run: EvaluationRun): string {
  return [
    machineOf(run),
    ...run.leftOut.map((what) => `Left out: ${what}`),
    ...[...evaluationTables(run), goalsTable(run.goals)].map((table) => `\n${toText(table)}`),
  ].join('\n');
}

export function evaluationMarkdownReport(run: EvaluationRun): string {
  const sections = [
    EVALUATION_HEADING,
    `Written by \`npm run bench -- --evaluation\` on ${run.date.toISOString().slice(0, 10)}: ${machineOf(run)}.`,
    ...run.leftOut.map((what) => `Left out: ${what}`),
    goalRows(run.goals),
    EVALUATION_READING,
    ...evaluationTables(run).map(toMarkdown),
  ];
  return `${sections.join('\n\n')}\n`;
}

export function markdownReport(run: Run): string {
  const missed = run.goals.filter(({ reached }) => reached === false);
  const unmeasured = run.goals.filter(({ reached }) => reached === null);
  const sections = [
    '# Benchmarks',
    `Written by \`npm run bench\` on ${run.date.toISOString().slice(0, 10)}: ${machineOf(run)}.`,
    ...run.leftOut.map((what) => `Left out: ${what}`),
    '![How many times as long the peers take](benchmarks.svg)',
    '## How to read this',
    READING,
    '## What falls short',
    missed.length === 0 ? 'Nothing.' : `${goalRows(missed)}\n\n${TRIED}`,
    ...(unmeasured.length === 0 ? [] : [`Not measured in this run: ${unmeasured.map(({ text }) => text).join('; ')}.`]),
    '## Times',
    LEGEND,
    ...timeTables(run).map(toMarkdown),
    '## Exactness',
    toMarkdown(errorTable(run)),
    '## Ways to compose it',
    'Of the ways to compose the loss of the ops of a peer, the tables above hold the fastest at each point. All of them, ' +
      'for forward + gradient of random float32 scores, from a short timing each:',
    ...[NAMES.pyTorchOps, NAMES.pyTorchByHand, NAMES.tensorFlow]
      .flatMap((name) => formsTable(run, name))
      .map(toMarkdown),
    '## All goals',
    goalRows(run.goals),
  ];
  return `${sections.join('\n\n')}\n`;
}

const TRIED = `\
What was tried, measured in turns with the version before, where it is not in the kernels now or did not suffice:

- Compositions with a gradient written by hand from counts are this package's own idea in a peer's ops: PyTorch has AVX2 for
  them, twice as wide as SIMD128, and one compare for each score and target there costs what it costs here. The distance is in
  their autograd forms, and grows with K.
- Many targets: one table entry of 8 bytes for bucket and threshold instead of two look-ups gained 8 %, twice as many buckets
  5 %. Of the 2.5 ns a score that are left, a third is the histogram of ranks, a sixth the scores of crowded buckets, a tenth
  the sum of the loss in float64. For K = 1000, sorting and the tables take 50 ns a target; a counting sort over the buckets
  is in, vectors for its prefix sums are not.
- Few targets: groups of exactly K thresholds gained 12 %. A max() in place of a mask, and counts that V8 converts in one
  instruction instead of seven, gained 20 to 30 % for K = 1.
- Trained scores: most of what is left is copying and clearing. With K = 1000, the targets alone take longer than the floor.
- A small call: 1.8 µs are in the kernel, 1.3 in checks and copies, and 0.7 more in a new array for the gradient, which
  \`{ grad }\` avoids. Masking the targets by their index, an overlapping last vector and no unpredictable branch took the
  kernel from 2.4 µs.
- Threads with copies: the copying is one thread's, and a batch copied by one core is read from there by the other. New arrays
  of megabytes are page faults, which threads do not share.`;

const READING = `\
Everything is timed in one run, on the same random inputs, another one for each call: N(0, 1) scores in 'random', and the
scores of the targets 6 higher in 'trained', as those of a trained model are. The contenders take turns of some calls each
(this package, a peer, this package, the next peer, ...), so that a noisy machine hits all alike; times are medians of
turns.

| column | what is timed |
| --- | --- |
| ${NAMES.ours} | the public API on one thread, all copies included: typed arrays in, loss and gradient as a new typed array out |
| ${NAMES.oursReused} | the same, writing each gradient into the same typed array: \`valueAndGrad(scores, targets, { grad })\` |
| ${NAMES.threads}; ${NAMES.threadsReused} | the two above with \`multilabel-margin-loss/threads\` |
| ${NAMES.threadsShared} | scores, targets and gradient in the shared memory of the threads: nothing is copied |
| ${NAMES.pyTorchBuiltin} | \`torch.nn.functional.multilabel_margin_loss\`, one thread; tensors in, tensors out, nothing copied |
| ${NAMES.pyTorchOps} | the same loss composed of PyTorch's ops, with its autograd: the fastest of two ways on 1 or 2 threads |
| ${NAMES.pyTorchByHand} | the same with a gradient written by hand from counts, as this package computes it: the fastest of four ways on 1 or 2 threads |
| ${NAMES.tensorFlow} | the same loss composed of the ops of TensorFlow.js on its WebAssembly backend (SIMD, one thread in Node): the fastest of four ways; scores uploaded, loss and gradient read out |
| ${NAMES.plain} | a double loop over targets and classes |
| ${NAMES.floor}; ${NAMES.floorReused} | nothing but copying the scores into linear memory and a gradient of that size out into a new typed array; into the same one each time |

A new array of a megabyte or more takes the engine longer than its gradient takes the kernels: it is cleared, its pages
are faulted in, and its predecessors wait for the garbage collector.

The compositions are allowed to take it that targets hold no padding and no duplicates; this package and PyTorch's builtin
handle both.`;

const SOFTWARE =
  'This adapter is software: the CPU did the work of a GPU. These times tell nothing of any GPU, and no goal is judged by them.';

const WEBGPU_READING = `\
Timed as above, on random float32 scores. Kernels are compiled before; each call is waited for, until its loss is here.

| column | what is timed |
| --- | --- |
| ${NAMES.ours}; ${NAMES.oursReused} | one thread, as above |
| ${NAMES.threads}; ${NAMES.threadsShared} | two threads, as above: with copies; in shared memory |
| ${NAMES.webgpu} | the same arrays, copied to the adapter, and the gradient back into a new one |
| ${NAMES.webgpuResident} | scores, targets and gradient in the adapter's buffers: nothing but the losses is copied |
| ${NAMES.webgpuFloor} | the floor of its memory: one buffer of scores copied into another there, computing nothing |`;

function webgpuTables(run: WebGPURun): Table[] {
  const names = [
    NAMES.ours,
    NAMES.oursReused,
    NAMES.threads,
    NAMES.threadsShared,
    NAMES.webgpu,
    NAMES.webgpuResident,
    NAMES.webgpuFloor,
  ];
  const tableOf = (title: string, gradient: boolean): Table =>
    timeTable(
      title,
      names,
      run.measurements.filter((one) => one.gradient === gradient),
    );
  return [
    tableOf('WebGPU: forward + gradient', true),
    tableOf('WebGPU: forward only', false),
    { ...errorTable(run), title: 'WebGPU: worst relative error against float64' },
  ];
}

const EVALUATION_READING = `\
Random float32 scores and int32 targets, in this process on one thread: all metrics of docs/evaluation.md with the loss, and
the loss alone; medians, with batches as large as the command's. Four metrics of scikit-learn (ranking loss, coverage error, LRAP,
nDCG@5) from one run, with its mask of labels and its float64 scores made before; the last column is the largest difference to
its values.

Then the command over files of such rows of 100 classes with 4 labels, which the system has in memory: from the start of the
process to its end, the median of five runs for a million rows. Ten million are the same files ten times over.`;

function evaluationTables({ metrics, readings }: EvaluationRun): Table[] {
  return [
    {
      title: 'Evaluation: all metrics',
      head: ['N x C, K', 'all', 'a score', 'loss alone', "scikit-learn's four", 'difference'],
      rows: metrics.map(({ point, milliseconds, lossMilliseconds, peerMilliseconds, difference }) => [
        formatPoint(point),
        formatTime(milliseconds),
        `${((milliseconds * 1e6) / (point.rows * point.classes)).toFixed(1)} ns`,
        formatTime(lossMilliseconds),
        peerMilliseconds === null
          ? '-'
          : `${formatTime(peerMilliseconds)} ${formatRatio(peerMilliseconds / milliseconds)}`,
        difference === null ? '-' : formatError(difference),
      ]),
    },
    {
      title: 'Evaluation: the command over files',
      head: ['files', 'rows', 'threads', 'rows/s', 'memory'],
      rows: readings.map(({ format, rows, threads, rowsPerSecond, megabytes }) => [
        format,
        formatWhole(rows),
        String(threads),
        formatWhole(rowsPerSecond),
        `${formatWhole(megabytes)} MB`,
      ]),
    },
  ];
}

export function trainingTerminalReport(run: TrainingRun): string {
  return [
    machineOf(run),
    ...run.leftOut.map((what) => `Left out: ${what}`),
    limitsOf(run),
    ...[...trainingTables(run), goalsTable(trainingGoalsOf(run))].map((table) => `\n${toText(table)}`),
  ].join('\n');
}

export function trainingMarkdownReport(run: TrainingRun, date: Date): string {
  const sections = [
    TRAINING_HEADING,
    `Written by \`npm run bench -- --training\` on ${date.toISOString().slice(0, 10)}: ${machineOf(run)}.`,
    ...run.leftOut.map((what) => `Left out: ${what}.`),
    goalRows(trainingGoalsOf(run)),
    '![Time of a training step in other libraries over that in this package](benchmarks-training.svg)',
    TRAINING_READING,
    limitsOf(run),
    ...trainingTables(run).map(toMarkdown),
  ];
  return `${sections.join('\n\n')}\n`;
}

function machineOf({ versions }: Pick<Run, 'versions'>): string {
  const cpus = os.cpus();
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${cpus.length} x ${cpus[0]?.model.trim() ?? 'unknown CPU'}`, `${os.type()} ${os.arch()}`, ...software].join(
    ', ',
  );
}

function timeTables({ measurements }: Run): Table[] {
  const tables: Table[] = [];
  for (const dtype of ['float32', 'float64'] as const) {
    for (const gradient of [true, false]) {
      for (const scoreSet of ['random', 'trained'] as const) {
        const among = measurements.filter(
          (one) => one.dtype === dtype && one.gradient === gradient && one.scoreSet === scoreSet,
        );
        if (among.length === 0) continue;
        const title = `${gradient ? 'Forward + gradient' : 'Forward only'}, ${dtype}, ${scoreSet} scores`;
        tables.push(
          timeTable(`${title}: the peers`, [NAMES.ours, ...PEERS], among),
          timeTable(`${title}: ways to call this package, and the floor`, [NAMES.ours, ...WAYS], among),
        );
      }
    }
  }
  return tables;
}

function timeTable(title: string, names: readonly Name[], among: readonly Measurement[]): Table {
  const present = names.filter((name) => among.some(({ timings }) => timings.has(name)));
  const rows = among.map(({ point, timings }) => {
    const ours = timings.get(NAMES.ours)!.milliseconds;
    const cells = present.map((name) => {
      const milliseconds = timings.get(name)?.milliseconds;
      if (milliseconds === undefined) return '-';
      return formatTime(milliseconds) + (name === NAMES.ours ? '' : ` ${formatRatio(milliseconds / ours)}`);
    });
    return [formatPoint(point), ...cells];
  });
  return { title, head: ['N x C, K', ...present], rows };
}

function errorTable({ measurements }: Run): Table {
  const worst = (name: Name, dtype: DType, of: 'loss' | 'grad'): string => {
    const errors = measurements.flatMap(({ dtype: one, timings }) =>
      one === dtype ? (timings.get(name)?.errors[of] ?? []) : [],
    );
    return errors.length === 0 ? '-' : formatError(Math.max(...errors));
  };
  const columns = (['float32', 'float64'] as const)
    .filter((dtype) => measurements.some((one) => one.dtype === dtype))
    .flatMap((dtype) => (['loss', 'grad'] as const).map((of) => ({ dtype, of })));
  return {
    title: 'Worst relative error against float64',
    head: ['', ...columns.map(({ dtype, of }) => `${dtype} ${of === 'loss' ? 'loss' : 'gradient'}`)],
    rows: namesIn(measurements)
      .filter((name) => !FLOORS.includes(name))
      .map((name) => [name, ...columns.map(({ dtype, of }) => worst(name, dtype, of))]),
  };
}

function formsTable({ measurements }: Run, name: Name): Table[] {
  const among = measurements.filter(
    ({ dtype, gradient, scoreSet, timings }) =>
      dtype === 'float32' && gradient && scoreSet === 'random' && timings.has(name),
  );
  const forms = [...new Set(among.flatMap(({ timings }) => Object.keys(timings.get(name)!.forms)))];
  if (forms.length === 0) return [];
  const rows = among.map(({ point, timings }) => {
    const times = timings.get(name)!.forms;
    return [formatPoint(point), ...forms.map((form) => (form in times ? formatTime(times[form]!) : '-'))];
  });
  return [{ title: name, head: ['N x C, K', ...forms], rows }];
}

function goalsTable(goals: readonly Goal[]): Table {
  const reached = goals.filter((goal) => goal.reached).length;
  return {
    title: `Goals: ${reached} of ${goals.length} reached`,
    textColumns: 4,
    head: ['', 'wanted', 'measured', ''],
    rows: goals.map(({ text, wanted, measured, reached }) => [
      text,
      wanted,
      measured,
      reached === null ? '' : reached ? 'reached' : 'MISSED',
    ]),
  };
}

function goalRows(goals: readonly Goal[]): string {
  const rows = goals.map(
    ({ text, wanted, measured, reached }) =>
      `| ${text} | ${wanted} | ${measured} | ${reached === null ? '' : reached ? 'yes' : '**no**'} |`,
  );
  return ['| goal | wanted | measured | reached |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function namesIn(measurements: readonly Measurement[]): Name[] {
  return Object.values(NAMES).filter((name) => measurements.some(({ timings }) => timings.has(name)));
}
