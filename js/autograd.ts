import type { DeviceTensor } from './device-tensor.js';
import { type FloatDType, plainArray } from './dtypes.js';
import { gradEnabled } from './grad-mode.js';
import { GradNode, gradNode, isTensor, Tensor } from './tensor.js';

/** Whether `backward()` may want the gradient with respect to these scores. */
export function requiresGrad(scores: unknown): boolean {
  return gradEnabled() && isTensor(scores) && scores.requires_grad;
}

class LossNode extends GradNode {
  override readonly name = 'MultilabelMarginLossBackward0';

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

/** The loss, whose `backward()` gives its gradient to the scores, if they require one. */
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
