import type { NestedArray } from '../nested.js';
import { Tensor, type TensorLike } from '../tensor.js';
import { Module } from './nn-module.js';
import { needsGrad, OperationNode, resultOf, toOperand } from './operation.js';
import { type LinearStorage, newActivation } from './storage.js';

/**
 * The greater of each element and 0. Its gradient at 0 is 0.
 *
 * @param input float32, of any shape
 * @returns of the same shape
 * @throws LossError ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE
 * @example
 * import { relu, tensor } from 'multilabel-margin-loss';
 *
 * relu(tensor([-1, 0, 2])).tolist(); // => [0, 0, 2]
 */
export function relu(input: TensorLike | NestedArray): Tensor<'float32'> {
  const { tensor, memory } = toOperand(input, 'the input of relu()');
  const y = newActivation(memory.length, () => 'the output of relu()');
  y.memory.module.relu(memory.address, memory.length, y.address);
  return resultOf(y, tensor.shape, needsGrad(tensor) ? new ReLUNode(tensor, y) : null);
}

class ReLUNode extends OperationNode {
  override readonly name = 'ReluBackward0';

  constructor(
    private readonly input: Tensor,
    private readonly y: LinearStorage,
  ) {
    super([input], y.memory, [y]);
  }

  override backward(gradOutput: Tensor): [Tensor | null] {
    const dy = this.read(gradOutput);
    return [
      this.gradOf(this.input, (dx) => this.memory.module.reluBackward(dy.address, this.y.address, dy.length, dx)),
    ];
  }
}

/**
 * {@link relu} as a Module.
 *
 * @example
 * import { nn, tensor } from 'multilabel-margin-loss';
 *
 * new nn.ReLU().forward(tensor([-1, 0, 2])).tolist(); // => [0, 0, 2]
 */
export class ReLU extends Module {
  /** @hidden */
  constructor() {
    super();
  }

  /**
   * @param input float32, of any shape
   * @returns of the same shape
   * @throws LossError as relu() does
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.ReLU().forward([[-1, 1]]).tolist(); // => [[0, 1]]
   */
  override forward(input: TensorLike | NestedArray): Tensor<'float32'> {
    return relu(input);
  }
}
