import type { Reduction } from './backend.js';
import { type DTypeOf, MultiLabelMarginLoss, type MultiLabelMarginLossOptions, type Scores } from './loss.js';
import type { Targets } from './targets.js';
import type { Tensor } from './tensor.js';

/**
 * {@link MultiLabelMarginLoss} as a function.
 *
 * @param reductionOrOptions a reduction, or options of the class
 * @returns and throws what {@link MultiLabelMarginLoss.forward} does
 * @example multilabel_margin_loss([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]], 'sum').item() // 0.85
 */
export function multilabel_margin_loss<S extends Scores>(
  scores: S,
  targets: Targets,
  reductionOrOptions: Reduction | MultiLabelMarginLossOptions = {},
): Tensor<DTypeOf<S>> {
  const options = typeof reductionOrOptions === 'string' ? { reduction: reductionOrOptions } : reductionOrOptions;
  return new MultiLabelMarginLoss(options).forward(scores, targets);
}
