// Assertions about types, for every compiler that consumers.test.ts lists. Nothing here runs.

import { MultiLabelMarginLoss, tensor, zeros } from 'multilabel-margin-loss';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(equal: Equal<A, B>): void;

const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
const scores = zeros(2, 3);
const { loss, grad } = lossFn.valueAndGrad(scores, [[0], [1]], { grad: zeros(2, 3) });
same<typeof loss.dtype, 'float32'>(true);
same<typeof grad.dtype, 'float32'>(true);
same<ReturnType<typeof loss.item>, number>(true);
const targets = tensor([[0], [1]], { dtype: 'int64' });
same<ReturnType<typeof targets.item>, bigint>(true);

// @ts-expect-error: no such reduction
new MultiLabelMarginLoss({ reduction: 'max' });
// @ts-expect-error: no such option
new MultiLabelMarginLoss({ marign: 1 });
// @ts-expect-error: targets are missing
lossFn.forward(scores);
