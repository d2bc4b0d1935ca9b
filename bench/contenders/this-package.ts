/** This package through its public API, all copies included: typed arrays in, loss and gradient out. */
import { MultiLabelMarginLoss, type TensorLike } from 'multilabel-margin-loss';
import type { ThreadsBackend } from 'multilabel-margin-loss/threads';
import type { Batch, Input } from '../grid.js';
import { type Call, type Contender, NAMES, synchronous } from './contender.js';

/** Whether each call makes a new array for its gradient, or all write into the same one. */
export type Gradient = 'new' | 'reused';

export const thisPackage = (): Contender[] => [
  synchronous(NAMES.ours, (batch, withGradient) => callsOf(new MultiLabelMarginLoss(), batch, withGradient, 'new')),
  synchronous(NAMES.oursReused, (batch, withGradient) =>
    withGradient ? callsOf(new MultiLabelMarginLoss(), batch, withGradient, 'reused') : {},
  ),
];

/** @param gradient how gradients are allocated; or a backend, in whose shared memory scores, targets and gradient are */
export function callsOf(
  lossFn: MultiLabelMarginLoss,
  { point: { rows, classes, width }, dtype, inputs }: Batch,
  withGradient: boolean,
  gradient: Gradient | ThreadsBackend,
): Record<string, Call> {
  const scoresShape = [rows, classes];
  const targetsShape = [rows, width];
  const isShared = typeof gradient === 'object';
  const shaped = new Map<Input, { scores: TensorLike; targets: TensorLike }>();
  for (const input of inputs) {
    let scores: TensorLike = { data: input.scores, shape: scoresShape };
    let targets: TensorLike = { data: input.targets, shape: targetsShape };
    if (isShared) {
      scores = gradient.zeros(scoresShape, { dtype });
      targets = gradient.zeros(targetsShape, { dtype: 'int32' });
      scores.data.set(input.scores as never);
      targets.data.set(input.targets as never);
    }
    shaped.set(input, { scores, targets });
  }
  if (!withGradient) {
    return {
      default: (input) => {
        const { scores, targets } = shaped.get(input)!;
        return { loss: lossFn.forward(scores, targets).item(), grad: null };
      },
    };
  }
  const length = rows * classes;
  const data = dtype === 'float32' ? new Float32Array(length) : new Float64Array(length);
  const options =
    gradient === 'new'
      ? {}
      : { grad: isShared ? gradient.zeros(scoresShape, { dtype }) : { data, shape: scoresShape } };
  return {
    default: (input) => {
      const { scores, targets } = shaped.get(input)!;
      const { loss, grad } = lossFn.valueAndGrad(scores, targets, options);
      return { loss: loss.item(), grad: grad.data };
    },
  };
}
