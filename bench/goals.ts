/** The goals for speed and accuracy, and what a run measured of them. */
import { type Name, NAMES } from './contenders/contender.js';
import { formatError, formatRatio, formatTime, formatWhole } from './format.js';
import { EVALUATION_POINTS, formatPoint, GRID, type Point, WEBGPU_POINTS } from './grid.js';
import type { EvaluationRun } from './run.js';
import type { Measurement } from './timing.js';

export interface Goal {
  text: string;
  wanted: string;
  measured: string;
  /** Null where the run did not measure it. */
  reached: boolean | null;
}

/** The least ratio of a peer's time to this package's, for each point of GRID. */
const PEERS: { text: string; names: Name[]; ratios: number[] }[] = [
  { text: 'PyTorch builtin, 1 thread', names: [NAMES.pyTorchBuiltin], ratios: [5, 15, 30, 45, 30, 150, 500, 25] },
  {
    text: 'best PyTorch composition, 1 or 2 threads',
    names: [NAMES.pyTorchOps, NAMES.pyTorchByHand],
    ratios: [20, 8, 6, 5, 5, 13, 65, 5],
  },
  {
    text: 'best TensorFlow.js form',
    names: [NAMES.tensorFlow, NAMES.tensorFlowByHand],
    ratios: [25, 20, 25, 45, 30, 150, 500, 25],
  },
];

const FLOORS = [
  { how: 'both into new arrays', name: NAMES.ours, floor: NAMES.floor },
  { how: 'both into a given array', name: NAMES.oursReused, floor: NAMES.floorReused },
];

const SMALL = GRID[0]!;
const THREADED = [GRID[3]!, GRID[5]!];
const LARGEST = WEBGPU_POINTS.at(-1)!;

export function goalsOf(measurements: readonly Measurement[]): Goal[] {
  const float32 = measurements.filter(({ dtype }) => dtype === 'float32');
  const forward = float32.filter(({ gradient }) => !gradient);
  const both = float32.filter(({ gradient }) => gradient);
  const random = both.filter(({ scoreSet }) => scoreSet === 'random');
  const trained = both.filter(({ scoreSet }) => scoreSet === 'trained');
  const small = at(random, SMALL);
  const smallTime = small && timeOf(small, NAMES.ours);
  const few = at(random, { rows: 64, classes: 20_000, width: 10 });
  const many = at(random, { rows: 64, classes: 20_000, width: 1000 });

  return [
    ...PEERS.flatMap(({ text, names, ratios }) =>
      GRID.map((point, i) => peerGoal(`${formatPoint(point)}: ${text}`, ratios[i]!, names, at(random, point))),
    ),
    {
      text: '64 x 20000: time for K = 1000 over that for K = 10',
      ...atMost(1.7, few && many && quotient(timeOf(many, NAMES.ours), timeOf(few, NAMES.ours))),
    },
    ...FLOORS.flatMap(({ how, name, floor }) => {
      const overFloor = (one: Measurement): number | undefined => ratio(one, name, floor);
      return [
        {
          text: `trained scores, C >= 1000: times the floor, ${how}`,
          ...everywhere(
            2,
            trained.filter(({ point }) => point.classes >= 1000),
            overFloor,
          ),
        },
        {
          text: `random scores, K <= 5: times the floor, ${how}`,
          ...everywhere(
            3,
            random.filter(({ point }) => point.width <= 5),
            overFloor,
          ),
        },
      ];
    }),
    {
      text: 'forward only over forward + gradient',
      ...everywhere(1, forward, (one) => {
        const other = both.find(({ point, scoreSet }) => point === one.point && scoreSet === one.scoreSet);
        return other && quotient(timeOf(one, NAMES.ours), timeOf(other, NAMES.ours));
      }),
    },
    {
      text: `${formatPoint(SMALL)}, forward only: PyTorch builtin`,
      ...atLeast(4, ratioAt(forward, SMALL, NAMES.pyTorchBuiltin, NAMES.ours)),
    },
    {
      text: `${formatPoint(SMALL)}: time of a call`,
      wanted: 'under 2.50 µs',
      measured: smallTime === undefined ? 'not measured' : formatTime(smallTime),
      reached: smallTime === undefined ? null : smallTime < 2.5e-3,
    },
    errorGoal('largest relative error of a float32 loss', 2.1e-7, float32, 'loss'),
    errorGoal('largest relative error of a float32 gradient', 1.2e-7, float32, 'grad'),
    ...THREADED.flatMap((point) => [
      {
        // The comparison is with the quicker of the two on one thread, whose gradient needs no new memory either.
        text: `${formatPoint(point)}: speed-up by 2 threads, tensors in shared memory`,
        ...atLeast(1.7, ratioAt(random, point, NAMES.oursReused, NAMES.threadsShared)),
      },
      {
        text: `${formatPoint(point)}: speed-up by 2 threads, with copies, both into new arrays`,
        ...atLeast(1.3, ratioAt(random, point, NAMES.ours, NAMES.threads)),
      },
      {
        text: `${formatPoint(point)}: speed-up by 2 threads, with copies, both into a given array`,
        ...atLeast(1.3, ratioAt(random, point, NAMES.oursReused, NAMES.threadsReused)),
      },
    ]),
    {
      text: '2 threads over one thread, both with copies into new arrays',
      ...everywhere(1.1, measurements, (one) => ratio(one, NAMES.threads, NAMES.ours)),
    },
    {
      text: '2 threads over one thread, both with copies into a given array',
      ...everywhere(1.1, measurements, (one) => ratio(one, NAMES.threadsReused, NAMES.oursReused)),
    },
  ];
}

