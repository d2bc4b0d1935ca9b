import type { DeviceTensor } from './device-tensor.js';
import { type FloatDType, plainArray } from './dtypes.js';
import { LossError } from './errors.js';
import { checkGrad, gradNode, isTensor, storage, Tensor } from './tensor.js';

export function requiresGrad(scores: unknown): boolean {
  return isTensor(scores) && scores.requires_grad;
}

/** The record that an operation leaves on its result, for `backward()`, where a tensor requires a gradient. */
export abstract class GradNode {
  /** A result has a higher number than all that it was computed from, in whichever copy of this package. */
  readonly sequence: number;
  isUsed = false;

  constructor(readonly inputs: readonly Tensor[]) {
    this.sequence = 1 + Math.max(0, ...inputs.map((input) => input[gradNode]?.sequence ?? 0));
  }

  /** @throws LossError if what `backward()` needs is gone */
  check(): void {}

  /**
   * The gradient with respect to each input; null for one that needs none.
   *
   * @param gradOutput with respect to the result, of its shape
   * @param retain whether this may be called again
   */
  abstract backward(gradOutput: Tensor, retain: boolean): readonly (Tensor | null)[];

  /** The gradient of a result that was used twice. */
  sum(a: Tensor, b: Tensor): Tensor {
    const sum = (a.data as Float32Array).slice();
    for (let i = 0; i < sum.length; i++) (sum[i] as number) += b.data[i] as number;
    return new Tensor(sum, a.shape);
  }

  /** Adds the gradient of the result of this node to `grad` of all tensors that it was computed from. */
  propagate(gradOutput: Tensor, retain: boolean): void {
    const grads = new Map<GradNode, Tensor>([[this, gradOutput]]);
    for (const node of this.#reachable()) {
      // Every node comes after all whose input its result was.
      const ofInputs = node.backward(grads.get(node) as Tensor, retain);
      grads.delete(node);
      node.isUsed = !retain;
      node.inputs.forEach((input, i) => {
        const grad = ofInputs[i];
        if (!grad) return;
        const source = input[gradNode] as GradNode | null;
        if (source === null) accumulate(input, grad);
        else {
          const before = grads.get(source);
          grads.set(source, before ? source.sum(before, grad) : grad);
        }
      });
    }
  }

  /** All nodes that contributed to this one, itself included, later ones first, once each is known to be usable. */
  #reachable(): GradNode[] {
    const nodes = new Set<GradNode>([this]);
    // A set is iterated over what is added meanwhile, too.
    for (const node of nodes) {
      if (node.isUsed) {
        throw new LossError(
          'ERR_BACKWARD',
          'backward() can be called once for each loss: what it needs is freed then, unless it is called with ' +
            '{ retain_graph: true }',
        );
      }
      node.check();
      for (const input of node.inputs) {
        const source = input[gradNode] as GradNode | null;
        if (source !== null) nodes.add(source);
        else if (input.requires_grad && !(accumulateGrad in input) && input.grad !== null) checkGrad(input.grad, input);
      }
    }
    return [...nodes].sort((a, b) => b.sequence - a.sequence);
  }
}

class LossNode extends GradNode {
  constructor(
    scores: Tensor,
    private readonly grad: Tensor<FloatDType>,
  ) {
    super([scores]);
  }

  override check(): void {
    // Reading it throws if it is in memory that was given back.
    void this.grad.data;
  }

  /** Row by row where gradOutput has a value for each. */
  override backward(gradOutput: Tensor, retain: boolean): [Tensor] {
    const factors = plainArray(gradOutput.data);
    const grad = retain ? new Tensor<FloatDType>(this.grad.data.slice(), this.grad.shape) : this.grad;
    const product = grad.data;
    const columns = factors.length === 1 ? product.length : product.length / factors.length;
    for (let row = 0; row < factors.length; row++) {
      const factor = Number(factors[row]);
      if (factor === 1) continue;
      for (let i = row * columns; i < (row + 1) * columns; i++) product[i] = (product[i] as number) * factor;
    }
    return [grad];
  }
}

/** The loss, which `backward()` of can propagate the gradient to its scores, if they require it. */
export function differentiable(
  loss: Tensor<FloatDType>,
  scores: unknown,
  grad: Tensor<FloatDType> | DeviceTensor | null,
): Tensor<FloatDType> {
  if (isTensor(scores) && isTensor(grad)) {
    loss.requires_grad = true;
    loss[gradNode] = new LossNode(scores, grad);
  }
  return loss;
}

/** A method of tensors that keep their gradient elsewhere than in an array: it adds to the gradient. */
export const accumulateGrad = Symbol.for('multilabel-margin-loss.accumulateGrad');

interface Accumulator {
  [accumulateGrad](grad: Tensor): void;
}

/** tensor.grad += grad, which may be kept. */
function accumulate(tensor: Tensor, grad: Tensor): void {
  if (accumulateGrad in tensor) {
    (tensor as Tensor & Accumulator)[accumulateGrad](grad);
    return;
  }
  if (tensor.grad === null) {
    tensor.grad = grad[storage] === null ? grad : new Tensor((grad.data as Float32Array).slice(), grad.shape);
    return;
  }
  const sum = plainArray(tensor.grad.data);
  for (let i = 0; i < sum.length; i++) (sum[i] as number) += grad.data[i] as number;
}
