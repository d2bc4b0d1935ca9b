/** Trains the head on the gallery, step by step. */
import type { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { LinearHead } from './head.js';

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
  /** What scores images: a running mean of the head that steps are made on. */
  readonly head: LinearHead;
  readonly #stepped: LinearHead;
  readonly #order: number[];
  readonly #random: () => number;
  #next = 0;
  /** Epochs done. */
  epoch = 0;

  constructor(
    readonly dataset: Dataset,
    seed = 1,
  ) {
    this.head = new LinearHead(dataset.features, dataset.classes);
    this.#stepped = new LinearHead(dataset.features, dataset.classes);
    this.#order = [...dataset.train];
    this.#random = randomNumbers(seed);
  }

  /** Of the epoch that is under way, from 0 to 1. */
  get epochProgress(): number {
    return this.#next / this.#order.length;
  }

  /** One at a time: the next one after this is settled. */
  async step({ lossFn, batchSize, learningRate }: StepSettings): Promise<StepResult> {
    if (this.#next === 0) shuffle(this.#order, this.#random);
    const images = this.#order.slice(this.#next, this.#next + batchSize);
    const input = dropOut(this.dataset.rows(images), this.#random);
    const scores = { data: this.#stepped.scores(input), shape: [images.length, this.dataset.classes] };
    const targets = images.map((image) => [...this.dataset.targets[image]!]);
    const start = performance.now();
    const { loss, grad } = await lossFn.valueAndGradAsync(scores, targets);
    const lossMs = performance.now() - start;
    this.#stepped.step(input, grad.data, learningRate, WEIGHT_DECAY);
    const average = this.head.parameters;
    const now = this.#stepped.parameters;
    for (let i = 0; i < average.length; i++) average[i] = average[i]! + (1 - AVERAGING) * (now[i]! - average[i]!);

    this.#next += images.length;
    const endsEpoch = this.#next >= this.#order.length;
    if (endsEpoch) {
      this.#next = 0;
      this.epoch++;
    }
    const total = loss.data.reduce((sum, one) => sum + one, 0);
    const mean = lossFn.options.reduction === 'mean' ? total : total / images.length;
    return { loss: mean, images: images.length, lossMs, endsEpoch };
  }

  /** Goes on from a head that was trained before. */
  resume(parameters: Float32Array, epoch: number): void {
    this.head.parameters.set(parameters);
    this.#stepped.parameters.set(parameters);
    this.epoch = epoch;
  }

  /** Of the held-out images. */
  evaluate(): RankingMetrics {
    return heldOutMetrics(this.dataset, this.head.scores(this.dataset.rows(this.dataset.heldOut)));
  }
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

/** In place. What is left is scaled up, so that scores keep their size. */
function dropOut(input: Float32Array, random: () => number): Float32Array {
  for (let i = 0; i < input.length; i++) input[i] = random() < DROPOUT ? 0 : input[i]! / (1 - DROPOUT);
  return input;
}

function shuffle(list: number[], random: () => number): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
