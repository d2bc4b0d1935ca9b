/**
 * Times this package beside another build of it, so that a change is measured: both in one process, in alternating turns of
 * a few milliseconds, so that noise of the machine affects both alike. The result is the median of the ratios of neighbouring
 * turns.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import type { Call } from './contenders/contender.js';
import { callsOf, type Gradient } from './contenders/this-package.js';
import { formatSpread, formatTime, type Table, toText } from './format.js';
import { type Batch, formatPoint, GRID, makeBatch, type Point, type ScoreSet, WIDTHS } from './grid.js';
import { median, spreadOf } from './spread.js';
import { progress } from './timing.js';

/** One row is nearly all checks and copies of a call. */
const POINTS: Point[] = [{ rows: 1, classes: 80, width: 3 }, ...GRID, ...WIDTHS];
const FORMS: { name: string; withGradient: boolean; gradient: Gradient }[] = [
  { name: 'forward', withGradient: false, gradient: 'new' },
  { name: 'gradient, given', withGradient: true, gradient: 'reused' },
  { name: 'gradient, new', withGradient: true, gradient: 'new' },
];
const TURN_MILLISECONDS = 4;

/**
 * @param folder the root of another checkout, which is built
 * @param turns of each of the two
 */
export async function timeAgainst(folder: string, turns: number): Promise<void> {
  const other = (await import(pathToFileURL(path.resolve(folder, 'dist/index.js')).href)) as {
    MultiLabelMarginLoss: typeof MultiLabelMarginLoss;
  };
  const rows: string[][] = [];
  for (const scoreSet of ['random', 'trained'] satisfies ScoreSet[]) {
    for (const point of POINTS) {
      progress(`${formatPoint(point)}, ${scoreSet} scores`);
      const batch = makeBatch(point, 'float32', scoreSet, true);
      const cells = FORMS.map(({ withGradient, gradient }) => {
        const callOf = (loss: MultiLabelMarginLoss): Call => callsOf(loss, batch, withGradient, gradient)['default']!;
        return compare(callOf(new MultiLabelMarginLoss()), callOf(new other.MultiLabelMarginLoss()), batch, turns);
      });
      rows.push([formatPoint(point), scoreSet, ...cells]);
    }
  }
  progress('');
  const head = ['N x C, K', 'scores', ...FORMS.map(({ name }) => name)];
  const title = `Time of a call here, and times that of ${folder} (quartiles of the turns)`;
  console.log(toText({ title, head, textColumns: 2, rows } satisfies Table));
}

function compare(ours: Call, theirs: Call, batch: Batch, turns: number): string {
  let calls = 1;
  while (turn(ours, batch, calls) < TURN_MILLISECONDS) calls *= 2;
  while (turn(theirs, batch, calls) < TURN_MILLISECONDS / 2) calls *= 2;
  const times: number[] = [];
  const ratios: number[] = [];
  for (let i = 0; i < turns; i++) {
    // Either goes first in every other round.
    const [first, second] = i % 2 === 0 ? [ours, theirs] : [theirs, ours];
    const [a, b] = [turn(first, batch, calls), turn(second, batch, calls)];
    const [mine, other] = i % 2 === 0 ? [a, b] : [b, a];
    times.push(mine / calls);
    ratios.push(mine / other);
  }
  return `${formatTime(median(times))}, ${formatSpread(spreadOf(ratios))}`;
}

let next = 0;
/** Milliseconds that so many calls take, each on another input. */
function turn(call: Call, { inputs }: Batch, calls: number): number {
  let sum = 0;
  const start = performance.now();
  for (let i = 0; i < calls; i++) sum += call(inputs[next++ % inputs.length]!).loss;
  const elapsed = performance.now() - start;
  if (Number.isNaN(sum)) throw new Error('the loss is NaN');
  return elapsed;
}
