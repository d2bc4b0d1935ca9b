import type { DeviceBatch, LossOptions } from '../backend.js';
import { DeviceTensor } from '../device-tensor.js';
import * as kernels from './kernels.js';
import { countLanes, type Limits, type Part, partsOf, rangeOf, type Sizes, targetLanes } from './plan.js';

const { SEGMENT, THREADS } = kernels;

/** A batch, or as many of its rows as are submitted together, and what is to become of them. */
export interface Work {
  batch: DeviceBatch;
  /** Of the work's rows. */
  sizes: Sizes;
  /** In the batch. */
  firstRow: number;
  options: LossOptions;
  /** Where the gradient goes if it stays in the device's memory; null if it does not. */
  gradient: GPUBuffer | null;
  withGradient: boolean;
  /** Whether the kernels may use subgroup operations. */
  subgroups: boolean;
  /** Whether to do no more than to check targets and scores. */
  onlyChecks: boolean;
}

/** What the kernels read and write. */
export interface Memory {
  /** Of the whole batch where these are the caller's buffers, else of the rows of the work. */
  scores: GPUBuffer;
  targets: GPUBuffer;
  gradient: GPUBuffer;
  /** [STATUS_WORDS] */
  status: GPUBuffer;
  /** Of each row of the work: its width less its number of targets, and whether a score is NaN. */
  info: GPUBuffer;
  /** Of each row of the work: see `finish`. */
  losses: GPUBuffer;
  /** 1/D for each number of targets, or one for all. */
  scales: GPUBuffer;
  /** Of each row of a part: its targets; and as many places, to merge them from one to the other. */
  entries: GPUBuffer;
  merged: GPUBuffer;
  histogram: GPUBuffer;
  partialSums: GPUBuffer;
}

/** A buffer, and which of its 32-bit words; all of them if that is not said. */
export interface Binding {
  buffer: GPUBuffer;
  offset?: number;
  end?: number;
}

/** A dispatch of a kernel. */
export interface Step {
  code: string;
  params: kernels.Params;
  workgroups: number;
  /** In the order in which the kernel declares them. */
  bindings(memory: Memory): readonly Binding[];
  /** Whether the histogram is to be cleared before. */
  startsPart: boolean;
}

/** All that is to be done, in order: every target and score is checked before the first gradient is written. */
export function stepsOf(work: Work, limits: Limits): Step[] {
  const parts = partsOf(work.sizes, limits);
  const checks = parts.flatMap((part) => checkSteps(work, part));
  return work.onlyChecks ? checks : [...checks, ...parts.flatMap((part) => lossSteps(work, part))];
}

function checkSteps(work: Work, part: Part): Step[] {
  const { batch, options } = work;
  const steps: Step[] = [];
  const add = addTo(steps);
  const { params, targets } = common(work, part);
  if (batch.width > 0) {
    add(kernels.CHECK, params, Math.ceil((part.rows * batch.width) / THREADS), (m) => [
      targets(m),
      { buffer: m.status },
      { buffer: m.info },
    ]);
    if (batch.targets instanceof DeviceTensor) {
      add(kernels.REPORT, params, 1, (m) => [targets(m), { buffer: m.status }]);
    }
  }
  // A row that is to be NaN is no error, and its scores may not be there while there is only to check.
  if (options.nan === 'error' || (options.nan === 'propagate' && !work.onlyChecks)) {
    for (const slice of part.slices) {
      const { params: ofSlice, scores } = bound(work, part, params, slice);
      add(kernels.FIND_NAN, ofSlice, Math.ceil((part.rows * (slice[1] - slice[0])) / THREADS), (m) => [
        scores(m),
        { buffer: m.status },
        { buffer: m.info },
      ]);
    }
  }
  return steps;
}

