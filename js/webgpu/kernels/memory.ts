/** The storage buffers of a submission, by the names that kernels declare them under. */
export interface Memory {
  /** float32, [rows, classes]: the whole batch in a buffer of the caller's, else the rows of the submission. */
  scores: GPUBuffer;
  /** int32, or int64 as two words, [rows, width]: the whole batch or the rows of the submission, as the scores. */
  targets: GPUBuffer;
  /** A word for each unknown class, [rows of the submission, unknownWidth]; 2^32 - 1 where there is none. */
  unknown: GPUBuffer;
  /** float32, [rows, classes]: the whole batch in a buffer of the caller's, else the rows of the submission. */
  gradient: GPUBuffer;
  /** [STATUS_WORDS]: see {@link STATUS}. */
  status: GPUBuffer;
  /** A word for each row of the submission: its width less its number of targets, and {@link NAN_ROW}. */
  rowInfo: GPUBuffer;
  /** Four words for each row of the submission: unit, high and low word of its sum, and {@link LOSS_FLAGS}. */
  losses: GPUBuffer;
  /** Four words for all rows, each number of targets or each row: the scale in float64, in float32, and SILENT or 0. */
  scales: GPUBuffer;
  /** [rows of a part, width + unknownWidth]: the targets with their scores, and the unknown classes without. */
  entries: GPUBuffer;
  /** Room for as many entries again: sorted runs are merged from the one buffer to the other. */
  merged: GPUBuffer;
  /** [rows of a part, width + unknownWidth + 1]: how many scores have so many thresholds below them; later, the counts of targets. */
  histogram: GPUBuffer;
  /** [rows of a part, segments]: the sum of count * score of each segment. */
  partialSums: GPUBuffer;
}

export type BufferName = keyof Memory;

/** Bytes per target in `entries`. */
export const ENTRY_BYTES = 16;

/** Bytes per row in `losses`. */
export const LOSS_BYTES = 16;

/** Bytes per sum in `partialSums`. */
export const SUM_BYTES = 16;

/** Words of the status buffer; all are 0 at first. */
export const STATUS = {
  /** 2^32 - 1 - i for the first target i, row by row, that is out of range; 0 where none is. */
  badTarget: 0,
  /** 2^32 - 1 - i for the first NaN score i, row by row, that is an error; 0 where none is. */
  badScore: 1,
  /** The largest number of entries in a row. */
  mostEntries: 2,
  /** The target that is out of range, as int64. */
  valueLow: 3,
  valueHigh: 4,
  /** 2^32 - 1 - i for the first unknown class i, row by row, that is a target too; 0 where none is. */
  badUnknown: 5,
};
export const STATUS_WORDS = 8;

/** The fourth word of the scale of a row whose weight is 0: its gradient is 0, whatever its scores. */
export const SILENT = 1;

/** The flag in a word of `rowInfo`: a score of the row is NaN. */
export const NAN_ROW = 2 ** 31;

/** The fourth word of a row in `losses` is its number of targets, with these flags. */
export const LOSS_FLAGS = { infinite: 2 ** 30, nan: 2 ** 31 };
