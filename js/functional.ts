/**
 * The names of PyTorch's `torch.nn.functional`.
 *
 * @module
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * nn.functional.multilabel_margin_loss([0.1, 0.2, 0.4, 0.8], [3, 0]).item(); // => 0.85
 */
import { FORWARD_OPTIONS, type ForwardOptions } from './arguments.js';
import { type Backend, type Reduction, refuseAsyncBackend } from './backend.js';
import { MultiLabelMarginLoss, type MultiLabelMarginLossOptions, OPTION_NAMES } from './loss.js';
import { checkOptions } from './options.js';
import type { DTypeOf, NoIntegers, Scores } from './scores.js';
import type { NoFloats, Targets } from './targets.js';
import type { Tensor } from './tensor.js';

/**
 * Options of {@link multilabel_margin_loss}: those of the class, with a backend that computes synchronously, and those of
 * its `forward`.
 *
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * const options: nn.functional.FunctionalOptions = { reduction: 'sum', sampleWeight: [2] };
 * nn.functional.multilabel_margin_loss([[0.1, 0.2, 0.4, 0.8]], [[3, 0]], options).item(); // => 1.7
 */
export interface FunctionalOptions extends MultiLabelMarginLossOptions<Backend>, ForwardOptions {}

/**
 * {@link MultiLabelMarginLoss} as a function.
 *
 * @param scores float32 or float64, [N, C], [C] or []
 * @param targets int32 or int64, [N, K], [K] or []; each in [-1, C), also after the first -1 of a row
 * @param reductionOrOptions a reduction, or {@link FunctionalOptions}; null and undefined for none
 * @returns what {@link MultiLabelMarginLoss.forward} does: of the dtype of the scores; [N] for reduction 'none' of scores
 * [N, C], else []
 * @throws LossError as the class and its `forward` do
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * nn.functional.multilabel_margin_loss([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]], 'sum').item(); // => 0.85
 */
export function multilabel_margin_loss<S extends Scores, T extends Targets>(
  scores: S & NoIntegers<S>,
  targets: T & NoFloats<T>,
  reductionOrOptions: Reduction | FunctionalOptions | null = null,
): Tensor<DTypeOf<S>> {
  const given: FunctionalOptions =
    typeof reductionOrOptions === 'string' ? { reduction: reductionOrOptions } : (reductionOrOptions ?? {});
  const options = checkOptions(given, [...OPTION_NAMES, ...FORWARD_OPTIONS], 'multilabel_margin_loss()');
  const { sampleWeight, unknown, ...lossOptions } = options;
  const lossFn = new MultiLabelMarginLoss(lossOptions);
  refuseAsyncBackend(lossOptions.backend, 'multilabel_margin_loss()');
  return lossFn.forward<S, T>(scores, targets, { sampleWeight, unknown });
}
