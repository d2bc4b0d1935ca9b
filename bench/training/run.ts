/** The results of the benchmark of training. This file imports no contender, so that a report can be made without them. */
import type { StepJob } from './jobs.js';
import type { Limits } from './limits.js';

export const OURS = 'this package';
export const TENSORFLOW = 'TensorFlow.js (WebAssembly)';
export const TORCH = [1, 2].map((threads) => `PyTorch, ${threads} thread${threads === 1 ? '' : 's'}`);
export const LOOP = 'TypeScript loop';

/** The median of turns, and the lowest and the highest of them. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

export interface JobTiming {
  name: string;
  key: StepJob['key'] | 'epoch 1' | 'later';
  /** Milliseconds of a step, by contender. */
  steps: Map<string, Spread>;
  /** Milliseconds that a step cannot be shorter than, by its operations and by its bytes. */
  byOperations: number;
  byBytes: number;
}

export interface TrainingRun {
  jobs: JobTiming[];
  limits: Limits;
  versions: Record<string, string>;
  leftOut: string[];
}
