/**
 * Loss and ranking metrics over data larger than memory.
 *
 * @packageDocumentation
 */
export {
  type EvaluationResult,
  Evaluator,
  type EvaluatorJSON,
  type EvaluatorOptions,
  type LabelResult,
  type MetricsAtK,
} from './evaluator.js';
