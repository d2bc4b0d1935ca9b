import { describe, LossError } from '../errors.js';
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
 * Options of {@link SGD}.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const options: optim.SGDOptions = { lr: 0.1, momentum: 0.9, nesterov: true };
 * new optim.SGD(new nn.Linear(3, 2).parameters(), options).param_groups[0].momentum; // => 0.9
 */
export interface SGDOptions {
  /** The learning rate. */
  lr: number;
  /** @default 0 */
  momentum?: number;
  /**
   * By how much less than whole a gradient enters the momentum.
   * @default 0
   */
  dampening?: number;
  /**
   * By which a parameter is multiplied and added to its gradient.
   * @default 0
   */
  weight_decay?: number;
  /**
   * Nesterov's momentum, which needs a momentum and no dampening.
   * @default false
   */
  nesterov?: boolean;
}

/**
 * Stochastic gradient descent, as torch.optim.SGD computes it.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const weight = new nn.Parameter([1, 2]);
 * const optimizer = new optim.SGD([weight], { lr: 0.5 });
 * weight.grad = new nn.Parameter([1, -1]);
 * optimizer.step();
 * weight.tolist(); // => [0.5, 2.5]
 */
export class SGD extends Optimizer<SGDOptions> {
  /**
   * @param params what `parameters()` of a model gives
   * @param options {@link SGDOptions}; `lr` must be given
   * @throws LossError ERR_OPTION
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * new optim.SGD(new nn.Linear(3, 2).parameters(), { lr: 0.1 }).param_groups[0].lr; // => 0.1
   */
  constructor(params: Iterable<Parameter>, options: SGDOptions) {
    const defaults = { lr: undefined as never, momentum: 0, dampening: 0, weight_decay: 0, nesterov: false };
    super(params, withDefaults(options ?? {}, defaults, 'SGD'), 'SGD');
  }

  protected override checkGroup(options: Required<SGDOptions>): void {
    if (options.lr === undefined) throw new LossError('ERR_OPTION', 'lr of SGD must be given: it has no default');
    checkNumbers(options, ['lr', 'momentum', 'weight_decay'], 'SGD');
    const { dampening, nesterov, momentum } = options;
    if (typeof dampening !== 'number' || !Number.isFinite(dampening)) {
      throw new LossError('ERR_OPTION', `dampening of SGD must be a finite number, got ${describe(dampening)}`);
    }
    if (typeof nesterov !== 'boolean') {
      throw new LossError('ERR_OPTION', `nesterov of SGD must be true or false, got ${describe(nesterov)}`);
    }
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new LossError(
        'ERR_OPTION',
        `nesterov of SGD needs a momentum above 0 and no dampening, got momentum ${momentum} and dampening ${dampening}`,
      );
    }
  }

  protected override buffersOf({ momentum }: Required<SGDOptions>): Record<string, number> {
    return momentum === 0 ? {} : { momentum_buffer: 0 };
  }

  protected override stepDense(
    parameter: Parameter,
    { step, buffers }: ParameterState,
    grad: Addresses,
    { lr, momentum, dampening, weight_decay, nesterov }: Required<SGDOptions>,
  ): void {
    const buffer = buffers['momentum_buffer']?.address ?? 0;
    this.memory.module.sgdStep(
      ...grad,
      parameter.memory.address,
      buffer,
      step,
      lr,
      momentum,
      dampening,
      weight_decay,
      nesterov,
    );
  }

  protected override skipsZeros({ momentum, weight_decay }: Required<SGDOptions>): boolean {
    return momentum === 0 && weight_decay === 0;
  }

  protected override stepBag(
    parameter: Parameter,
    _state: ParameterState,
    bag: BagAddresses,
    { lr }: Required<SGDOptions>,
  ): void {
    this.memory.module.bagSgdStep(...bag, parameter.columns, lr, parameter.memory.address);
  }
}
