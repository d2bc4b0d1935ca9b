import type { DeviceBatch, LossOptions } from '../backend.js';
import { isDeviceTensor } from '../device-tensor.js';
import { CHECK_TARGETS } from './kernels/check-targets.js';
import { CHECK_UNKNOWN } from './kernels/check-unknown.js';
import { countScores, SEGMENT } from './kernels/count-scores.js';
import { FIND_NAN } from './kernels/find-nan.js';
import { gatherEntries } from './kernels/gather-entries.js';
import { type Kernel, type Params, SCALE_BY, THREADS } from './kernels/kernel.js';
import type { BufferName } from './kernels/memory.js';
import { MERGE_RUNS } from './kernels/merge-runs.js';
import { REPORT_TARGET } from './kernels/report-target.js';
import { rowLosses } from './kernels/row-losses.js';
import { scatterGradient } from './kernels/scatter-gradient.js';
import { SORT_ENTRIES } from './kernels/sort-entries.js';
import { countLanes, entryLanes, type Part, rangeOf, type Slice } from './plan.js';

// Entries of a row for each workgroup, and the most workgroups, that share the entries of a row.
const SPREAD_ENTRIES = 4096;
const MOST_SPREAD = 16;

/** Rows of a batch that are submitted together, and what is to be computed of them. */
export interface Submission {
  batch: DeviceBatch;
  options: LossOptions;
  /** Index in the batch of the first row. */
  firstRow: number;
  rows: number;
  /** Bytes per target. */
  targetBytes: number;
  parts: readonly Part[];
  /** The unknown classes of the rows: see unknownClasses(). */
  unknown: Uint32Array<ArrayBuffer>;
  /** The factors of the rows' counts: see sharedScales() and rowScales(). */
  scales: Uint32Array<ArrayBuffer>;
  /** The buffer of a gradient that stays in the device's memory, or null. */
  gradient: GPUBuffer | null;
  withGradient: boolean;
  /** Whether the kernels may use subgroup operations. */
  subgroups: boolean;
  /** Whether only targets and scores are checked. */
  onlyChecks: boolean;
}

/** The range of a buffer that a kernel sees, where it is not the whole buffer. */
interface View {
  buffer?: BufferName;
  /** In 32-bit words. */
  offset?: number;
  end?: number;
}

type Views = Partial<Record<BufferName, View>>;

/** A dispatch of a kernel. */
export interface Step {
  kernel: Kernel;
  params: Params;
  workgroups: number;
  views: Views;
  /** Whether the histogram is cleared before. */
  startsPart: boolean;
}

/** Lists all steps in order. Every target and score is checked before the first gradient is written. */
export function stepsOf(submission: Submission): Step[] {
  const { parts, onlyChecks } = submission;
  const checks = parts.flatMap((part) => checkSteps(submission, part));
  return onlyChecks ? checks : [...checks, ...parts.flatMap((part) => lossSteps(submission, part))];
}

function checkSteps(submission: Submission, part: Part): Step[] {
  const { batch, options, onlyChecks } = submission;
  const steps: Step[] = [];
  const { params, views } = viewPart(submission, part);
  if (batch.width > 0) {
    steps.push(step(CHECK_TARGETS, params, Math.ceil((part.rows * batch.width) / THREADS), views));
    if (isDeviceTensor(batch.targets)) steps.push(step(REPORT_TARGET, params, 1, views));
    if (batch.unknownWidth > 0) {
      steps.push(step(CHECK_UNKNOWN, params, Math.ceil((part.rows * batch.unknownWidth) / THREADS), views));
    }
  }
  // NaN under 'propagate' is no error, and the scores may not be on the device while there are only checks.
  if (options.nan === 'error' || (options.nan === 'propagate' && !onlyChecks)) {
    for (const slice of part.slices) {
      const sliced = viewSlice(submission, part, params, slice);
      const [begin, end] = slice;
      steps.push(step(FIND_NAN, sliced.params, Math.ceil((part.rows * (end - begin)) / THREADS), sliced.views));
    }
  }
  return steps;
}

