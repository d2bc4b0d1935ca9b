import { describe, LossError } from '../errors.js';
import type { NestedArray } from '../nested.js';
import { checkOptions } from '../options.js';
import { generator } from '../random.js';
import { formatShape, sizeOf } from '../shapes.js';
import { Tensor, type TensorLike } from '../tensor.js';
import { checkCount } from './counts.js';
import { Module } from './nn-module.js';
import { needsGrad, type Operand, OperationNode, resultOf, toOperand } from './operation.js';
import { checkParameter, isParameter, newPresent, Parameter, Unfilled } from './parameter.js';
import { type LinearStorage, newActivation, newStorage } from './storage.js';

/**
 * Options of {@link Linear}.
 *
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * const options: nn.LinearOptions = { bias: false };
 * new nn.Linear(3, 2, options).bias; // => null
 */
export interface LinearOptions {
  /**
   * Whether a bias is added.
   * @default true
   */
  bias?: boolean | undefined;
}

/**
 * A linear layer: y = x weight^T + bias, in float32.
 *
 * Shapes: x [..., in_features], y [..., out_features]; weight [out_features, in_features], bias [out_features]. As in
 * PyTorch, both start uniformly distributed within 1 / sqrt(in_features) of 0, and the gradient of either is that of
 * torch.nn.Linear.
 *
 * @example
 * import { nn, randn } from 'multilabel-margin-loss';
 *
 * const layer = new nn.Linear(256, 10);
 * layer.weight.shape; // => [10, 256]
 * layer.forward(randn([32, 256])).shape; // => [32, 10]
 */
export class Linear extends Module {
  /** Features of x. */
  readonly in_features: number;
  /** Features of y. */
  readonly out_features: number;
  /** [out_features, in_features] */
  weight: Parameter;
  /** [out_features]; null without a bias. */
  bias: Parameter | null;

  /**
   * @param in_features above 0
   * @param out_features above 0
   * @param options {@link LinearOptions}
   * @throws LossError ERR_OPTION, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.Linear(3, 2, { bias: false }).parameters().length; // => 1
   */
  constructor(in_features: number, out_features: number, options: LinearOptions = {}) {
    super();
    checkCount(in_features, 'in_features');
    checkCount(out_features, 'out_features');
    const { bias = true } = checkOptions(options, ['bias'], 'Linear');
    if (typeof bias !== 'boolean') {
      throw new LossError('ERR_OPTION', `bias must be true or false, got ${describe(bias)}`);
    }
    this.in_features = in_features;
    this.out_features = out_features;
    const bound = 1 / Math.sqrt(in_features);
    this.weight = new Parameter(new Unfilled([out_features, in_features]));
    generator().fillUniform(this.weight.data, -bound, bound);
    this.bias = bias ? new Parameter(new Unfilled([out_features])) : null;
    if (this.bias !== null) generator().fillUniform(this.bias.data, -bound, bound);
  }

  /**
   * @param input x: float32, [..., in_features]
   * @returns y: [..., out_features]
   * @throws LossError ERR_SHAPE, ERR_DTYPE, ERR_OPTION if weight or bias was replaced by anything that does not fit,
   * ERR_DISPOSED, ERR_OUT_OF_MEMORY
   * @example
   * import { nn, tensor } from 'multilabel-margin-loss';
   *
   * const layer = new nn.Linear(2, 1);
   * layer.weight.data.set([2, 3]);
   * layer.bias?.data.fill(1);
   * layer.forward(tensor([[1, 1], [0, 2]])).tolist(); // => [[6], [7]]
   */
  override forward(input: TensorLike | NestedArray): Tensor<'float32'> {
    const { in_features, out_features } = this;
    const weight = checkParameter(this.weight, [out_features, in_features], 'the weight of Linear');
    const bias = this.bias && checkParameter(this.bias, [out_features], 'the bias of Linear');
    const [weightAt, biasAt] = [weight.memory.address, bias?.memory.address ?? 0];
    const x = toOperand(input, 'the input of Linear');
    const { shape } = x.tensor;
    if (shape.length === 0 || shape.at(-1) !== in_features) {
      throw new LossError(
        'ERR_SHAPE',
        `the input of Linear must have shape [..., ${in_features}], got ${formatShape(shape)}`,
      );
    }
    const outside = shape.slice(0, -1);
    const rows = sizeOf(outside);
    const y = newActivation(rows * out_features, () => 'the output of Linear');
    const { module } = y.memory;
    module.linearForward(rows, in_features, out_features, x.memory.address, weightAt, biasAt, y.address);
    const node = needsGrad(x.tensor, weight, bias) ? new LinearNode(x, y, weight, bias, rows) : null;
    return resultOf(y, [...outside, out_features], node);
  }
}

class LinearNode extends OperationNode {
  override readonly name: string;

  constructor(
    private readonly x: Operand,
    private readonly y: LinearStorage,
    private readonly weight: Parameter,
    private readonly bias: Parameter | null,
    private readonly batch: number,
  ) {
    const { tensor } = x;
    const saved = weight.requires_grad && isParameter(tensor) ? [weight, tensor] : [weight];
    super([tensor], y.memory, [x.memory, y, weight.memory], saved);
    this.name = bias === null ? 'MmBackward0' : 'AddmmBackward0';
  }

  override backward(gradOutput: Tensor): [Tensor | null] {
    const { x, y, weight, bias, batch } = this;
    const { module } = this.memory;
    const [outputs, inputs] = weight.shape as [number, number];
    const dy = this.read(gradOutput);
    const ofInput = this.gradOf(x.tensor, (dx) =>
      module.linearBackwardInput(batch, inputs, outputs, dy.address, y.address, weight.memory.address, dx),
    );
    if (weight.requires_grad) {
      const grad = newStorage(
        weight.memory.length,
        () => `the gradient of a weight of shape ${formatShape(weight.shape)}`,
      );
      const present = newPresent(weight);
      module.linearBackwardWeight(
        batch,
        inputs,
        outputs,
        dy.address,
        y.address,
        x.memory.address,
        grad.address,
        present.address,
      );
      weight.addGradient(grad, present);
    }
    if (bias?.requires_grad) {
      const grad = newStorage(outputs, () => `the gradient of a bias of shape ${formatShape(bias.shape)}`);
      module.columnSums(dy.address, batch, outputs, grad.address);
      bias.addGradient(grad, null);
    }
    return [ofInput];
  }
}