function lossSteps(work: Work, part: Part): Step[] {
  const { batch, withGradient } = work;
  const { classes, width } = batch;
  const { rows } = part;
  const lanes = targetLanes(width);
  const { params, targets } = common(work, part);
  const spread = width > 4096 ? Math.min(16, Math.ceil(width / 4096)) : 1;
  const workgroups = Math.ceil(rows / (THREADS / lanes));
  const spreadParams = { ...params, spread };
  const steps: Step[] = [];
  const add = addTo(steps);
  let sorted: 'entries' | 'merged' = 'entries';

  if (width > 0) {
    for (const slice of part.slices) {
      const { params: ofSlice, scores } = bound(work, part, spreadParams, slice);
      add(kernels.gather(lanes), ofSlice, workgroups * spread, (m) => [
        scores(m),
        targets(m),
        { buffer: m.info },
        { buffer: m.status },
        { buffer: m.entries },
      ]);
    }
    const length = Math.min(THREADS, 2 ** Math.ceil(Math.log2(width)));
    const places = rows * length * Math.ceil(width / length);
    add(kernels.SORT, { ...params, length }, Math.ceil(places / THREADS), (m) => [
      { buffer: m.info },
      { buffer: m.status },
      { buffer: m.entries },
    ]);
    for (let merged = length; merged < width; merged *= 2) {
      const source: 'entries' | 'merged' = sorted;
      const destination: 'entries' | 'merged' = source === 'entries' ? 'merged' : 'entries';
      add(kernels.MERGE_RUNS, { ...spreadParams, length: merged }, rows * spread, (m) => [
        { buffer: m.status },
        { buffer: m[source] },
        { buffer: m[destination] },
      ]);
      sorted = destination;
    }
  }
  const ofTargets = sorted;

  for (const slice of part.slices) {
    const { params: ofSlice, scores, gradient } = bound(work, part, params, slice);
    const ofCount = countLanes(classes, width);
    const groups = Math.ceil(rows / (THREADS / ofCount)) * Math.ceil((slice[1] - slice[0]) / SEGMENT);
    add(kernels.count(ofCount, work.subgroups), ofSlice, groups, (m) => [
      scores(m),
      { buffer: m[ofTargets] },
      { buffer: m.info },
      { buffer: m.status },
      { buffer: m.histogram },
      { buffer: m.partialSums },
      { buffer: m.scales },
      gradient(m),
    ]);
  }
  add(kernels.finish(lanes, work.subgroups), params, workgroups, (m) => [
    { buffer: m[ofTargets] },
    { buffer: m.info },
    { buffer: m.status },
    { buffer: m.partialSums },
    { buffer: m.histogram },
    { buffer: m.losses },
  ]);
  if (withGradient && width > 0) {
    for (const slice of part.slices) {
      const { params: ofSlice, gradient } = bound(work, part, spreadParams, slice);
      add(kernels.scatter(lanes), ofSlice, workgroups * spread, (m) => [
        { buffer: m[ofTargets] },
        { buffer: m.info },
        { buffer: m.status },
        { buffer: m.histogram },
        { buffer: m.scales },
        gradient(m),
      ]);
    }
  }
  (steps[0] as Step).startsPart = true;
  return steps;
}

const addTo =
  (steps: Step[]) =>
  (code: string, params: kernels.Params, workgroups: number, bindings: Step['bindings']): void => {
    steps.push({ code, params, workgroups, bindings, startsPart: false });
  };

/** What is the same for all kernels of a part. */
function common(work: Work, part: Part): { params: kernels.Params; targets: (memory: Memory) => Binding } {
  const { batch, sizes, options } = work;
  const { classes, width } = batch;
  const targetWords = sizes.targetBytes / 4;
  const firstRow = (batch.targets instanceof DeviceTensor ? work.firstRow : 0) + part.firstRow;
  const range = rangeOf(firstRow * width * targetWords, (firstRow + part.rows) * width * targetWords);
  const params = {
    rows: part.rows,
    firstRow: part.firstRow,
    classes,
    width,
    begin: 0,
    end: classes,
    scoresAt: 0,
    gradAt: 0,
    targetsAt: range.at,
    targetWords,
    firstSegment: 0,
    segments: Math.ceil(classes / SEGMENT),
    length: 0,
    spread: 1,
    byTargets: options.normalization === 'targets' ? 1 : 0,
    isRanked: options.targetOrder === 'ranked' ? 1 : 0,
    withGradient: work.withGradient ? 1 : 0,
    propagatesNan: options.nan === 'propagate' ? 1 : 0,
    margin: options.margin,
  };
  // Without targets, the kernels read none.
  return { params, targets: (memory) => ({ buffer: memory.targets, ...(width > 0 ? range : {}) }) };
}

/** What is the same for all kernels of some classes of a part. */
function bound(
  work: Work,
  part: Part,
  params: kernels.Params,
  [begin, end]: readonly [number, number],
): { params: kernels.Params; scores: (memory: Memory) => Binding; gradient: (memory: Memory) => Binding } {
  const { batch, gradient } = work;
  const { classes } = batch;
  const range = (isWholeBatch: boolean) => {
    const firstRow = (isWholeBatch ? work.firstRow : 0) + part.firstRow;
    return rangeOf(firstRow * classes + begin, (firstRow + part.rows - 1) * classes + end);
  };
  const ofScores = range(batch.scores instanceof DeviceTensor);
  const ofGradient = range(gradient !== null);
  return {
    params: {
      ...params,
      begin,
      end,
      scoresAt: ofScores.at - begin,
      gradAt: ofGradient.at - begin,
      firstSegment: begin / SEGMENT,
    },
    scores: (memory) => ({ buffer: memory.scores, ...ofScores }),
    // Without one, the kernels write none.
    gradient: (memory) => ({ buffer: memory.gradient, ...(work.withGradient ? ofGradient : {}) }),
  };
}
