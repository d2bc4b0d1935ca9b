import { CURVE_POINT } from './layout.js';

/**
 * How precision and recall depend on the threshold: as scikit-learn's `precision_recall_curve`, without its last point,
 * and without thresholds below all scores. Element i of each array is of the classes whose score is at or above
 * `thresholds[i]`.
 *
 * @example
 * import { Evaluator, type PrecisionRecallCurve } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator();
 * evaluator.update([[0.1, 0.75], [0.5, 0.25]], [[1], [0, 1]]);
 * const curve: PrecisionRecallCurve = evaluator.precisionRecallCurve(1);
 * [...curve.thresholds]; // => [0.25, 0.75]
 * [...curve.recall]; // => [1, 0.5]
 */
export interface PrecisionRecallCurve {
  /** Ascending. */
  thresholds: Float64Array;
  /** Predicted labels over predicted classes. */
  precision: Float64Array;
  /** Predicted labels over labels. */
  recall: Float64Array;
  /** The harmonic mean of precision and recall. */
  f1: Float64Array;
  /** Number of classes whose score reaches the threshold: the sum of the weights of their rows, if there are any. */
  predicted: Float64Array;
  /** How many of these scores belong to a label of their row. */
  truePositives: Float64Array;
}

/** @param points what WasmMetrics.curve() returned, from the highest threshold down */
export function toCurve(points: Float64Array): PrecisionRecallCurve {
  const length = points.length / CURVE_POINT.size;
  const last = (length - 1) * CURVE_POINT.size;
  const support = length === 0 ? 0 : (points[last + CURVE_POINT.positive] as number);
  // Without labels there is no recall.
  const kept = support === 0 ? 0 : length;
  const curve: PrecisionRecallCurve = {
    thresholds: new Float64Array(kept),
    precision: new Float64Array(kept),
    recall: new Float64Array(kept),
    f1: new Float64Array(kept),
    predicted: new Float64Array(kept),
    truePositives: new Float64Array(kept),
  };
  for (let i = 0; i < kept; i++) {
    const at = last - i * CURVE_POINT.size;
    const all = points[at + CURVE_POINT.all] as number;
    const positive = points[at + CURVE_POINT.positive] as number;
    curve.thresholds[i] = points[at + CURVE_POINT.threshold] as number;
    curve.precision[i] = positive / all;
    curve.recall[i] = positive / support;
    curve.predicted[i] = all;
    curve.truePositives[i] = positive;
    curve.f1[i] = (2 * positive) / (all + support);
  }
  return curve;
}
