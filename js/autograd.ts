import type { DeviceTensor } from './device-tensor.js';
import type { FloatDType } from './dtypes.js';
import { LossError } from './errors.js';
import { formatShape, sameShape } from './shapes.js';
import { gradFunction, isTensor, type Tensor, toTensor } from './tensor.js';

export function requiresGrad(scores: unknown): boolean {
  return isTensor(scores) && scores.requires_grad;
}

/** The loss, which `backward()` of can propagate the gradient to its scores, if they require it. */
export function differentiable(
  loss: Tensor<FloatDType>,
  scores: unknown,
  grad: Tensor<FloatDType> | DeviceTensor | null,
): Tensor<FloatDType> {
  if (isTensor(scores) && isTensor(grad)) {
    loss.requires_grad = true;
    loss[gradFunction] = (gradOutput) => accumulate(scores, grad, gradOutput);
  }
  return loss;
}

/** scores.grad += grad * gradOutput, row by row where gradOutput has a value for each. `grad` may be kept. */
function accumulate(scores: Tensor, grad: Tensor<FloatDType>, gradOutput: ArrayLike<number | bigint>): void {
  if (scores.grad !== null) {
    // A program may have put there what it likes, or have transferred its buffer.
    const before = toTensor(scores.grad, 'float32', "the scores' grad");
    if (before.dtype !== grad.dtype || !sameShape(before.shape, grad.shape)) {
      throw new LossError(
        'ERR_SHAPE',
        `the scores' grad must be null, or ${grad.dtype} of their shape ${formatShape(grad.shape)}, got ` +
          `${before.dtype} of shape ${formatShape(before.shape)}`,
      );
    }
  }
  const product = grad.data;
  const columns = gradOutput.length === 1 ? product.length : product.length / gradOutput.length;
  for (let row = 0; row < gradOutput.length; row++) {
    const factor = Number(gradOutput[row]);
    if (factor === 1) continue;
    for (let i = row * columns; i < (row + 1) * columns; i++) product[i] = (product[i] as number) * factor;
  }
  if (scores.grad === null) {
    scores.grad = grad;
    return;
  }
  const sum = scores.grad.data as Float32Array | Float64Array;
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (product[i] as number);
}
