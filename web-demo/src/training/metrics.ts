/** How well scores rank the true tags. */

export interface RankingMetrics {
  /** Label ranking average precision: for each true tag, the share of true ones among the tags ranked no lower. */
  lrap: number;
  /** Precision at 1: how often the tag ranked highest is a true one. */
  precisionAt1: number;
}

/**
 * @param scores [rows, classes], row-major
 * @param targets the true classes of each row; at least one
 */
export function rankingMetrics(scores: Float32Array, targets: readonly (readonly number[])[]): RankingMetrics {
  const classes = scores.length / targets.length;
  let lrap = 0;
  let hits = 0;
  targets.forEach((truth, row) => {
    const x = scores.subarray(row * classes, (row + 1) * classes);
    let precision = 0;
    for (const target of truth) {
      const threshold = x[target]!;
      const rank = x.reduce((count, score) => count + Number(score >= threshold), 0);
      precision += truth.filter((other) => x[other]! >= threshold).length / rank;
    }
    lrap += precision / truth.length;
    const best = x.reduce((most, score) => Math.max(most, score), -Infinity);
    hits += Number(truth.some((target) => x[target] === best));
  });
  return { lrap: lrap / targets.length, precisionAt1: hits / targets.length };
}
