/**
 * Times this package and its peers side by side, on the same random inputs. Prints tables, and writes docs/benchmarks.md
 * and its chart. With --webgpu, this package on one thread, on two and on a GPU; with --evaluation, the metrics beside
 * scikit-learn's, and the command over files; with --training, steps of models beside PyTorch's and TensorFlow.js's: the
 * last parts of docs/benchmarks.md. With --demo, how the demo's page loads; that is printed alone.
 * With --against, this package beside another build of it: how a change is measured.
 *
 *     npm run bench [-- --quick] [-- --webgpu | --evaluation | --training | --demo | --against DIR]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
import { timeAgainst } from './against.js';
import { chartOf } from './chart.js';
import type { Contender } from './contenders/contender.js';
import { floor } from './contenders/floor.js';
import { plainLoop } from './contenders/plain-loop.js';
import { pyTorch } from './contenders/pytorch.js';
import { tensorFlow, tensorFlowVersion } from './contenders/tensorflow.js';
import { thisPackage } from './contenders/this-package.js';
import { threads } from './contenders/threads.js';
import { timeDemo } from './demo.js';
import { timeEvaluation } from './evaluation.js';
import { toText } from './format.js';
import { evaluationGoalsOf, goalsOf } from './goals.js';
import { EVALUATION_POINTS, FLOAT64_POINTS, GRID, type ScoreSet, WEBGPU_POINTS, WIDTHS } from './grid.js';
import {
  EVALUATION_HEADING,
  evaluationMarkdownReport,
  evaluationTerminalReport,
  markdownReport,
  type Run,
  terminalReport,
  TRAINING_HEADING,
  trainingMarkdownReport,
  trainingTerminalReport,
  WEBGPU_HEADING,
  webgpuMarkdownReport,
  webgpuTerminalReport,
} from './report.js';
import { type Effort, type Plan, timeAll } from './timing.js';
import { trainingChartOf } from './training/chart.js';
import { FULL, QUICK, timeTraining } from './training/index.js';
import { timeWebGPU } from './webgpu.js';

const program = new Command('npm run bench --')
  .description('Times this package and its peers side by side; writes docs/benchmarks.md and docs/benchmarks.svg.')
  .option('--quick', 'fewer points and turns, in under two minutes; writes nothing')
  .option('--webgpu', 'one thread, two and a GPU, without the peers; writes the part of docs/benchmarks.md on WebGPU')
  .option('--evaluation', 'the metrics and the command; writes the part of docs/benchmarks.md on evaluation')
  .option('--training', 'training beside the peers; writes the part of docs/benchmarks.md on training, and its chart')
  .option('--demo', "how the demo's page loads, on a slow network and processor too; writes nothing")
  .option('--against <folder>', 'this package beside another checkout of it, which is built; writes nothing')
  .option('--python <path>', 'a Python that has PyTorch and scikit-learn', '/usr/bin/python3')
  .allowExcessArguments(false)
  .parse();
const {
  quick = false,
  webgpu = false,
  evaluation = false,
  training = false,
  demo = false,
  against,
  python,
} = program.opts<
  Partial<Record<'quick' | 'webgpu' | 'evaluation' | 'training' | 'demo', boolean>> & {
    against?: string;
    python: string;
  }
>();

const EFFORT: Effort = quick
  ? { warmUpMilliseconds: 20, rounds: 5, turnMilliseconds: 4, budgetMilliseconds: 100 }
  : { warmUpMilliseconds: 25, rounds: 7, turnMilliseconds: 5, budgetMilliseconds: 250 };

const DOCS = new URL('../docs/', import.meta.url);
const PAGE = new URL('benchmarks.md', DOCS);
/** The headings of the parts of docs/benchmarks.md. */
const PARTS = ['# Benchmarks', WEBGPU_HEADING, EVALUATION_HEADING, TRAINING_HEADING] as const;

if (webgpu) await benchWebGPU();
else if (evaluation) await benchEvaluation();
else if (training) await benchTraining();
else if (demo) console.log(toText(await timeDemo(quick ? 1 : 5)));
else if (against !== undefined) await timeAgainst(against, quick ? 15 : 61);
else await benchPeers();

