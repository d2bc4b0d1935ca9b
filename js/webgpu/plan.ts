import { LossError } from '../errors.js';
import { ENTRY_BYTES, MOST_LOCAL, SEGMENT } from './kernels.js';

// Of arrays that are copied to the device at a time, or back.
const COPIED_BYTES = 128 * 2 ** 20;

// Of the targets' entries and histograms: batches of more are computed in parts, which use the same memory in turn.
const SCRATCH_BYTES = 64 * 2 ** 20;

// Offsets of what is bound are multiples of this on every device.
const OFFSET_ALIGNMENT = 256;

/** Of the loss of a row, before it is reduced. */
export const LOSS_BYTES = 16;

export interface Sizes {
  rows: number;
  classes: number;
  width: number;
  /** 4 or 8 bytes */
  targetBytes: number;
}

export interface Limits {
  readonly maxStorageBufferBindingSize: number;
  readonly maxBufferSize: number;
}

/** Rows that pass through the kernels together. */
export interface Part {
  /** In what is submitted together. */
  firstRow: number;
  rows: number;
  /** The classes that are bound at a time, as [begin, end): all of them, unless a row exceeds a binding. */
  slices: readonly (readonly [begin: number, end: number])[];
}

/** A range of a buffer, in 32-bit words. */
export interface Range {
  /** Where it is bound from. */
  offset: number;
  /** Index of its first word there. */
  at: number;
  end: number;
}

/** The range of words from begin to end as it can be bound. */
export function rangeOf(begin: number, end: number): Range {
  const offset = begin - (begin % (OFFSET_ALIGNMENT / 4));
  return { offset, at: begin - offset, end };
}

/** What is copied between arrays and the device's memory. */
export interface Copied {
  scores: boolean;
  targets: boolean;
  grad: boolean;
}

/** How many rows are submitted together: as many as can be copied and noted down at once, and one at least. */
export function rowsTogether({ rows, classes, width, targetBytes }: Sizes, copied: Copied, limits: Limits): number {
  const most = limits.maxStorageBufferBindingSize;
  const copies = Math.min(most, COPIED_BYTES);
  const ofScores = copied.scores || copied.grad ? Math.floor(copies / (classes * 4)) : rows;
  const ofTargets = copied.targets ? Math.floor(copies / Math.max(1, width * targetBytes)) : rows;
  return Math.max(1, Math.min(rows, ofScores, ofTargets, Math.floor(most / LOSS_BYTES)));
}

/**
 * Parts of rows that are submitted together.
 * @throws LossError ERR_OUT_OF_MEMORY if a row exceeds what this device can hold or bind
 */
export function partsOf({ rows, classes, width, targetBytes }: Sizes, limits: Limits): Part[] {
  const most = limits.maxStorageBufferBindingSize;
  if (classes * 4 > limits.maxBufferSize || ENTRY_BYTES * width + 8 > most) {
    throw new LossError(
      'ERR_OUT_OF_MEMORY',
      `a row of ${classes} scores and ${width} targets exceeds what this GPU device allows: ` +
        `${limits.maxBufferSize} bytes in a buffer, ${most} in a binding, ${ENTRY_BYTES} of it for a target`,
    );
  }
  const scoresBytes = classes * 4 + OFFSET_ALIGNMENT;
  if (scoresBytes > most) {
    const span = Math.floor((most - OFFSET_ALIGNMENT) / 4 / SEGMENT) * SEGMENT;
    const slices = Array.from(
      { length: Math.ceil(classes / span) },
      (_, i) => [i * span, Math.min(classes, (i + 1) * span)] as const,
    );
    return Array.from({ length: rows }, (_, firstRow) => ({ firstRow, rows: 1, slices }));
  }
  const segments = Math.ceil(classes / SEGMENT);
  const scratch = width * (2 * ENTRY_BYTES + 4) + 4 + 16 * segments;
  const together = Math.max(
    1,
    Math.min(
      Math.floor(SCRATCH_BYTES / scratch),
      Math.floor((most - OFFSET_ALIGNMENT) / (classes * 4)),
      Math.floor((most - OFFSET_ALIGNMENT) / Math.max(1, width * targetBytes)),
    ),
  );
  return Array.from({ length: Math.ceil(rows / together) }, (_, i) => ({
    firstRow: i * together,
    rows: Math.min(together, rows - i * together),
    slices: [[0, classes]],
  }));
}

/** Threads that share a row while it is counted: so that each has some 16 scores, and the rows' thresholds fit. */
export function countLanes(classes: number, width: number): number {
  const places = 2 ** Math.ceil(Math.log2(width + 1));
  return [16, 64].find((lanes) => classes <= 16 * lanes && places * (256 / lanes) <= MOST_LOCAL) ?? 256;
}

/** Threads that share the targets of a row. */
export function targetLanes(width: number): number {
  return width <= 16 ? 8 : width <= 128 ? 64 : 256;
}
