/** The results of the benchmark of training. This file imports no contender, so that a report can be made without them. */
import type { Spread } from '../spread.js';
import type { StepJob } from './jobs.js';
import type { Limits } from './limits.js';

export const OURS = 'this package';
/** This contender takes part in the jobs whose layers threads share. */
export const OURS_ON_THREADS = 'this package, 2 threads';
export const TENSORFLOW = 'TensorFlow.js (WebAssembly)';
export const TORCH = [1, 2].map((threads) => `PyTorch, ${threads} thread${threads === 1 ? '' : 's'}`);
export const LOOP = 'TypeScript loop';

export interface JobTiming {
  name: string;
  key: StepJob['key'] | 'epoch 1' | 'later';
  /** Milliseconds of a step, and how many times that of this package it is, turn by turn; by contender. */
  steps: Map<string, { time: Spread; ratio: Spread }>;
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
