import { describe, LossError } from '../errors.js';
import { type Addresses, checkNumbers, Optimizer, type ParameterState, withDefaults } from './optimizer.js';
import type { Parameter } from './parameter.js';

/**
 * Options of {@link Adam} and {@link AdamW}.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const options: optim.AdamOptions = { lr: 0.01, betas: [0.9, 0.99] };
 * new optim.Adam(new nn.Linear(3, 2).parameters(), options).param_groups[0].eps; // => 1e-8
 */
export interface AdamOptions {
  /**
   * The learning rate.
   * @default 0.001
   */
  lr?: number;
  /**
   * What remains at each step of the running means of gradients and of their squares.
   * @default [0.9, 0.999]
   */
  betas?: readonly [beta1: number, beta2: number];
  /**
   * Added to the root of the mean of squares.
   * @default 1e-8
   */
  eps?: number;
  /**
   * By which a parameter is multiplied and, in Adam, added to its gradient, or, in AdamW, times lr taken from itself.
   * @default 0 in Adam, 0.01 in AdamW
   */
  weight_decay?: number;
}

/** What Adam and AdamW have in common. */
abstract class AnyAdam extends Optimizer<AdamOptions> {
  protected constructor(
    params: Iterable<Parameter>,
    options: AdamOptions,
    weight_decay: number,
    name: 'Adam' | 'AdamW',
  ) {
    const defaults = { lr: 1e-3, betas: [0.9, 0.999] as const, eps: 1e-8, weight_decay };
    super(params, withDefaults(options, defaults, name), name);
  }

  protected override checkGroup(options: Required<AdamOptions>): void {
    checkNumbers(options, ['lr', 'eps', 'weight_decay'], this.name);
    const betas: unknown = options.betas;
    if (
      !Array.isArray(betas) ||
      betas.length !== 2 ||
      betas.some((beta) => !(typeof beta === 'number' && beta >= 0 && beta < 1))
    ) {
      const given = Array.isArray(betas) ? `[${betas.map(describe).join(', ')}]` : describe(betas);
      throw new LossError('ERR_OPTION', `betas of ${this.name} must be two numbers in [0, 1), got ${given}`);
    }
  }

  protected override buffersOf(): Record<string, number> {
    return { exp_avg: 0, exp_avg_sq: 0 };
  }

  /** Its means change without a gradient, too. */
  protected override skipsZeros(): boolean {
    return false;
  }

  protected override stepDense(
    parameter: Parameter,
    { step, buffers }: ParameterState,
    grad: Addresses,
    { lr, betas, eps, weight_decay }: Required<AdamOptions>,
  ): void {
    this.memory.module.adamStep(
      ...grad,
      parameter.memory.address,
      buffers['exp_avg']!.address,
      buffers['exp_avg_sq']!.address,
      step,
      lr,
      ...betas,
      eps,
      weight_decay,
      this.name === 'AdamW',
    );
  }
}

/**
 * Adam, as torch.optim.Adam computes it: without amsgrad.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const model = new nn.Linear(3, 2);
 * const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });
 * optimizer.param_groups[0].betas; // => [0.9, 0.999]
 */
export class Adam extends AnyAdam {
  /**
   * @param params what `parameters()` of a model gives
   * @param options {@link AdamOptions}
   * @throws LossError ERR_OPTION
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * new optim.Adam(new nn.Linear(3, 2).parameters()).param_groups[0].lr; // => 0.001
   */
  constructor(params: Iterable<Parameter>, options: AdamOptions = {}) {
    super(params, options, 0, 'Adam');
  }
}

/**
 * Adam with decoupled weight decay, as torch.optim.AdamW computes it: without amsgrad.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const model = new nn.Linear(3, 2);
 * const optimizer = new optim.AdamW(model.parameters(), { lr: 0.01 });
 * optimizer.param_groups[0].weight_decay; // => 0.01
 */
export class AdamW extends AnyAdam {
  /**
   * @param params what `parameters()` of a model gives
   * @param options {@link AdamOptions}
   * @throws LossError ERR_OPTION
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * new optim.AdamW(new nn.Linear(3, 2).parameters()).param_groups[0].lr; // => 0.001
   */
  constructor(params: Iterable<Parameter>, options: AdamOptions = {}) {
    super(params, options, 0.01, 'AdamW');
  }
}
