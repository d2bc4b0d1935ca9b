import type { EvaluationResult } from '../evaluate/result.js';

/**
 * The metrics of an epoch.
 *
 * @example
 * import { type EpochSummary, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const epochs: EpochSummary[] = [];
 * const onEpoch = (epoch: EpochSummary) => void epochs.push(epoch);
 * await trainTagger({ features: [[1, 0], [0, 1]], targets: [[0], [1]], validation: 0, epochs: 3, onEpoch });
 * epochs.map(({ epoch }) => epoch); // => [1, 2, 3]
 */
export interface EpochSummary {
  /** Its number, from 1. */
  epoch: number;
  /** The mean loss of the rows that it trained on, each before the step that it had a part in. */
  loss: number;
  /** The metrics of the rows for validation, after the epoch; null without such rows. */
  validation: ValidationMetrics | null;
}

/**
 * Metrics of the rows for validation, as `EvaluationResult` of `multilabel-margin-loss/evaluate` defines them.
 *
 * @example
 * import { trainTagger, type ValidationMetrics } from 'multilabel-margin-loss/train';
 *
 * const tagger = await trainTagger({ features: [[1, 0], [0, 1]], targets: [[0], [1]], validation: 0 });
 * const metrics: ValidationMetrics | null | undefined = tagger.training?.epochs[0]?.validation;
 * metrics; // => null
 */
export interface ValidationMetrics {
  /** The mean loss. */
  loss: number;
  /** LRAP: the mean over the rows of how high their labels rank, 1 at best. */
  labelRankingAveragePrecision: number;
  /** The share of rows whose highest score is not of a label. */
  oneError: number;
}

/**
 * How a tagger was trained.
 *
 * @example
 * import { type TrainingSummary, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const tagger = await trainTagger({ features: [[1, 0], [0, 1]], targets: [[0], [1]], validation: 0, epochs: 2 });
 * const training: TrainingSummary | null = tagger.training;
 * [training?.best, training?.epochs.length]; // => [2, 2]
 */
export interface TrainingSummary {
  /** All epochs. */
  epochs: readonly EpochSummary[];
  /**
   * The number of the epoch after which the tagger is: the last one in which loss or LRAP in validation was better than
   * before, or the last one without validation; 0 for a training that ended before its first epoch did.
   */
  best: number;
  /** All metrics of the rows for validation. The best epoch was chosen by them, so they flatter; null without such rows. */
  validation: EvaluationResult | null;
  /** All metrics of the rows for test, which had no part in the training; null without such rows. */
  test: EvaluationResult | null;
}
