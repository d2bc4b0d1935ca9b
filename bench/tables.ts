/** The results of a run as tables. */
import { type Name, NAMES } from './contenders/contender.js';
import { formatError, formatTime, formatTiming, formatWhole, type Table } from './format.js';
import type { Goal } from './goals.js';
import { type DType, formatPoint } from './grid.js';
import type { EvaluationRun, LossRun, WebGPURun } from './run.js';
import type { Measurement } from './timing.js';

const PEERS: Name[] = [
  NAMES.pyTorchBuiltin,
  NAMES.pyTorchOps,
  NAMES.tensorFlow,
  NAMES.plain,
  NAMES.pyTorchByHand,
  NAMES.tensorFlowByHand,
];
const WAYS: Name[] = [
  NAMES.oursReused,
  NAMES.threads,
  NAMES.threadsReused,
  NAMES.threadsShared,
  NAMES.floor,
  NAMES.floorReused,
];

const FLOORS: Name[] = [NAMES.floor, NAMES.floorReused, NAMES.webgpuFloor];

export function timeTables({ measurements }: LossRun): Table[] {
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
    const cells = present.map((name) => {
      const timing = timings.get(name);
      return timing === undefined ? '-' : formatTiming(timing, name === NAMES.ours);
    });
    return [formatPoint(point), ...cells];
  });
  return { title, head: ['N x C, K', ...present], rows };
}

export function errorTable({ measurements }: LossRun): Table {
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

export function formsTable({ measurements }: LossRun, name: Name): Table[] {
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

export function webgpuTables(run: WebGPURun): Table[] {
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

export function evaluationTables({ metrics, readings }: EvaluationRun): Table[] {
  return [
    {
      title: 'Evaluation: all metrics',
      head: ['N x C, K', 'all', 'a score', 'loss alone', "scikit-learn's four", 'difference'],
      rows: metrics.map(({ point, time, lossTime, peerTime, ratio, difference }) => [
        formatPoint(point),
        formatTime(time.median),
        `${((time.median * 1e6) / (point.rows * point.classes)).toFixed(1)} ns`,
        formatTime(lossTime.median),
        peerTime === null || ratio === null ? '-' : formatTiming({ time: peerTime, ratio }, false),
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
        formatWhole(rowsPerSecond.median),
        `${formatWhole(megabytes)} MB`,
      ]),
    },
  ];
}

export function goalsTable(goals: readonly Goal[]): Table {
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

function namesIn(measurements: readonly Measurement[]): Name[] {
  return Object.values(NAMES).filter((name) => measurements.some(({ timings }) => timings.has(name)));
}
