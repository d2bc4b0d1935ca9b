/** The results of the parts of the benchmark. */
import os from 'node:os';
import type { MetricsTiming, ReadingTiming } from './evaluation.js';
import type { Measurement } from './timing.js';
import type { TrainingRun } from './training/run.js';

/** Every part of the benchmark says this of itself. */
export interface Part {
  /** Version numbers by name of the software. */
  versions: Readonly<Record<string, string>>;
  /** A line for each contender that was left out, with the reason. */
  leftOut: readonly string[];
}

export interface LossRun extends Part {
  measurements: readonly Measurement[];
}

/** A run with one thread, several, and a GPU. */
export interface WebGPURun extends LossRun {
  /** The GPU, or the program that stands in for one. */
  adapter: string;
  isSoftware: boolean;
}

export interface EvaluationRun extends Part {
  metrics: readonly MetricsTiming[];
  readings: readonly ReadingTiming[];
}

/** All parts of one run, from which docs/benchmarks.md is made. */
export interface WholeRun {
  training: TrainingRun;
  loss: LossRun;
  evaluation: EvaluationRun;
  date: Date;
  /** Processes that were running or waiting, in the minute before the run. */
  loadBefore: number;
}

export function machineOf(...parts: readonly Part[]): string {
  const cpus = os.cpus();
  const versions = Object.assign({}, ...parts.map((part) => part.versions)) as Record<string, string>;
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${cpus.length} x ${cpus[0]?.model.trim() ?? 'unknown CPU'}`, `${os.type()} ${os.arch()}`, ...software].join(
    ', ',
  );
}
