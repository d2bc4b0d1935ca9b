/** All that computes, away from the page: training, tagging, and the features of the visitor's pictures. */
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import embeddingsUrl from '../../build/data/embeddings.bin?url';
import { download, gunzip } from '../download.js';
import {
  dequantise,
  type Embeddings,
  type Gallery,
  LARGEST_FEATURE,
  quantise,
  toDataset,
  unpackEmbeddings,
} from '../gallery.js';
import { decodeHead, encodeHead } from '../training/head-file.js';
import { forget, type History, keep, type LossPoint, type MetricPoint, readKept } from '../training/kept.js';
import { type RankingMetrics, Trainer } from '../training/trainer.js';
import type { BenchmarkReport } from './benchmark.js';
import { type Receive, Reports } from './reports.js';

export interface LossSettings {
  reduction: 'mean' | 'sum' | 'none';
  margin: number;
  normalization: 'classes' | 'targets';
  targetOrder: 'ignored' | 'ranked';
}

export interface TrainSettings extends LossSettings {
  batchSize: number;
  learningRate: number;
}

/** Where training is. */
export interface Progress {
  /** Epochs done, with the fraction of the one that is under way. */
  epochs: number;
  /** Mean of the losses of the steps since the last report. */
  loss: LossPoint;
  /** Mean of the losses of a whole epoch; null in the midst of one. */
  epochLoss: number | null;
  /** The metrics of the held-out pictures; null in the midst of an epoch. */
  metrics: MetricPoint | null;
  /** Milliseconds in the loss and its gradient, mean of the steps since the last report. */
  lossMs: number;
  /** Seconds until the last epoch is done. */
  secondsLeft: number;
}

/** A training that can be resumed. */
export interface Resumable {
  epochs: number;
  metrics: RankingMetrics;
  history: History;
  settings: TrainSettings;
}

// Reports between epochs: ten a second are enough for an eye, and leave the page idle.
const REPORT_MS = 100;

interface Step {
  loss: number;
  images: number;
  lossMs: number;
}

export class Tagger {
  #gallery: Gallery | null = null;
  #embeddings: Embeddings | null = null;
  #trainer: Trainer | null = null;
  #history: History = { losses: [], metrics: [] };
  /** The options of the loss that the last steps were made with. */
  #lastLoss = '';
  #embedder: Promise<(image: ImageData) => Promise<Float32Array>> | null = null;
  /** Features of the picture that is watched, [1, features]. */
  #watched: Float32Array | null = null;
  #running = false;

  async load(gallery: Gallery, onBytes: Receive<number>): Promise<void> {
    const reports = new Reports(onBytes);
    const bytes = await gunzip(await download(embeddingsUrl, (more) => reports.send(more)));
    this.#gallery = gallery;
    this.#embeddings = unpackEmbeddings(bytes, gallery.names.length);
    this.#startWith(this.#newTrainer(), { losses: [], metrics: [] });
    await reports.arrived();
  }

  async reset(): Promise<void> {
    this.#startWith(this.#newTrainer(), { losses: [], metrics: [] });
    await forget();
  }

