/** Trains the head on the gallery, step by step. */
import { manual_seed, type MultiLabelMarginLoss, nn, no_grad, optim, randperm, tensor } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';

export const EPOCHS = 40;

// How strongly weights shrink (decoupled, as in AdamW): 1,600 images say little about 198,000 weights.
const WEIGHT_DECAY = 0.1;

// So many of the features of an image are left out of a step, another choice each time: held-out LRAP is .01 higher.
const DROPOUT = 0.5;

// Images are scored by the mean of the parameters of the last steps, some hundred: held-out LRAP is .01 higher, and steadier.
const AVERAGING = 0.99;

export interface Dataset {
  /** Features of an image. */
  features: number;
  /** Tags there are. */
  classes: number;
  /** True tags of each image. */
  targets: readonly (readonly number[])[];
  train: readonly number[];
  heldOut: readonly number[];
  /** Features of these images: [images, features]. */
  rows(images: readonly number[]): Float32Array;
}

/** How well scores rank the true tags. */
export interface RankingMetrics {
  /** Label ranking average precision: for each true tag, the share of true ones among the tags ranked no lower. */
  lrap: number;
  /** Precision at 1: how often the tag ranked highest is a true one. */
  precisionAt1: number;
}

export interface StepSettings {
  lossFn: MultiLabelMarginLoss;
  batchSize: number;
  learningRate: number;
}

export interface StepResult {
  /** Mean of the losses of the batch's images, whatever the reduction. */
  loss: number;
  images: number;
  /** Milliseconds that loss and gradient took. */
  lossMs: number;
  endsEpoch: boolean;
}

export class Trainer {
  /** The layer that steps are made on. */
  readonly #layer: nn.Linear;
  readonly #model: nn.Sequential;
  readonly #optimizer: optim.AdamW;
  /** The layer that scores images: a running mean of the other one's parameters. */
  readonly #average: nn.Linear;
  #order: readonly number[] = [];
  #next = 0;
  /** Epochs done. */
  epoch = 0;

  /** @param seed of the random numbers of the package, which follow from it */
  constructor(
    readonly dataset: Dataset,
    seed = 1,
  ) {
    manual_seed(seed);
    this.#layer = zeroLayer(dataset);
    this.#average = zeroLayer(dataset);
    this.#model = new nn.Sequential(new nn.Dropout(DROPOUT), this.#layer);
    this.#optimizer = new optim.AdamW(this.#model.parameters(), { weight_decay: WEIGHT_DECAY });
  }

  /** The share of the epoch under way that is done, from 0 to 1. */
  get epochProgress(): number {
    return this.#next / this.dataset.train.length;
  }

  /** Weights, [classes, features], and behind them biases, [classes]. */
  get parameters(): Float32Array {
    const [weight, bias] = this.#average.parameters().map(({ data }) => data) as [Float32Array, Float32Array];
    const all = new Float32Array(weight.length + bias.length);
    all.set(weight);
    all.set(bias, weight.length);
    return all;
  }

  /**
   * @param features of images: [images, features]
   * @returns [images, classes]
   */
  scores(features: Float32Array): Float32Array {
    const images = features.length / this.dataset.features;
    const input = tensor(features, { shape: [images, this.dataset.features] });
    return no_grad(() => this.#average.forward(input)).data;
  }

  step({ lossFn, batchSize, learningRate }: StepSettings): StepResult {
    const { dataset } = this;
    if (this.#next === 0)
      this.#order = Array.from(randperm(dataset.train.length).data, (i) => dataset.train[Number(i)]!);
    const images = this.#order.slice(this.#next, this.#next + batchSize);
    const input = tensor(dataset.rows(images), { shape: [images.length, dataset.features] });
    const targets = images.map((image) => [...dataset.targets[image]!]);
    this.#optimizer.param_groups[0].lr = learningRate;
    this.#optimizer.zero_grad();
    const scores = this.#model.forward(input);
    const start = performance.now();
    // valueAndGrad() and not backward() of the loss, so that the time is that of the loss alone.
    const { loss, grad } = lossFn.valueAndGrad(scores, targets);
    const lossMs = performance.now() - start;
    // A copy: the step recycles what is in the model's memory.
    const losses = Float64Array.from(loss.data);
    scores.backward(grad);
    this.#optimizer.step();
    this.#updateAverage();

    this.#next += images.length;
    const endsEpoch = this.#next >= dataset.train.length;
    if (endsEpoch) {
      this.#next = 0;
      this.epoch++;
    }
    const total = losses.reduce((sum, one) => sum + one, 0);
    const mean = lossFn.options.reduction === 'mean' ? total : total / images.length;
    return { loss: mean, images: images.length, lossMs, endsEpoch };
  }

  /** Goes on from a head that was trained before. */
  resume(parameters: Float32Array, epoch: number): void {
    for (const { weight, bias } of [this.#layer, this.#average]) {
      weight.data.set(parameters.subarray(0, weight.data.length));
      bias!.data.set(parameters.subarray(weight.data.length));
    }
    this.epoch = epoch;
  }

  /** The metrics of the held-out images. */
  evaluate(): RankingMetrics {
    return heldOutMetrics(this.dataset, this.scores(this.dataset.rows(this.dataset.heldOut)));
  }

  /** Gives the memory of the parameters back. */
  dispose(): void {
    this.#optimizer.dispose();
    this.#model.dispose();
    this.#average.dispose();
  }

  #updateAverage(): void {
    const stepped = this.#layer.parameters();
    this.#average.parameters().forEach((parameter, i) => {
      const average = parameter.data;
      const now = stepped[i]!.data;
      for (let j = 0; j < average.length; j++) average[j] = average[j]! + (1 - AVERAGING) * (now[j]! - average[j]!);
    });
  }
}

function zeroLayer({ features, classes }: Dataset): nn.Linear {
  const layer = new nn.Linear(features, classes);
  for (const { data } of layer.parameters()) data.fill(0);
  return layer;
}

/** What scoring every image by how frequent each tag is among the training images achieves. */
export function priorMetrics(dataset: Dataset): RankingMetrics {
  const counts = new Float32Array(dataset.classes);
  for (const image of dataset.train) for (const tag of dataset.targets[image]!) counts[tag]!++;
  const scores = new Float32Array(dataset.heldOut.length * dataset.classes);
  for (let row = 0; row < scores.length; row += dataset.classes) scores.set(counts, row);
  return heldOutMetrics(dataset, scores);
}

/** @param scores of the held-out images, [heldOut.length, classes] */
function heldOutMetrics({ heldOut, targets, classes }: Dataset, scores: Float32Array): RankingMetrics {
  const evaluator = new Evaluator({ k: [1] });
  evaluator.update(
    { data: scores, shape: [heldOut.length, classes] },
    heldOut.map((image) => [...targets[image]!]),
  );
  const { labelRankingAveragePrecision, at } = evaluator.result();
  return { lrap: labelRankingAveragePrecision, precisionAt1: at[1]!.precision };
}
