/**
 * scores = features * weight + bias, trained by Adagrad.
 *
 * Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization (2011).
 */
export class LinearHead {
  /** [features, classes] */
  readonly weight: Float32Array;
  /** [classes] */
  readonly bias: Float32Array;
  // Sums of squared gradients. They start above zero, or a weight's first step would be a full learning rate however small
  // its gradient.
  readonly #weightSquares: Float32Array;
  readonly #biasSquares: Float32Array;
  readonly #active: Int32Array;

  constructor(
    readonly features: number,
    readonly classes: number,
  ) {
    const initialSquares = 0.01;
    this.weight = new Float32Array(features * classes);
    this.bias = new Float32Array(classes);
    this.#weightSquares = new Float32Array(features * classes).fill(initialSquares);
    this.#biasSquares = new Float32Array(classes).fill(initialSquares);
    this.#active = new Int32Array(classes);
  }

  /**
   * @param features [features]
   * @param scores [classes], to write to
   */
  score(features: ArrayLike<number>, scores: Float32Array): void {
    const { weight, classes } = this;
    scores.set(this.bias);
    for (let i = 0, at = 0; i < features.length; i++, at += classes) {
      const value = features[i] as number;
      if (value === 0) continue;
      for (let j = 0; j < classes; j++) (scores[j] as number) += value * (weight[at + j] as number);
    }
  }

  /**
   * A step down the gradient of a row's loss.
   *
   * @param features [features]
   * @param gradient with respect to the scores of the row, [classes]
   */
  step(features: ArrayLike<number>, gradient: Float32Array, learningRate: number): void {
    const active = this.#nonZero(gradient);
    if (active.length === 0) return;
    descend(this.bias, this.#biasSquares, 0, active, gradient, 1, learningRate);
    for (let i = 0; i < features.length; i++) {
      const value = features[i] as number;
      if (value === 0) continue;
      descend(this.weight, this.#weightSquares, i * this.classes, active, gradient, value, learningRate);
    }
  }

  /** Few classes violate the margin once training is under way; the others have nothing to learn from a row. */
  #nonZero(gradient: Float32Array): Int32Array {
    let count = 0;
    for (let j = 0; j < gradient.length; j++) if (gradient[j] !== 0) this.#active[count++] = j;
    return this.#active.subarray(0, count);
  }
}

/** For the row of parameters that starts at `at`, whose gradient is `gradient * factor`, for the active classes. */
function descend(
  parameters: Float32Array,
  squares: Float32Array,
  at: number,
  active: Int32Array,
  gradient: Float32Array,
  factor: number,
  learningRate: number,
): void {
  for (let i = 0; i < active.length; i++) {
    const j = active[i] as number;
    const g = (gradient[j] as number) * factor;
    const sum = (squares[at + j] as number) + g * g;
    squares[at + j] = sum;
    (parameters[at + j] as number) -= (learningRate * g) / Math.sqrt(sum);
  }
}
