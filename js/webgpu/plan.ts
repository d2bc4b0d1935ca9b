import { LossError } from '../errors.js';
import { MOST_LOCAL, SEGMENT } from './kernels/count-scores.js';
import { THREADS } from './kernels/kernel.js';
import { ENTRY_BYTES, LOSS_BYTES, SUM_BYTES } from './kernels/memory.js';

// Bytes of an array that are copied to the device, or back, at a time.
const COPIED_BYTES = 128 * 2 ** 20;

// Bytes of the targets' entries and histograms. A batch of more is computed in parts, which use the same memory in turn.
const SCRATCH_BYTES = 64 * 2 ** 20;

// On every device, a binding may begin at a multiple of this offset.
const OFFSET_ALIGNMENT = 256;

export interface Sizes {
  rows: number;
  classes: number;
  width: number;
  unknownWidth: number;
  /** Bytes per target: 4 or 8. */
  targetBytes: number;
}

export interface Limits {
  readonly maxStorageBufferBindingSize: number;
  readonly maxBufferSize: number;
}

/** Classes: [begin, end). */
export type Slice = readonly [begin: number, end: number];

/** Rows that pass through the kernels together. */
export interface Part {
  /** Index in the submission. */
  firstRow: number;
  rows: number;
  /** The classes that are bound at a time: all of them, unless a row exceeds a binding. */
  slices: readonly Slice[];
}

/** A range of a buffer, in 32-bit words. */
export interface Range {
  /** The offset at which the binding begins. */
  offset: number;
  /** Index of the first word within the binding. */
  at: number;
  end: number;
}

/** The range of words from begin to end, bound from an aligned offset. */
export function rangeOf(begin: number, end: number): Range {
  const offset = begin - (begin % (OFFSET_ALIGNMENT / 4));
  return { offset, at: begin - offset, end };
}

/** The arrays that are copied between memory and the device. */
export interface Copied {
  scores: boolean;
  targets: boolean;
  grad: boolean;
}

/** ERR_OUT_OF_MEMORY if a row exceeds what this device can hold or bind; null if it fits. */
export function rowTooLarge({ classes, width, unknownWidth }: Sizes, limits: Limits): LossError | null {
  const { maxBufferSize, maxStorageBufferBindingSize } = limits;
  const entryWidth = width + unknownWidth;
  if (classes * 4 <= maxBufferSize && entryWidth * ENTRY_BYTES + 8 <= maxStorageBufferBindingSize) return null;
  return new LossError(
    'ERR_OUT_OF_MEMORY',
    `a row of ${classes} scores and ${width} targets${unknownWidth > 0 ? ` and ${unknownWidth} unknown classes` : ''} ` +
      `exceeds what this GPU device allows: ${maxBufferSize} bytes in a buffer, ${maxStorageBufferBindingSize} bytes in a ` +
      `binding; a score takes 4 bytes, a target or unknown class ${ENTRY_BYTES}`,
  );
}

/** Number of rows that are submitted together: as many as can be copied and bound at once, and at least one. */
export function rowsTogether(sizes: Sizes, copied: Copied, limits: Limits): number {
  const { rows, classes, width, unknownWidth, targetBytes } = sizes;
  const most = limits.maxStorageBufferBindingSize;
  const copiedBytes = Math.min(most, COPIED_BYTES);
  const byScores = copied.scores || copied.grad ? Math.floor(copiedBytes / (classes * 4)) : rows;
  const byTargets = copied.targets ? Math.floor(copiedBytes / Math.max(1, width * targetBytes)) : rows;
  const byUnknown = Math.floor(copiedBytes / Math.max(1, unknownWidth * 4));
  return Math.max(1, Math.min(rows, byScores, byTargets, byUnknown, Math.floor(most / LOSS_BYTES)));
}

/** Divides rows that are submitted together into parts. Each row fits: see {@link rowTooLarge}. */
export function partsOf({ rows, classes, width, unknownWidth, targetBytes }: Sizes, limits: Limits): Part[] {
  const entryWidth = width + unknownWidth;
  const most = limits.maxStorageBufferBindingSize;
  if (classes * 4 + OFFSET_ALIGNMENT > most) {
    const span = Math.floor((most - OFFSET_ALIGNMENT) / 4 / SEGMENT) * SEGMENT;
    const slices = Array.from(
      { length: Math.ceil(classes / span) },
      (_, i) => [i * span, Math.min(classes, (i + 1) * span)] as const,
    );
    return Array.from({ length: rows }, (_, firstRow) => ({ firstRow, rows: 1, slices }));
  }
  const scratchBytes = 2 * entryWidth * ENTRY_BYTES + (entryWidth + 1) * 4 + Math.ceil(classes / SEGMENT) * SUM_BYTES;
  const together = Math.max(
    1,
    Math.min(
      Math.floor(SCRATCH_BYTES / scratchBytes),
      Math.floor((most - OFFSET_ALIGNMENT) / (classes * 4)),
      Math.floor((most - OFFSET_ALIGNMENT) / Math.max(1, width * targetBytes)),
      Math.floor((most - OFFSET_ALIGNMENT) / Math.max(1, unknownWidth * 4)),
    ),
  );
  return Array.from({ length: Math.ceil(rows / together) }, (_, i) => ({
    firstRow: i * together,
    rows: Math.min(together, rows - i * together),
    slices: [[0, classes]],
  }));
}

// The numbers of threads that may share a row while it is counted, but for all THREADS; and scores for each of them.
const COUNT_LANES = [16, 64];
const SCORES_PER_LANE = 16;

/** Threads that share a row while it is counted: few enough to keep each busy, and to fit the rows' thresholds. */
export function countLanes(classes: number, entryWidth: number): number {
  const places = 2 ** Math.ceil(Math.log2(entryWidth + 1));
  const fits = (lanes: number): boolean =>
    classes <= SCORES_PER_LANE * lanes && places * (THREADS / lanes) <= MOST_LOCAL;
  return COUNT_LANES.find(fits) ?? THREADS;
}

// Up to so many entries in a row, so many threads share them.
const ENTRY_LANES = [
  { width: 16, lanes: 8 },
  { width: 128, lanes: 64 },
];

/** Threads that share the entries of a row: its targets and unknown classes. */
export function entryLanes(width: number): number {
  return ENTRY_LANES.find((one) => width <= one.width)?.lanes ?? THREADS;
}
