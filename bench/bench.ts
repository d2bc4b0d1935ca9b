/**
 * Times this package and its peers side by side, on the same random inputs. Prints tables, and writes docs/benchmarks.md
 * and its chart.
 *
 *     npm run bench [-- --quick]
 */
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { chartOf } from './chart.js';
import type { Contender } from './contenders/contender.js';
import { floor } from './contenders/floor.js';
import { plainLoop } from './contenders/plain-loop.js';
import { pyTorch } from './contenders/pytorch.js';
import { tensorFlow, tensorFlowVersion } from './contenders/tensorflow.js';
import { thisPackage } from './contenders/this-package.js';
import { threads } from './contenders/threads.js';
import { goalsOf } from './goals.js';
import { type DType, FLOAT64_POINTS, formatPoint, GRID, makeBatch, type ScoreSet, WIDTHS } from './grid.js';
import { referenceOf } from './reference.js';
import { markdownReport, type Run, terminalReport } from './report.js';
import { type Effort, type Measurement, timeBatch } from './timing.js';

const { quick = false, python } = new Command('npm run bench --')
  .description('Times this package and its peers side by side; writes docs/benchmarks.md and docs/benchmarks.svg.')
  .option('--quick', 'fewer points and turns, in under two minutes; writes nothing')
  .option('--python <path>', 'a Python that has PyTorch', '/usr/bin/python3')
  .allowExcessArguments(false)
  .parse()
  .opts<{ quick?: boolean; python: string }>();

const EFFORT: Effort = quick
  ? { warmUpMilliseconds: 20, rounds: 5, turnMilliseconds: 4, budgetMilliseconds: 100 }
  : { warmUpMilliseconds: 25, rounds: 7, turnMilliseconds: 5, budgetMilliseconds: 250 };

const SCORE_SETS: ScoreSet[] = ['random', 'trained'];
const batches: { point: (typeof GRID)[number]; dtype: DType; scoreSet: ScoreSet }[] = [];
// float64 last: once they have seen both, functions compiled for float32 arrays alone would be slower.
for (const [dtype, points] of [
  ['float32', quick ? [...GRID.filter(({ width }) => width <= 50), WIDTHS[1]!] : [...GRID, ...WIDTHS]],
  ['float64', quick ? [] : FLOAT64_POINTS],
] as const) {
  for (const scoreSet of SCORE_SETS) batches.push(...points.map((point) => ({ point, dtype, scoreSet })));
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

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r${text}\x1b[K`);
};

const measurements: Measurement[] = [];
for (const [i, { point, dtype, scoreSet }] of batches.entries()) {
  progress(`${i + 1} of ${batches.length}: ${formatPoint(point)}, ${dtype}, ${scoreSet} scores`);
  const batch = makeBatch(point, dtype, scoreSet, quick);
  const reference = referenceOf(batch);
  for (const contender of contenders) await contender.load(batch);
  for (const gradient of [true, false]) {
    if (quick && !gradient && scoreSet === 'trained') continue;
    const timings = await timeBatch(gradient, contenders, reference, EFFORT);
    measurements.push({ point, dtype, scoreSet, gradient, timings });
  }
}
progress('');
for (const contender of contenders) await contender.dispose?.();

const run: Run = { measurements, goals: goalsOf(measurements), versions, leftOut, date: new Date() };
console.log(terminalReport(run));
if (quick) {
  console.log('\nA quick run: docs/benchmarks.md and docs/benchmarks.svg are left as they are.');
} else {
  const docs = new URL('../docs/', import.meta.url);
  writeFileSync(new URL('benchmarks.md', docs), markdownReport(run));
  writeFileSync(new URL('benchmarks.svg', docs), await chartOf(measurements));
  console.log('\nWritten: docs/benchmarks.md, docs/benchmarks.svg');
}
