/** Times contenders in turns, so that noise of the machine affects all of them alike. */
import type { Contender, Name } from './contenders/contender.js';
import { type DType, formatPoint, makeBatch, type Point, type ScoreSet } from './grid.js';
import { type Errors, errorsOf, type Reference, referenceOf } from './reference.js';
import { median, type Spread, spreadOf } from './spread.js';

export interface Effort {
  /** How long every form runs before it is timed: until then, functions are compiled and memory is allocated. */
  warmUpMilliseconds: number;
  /** Rounds in which every contender takes its turn. */
  rounds: number;
  /** How long a turn takes, which sets its number of calls. */
  turnMilliseconds: number;
  /** A contender that has used up this time takes no further turn after its second. */
  budgetMilliseconds: number;
}

export interface Timing {
  /** Milliseconds per call. */
  time: Spread;
  /** How many times the time of the first contender it is, turn by turn. */
  ratio: Spread;
  /** The fastest form. The turns were timed with it. */
  form: string;
  /** Milliseconds per call of every form, from the short timing that found the fastest. */
  forms: Record<string, number>;
  errors: Errors;
}

/** Timings by the contender's name. A contender that cannot compute the batch has none. */
export type Timings = Map<Name, Timing>;

export interface Measurement {
  point: Point;
  dtype: DType;
  scoreSet: ScoreSet;
  gradient: boolean;
  timings: Timings;
}

/** A batch to time, with or without the gradient, or both in turn. */
export interface Plan {
  point: Point;
  dtype: DType;
  scoreSet: ScoreSet;
  gradients: readonly boolean[];
}

/** Replaces the line of progress on a terminal. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${text}\x1b[K`);
}

/** Shows progress on a terminal. */
export async function timeAll(
  plans: readonly Plan[],
  contenders: readonly Contender[],
  effort: Effort,
  quick: boolean,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const [i, { point, dtype, scoreSet, gradients }] of plans.entries()) {
    progress(`${i + 1} of ${plans.length}: ${formatPoint(point)}, ${dtype}, ${scoreSet} scores`);
    const batch = makeBatch(point, dtype, scoreSet, quick);
    const reference = referenceOf(batch);
    for (const contender of contenders) await contender.load(batch);
    for (const gradient of gradients) {
      const timings = await timeBatch(gradient, contenders, reference, effort);
      measurements.push({ point, dtype, scoreSet, gradient, timings });
    }
  }
  progress('');
  for (const contender of contenders) await contender.dispose?.();
  return measurements;
}

/** Times contenders that have loaded the batch. The first takes a turn before each turn of another: all are compared with it. */
async function timeBatch(
  gradient: boolean,
  contenders: readonly Contender[],
  reference: Reference,
  effort: Effort,
): Promise<Timings> {
  const timings: Timings = new Map();
  interface Turns {
    contender: Contender;
    form: string;
    calls: number;
    samples: number[];
    /** Each turn over that of the first contender just before. */
    ratios: number[];
    spent: number;
  }
  const turns: Turns[] = [];
  for (const contender of contenders) {
    const forms: Record<string, number> = {};
    for (const form of contender.forms(gradient)) {
      const fastest = Math.min(...Object.values(forms));
      const milliseconds = await estimate(contender, form, gradient, fastest, effort);
      if (milliseconds !== null) forms[form] = milliseconds;
    }
    const fastest = Object.entries(forms).sort(([, a], [, b]) => a - b)[0];
    if (fastest === undefined) continue;
    const [form, milliseconds] = fastest;
    const calls = Math.max(1, Math.round(effort.turnMilliseconds / milliseconds));
    // A call that takes a second is timed once: another turn would not add to it.
    const samples = milliseconds > 1000 ? [milliseconds] : [];
    turns.push({ contender, form, calls, samples, ratios: [], spent: 0 });
    const errors = errorsOf(await contender.result(form, gradient), reference);
    timings.set(contender.name, { time: oneTurn(milliseconds), ratio: oneTurn(1), form, forms, errors });
  }

  const [first, ...others] = turns;
  const take = async (turn: Turns): Promise<number> => {
    const milliseconds = await turn.contender.time(turn.form, gradient, turn.calls);
    turn.samples.push(milliseconds / turn.calls);
    turn.spent += milliseconds;
    return milliseconds / turn.calls;
  };
  for (let round = 0; round < effort.rounds; round++) {
    for (const other of others) {
      if (timings.get(other.contender.name)!.time.median > 1000) continue;
      if (other.samples.length >= 2 && other.spent > effort.budgetMilliseconds) continue;
      const before = await take(first!);
      other.ratios.push((await take(other)) / before);
    }
  }
  const firstTime = median(first!.samples);
  for (const { contender, samples, ratios } of turns) {
    const timing = timings.get(contender.name)!;
    timing.time = spreadOf(samples);
    if (contender !== first!.contender) {
      timing.ratio = ratios.length > 0 ? spreadOf(ratios) : oneTurn(timing.time.median / firstTime);
    }
  }
  return timings;
}

const oneTurn = (value: number): Spread => spreadOf([value]);

/** Milliseconds per call, from a short timing, the shorter the slower the form is; null where the form cannot run. */
async function estimate(
  contender: Contender,
  form: string,
  gradient: boolean,
  fastest: number,
  { warmUpMilliseconds, turnMilliseconds }: Effort,
): Promise<number | null> {
  let elapsed: number;
  try {
    elapsed = await contender.time(form, gradient, 1);
  } catch {
    return null; // there may be too little memory
  }
  if (elapsed > 20 * turnMilliseconds || (elapsed > turnMilliseconds && elapsed > 5 * fastest)) return elapsed;
  for (let spent = elapsed, calls = 1; spent < warmUpMilliseconds; calls *= 2) {
    spent += await contender.time(form, gradient, calls);
  }
  let calls = 1;
  while ((elapsed = await contender.time(form, gradient, calls)) < turnMilliseconds / 2) calls *= 2;
  const samples = [elapsed / calls];
  for (let i = 0; i < 2; i++) samples.push((await contender.time(form, gradient, calls)) / calls);
  return median(samples);
}
