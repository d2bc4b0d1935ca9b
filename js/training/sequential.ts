import { describe, LossError } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { Module } from './nn-module.js';

/**
 * A Module that computes a tensor from one tensor.
 *
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * const layers: nn.Layer[] = [new nn.Linear(3, 2), new nn.ReLU()];
 * new nn.Sequential(...layers).parameters().length; // => 2
 */
export type Layer = Module & {
  /** The tensor that the Module computes from one tensor. */
  forward(input: Tensor): Tensor;
};

/**
 * Modules one after the other, each of which gets what the one before it gives. They are its properties `0`, `1` and so on.
 *
 * @example
 * import { nn, randn } from 'multilabel-margin-loss';
 *
 * const model = new nn.Sequential(new nn.Linear(256, 128), new nn.ReLU(), new nn.Dropout(0.1), new nn.Linear(128, 10));
 * model.forward(randn([32, 256])).shape; // => [32, 10]
 * Object.keys(model.state_dict()); // => ['0.weight', '0.bias', '3.weight', '3.bias']
 */
export class Sequential extends Module {
  /** How many Modules there are. */
  readonly length: number;

  /**
   * @param modules in the order in which they compute
   * @throws LossError ERR_OPTION for anything but a Module
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.Sequential(new nn.Linear(2, 1)).length; // => 1
   */
  constructor(...modules: Layer[]) {
    super();
    this.length = modules.length;
    modules.forEach((module: unknown, i) => {
      if (!(module instanceof Module)) {
        throw new LossError('ERR_OPTION', `argument ${i} of Sequential must be a Module, got ${describe(module)}`);
      }
      Object.defineProperty(this, i, { value: module, enumerable: true });
    });
  }

  /**
   * @param input what the first Module takes
   * @returns what the last Module gives; `input` itself where there is none
   * @throws LossError as the Modules do
   * @example
   * import { nn, tensor } from 'multilabel-margin-loss';
   *
   * new nn.Sequential(new nn.ReLU()).forward(tensor([-1, 1])).tolist(); // => [0, 1]
   */
  override forward(input: Tensor): Tensor {
    let result = input;
    for (let i = 0; i < this.length; i++) result = (this as unknown as Record<number, Layer>)[i]!.forward(result);
    return result;
  }
}
