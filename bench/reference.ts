/** The loss and its gradient by the definition, in float64. Errors of contenders are measured against it. */
import type { Batch } from './grid.js';
import type { Result } from './contenders/contender.js';

export interface Reference {
  loss: number;
  grad: Float64Array;
}

export interface Errors {
  /** |loss - reference| / reference */
  loss: number;
  /** The largest of all classes: |gradient - reference| / |reference|, or over 1 / (N * C) where the reference is 0. */
  grad: number | null;
}

/** The loss and gradient of the first input of a batch. */
export function referenceOf({ point, dtype, inputs }: Batch): Reference {
  const { rows, classes, width } = point;
  const { scores, targets } = inputs[0]!;
  // The dtype of the scores decides whether a pair counts, as in PyTorch. In float64, a pair within a rounding of 0 would
  // differ by 1 / (N * C) from the gradient of every contender.
  const round = dtype === 'float32' ? Math.fround : (value: number): number => value;
  const grad = new Float64Array(scores.length);
  const isTarget = new Uint8Array(classes);
  let sum = 0;
  let lost = 0; // what the roundings of `sum` lost (Kahan)
  for (let row = 0; row < rows; row++) {
    const at = row * classes;
    const rowTargets = targets.subarray(row * width, (row + 1) * width);
    isTarget.fill(0);
    for (const target of rowTargets) isTarget[target] = 1;
    for (const target of rowTargets) {
      const margin = 1 - scores[at + target]!;
      const roundedMargin = round(margin);
      let violations = 0;
      for (let j = 0; j < classes; j++) {
        const score = scores[at + j]!;
        if (isTarget[j] === 0 && round(roundedMargin + score) > 0) {
          const term = margin + score - lost;
          const next = sum + term;
          lost = next - sum - term;
          sum = next;
          grad[at + j]!++;
          violations++;
        }
      }
      grad[at + target]! -= violations;
    }
  }
  for (let i = 0; i < grad.length; i++) grad[i]! /= scores.length;
  return { loss: sum / scores.length, grad };
}

export function errorsOf({ loss, grad }: Result, reference: Reference): Errors {
  const relative = (value: number, wanted: number, scale: number): number =>
    value === wanted ? 0 : Math.abs(value - wanted) / scale;
  let worst = 0;
  if (grad !== null) {
    const step = 1 / grad.length;
    for (let i = 0; i < grad.length; i++) {
      const wanted = reference.grad[i]!;
      worst = Math.max(worst, relative(grad[i]!, wanted, wanted === 0 ? step : Math.abs(wanted)));
    }
  }
  return {
    loss: relative(loss, reference.loss, reference.loss === 0 ? 1 : reference.loss),
    grad: grad === null ? null : worst,
  };
}
