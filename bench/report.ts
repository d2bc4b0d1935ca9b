/** The results of a part as text for the terminal. */
import { toText } from './format.js';
import { evaluationGoalsOf, goalsOf, webgpuGoalsOf } from './goals.js';
import { type EvaluationRun, type LossRun, machineOf, type Part, type WebGPURun } from './run.js';
import { errorTable, evaluationTables, goalsTable, timeTables, webgpuTables } from './tables.js';
import { limitsOf, trainingGoalsOf, trainingTables } from './training/report.js';
import type { TrainingRun } from './training/run.js';

const LEGEND =
  'Time of a call, and how many times that of this package on one thread it is; medians, with quartiles of the turns.\n' +
  'A dash: it cannot compute that.';
const SOFTWARE =
  'This adapter is software: the CPU did the work of a GPU. These times tell nothing of any GPU, and no goal is judged by them.';

const head = (part: Part): string[] => [machineOf(part), ...part.leftOut.map((what) => `Left out: ${what}`)];

export function lossReport(run: LossRun): string {
  const tables = [...timeTables(run), errorTable(run), goalsTable(goalsOf(run.measurements))];
  return [...head(run), LEGEND, ...tables.map((table) => `\n${toText(table)}`)].join('\n');
}

export function trainingReport(run: TrainingRun): string {
  const tables = [...trainingTables(run), goalsTable(trainingGoalsOf(run))];
  return [...head(run), limitsOf(run), ...tables.map((table) => `\n${toText(table)}`)].join('\n');
}

export function evaluationReport(run: EvaluationRun): string {
  const tables = [...evaluationTables(run), goalsTable(evaluationGoalsOf(run))];
  return [...head(run), ...tables.map((table) => `\n${toText(table)}`)].join('\n');
}

export function webgpuReport(run: WebGPURun): string {
  const tables = [...webgpuTables(run), ...(run.isSoftware ? [] : [goalsTable(webgpuGoalsOf(run.measurements))])];
  return [
    `${machineOf(run)}; adapter: ${run.adapter}`,
    ...(run.isSoftware ? [SOFTWARE] : []),
    LEGEND,
    ...tables.map((table) => `\n${toText(table)}`),
  ].join('\n');
}
