import { describe, LossError } from '../errors.js';
import type { NestedArray } from '../nested.js';
import { generator } from '../random.js';
import { Tensor, type TensorLike } from '../tensor.js';
import { Module } from './nn-module.js';
import { needsGrad, OperationNode, resultOf, toOperand } from './operation.js';
import { newActivation } from './storage.js';
import type { TrainingMemory } from './memory.js';

/**
 * In training, sets each element to 0 with probability p, and multiplies the others by 1 / (1 - p); in evaluation, leaves
 * all as they are. What is dropped follows from `manual_seed()`.
 *
 * @example
 * import { nn, tensor } from 'multilabel-margin-loss';
 *
 * const dropout = new nn.Dropout(0.5);
 * dropout.forward(tensor([1, 1, 1])).data.every((value) => value === 0 || value === 2); // => true
 * dropout.eval().forward(tensor([1, 1, 1])).tolist(); // => [1, 1, 1]
 */
export class Dropout extends Module {
  /** The probability that an element is dropped. */
  readonly p: number;

  /**
   * @param p from 0 to 1
   * @throws LossError ERR_OPTION
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.Dropout().p; // => 0.5
   */
  constructor(p = 0.5) {
    super();
    if (typeof p !== 'number' || !(p >= 0 && p <= 1)) {
      throw new LossError('ERR_OPTION', `p of Dropout must be a number from 0 to 1, got ${describe(p)}`);
    }
    this.p = p;
  }

  /**
   * @param input float32, of any shape
   * @returns of the same shape; in evaluation, the elements of `input`
   * @throws LossError ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED, ERR_OUT_OF_MEMORY
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.Dropout(1).forward([1, 2]).tolist(); // => [0, 0]
   */
  override forward(input: TensorLike | NestedArray): Tensor<'float32'> {
    const { tensor, memory } = toOperand(input, 'the input of Dropout');
    if (!this.training) return tensor;
    const random = generator();
    const seed: [number, number] = [random.uint32(), random.uint32()];
    const y = newActivation(memory.length, () => 'the output of Dropout');
    y.memory.module.dropout(memory.address, memory.length, this.p, ...seed, y.address);
    return resultOf(y, tensor.shape, needsGrad(tensor) ? new DropoutNode(tensor, y.memory, this.p, seed) : null);
  }
}

class DropoutNode extends OperationNode {
  override readonly name = 'MulBackward0';

  constructor(
    private readonly input: Tensor,
    memory: TrainingMemory,
    private readonly p: number,
    private readonly seed: [low: number, high: number],
  ) {
    super([input], memory, []);
  }

  override backward(gradOutput: Tensor): [Tensor | null] {
    const dy = this.read(gradOutput);
    return [
      this.gradOf(this.input, (dx) => this.memory.module.dropout(dy.address, dy.length, this.p, ...this.seed, dx)),
    ];
  }
}