  /** Trains until so many epochs are done, or `pause()`. */
  async train(settings: TrainSettings, untilEpoch: number, onProgress: Receive<Progress>): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const reports = new Reports(onProgress);
    try {
      await this.#train(settings, untilEpoch, reports);
      await reports.arrived();
    } finally {
      this.#running = false;
      await this.#keep(settings);
    }
  }

  async #train(
    { batchSize, learningRate, ...options }: TrainSettings,
    untilEpoch: number,
    reports: Reports<Progress>,
  ): Promise<void> {
    const lossFn = new MultiLabelMarginLoss({ ...options, nan: 'error' });
    const trainer = this.#loaded().trainer;
    // Reductions differ by a factor that is taken out of the losses of the curve.
    const lossNow = JSON.stringify({ ...options, reduction: null });
    let startsCurve = this.#lastLoss !== lossNow;
    this.#lastLoss = lossNow;
    let steps: Step[] = [];
    let stepsOfEpoch: Step[] = [];
    let trainedMs = 0;
    const from = trainer.epoch + trainer.epochProgress;
    const report = (epochLoss: number | null, metrics: RankingMetrics | null): void => {
      const epochs = trainer.epoch + trainer.epochProgress;
      const loss = { epochs, loss: meanLoss(steps), startsCurve };
      this.#history.losses.push(loss);
      const point = metrics && { epochs, ...metrics };
      if (point) this.#history.metrics.push(point);
      reports.send({
        epochs,
        loss,
        epochLoss,
        metrics: point,
        lossMs: steps.reduce((sum, { lossMs }) => sum + lossMs, 0) / steps.length,
        secondsLeft: (trainedMs / 1000 / (epochs - from)) * (untilEpoch - epochs),
      });
      steps = [];
      startsCurve = false;
    };
    let reported = performance.now();
    while (this.#running && trainer === this.#trainer && trainer.epoch < untilEpoch) {
      const start = performance.now();
      const step = trainer.step({ lossFn, batchSize, learningRate });
      steps.push(step);
      stepsOfEpoch.push(step);
      const metrics = step.endsEpoch ? trainer.evaluate() : null;
      const now = performance.now();
      trainedMs += now - start;
      if (metrics !== null || now - reported > REPORT_MS) {
        report(metrics && meanLoss(stepsOfEpoch), metrics);
        reported = now;
      }
      if (step.endsEpoch) {
        stepsOfEpoch = [];
        void this.#keep({ batchSize, learningRate, ...options });
      }
      await nextTask();
    }
    if (steps.length > 0 && trainer === this.#trainer) report(null, null);
  }

  pause(): void {
    this.#running = false;
  }

  /** Features of a picture of the gallery, standardised. */
  featuresOf(image: number): Float32Array {
    const { features, quantised } = this.#loaded().embeddings;
    return dequantise(quantised.subarray(image * features, (image + 1) * features));
  }

  /** Features of the visitor's own picture, as those of the gallery are. */
  async embed(image: ImageData): Promise<Float32Array> {
    // A failed download is tried again with the next picture.
    this.#embedder ??= import('../vision/backbone.js')
      .then(({ loadEmbedder }) => loadEmbedder())
      .catch((error: unknown) => {
        this.#embedder = null;
        throw error;
      });
    const features = await (await this.#embedder)(image);
    const { mean, deviation } = this.#loaded().embeddings;
    return dequantise(quantise(features, mean, deviation));
  }

  /** Scores of all tags. */
  watch(features: Float32Array): Float32Array {
    this.#watched = features;
    return this.#loaded().trainer.scores(features);
  }

  /** Scores of the picture that was watched last, after the head has changed; null if none was. */
  watched(): Float32Array | null {
    return this.#watched && this.#loaded().trainer.scores(this.#watched);
  }

  saveHead(): Uint8Array<ArrayBuffer> {
    const { gallery, trainer } = this.#loaded();
    return encodeHead({ vocabulary: gallery.vocabulary, epochs: trainer.epoch, parameters: trainer.parameters });
  }

  /**
   * The head of a file. If something is wrong with it, the head before stays.
   *
   * @throws Error saying what is wrong
   */
  loadHead(bytes: ArrayBuffer): { epochs: number; metrics: RankingMetrics } {
    return this.#resume(bytes, { losses: [], metrics: [] });
  }

  /** The training that was left, without going on with it; null if there is none for these tags. */
  async kept(): Promise<Resumable | null> {
    const kept = await readKept<TrainSettings>();
    if (kept === undefined) return null;
    try {
      const { epochs } = this.#decode(kept.head);
      const metrics = kept.history.metrics.at(-1);
      return metrics === undefined ? null : { epochs, metrics, history: kept.history, settings: kept.settings };
    } catch {
      // The head is that of a page with other tags.
      return null;
    }
  }

  /** Goes on with the training that was left. */
  async resumeKept(): Promise<{ epochs: number; metrics: RankingMetrics }> {
    const kept = await readKept<TrainSettings>();
    if (kept === undefined) throw new Error('this browser has not kept the training');
    return this.#resume(kept.head, kept.history);
  }

  /** Times the loss. It needs no gallery. */
  async benchmark(withThreads: boolean, onReport: Receive<BenchmarkReport>): Promise<void> {
    const { benchmark } = await import('./benchmark.js');
    const reports = new Reports(onReport);
    await benchmark(withThreads, (report) => reports.send(report));
    await reports.arrived();
  }

  #resume(bytes: ArrayBuffer, history: History): { epochs: number; metrics: RankingMetrics } {
    const { epochs, parameters } = this.#decode(bytes);
    const trainer = this.#newTrainer();
    trainer.resume(parameters, epochs);
    const metrics = trainer.evaluate();
    this.#startWith(trainer, history);
    return { epochs, metrics };
  }

  #decode(bytes: ArrayBuffer): ReturnType<typeof decodeHead> {
    const { gallery, embeddings } = this.#loaded();
    return decodeHead(bytes, gallery.vocabulary, embeddings.features, LARGEST_FEATURE);
  }

  #newTrainer(): Trainer {
    if (this.#gallery === null || this.#embeddings === null) throw new Error('the gallery is not loaded yet');
    return new Trainer(toDataset(this.#gallery, this.#embeddings.quantised, this.#embeddings.features));
  }

  #startWith(trainer: Trainer, history: History): void {
    this.#trainer?.dispose();
    this.#trainer = trainer;
    this.#history = history;
    this.#lastLoss = '';
  }

  async #keep(settings: TrainSettings): Promise<void> {
    if (this.#history.metrics.length > 0)
      await keep({ head: this.saveHead().buffer, settings, history: this.#history });
  }

  #loaded(): { gallery: Gallery; embeddings: Embeddings; trainer: Trainer } {
    if (this.#gallery === null || this.#embeddings === null) throw new Error('the gallery is not loaded yet');
    return { gallery: this.#gallery, embeddings: this.#embeddings, trainer: this.#trainer! };
  }
}

/** Per picture: batches are weighted by their pictures, for the last one of an epoch is smaller. */
function meanLoss(steps: readonly Step[]): number {
  const images = steps.reduce((sum, step) => sum + step.images, 0);
  return steps.reduce((sum, step) => sum + step.loss * step.images, 0) / images;
}

const channel = new MessageChannel();

/** Lets messages in; sooner than a timer, which browsers hold back by four milliseconds. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(null);
  });
}