/** The goals of a run with a GPU: compared with the quicker of the two on one thread, and with the GPU's own copying. */
export function webgpuGoalsOf(measurements: readonly Measurement[]): Goal[] {
  const both = measurements.filter(({ gradient }) => gradient);
  return [
    {
      text: `${formatPoint(LARGEST)}: one thread over WebGPU with resident buffers`,
      ...atLeast(20, ratioAt(both, LARGEST, NAMES.oursReused, NAMES.webgpuResident)),
    },
    {
      text: `${formatPoint(LARGEST)}: WebGPU with resident buffers over a copy of the scores in the GPU's memory`,
      ...atMost(3, ratioAt(both, LARGEST, NAMES.webgpuResident, NAMES.webgpuFloor)),
    },
  ];
}

export function evaluationGoalsOf({ metrics, readings }: EvaluationRun): Goal[] {
  const all = metrics.find(({ point }) => formatPoint(point) === formatPoint(EVALUATION_POINTS[0]!));
  // With few rows, starting the process takes most of the time.
  const fastest = (format: string): number =>
    Math.max(
      ...readings
        .filter((one) => one.format === format && one.threads === 1 && one.rows >= 1_000_000)
        .map((one) => one.rowsPerSecond.median),
    );
  // The memory of --exact grows with the labels.
  const streamed = readings.filter(({ threads, format }) => threads === 1 && !format.includes('--exact'));
  const megabytes = Math.max(...streamed.map((one) => one.megabytes));
  return [
    {
      text: `${formatPoint(EVALUATION_POINTS[0]!)}: all metrics, one thread`,
      wanted: 'at most 150 ms',
      measured: all === undefined ? 'not measured' : formatTime(all.time.median),
      reached: all === undefined ? null : all.time.median <= 150,
    },
    ...[
      { format: '.npy', wanted: 500_000 },
      { format: '.arrow', wanted: 300_000 },
    ].map(({ format, wanted }) => ({
      text: `${format}: rows of 100 scores a second, one thread`,
      wanted: `at least ${formatWhole(wanted)}`,
      measured: fastest(format) > 0 ? formatWhole(fastest(format)) : 'not measured',
      reached: fastest(format) > 0 ? fastest(format) >= wanted : null,
    })),
    {
      text: 'memory of the process, for any number of rows, one thread, without --exact',
      wanted: 'at most 300 MB',
      measured: `${formatWhole(megabytes)} MB`,
      reached: megabytes <= 300,
    },
  ];
}

