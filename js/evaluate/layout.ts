// Where the fields of the C++ structs are. bindings/metrics_bindings.cc asserts these numbers.

/** Places of the fields of RankingMetrics::Means, in numbers of float64. */
export const MEANS = {
  rows: 0,
  rowsWithoutLabels: 1,
  rowsWithAllLabels: 2,
  rowsWithTies: 3,
  rowsSkipped: 4,
  weight: 5,
  loss: 6,
  rankingLoss: 7,
  coverageError: 8,
  labelRankingAveragePrecision: 9,
  oneError: 10,
  meanReciprocalRank: 11,
  macroAveragePrecision: 12,
  microAveragePrecision: 15,
  missing: 18,
  size: 19,
} as const;

/** Places of the fields of RankingMetrics::MeansAtK, one of which follows the means for each k. */
export const MEANS_AT_K = { precision: 0, recall: 1, ndcg: 2, size: 3 } as const;

/** Places of the fields of RankingMetrics::LabelMeans, one of which follows these for each label; then come the margins. */
export const LABEL_MEANS = { support: 0, meanRank: 1, averagePrecision: 2, size: 5 } as const;

/** Classification::RowMetric: their means follow the margins, where classes are predicted. */
export const ROW_METRICS = {
  precision: 0,
  recall: 1,
  f1: 2,
  fBeta: 3,
  jaccard: 4,
  hammingLoss: 5,
  subsetAccuracy: 6,
  size: 7,
} as const;

/** Places of the fields of Classification::LabelCounts, one of which follows these for each label. */
export const LABEL_COUNTS = { truePositives: 0, predicted: 1, support: 2, size: 3 } as const;

/** Places of the fields of AveragePrecision::Point. */
export const CURVE_POINT = { threshold: 0, all: 1, positive: 2, size: 3 } as const;

/** Places of the fields of AveragePrecision::Value. */
export const VALUE = { value: 0, low: 1, high: 2 } as const;

/** Places of the fields of LabelGroups::Counts. */
export const LABEL_GROUP = { twiceRankSum: 0, support: 1, predicted: 2, truePositives: 3, size: 4 } as const;

/** Places of the fields of Confusions::Pair. */
export const PAIR = { label: 0, other: 1, rows: 2, size: 3 } as const;

/** LabelGroups::kMostClasses and Confusions::kMostClasses */
export const MOST_CLASSES_IN_DETAIL = 4096;

/** AveragePrecision::Missing */
export const MISSING = { nothing: 0, memory: 1, weights: 2 } as const;

/** MetricsStatus */
export const STATUS = { ok: 0, nonFiniteScore: 2, outOfMemory: 3, tooManyRows: 4, badState: 5 } as const;

/** Offsets of the fields of Part, in bytes: first two numbers of float64, then those of 32 bits. */
export const PART = {
  firstRow: 0,
  file: 8,
  scores: 16,
  targets: 20,
  losses: 24,
  weights: 28,
  ids: 32,
  unknown: 36,
  float64: 40,
  rows: 44,
  width: 48,
  unknownWidth: 52,
  batchRows: 56,
  firstPart: 60,
  skipNonFinite: 64,
} as const;

/** GroupSums::kGroups */
export const GROUPS = 256;

/** RankingMetrics::kMarginFractionBits, kLeastMarginExponent and kMarginBins on both sides of 0 */
export const MARGINS = { stepsPerPowerOfTwo: 16, least: 2 ** -16, size: 2 * 514 } as const;
