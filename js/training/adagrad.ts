import { type Algorithm, checkNumbers, Optimizer } from './optimizer.js';
import type { Parameter } from './parameter.js';

/**
 * Options of {@link Adagrad}.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const options: optim.AdagradOptions = { lr: 1, initial_accumulator_value: 0.01 };
 * new optim.Adagrad(new nn.Linear(3, 2).parameters(), options).param_groups[0].lr_decay; // => 0
 */
export interface AdagradOptions {
  /**
   * The learning rate.
   * @default 0.01
   */
  lr?: number | undefined;
  /**
   * The learning rate of step n is lr / (1 + (n - 1) * lr_decay).
   * @default 0
   */
  lr_decay?: number | undefined;
  /**
   * By which a parameter is multiplied and added to its gradient.
   * @default 0
   */
  weight_decay?: number | undefined;
  /**
   * What the sums of squares start with. With 0, the first step of an element is a full learning rate, however small its
   * gradient.
   * @default 0
   */
  initial_accumulator_value?: number | undefined;
  /**
   * Added to the root of the sum of squares.
   * @default 1e-10
   */
  eps?: number | undefined;
}

const ALGORITHM: Algorithm<AdagradOptions> = {
  name: 'Adagrad',
  defaults: { lr: 0.01, lr_decay: 0, weight_decay: 0, initial_accumulator_value: 0, eps: 1e-10 },

  check(options) {
    checkNumbers(options, ['lr', 'lr_decay', 'weight_decay', 'initial_accumulator_value', 'eps'], 'Adagrad');
  },

  buffersOf: ({ initial_accumulator_value }) => ({ sum: initial_accumulator_value }),
  needsBuffers: () => true,
  keepsFromStart: true,

  step(module, { memory }, { step, buffers }, grad, { lr, lr_decay, eps, weight_decay }) {
    const sum = buffers['sum']!.address;
    module.adagradStep(...grad, memory.address, sum, step, lr, lr_decay, eps, weight_decay);
  },

  bagStepOf({ lr, lr_decay, eps, weight_decay }) {
    // An eps of 0 makes NaN of an element without a gradient whose sum is 0.
    if (weight_decay !== 0 || eps === 0) return null;
    return (module, { columns, memory }, { step, buffers }, bag) => {
      const sum = buffers['sum']!.address;
      module.bagAdagradStep(...bag, columns, step, lr, lr_decay, eps, memory.address, sum);
    };
  },
};

/**
 * Adagrad, as torch.optim.Adagrad computes it.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const weight = new nn.Parameter([1, 2]);
 * const optimizer = new optim.Adagrad([weight], { lr: 0.5 });
 * weight.grad = new nn.Parameter([4, -1]);
 * optimizer.step();
 * weight.tolist(); // => [0.5, 2.5]
 */
export class Adagrad extends Optimizer<AdagradOptions> {
  /**
   * @param params what `parameters()` of a model gives
   * @param options {@link AdagradOptions}
   * @throws LossError ERR_OPTION, ERR_OUT_OF_MEMORY
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * new optim.Adagrad(new nn.Linear(3, 2).parameters()).param_groups[0].lr; // => 0.01
   */
  constructor(params: Iterable<Parameter>, options: AdagradOptions = {}) {
    super(params, options, ALGORITHM);
  }
}
