import type { MultiLabelMarginLossOptions } from 'multilabel-margin-loss/loss';
import { numberOf } from './command.js';

/** The options of commands that compute the loss, for parse(). */
export const LOSS_ARGUMENTS = {
  margin: { type: 'string' },
  normalization: { type: 'string' },
  'target-order': { type: 'string' },
} as const;

interface Values {
  margin?: string | undefined;
  normalization?: string | undefined;
  'target-order'?: string | undefined;
}

/** The options of the loss that were given. The loss refuses wrong values. */
export function lossOptionsOf({
  margin,
  normalization,
  'target-order': targetOrder,
}: Values): Pick<MultiLabelMarginLossOptions, 'margin' | 'normalization' | 'targetOrder'> {
  return {
    ...(margin === undefined ? {} : { margin: numberOf('margin', margin) }),
    ...(normalization === undefined ? {} : { normalization: normalization as 'classes' }),
    ...(targetOrder === undefined ? {} : { targetOrder: targetOrder as 'ignored' }),
  };
}
