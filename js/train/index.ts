/**
 * From features to a tagger: training, prediction, files.
 *
 * @example
 * import { Tagger, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const features = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]];
 * const targets = [[0], [1], [0, 1], [2]];
 * const tagger = await trainTagger({ features, targets, labels: ['jazz', 'rock', 'pop'], validation: 0 });
 * tagger.predict([0, 0, 1], { k: 1 })[0]?.name; // => 'pop'
 * Tagger.load(tagger.save()).predict([0, 1, 0], { k: 1 })[0]?.name; // => 'rock'
 *
 * @module multilabel-margin-loss/train
 */
export type { Features, SparseMatrix } from './features.js';
export type { ReadRows, TaggerRows } from './rows.js';
export type { TrainingSettings } from './settings.js';
export type { EpochSummary, TrainingSummary, ValidationMetrics } from './summary.js';
export { type OneRow, type Prediction, type PredictOptions, Tagger } from './tagger.js';
export {
  trainTagger,
  type TrainingEpoch,
  type TrainingProgress,
  type TrainingStart,
  type TrainTaggerOptions,
} from './train-tagger.js';
