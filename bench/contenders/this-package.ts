/** This package through its public API, all copies included: typed arrays in, loss and gradient out. */
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import type { Batch, Input } from '../grid.js';
import { type Call, type Contender, NAMES, synchronous } from './contender.js';

/** What the API takes as a tensor. */
interface Shaped<Data> {
  data: Data;
  shape: number[];
}

export interface ShapedInput {
  scores: Shaped<Float32Array> | Shaped<Float64Array>;
  targets: Shaped<Int32Array>;
}

export const thisPackage = (): Contender =>
  synchronous(NAMES.ours, (batch, gradient) => ({
    default: callOf(new MultiLabelMarginLoss(), shapedInputs(batch), gradient),
  }));

export function callOf(lossFn: MultiLabelMarginLoss, shaped: ReadonlyMap<Input, ShapedInput>, gradient: boolean): Call {
  if (gradient) {
    return (input) => {
      const { scores, targets } = shaped.get(input)!;
      const { loss, grad } = lossFn.valueAndGrad(scores, targets);
      return { loss: loss.item(), grad: grad.data };
    };
  }
  return (input) => {
    const { scores, targets } = shaped.get(input)!;
    return { loss: lossFn.forward(scores, targets).item(), grad: null };
  };
}

export function shapedInputs({ point: { rows, classes, width }, inputs }: Batch): Map<Input, ShapedInput> {
  return new Map(
    inputs.map((input) => [
      input,
      {
        scores: { data: input.scores, shape: [rows, classes] } as ShapedInput['scores'],
        targets: { data: input.targets, shape: [rows, width] },
      },
    ]),
  );
}
