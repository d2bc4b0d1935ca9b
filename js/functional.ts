/**
 * The names of PyTorch's `torch.nn.functional`.
 *
 * @module
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * nn.functional.multilabel_margin_loss([0.1, 0.2, 0.4, 0.8], [3, 0]).item(); // => 0.85
 */
import { type Backend, type Reduction, refuseAsyncBackend } from './backend.js';
import { MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from './loss.js';
import type { DTypeOf, Scores } from './scores.js';
import type { Targets } from './targets.js';
import type { Tensor } from './tensor.js';

/**
 * {@link MultiLabelMarginLoss} as a function.
 *
 * @param scores float32 or float64, [N, C], [C] or []
 * @param targets int32 or int64, [N, K], [K] or []; each in [-1, C), also after the first -1 of a row
 * @param reductionOrOptions a reduction, or options of the class; a backend must compute synchronously
 * @returns what {@link MultiLabelMarginLoss.forward} does: of the dtype of the scores; [N] for reduction 'none' of scores
 * [N, C], else []
 * @throws LossError as the class and its `forward` do
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * nn.functional.multilabel_margin_loss([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]], 'sum').item(); // => 0.85
 */
export function multilabel_margin_loss<S extends Scores>(
  scores: S,
  targets: Targets,
  reductionOrOptions: Reduction | MultiLabelMarginLossOptions<Backend> = {},
): Tensor<DTypeOf<S>> {
  const options = typeof reductionOrOptions === 'string' ? { reduction: reductionOrOptions } : reductionOrOptions;
  const lossFn = new MultiLabelMarginLoss(options);
  refuseAsyncBackend(options.backend, 'multilabel_margin_loss()');
  return lossFn.forward(scores, targets);
}
