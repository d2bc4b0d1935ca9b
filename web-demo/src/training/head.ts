/** A linear head, from features of images to scores of tags, and its optimiser, AdamW. */

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

export class LinearHead {
  /** [tags, features], row-major, and behind them the biases, [tags]. */
  readonly parameters: Float32Array;
  readonly #grad: Float32Array;
  readonly #mean: Float32Array;
  readonly #square: Float32Array;
  #steps = 0;

  constructor(
    readonly features: number,
    readonly tags: number,
  ) {
    const size = (features + 1) * tags;
    this.parameters = new Float32Array(size);
    this.#grad = new Float32Array(size);
    this.#mean = new Float32Array(size);
    this.#square = new Float32Array(size);
  }

  /**
   * @param input [rows, features]
   * @returns [rows, tags]
   */
  scores(input: Float32Array): Float32Array {
    const { features, tags, parameters } = this;
    const rows = input.length / features;
    const scores = new Float32Array(rows * tags);
    for (let row = 0; row < rows; row++) {
      for (let tag = 0; tag < tags; tag++) {
        // Four sums, for a processor adds them at the same time.
        let [a, b, c, d] = [0, 0, 0, 0];
        let i = row * features;
        let w = tag * features;
        const end = i + features;
        for (; i + 4 <= end; i += 4, w += 4) {
          a += input[i]! * parameters[w]!;
          b += input[i + 1]! * parameters[w + 1]!;
          c += input[i + 2]! * parameters[w + 2]!;
          d += input[i + 3]! * parameters[w + 3]!;
        }
        for (; i < end; i++, w++) a += input[i]! * parameters[w]!;
        scores[row * tags + tag] = a + b + c + d + parameters[tags * features + tag]!;
      }
    }
    return scores;
  }

  /**
   * Back from the gradient of a loss to that of the parameters, and one step.
   *
   * @param input [rows, features]
   * @param scoreGrad d(loss)/d(scores), [rows, tags]
   */
  step(input: Float32Array, scoreGrad: Float32Array, learningRate: number, weightDecay: number): void {
    this.#backward(input, scoreGrad);
    const parameters = this.parameters;
    const grad = this.#grad;
    const mean = this.#mean;
    const square = this.#square;
    this.#steps++;
    const rate = (learningRate * Math.sqrt(1 - BETA2 ** this.#steps)) / (1 - BETA1 ** this.#steps);
    const keep = 1 - learningRate * weightDecay;
    for (let i = 0; i < parameters.length; i++) {
      const g = grad[i]!;
      const m = (mean[i]! += (1 - BETA1) * (g - mean[i]!));
      const s = (square[i]! += (1 - BETA2) * (g * g - square[i]!));
      parameters[i] = parameters[i]! * keep - (rate * m) / (Math.sqrt(s) + EPSILON);
    }
  }

  #backward(input: Float32Array, scoreGrad: Float32Array): void {
    const { features, tags } = this;
    const grad = this.#grad.fill(0);
    for (let i = 0; i < scoreGrad.length; i++) {
      const g = scoreGrad[i]!;
      // A tag that is in no violated pair has none: after the first epoch, nearly all of them.
      if (g === 0) continue;
      const tag = i % tags;
      const start = ((i - tag) / tags) * features;
      for (let k = 0, w = tag * features; k < features; k++, w++) grad[w]! += g * input[start + k]!;
      grad[tags * features + tag]! += g;
    }
  }
}
