/** Says how many times faster than an alternative this package is, for docs/benchmarks.md, its chart and README.md. */
import { type Name, NAMES } from './contenders/contender.js';
import { formatWhole } from './format.js';
import { formatPoint, GRID, type Point } from './grid.js';
import type { WholeRun } from './run.js';
import type { Spread } from './spread.js';
import type { Measurement } from './timing.js';
import { LOOP, OURS, OURS_ON_THREADS, TENSORFLOW, TORCH } from './training/run.js';

/** Users have these instead of this package; columns have this order. */
export const ALTERNATIVES = [
  'PyTorch',
  'PyTorch autograd',
  'TensorFlow.js',
  'scikit-learn',
  'TypeScript loop',
] as const;
export type Alternative = (typeof ALTERNATIVES)[number];

export interface Comparison {
  /** Names the computation, in tables and in the chart. */
  work: string;
  /** Milliseconds that this package takes on one thread. */
  time: Spread;
  /** Milliseconds that this package takes on two threads; undefined where they were not measured. */
  timeOnThreads?: Spread | undefined;
  /** The time of an alternative over that of this package. */
  ratios: Map<Alternative, Spread>;
}

export interface Comparisons {
  training: Comparison[];
  gradient: Comparison[];
  forward: Comparison[];
  evaluation: Comparison[];
}

export function comparisonsOf({ training, loss, evaluation }: WholeRun): Comparisons {
  return {
    training: training.jobs.map(({ name, steps }) => {
      // PyTorch counts with its better number of threads.
      const torch = TORCH.flatMap((peer) => steps.get(peer)?.ratio ?? []).sort((a, b) => a.median - b.median)[0];
      return {
        work: name,
        time: steps.get(OURS)!.time,
        timeOnThreads: steps.get(OURS_ON_THREADS)?.time,
        ratios: present([
          ['PyTorch', torch],
          ['TensorFlow.js', steps.get(TENSORFLOW)?.ratio],
          ['TypeScript loop', steps.get(LOOP)?.ratio],
        ]),
      };
    }),
    gradient: ofLoss(loss.measurements, true),
    forward: ofLoss(loss.measurements, false),
    evaluation: evaluation.metrics.map(({ point, time, ratio }) => ({
      work: workOf(point),
      time,
      ratios: present([['scikit-learn', ratio ?? undefined]]),
    })),
  };
}

/** Random float32 scores at the points of GRID. */
export function atGrid(measurements: readonly Measurement[], gradient: boolean, scoreSet: Measurement['scoreSet']) {
  const wanted = new Set(GRID.map(formatPoint));
  return measurements.filter(
    (one) =>
      one.dtype === 'float32' &&
      one.scoreSet === scoreSet &&
      one.gradient === gradient &&
      wanted.has(formatPoint(one.point)),
  );
}

function ofLoss(measurements: readonly Measurement[], gradient: boolean): Comparison[] {
  return atGrid(measurements, gradient, 'random').map(({ point, timings }) => {
    const ratio = (name: Name): Spread | undefined => timings.get(name)?.ratio;
    return {
      work: workOf(point),
      time: timings.get(NAMES.ours)!.time,
      ratios: present([
        ['PyTorch', ratio(NAMES.pyTorchBuiltin)],
        ['PyTorch autograd', ratio(NAMES.pyTorchOps)],
        ['TensorFlow.js', ratio(NAMES.tensorFlow)],
        ['TypeScript loop', ratio(NAMES.plain)],
      ]),
    };
  });
}

export const workOf = ({ rows, classes, width }: Point): string =>
  `${formatWhole(rows)} x ${formatWhole(classes)}, K = ${width}`;

const present = (ratios: [Alternative, Spread | undefined][]): Map<Alternative, Spread> =>
  new Map(ratios.filter((entry): entry is [Alternative, Spread] => entry[1] !== undefined));