function lossSteps(submission: Submission, part: Part): Step[] {
  const { batch, withGradient, subgroups } = submission;
  const { classes } = batch;
  const width = batch.width + batch.unknownWidth;
  const { rows, slices } = part;
  const { params, views } = viewPart(submission, part);
  const lanes = entryLanes(width);
  const workgroups = Math.ceil(rows / (THREADS / lanes));
  const spread = Math.min(MOST_SPREAD, Math.max(1, Math.ceil(width / SPREAD_ENTRIES)));
  const spreadParams = { ...params, spread };
  const steps: Step[] = [];
  let sorted = 'entries' as 'entries' | 'merged';

  if (width > 0) {
    for (const slice of slices) {
      const sliced = viewSlice(submission, part, spreadParams, slice);
      steps.push(step(gatherEntries(lanes), sliced.params, workgroups * spread, { ...views, ...sliced.views }));
    }
    const length = Math.min(THREADS, 2 ** Math.ceil(Math.log2(width)));
    const places = rows * length * Math.ceil(width / length);
    steps.push(step(SORT_ENTRIES, { ...params, length }, Math.ceil(places / THREADS), {}));
    for (let merged = length; merged < width; merged *= 2) {
      const destination = sorted === 'entries' ? 'merged' : 'entries';
      steps.push(
        step(MERGE_RUNS, { ...spreadParams, length: merged }, rows * spread, {
          entries: { buffer: sorted },
          merged: { buffer: destination },
        }),
      );
      sorted = destination;
    }
  }

  const entries = { buffer: sorted };
  const countingLanes = countLanes(classes, width);
  for (const slice of slices) {
    const sliced = viewSlice(submission, part, params, slice);
    const [begin, end] = slice;
    const groups = Math.ceil(rows / (THREADS / countingLanes)) * Math.ceil((end - begin) / SEGMENT);
    steps.push(step(countScores(countingLanes, subgroups), sliced.params, groups, { ...sliced.views, entries }));
  }
  steps.push(step(rowLosses(lanes, subgroups), params, workgroups, { entries }));
  if (withGradient && width > 0) {
    for (const slice of slices) {
      const sliced = viewSlice(submission, part, spreadParams, slice);
      steps.push(step(scatterGradient(lanes), sliced.params, workgroups * spread, { ...sliced.views, entries }));
    }
  }
  (steps[0] as Step).startsPart = true;
  return steps;
}

function step(kernel: Kernel, params: Params, workgroups: number, views: Views): Step {
  return { kernel, params, workgroups, views, startsPart: false };
}

/** The parameters that all kernels of a part share, and what they see of the targets. */
function viewPart(submission: Submission, part: Part): { params: Params; views: Views } {
  const { batch, options, targetBytes, withGradient } = submission;
  const { classes, width, unknownWidth } = batch;
  const targetWords = targetBytes / 4;
  const firstRow = (isDeviceTensor(batch.targets) ? submission.firstRow : 0) + part.firstRow;
  const { at: targetsAt, ...targets } = rangeOf(
    firstRow * width * targetWords,
    (firstRow + part.rows) * width * targetWords,
  );
  const { at: unknownAt, ...unknown } = rangeOf(
    part.firstRow * unknownWidth,
    (part.firstRow + part.rows) * unknownWidth,
  );
  const params = {
    rows: part.rows,
    firstRow: part.firstRow,
    classes,
    width,
    unknownWidth,
    begin: 0,
    end: classes,
    scoresAt: 0,
    gradAt: 0,
    targetsAt,
    targetWords,
    unknownAt,
    firstSegment: 0,
    segments: Math.ceil(classes / SEGMENT),
    length: 0,
    spread: 1,
    scaleBy:
      batch.sampleWeight !== null
        ? SCALE_BY.row
        : options.normalization === 'targets'
          ? SCALE_BY.targets
          : SCALE_BY.all,
    isRanked: options.targetOrder === 'ranked' ? 1 : 0,
    withGradient: withGradient ? 1 : 0,
    propagatesNan: options.nan === 'propagate' ? 1 : 0,
    margin: options.margin,
  };
  // A buffer without elements has no range to bind, and no kernel reads it.
  return { params, views: { ...(width > 0 ? { targets } : {}), ...(unknownWidth > 0 ? { unknown } : {}) } };
}

/** The parameters of the kernels for some classes of a part, and what they see of the scores and the gradient. */
function viewSlice(
  submission: Submission,
  part: Part,
  params: Params,
  [begin, end]: Slice,
): { params: Params; views: Views } {
  const { batch, gradient, withGradient } = submission;
  const { classes } = batch;
  const range = (isWholeBatch: boolean) => {
    const firstRow = (isWholeBatch ? submission.firstRow : 0) + part.firstRow;
    return rangeOf(firstRow * classes + begin, (firstRow + part.rows - 1) * classes + end);
  };
  const { at: scoresAt, ...scores } = range(isDeviceTensor(batch.scores));
  const { at: gradAt, ...written } = range(gradient !== null);
  return {
    params: {
      ...params,
      begin,
      end,
      scoresAt: scoresAt - begin,
      gradAt: gradAt - begin,
      firstSegment: begin / SEGMENT,
    },
    // Without a gradient, a stand-in is bound, which has no such range and is not written.
    views: { scores, ...(withGradient ? { gradient: written } : {}) },
  };
}