const at = (among: readonly Measurement[], wanted: Point): Measurement | undefined =>
  among.find(({ point }) => formatPoint(point) === formatPoint(wanted));

const timeOf = ({ timings }: Measurement, name: Name): number | undefined => timings.get(name)?.time.median;

const quotient = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a / b;

const ratio = (one: Measurement, a: Name, b: Name): number | undefined => quotient(timeOf(one, a), timeOf(one, b));

function ratioAt(among: readonly Measurement[], point: Point, a: Name, b: Name): number | undefined {
  const one = at(among, point);
  return one && ratio(one, a, b);
}

function atLeast(wanted: number, value: number | undefined): Omit<Goal, 'text'> {
  return {
    wanted: `at least ${wanted}x`,
    measured: value === undefined ? 'not measured' : formatRatio(value),
    reached: value === undefined ? null : value >= wanted,
  };
}

function atMost(wanted: number, value: number | undefined): Omit<Goal, 'text'> {
  return {
    wanted: `at most ${wanted}x`,
    measured: value === undefined ? 'not measured' : formatRatio(value),
    reached: value === undefined ? null : value <= wanted,
  };
}

/** The worst of several measurements counts. The text names it, and says how many miss the goal. */
function everywhere(
  wanted: number,
  among: readonly Measurement[],
  valueOf: (one: Measurement) => number | undefined,
): Omit<Goal, 'text'> {
  const values = among.flatMap((one) => {
    const value = valueOf(one);
    return value === undefined ? [] : [{ one, value }];
  });
  const [worst] = values.sort((a, b) => b.value - a.value);
  const goal = atMost(wanted, worst?.value);
  if (worst === undefined) return goal;
  const missed = values.filter(({ value }) => value > wanted).length;
  const { point, dtype, scoreSet, gradient } = worst.one;
  const where = `${formatPoint(point)}, ${scoreSet}, ${dtype}${gradient ? '' : ', forward'}`;
  return { ...goal, measured: `${goal.measured} at ${where}; missed by ${missed} of ${values.length}` };
}

function peerGoal(text: string, wanted: number, names: readonly Name[], one: Measurement | undefined): Goal {
  const timings = names.flatMap((name) => one?.timings.get(name) ?? []);
  const ours = one && timeOf(one, NAMES.ours);
  if (ours === undefined || timings.length === 0) return { text, ...atLeast(wanted, undefined) };
  const fastest = timings.reduce((a, b) => (b.time.median < a.time.median ? b : a));
  const goal = atLeast(wanted, fastest.time.median / ours);
  if (fastest.form === 'builtin' || fastest.form.startsWith('autograd')) {
    return { text, ...goal, measured: `${goal.measured} (${fastest.form})` };
  }
  // The forms whose gradient is not written by hand.
  const autograd = timings.flatMap(({ forms }) =>
    Object.entries(forms).flatMap(([form, milliseconds]) => (form.startsWith('autograd') ? [milliseconds] : [])),
  );
  const compared = autograd.length === 0 ? '' : `; autograd: ${formatRatio(Math.min(...autograd) / ours)}`;
  return { text, ...goal, measured: `${goal.measured} (${fastest.form}${compared})` };
}

function errorGoal(text: string, wanted: number, among: readonly Measurement[], of: 'loss' | 'grad'): Goal {
  const worst = Math.max(...among.map(({ timings }) => timings.get(NAMES.ours)?.errors[of] ?? 0));
  return { text, wanted: `at most ${formatError(wanted)}`, measured: formatError(worst), reached: worst <= wanted };
}
