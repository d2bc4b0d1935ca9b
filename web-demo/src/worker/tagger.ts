/** All that computes, away from the page: training, tagging, and the features of the visitor's images. */
import { expose } from 'comlink';
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import embeddingsUrl from '../../build/data/embeddings.bin?url';
import { backendFor, type BackendName, type BackendStatus, backendStatus } from '../backends.js';
import { download, gunzip } from '../download.js';
import { dequantise, type Embeddings, type Gallery, quantise, toDataset, unpackEmbeddings } from '../gallery.js';
import { decodeHead, encodeHead } from '../training/head-file.js';
import { EPOCHS, type RankingMetrics, Trainer } from '../training/trainer.js';
import type { BenchmarkResult } from './benchmark.js';

export interface LossSettings {
  reduction: 'mean' | 'sum' | 'none';
  margin: number;
  normalization: 'classes' | 'targets';
  targetOrder: 'ignored' | 'ranked';
}

export interface TrainSettings extends LossSettings {
  batchSize: number;
  learningRate: number;
  backend: BackendName;
}

/** Where training is. */
export interface Progress {
  /** Epochs done, with the fraction of the one that is under way. */
  epochs: number;
  /** Mean of the losses of the steps since the last report; null if there were none. */
  loss: number | null;
  /** Milliseconds in the loss, mean of the same steps. */
  lossMs: number | null;
  /** Of the held-out images; null in the midst of an epoch. */
  metrics: RankingMetrics | null;
  /** Seconds until the last epoch is done. */
  secondsLeft: number;
  /** Scores of the image that is watched. */
  scores: Float32Array | null;
}

// Reports between epochs: ten a second are enough for an eye, and leave the page idle.
const REPORT_MS = 100;

export class Tagger {
  #gallery: Gallery | null = null;
  #embeddings: Embeddings | null = null;
  #trainer: Trainer | null = null;
  #embedder: Promise<(image: ImageData) => Promise<Float32Array>> | null = null;
  /** Features of the image that is watched, [1, features]. */
  #watched: Float32Array | null = null;
  #running = false;

  async load(gallery: Gallery, onBytes: (bytes: number) => void): Promise<void> {
    const bytes = await gunzip(await download(embeddingsUrl, onBytes));
    this.#gallery = gallery;
    this.#embeddings = unpackEmbeddings(bytes, gallery.names.length);
    this.reset();
  }

  backends(): Promise<BackendStatus[]> {
    return backendStatus();
  }

  reset(): void {
    const { quantised, features } = this.#loaded().embeddings;
    this.#trainer = new Trainer(toDataset(this.#loaded().gallery, quantised, features));
  }

  /** Trains until the last epoch or `pause()`. */
  async train(settings: TrainSettings, onProgress: (progress: Progress) => void): Promise<void> {
    if (this.#running) return;
    // Before the backend is there, so that a pause is heard until then.
    this.#running = true;
    try {
      await this.#train(settings, onProgress);
    } finally {
      this.#running = false;
    }
  }

  async #train(settings: TrainSettings, onProgress: (progress: Progress) => void): Promise<void> {
    const { backend: name, batchSize, learningRate, ...options } = settings;
    const backend = await backendFor(name);
    // A model that diverged to NaN would otherwise have loss 0 and no gradient, as if it were trained.
    const lossFn = new MultiLabelMarginLoss({ ...options, nan: 'error', ...(backend && { backend }) });
    const trainer = this.#loaded().trainer;
    let steps: { loss: number; lossMs: number }[] = [];
    let trainedMs = 0;
    const from = trainer.epoch + trainer.epochProgress;
    const report = (metrics: RankingMetrics | null): void => {
      const epochs = trainer.epoch + trainer.epochProgress;
      const mean = (of: 'loss' | 'lossMs'): number | null =>
        steps.length === 0 ? null : steps.reduce((sum, step) => sum + step[of], 0) / steps.length;
      onProgress({
        epochs,
        loss: mean('loss'),
        lossMs: mean('lossMs'),
        metrics,
        secondsLeft: (trainedMs / 1000 / (epochs - from)) * (EPOCHS - epochs),
        scores: this.#watched && trainer.head.scores(this.#watched),
      });
      steps = [];
    };
    let reported = performance.now();
    while (this.#running && trainer === this.#trainer && trainer.epoch < EPOCHS) {
      const start = performance.now();
      const result = await trainer.step({ lossFn, batchSize, learningRate });
      steps.push(result);
      const metrics = result.endsEpoch ? trainer.evaluate() : null;
      const now = performance.now();
      trainedMs += now - start;
      if (metrics !== null || now - reported > REPORT_MS) {
        report(metrics);
        reported = now;
      }
      await nextTask();
    }
  }

  pause(): void {
    this.#running = false;
  }

  /** Features of an image of the gallery, standardised. */
  featuresOf(image: number): Float32Array {
    const { features, quantised } = this.#loaded().embeddings;
    return dequantise(quantised.subarray(image * features, (image + 1) * features));
  }

  /** Features of the visitor's own image, as those of the gallery are. */
  async embed(image: ImageData): Promise<Float32Array> {
    // A failed download is tried again with the next image.
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

  /** Scores of all tags; they come with the progress of training too, until another image is watched. */
  watch(features: Float32Array): Float32Array {
    this.#watched = features;
    return this.#loaded().trainer.head.scores(features);
  }

  saveHead(): Uint8Array<ArrayBuffer> {
    const { gallery, trainer } = this.#loaded();
    return encodeHead({ vocabulary: gallery.vocabulary, epochs: trainer.epoch, parameters: trainer.head.parameters });
  }

  /** @throws Error saying what is wrong with the file */
  loadHead(bytes: ArrayBuffer): { epochs: number; metrics: RankingMetrics } {
    const { gallery, trainer: before } = this.#loaded();
    const { epochs, parameters } = decodeHead(bytes, gallery.vocabulary, before.head.parameters.length);
    this.reset();
    const { trainer } = this.#loaded();
    trainer.resume(parameters, epochs);
    return { epochs, metrics: trainer.evaluate() };
  }

  async benchmark(onResult: (result: BenchmarkResult) => void): Promise<void> {
    const { benchmark } = await import('./benchmark.js');
    await benchmark(onResult);
  }

  #loaded(): { gallery: Gallery; embeddings: Embeddings; trainer: Trainer } {
    if (this.#gallery === null || this.#embeddings === null) throw new Error('the gallery is not loaded yet');
    return { gallery: this.#gallery, embeddings: this.#embeddings, trainer: this.#trainer! };
  }
}

const channel = new MessageChannel();

/** Lets messages in; sooner than a timer, which browsers hold back by four milliseconds. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(null);
  });
}

expose(new Tagger());
