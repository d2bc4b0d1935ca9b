/**
 * Times this package and its peers side by side, on the same random inputs: training, the loss, and evaluation. Writes
 * docs/benchmarks.md, its chart, docs/benchmarks-details.md, and the table of README.md. An option chooses a part, whose
 * tables are printed: one of these three; --webgpu, this package on one thread, on two and on a GPU; --demo, how the demo's
 * page loads; --against, this package beside another build of it: how a change is measured.
 *
 *     npm run bench [-- --quick] [-- --training | --loss | --evaluation | --webgpu | --demo | --against DIR]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { Command, Option } from 'commander';
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
import { detailsPage } from './details.js';
import { timeEvaluation } from './evaluation.js';
import { toText } from './format.js';
import { EVALUATION_POINTS, FLOAT64_POINTS, GRID, type ScoreSet, WEBGPU_POINTS, WIDTHS } from './grid.js';
import { headlinePage, withTable } from './headline.js';
import { evaluationReport, lossReport, trainingReport, webgpuReport } from './report.js';
import type { EvaluationRun, LossRun } from './run.js';
import { type Effort, type Plan, timeAll } from './timing.js';
import { FULL, QUICK, timeTraining } from './training/index.js';
import type { TrainingRun } from './training/run.js';
import { timeWebGPU } from './webgpu.js';

const PARTS = {
  training: 'training beside the peers alone',
  loss: 'the loss beside the peers alone',
  evaluation: 'the metrics beside scikit-learn, and the command, alone',
  webgpu: 'one thread, two and a GPU',
  demo: "how the demo's page loads, on a slow network and processor too",
} as const;

const program = new Command('npm run bench --')
  .description(
    'Times this package and its peers side by side. Writes docs/benchmarks.md, its chart, docs/benchmarks-details.md and ' +
      'the table of README.md, if no part is chosen.',
  )
  .option('--quick', 'fewer points and turns; writes nothing')
  .option('--against <folder>', 'this package beside another checkout of it, which is built')
  .option('--python <path>', 'a Python that has PyTorch and scikit-learn', '/usr/bin/python3')
  .allowExcessArguments(false);
for (const [part, description] of Object.entries(PARTS)) {
  const others = [...Object.keys(PARTS), 'against'].filter((other) => other !== part);
  program.addOption(new Option(`--${part}`, description).conflicts(others));
}
program.parse();
const {
  quick = false,
  against,
  python,
  ...part
} = program.opts<Partial<Record<'quick' | keyof typeof PARTS, boolean>> & { against?: string; python: string }>();

const EFFORT: Effort = quick
  ? { warmUpMilliseconds: 20, rounds: 5, turnMilliseconds: 4, budgetMilliseconds: 100 }
  : { warmUpMilliseconds: 25, rounds: 7, turnMilliseconds: 5, budgetMilliseconds: 250 };

const ROOT = new URL('../', import.meta.url);

if (against !== undefined) await timeAgainst(against, quick ? 15 : 61);
else if (part.training === true) console.log(trainingReport(await training()));
else if (part.loss === true) console.log(lossReport(await loss()));
else if (part.evaluation === true) console.log(evaluationReport(await evaluation()));
else if (part.webgpu === true) await benchWebGPU();
else if (part.demo === true) console.log(toText(await timeDemo(quick ? 1 : 5)));
else await benchAll();

/** Runs the parts one after the other, prints each, and writes the pages when all of them are measured. */
async function benchAll(): Promise<void> {
  const loadBefore = os.loadavg()[0]!;
  const date = new Date();
  if (loadBefore > 0.5)
    console.warn(`The load average is ${loadBefore.toFixed(2)}: other work will be in the figures.`);
  const measured = async <T>(part: Promise<T>, report: (run: T) => string): Promise<T> => {
    const run = await part;
    console.log(`${report(run)}\n`);
    return run;
  };
  const run = {
    date,
    loadBefore,
    evaluation: await measured(evaluation(), evaluationReport),
    training: await measured(training(), trainingReport),
    loss: await measured(loss(), lossReport),
  };
  if (quick) {
    console.log('\nA quick run: README.md and docs/ are left as they are.');
    return;
  }
  const readme = readFileSync(new URL('README.md', ROOT), 'utf8');
  const files = {
    'README.md': withTable(readme, run),
    'docs/benchmarks.md': headlinePage(run),
    'docs/benchmarks-details.md': detailsPage(run),
    'docs/benchmarks.svg': await chartOf(run),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(new URL(name, ROOT), content);
  console.log(`\nWritten: ${Object.keys(files).join(', ')}`);
}

function training(): Promise<TrainingRun> {
  return timeTraining(quick ? QUICK : FULL, python);
}

function evaluation(): Promise<EvaluationRun> {
  return timeEvaluation(EVALUATION_POINTS, quick ? 100_000 : 1_000_000, python);
}

async function loss(): Promise<LossRun> {
  const float32Points = quick ? [...GRID.filter(({ width }) => width <= 50), WIDTHS[1]!] : [...GRID, ...WIDTHS];
  const plans: Plan[] = [];
  for (const scoreSet of ['random', 'trained'] satisfies ScoreSet[]) {
    const gradients = quick && scoreSet === 'trained' ? [true] : [true, false];
    plans.push(...float32Points.map((point) => ({ point, dtype: 'float32' as const, scoreSet, gradients })));
  }
  // float64 comes last: once a function has seen arrays of both types, the engine's code for it is slower.
  for (const point of quick ? [] : FLOAT64_POINTS) {
    plans.push({ point, dtype: 'float64', scoreSet: 'random', gradients: [true, false] });
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
  contenders.push(...(await tensorFlow()), plainLoop(), ...floor());

  return { measurements: await timeAll(plans, contenders, EFFORT, quick), versions, leftOut };
}

async function benchWebGPU(): Promise<void> {
  const backend = await createWebGPUBackend().catch((error: Error) =>
    program.error(`${error.message}\ndocs/webgpu.md tells how to run this on an adapter in software`),
  );
  console.log(
    webgpuReport(await timeWebGPU(backend, quick ? WEBGPU_POINTS.slice(0, 3) : WEBGPU_POINTS, EFFORT, quick)),
  );
  backend.dispose();
}
