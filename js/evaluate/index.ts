/**
 * Loss, ranking metrics and classification metrics over data larger than memory.
 *
 * @example
 * import { Evaluator } from 'multilabel-margin-loss/evaluate';
 *
 * const evaluator = new Evaluator({ k: [1] });
 * evaluator.update([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
 * evaluator.update([[0.5, 0.1, 0.2, 0.3]], [[1]]);
 * evaluator.result().loss; // => 0.8875
 * evaluator.result().at[1]; // => { precision: 0.5, recall: 0.25, ndcg: 0.5 }
 *
 * @module multilabel-margin-loss/evaluate
 */
export type { ComparedMetric, Estimate } from './bootstrap.js';
export type {
  ClassificationJSON,
  ClassificationMetrics,
  ClassificationOptions,
  ClassificationResult,
  LabelClassification,
} from './classification.js';
export type { ComparedLabel, LabelDifference } from './compared-labels.js';
export type { ComparedClassification, CompareOptions, Comparison } from './comparison.js';
export type { Confusion } from './confusions.js';
export type { PrecisionRecallCurve } from './curve.js';
export { Evaluator, type EvaluatorOptions, type UpdateOptions, type UpdateTopKOptions } from './evaluator.js';
export { ExactAveragePrecision, type ExactAveragePrecisionOptions } from './exact-average-precision.js';
export type { HighLoss } from './highest-losses.js';
export type { MarginBin } from './margins.js';
export type { Bounds, EvaluationResult, LabelResult, MetricsAtK } from './result.js';
export type { TopScores } from './top-scores.js';
export type { EvaluatorJSON } from './state.js';
export { ThresholdTuner, type ThresholdTunerOptions, type TunedLabel, type TunedThresholds } from './thresholds.js';
