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
    // Blocks of four rows and two tags, so that what is read is used more than once: five times as fast as one by one. At
    // the ends, the last row or tag fills a block up, and is computed again.
    for (let row = 0; row < rows; row += 4) {
      const [row1, row2, row3] = [1, 2, 3].map((i) => Math.min(row + i, rows - 1)) as [number, number, number];
      const [x0, x1, x2, x3] = [row * features, row1 * features, row2 * features, row3 * features];
      for (let tag = 0; tag < tags; tag += 2) {
        const tag1 = Math.min(tag + 1, tags - 1);
        const [w0, w1] = [tag * features, tag1 * features];
        let a0 = parameters[tags * features + tag]!;
        let b0 = parameters[tags * features + tag1]!;
        let [a1, a2, a3] = [a0, a0, a0];
        let [b1, b2, b3] = [b0, b0, b0];
        for (let k = 0; k < features; k++) {
          const a = parameters[w0 + k]!;
          const b = parameters[w1 + k]!;
          const in0 = input[x0 + k]!;
          const in1 = input[x1 + k]!;
          const in2 = input[x2 + k]!;
          const in3 = input[x3 + k]!;
          a0 += in0 * a;
          a1 += in1 * a;
          a2 += in2 * a;
          a3 += in3 * a;
          b0 += in0 * b;
          b1 += in1 * b;
          b2 += in2 * b;
          b3 += in3 * b;
        }
        scores[row * tags + tag] = a0;
        scores[row * tags + tag1] = b0;
        scores[row1 * tags + tag] = a1;
        scores[row1 * tags + tag1] = b1;
        scores[row2 * tags + tag] = a2;
        scores[row2 * tags + tag1] = b2;
        scores[row3 * tags + tag] = a3;
        scores[row3 * tags + tag1] = b3;
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
    const rows = scoreGrad.length / tags;
    const active = new Int32Array(rows + 3);
    for (let tag = 0; tag < tags; tag++) {
      // A tag that is in no violated pair has no gradient: after the first epoch, that is most of them.
      let count = 0;
      for (let row = 0; row < rows; row++) if (scoreGrad[row * tags + tag] !== 0) active[count++] = row;
      const w = tag * features;
      // By fours, so that the sums are read and written less often.
      for (let i = 0; i < count; i += 4) {
        const row0 = active[i]!;
        const row1 = active[Math.min(i + 1, count - 1)]!;
        const row2 = active[Math.min(i + 2, count - 1)]!;
        const row3 = active[Math.min(i + 3, count - 1)]!;
        const g0 = scoreGrad[row0 * tags + tag]!;
        const g1 = i + 1 < count ? scoreGrad[row1 * tags + tag]! : 0;
        const g2 = i + 2 < count ? scoreGrad[row2 * tags + tag]! : 0;
        const g3 = i + 3 < count ? scoreGrad[row3 * tags + tag]! : 0;
        const [x0, x1, x2, x3] = [row0 * features, row1 * features, row2 * features, row3 * features];
        for (let k = 0; k < features; k++) {
          grad[w + k]! += g0 * input[x0 + k]! + g1 * input[x1 + k]! + g2 * input[x2 + k]! + g3 * input[x3 + k]!;
        }
        grad[tags * features + tag]! += g0 + g1 + g2 + g3;
      }
    }
  }
}