async function benchPeers(): Promise<void> {
  const SCORE_SETS: ScoreSet[] = ['random', 'trained'];
  const plans: Plan[] = [];
  // float64 comes last: once a function has seen arrays of both types, the engine's code for it is slower.
  for (const [dtype, points] of [
    ['float32', quick ? [...GRID.filter(({ width }) => width <= 50), WIDTHS[1]!] : [...GRID, ...WIDTHS]],
    ['float64', quick ? [] : FLOAT64_POINTS],
  ] as const) {
    for (const scoreSet of SCORE_SETS) {
      const gradients = quick && scoreSet === 'trained' ? [true] : [true, false];
      plans.push(...points.map((point) => ({ point, dtype, scoreSet, gradients })));
    }
  }

  const versions: Record<string, string> = { 'Node.js': process.versions.node, 'TensorFlow.js': tensorFlowVersion };
  const leftOut: string[] = [];
  const leaveOut = (what: string) => (error: unknown) => {
    leftOut.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  };

  const contenders: Contender[] = [...thisPackage(), ...threads()];
  await pyTorch(python).then((torch) => {
    versions['PyTorch'] = torch.version;
    contenders.push(...torch.contenders);
  }, leaveOut("PyTorch (Debian's python3-torch)"));
  contenders.push(await tensorFlow(), plainLoop(), ...floor());

  const measurements = await timeAll(plans, contenders, EFFORT, quick);
  const run: Run = { measurements, goals: goalsOf(measurements), versions, leftOut, date: new Date() };
  console.log(terminalReport(run));
  if (quick) {
    console.log('\nA quick run: docs/benchmarks.md and docs/benchmarks.svg are left as they are.');
  } else {
    writePart(PARTS[0], markdownReport(run));
    writeFileSync(new URL('benchmarks.svg', DOCS), await chartOf(measurements));
    console.log('\nWritten: docs/benchmarks.md, docs/benchmarks.svg');
  }
}

async function benchWebGPU(): Promise<void> {
  const backend = await createWebGPUBackend().catch((error: Error) =>
    program.error(`${error.message}\ndocs/webgpu.md tells how to run this on an adapter in software`),
  );
  const run = await timeWebGPU(backend, quick ? WEBGPU_POINTS.slice(0, 3) : WEBGPU_POINTS, EFFORT, quick);
  backend.dispose();
  console.log(webgpuTerminalReport(run));
  if (quick) {
    console.log('\nA quick run: docs/benchmarks.md is left as it is.');
  } else {
    writePart(WEBGPU_HEADING, webgpuMarkdownReport(run));
    console.log('\nWritten: the part on WebGPU of docs/benchmarks.md');
  }
}

async function benchEvaluation(): Promise<void> {
  const timed = await timeEvaluation(EVALUATION_POINTS, quick ? 100_000 : 1_000_000, python);
  const run = { ...timed, goals: evaluationGoalsOf(timed.metrics, timed.readings), date: new Date() };
  console.log(evaluationTerminalReport(run));
  if (quick) {
    console.log('\nA quick run: docs/benchmarks.md is left as it is.');
  } else {
    writePart(EVALUATION_HEADING, evaluationMarkdownReport(run));
    console.log('\nWritten: the part on evaluation of docs/benchmarks.md');
  }
}

async function benchTraining(): Promise<void> {
  const run = await timeTraining(quick ? QUICK : FULL, python);
  console.log(trainingTerminalReport(run));
  if (quick) {
    console.log('\nA quick run: docs/benchmarks.md and docs/benchmarks-training.svg are left as they are.');
  } else {
    writePart(TRAINING_HEADING, trainingMarkdownReport(run, new Date()));
    writeFileSync(new URL('benchmarks-training.svg', DOCS), await trainingChartOf(run));
    console.log('\nWritten: the part on training of docs/benchmarks.md, docs/benchmarks-training.svg');
  }
}

/** Replaces the part of docs/benchmarks.md under the same heading: a run writes one part and keeps the others. */
function writePart(heading: (typeof PARTS)[number], part: string): void {
  const text = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '';
  const begins = new RegExp(`^(?=(?:${PARTS.join('|')})$)`, 'm');
  const parts = new Map(text.split(begins).map((one) => [one.split('\n', 1)[0], one]));
  parts.set(heading, part);
  const given = PARTS.flatMap((one) => parts.get(one) ?? []);
  writeFileSync(PAGE, given.map((one) => `${one.trimEnd()}\n`).join('\n'));
}
