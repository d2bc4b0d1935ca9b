import { describe, LossError } from '../errors.js';
import { type Algorithm, checkNumbers, Optimizer } from './optimizer.js';
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
  momentum?: number | undefined;
  /**
   * By how much less than whole a gradient enters the momentum.
   * @default 0
   */
  dampening?: number | undefined;
  /**
   * By which a parameter is multiplied and added to its gradient.
   * @default 0
   */
  weight_decay?: number | undefined;
  /**
   * Nesterov's momentum, which needs a momentum and no dampening.
   * @default false
   */
  nesterov?: boolean | undefined;
}

const ALGORITHM: Algorithm<SGDOptions> = {
  name: 'SGD',
  // lr has none, which check() says.
  defaults: { lr: undefined as never, momentum: 0, dampening: 0, weight_decay: 0, nesterov: false },

  check(options) {
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
  },

  // The first step with a momentum fills the buffer, and steps without one do not change it. PyTorch does the same.
  buffersOf: () => ({ momentum_buffer: null }),
  needsBuffers: ({ momentum }) => momentum !== 0,
  keepsFromStart: false,

  step(module, parameter, state, grad, { lr, momentum, dampening, weight_decay, nesterov }) {
    const buffer = momentum === 0 ? 0 : state.buffers['momentum_buffer']!.address;
    const isFirst = !state.isFilled;
    if (momentum !== 0) state.isFilled = true;
    const { address } = parameter.memory;
    module.sgdStep(...grad, address, buffer, isFirst, lr, momentum, dampening, weight_decay, nesterov);
  },

  bagStepOf({ lr, momentum, weight_decay }) {
    if (momentum !== 0 || weight_decay !== 0) return null;
    return (module, parameter, _, bag) => module.bagSgdStep(...bag, parameter.columns, lr, parameter.memory.address);
  },
};

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
    super(params, options ?? {}, ALGORITHM);
  }
}
