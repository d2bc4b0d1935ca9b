import { describe, LossError } from '../errors.js';
import { type Algorithm, checkNumbers, Optimizer } from './optimizer.js';
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
  lr?: number | undefined;
  /**
   * What remains at each step of the running means of gradients and of their squares.
   * @default [0.9, 0.999]
   */
  betas?: readonly [beta1: number, beta2: number] | undefined;
  /**
   * Added to the root of the mean of squares.
   * @default 1e-8
   */
  eps?: number | undefined;
  /**
   * The factor of weight decay. Adam adds weight_decay * parameter to the gradient; AdamW subtracts
   * lr * weight_decay * parameter from the parameter.
   * @default 0 in Adam, 0.01 in AdamW
   */
  weight_decay?: number | undefined;
}

/** Adam and AdamW differ in how they decay weights. */
function algorithm(name: 'Adam' | 'AdamW', weight_decay: number): Algorithm<AdamOptions> {
  return {
    name,
    // PyTorch's AdamW is an Adam with this option.
    ...(name === 'AdamW' && { fixed: { decoupled_weight_decay: true } }),
    defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay },

    check(options) {
      checkNumbers(options, ['lr', 'eps', 'weight_decay'], name);
      const betas: unknown = options.betas;
      if (
        !Array.isArray(betas) ||
        betas.length !== 2 ||
        betas.some((beta) => !(typeof beta === 'number' && beta >= 0 && beta < 1))
      ) {
        const given = Array.isArray(betas) ? `[${betas.map(describe).join(', ')}]` : describe(betas);
        throw new LossError('ERR_OPTION', `betas of ${name} must be two numbers in [0, 1), got ${given}`);
      }
    },

    buffersOf: () => ({ exp_avg: 0, exp_avg_sq: 0 }),
    needsBuffers: () => true,
    keepsFromStart: false,

    step(module, parameter, { step, buffers }, grad, { lr, betas, eps, weight_decay }) {
      const averages = [buffers['exp_avg']!.address, buffers['exp_avg_sq']!.address] as const;
      const { address } = parameter.memory;
      module.adamStep(...grad, address, ...averages, step, lr, ...betas, eps, weight_decay, name === 'AdamW');
    },

    // The averages change without a gradient, too.
    bagStepOf: () => null,
  };
}

const ADAM = algorithm('Adam', 0);
const ADAMW = algorithm('AdamW', 0.01);

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
export class Adam extends Optimizer<AdamOptions> {
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
    super(params, options, ADAM);
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
export class AdamW extends Optimizer<AdamOptions> {
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
    super(params, options, ADAMW);
  }
}
