import {
  type Addresses,
  type BagAddresses,
  checkNumbers,
  Optimizer,
  type ParameterState,
  withDefaults,
} from './optimizer.js';
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
  lr?: number;
  /**
   * The learning rate of step n is lr / (1 + (n - 1) * lr_decay).
   * @default 0
   */
  lr_decay?: number;
  /**
   * By which a parameter is multiplied and added to its gradient.
   * @default 0
   */
  weight_decay?: number;
  /**
   * What the sums of squares start with. With 0, the first step of an element is a full learning rate, however small its
   * gradient.
   * @default 0
   */
  initial_accumulator_value?: number;
  /**
   * Added to the root of the sum of squares.
   * @default 1e-10
   */
  eps?: number;
}

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
    const defaults = { lr: 0.01, lr_decay: 0, weight_decay: 0, initial_accumulator_value: 0, eps: 1e-10 };
    super(params, withDefaults(options, defaults, 'Adagrad'), 'Adagrad');
    // As in PyTorch, state_dict() has it before the first step.
    for (const parameter of this.param_groups[0].params) this.stateOf(parameter);
  }

  protected override checkGroup(options: Required<AdagradOptions>): void {
    checkNumbers(options, ['lr', 'lr_decay', 'weight_decay', 'initial_accumulator_value', 'eps'], 'Adagrad');
  }

  protected override buffersOf({ initial_accumulator_value }: Required<AdagradOptions>): Record<string, number> {
    return { sum: initial_accumulator_value };
  }

  protected override stepDense(
    parameter: Parameter,
    { step, buffers }: ParameterState,
    grad: Addresses,
    { lr, lr_decay, eps, weight_decay }: Required<AdagradOptions>,
  ): void {
    const sum = buffers['sum']!.address;
    this.memory.module.adagradStep(...grad, parameter.memory.address, sum, step, lr, lr_decay, eps, weight_decay);
  }

  /** An eps of 0 makes NaN of an element without a gradient whose sum is 0. */
  protected override skipsZeros({ weight_decay, eps }: Required<AdagradOptions>): boolean {
    return weight_decay === 0 && eps > 0;
  }

  protected override stepBag(
    parameter: Parameter,
    { step, buffers }: ParameterState,
    bag: BagAddresses,
    { lr, lr_decay, eps }: Required<AdagradOptions>,
  ): void {
    const sum = buffers['sum']!.address;
    this.memory.module.bagAdagradStep(
      ...bag,
      parameter.columns,
      step,
      lr,
      lr_decay,
      eps,
      parameter.memory.address,
      sum,
    );
  }
}
