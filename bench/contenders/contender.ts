import type { Batch, FloatArray, Input } from '../grid.js';

/** The names of the contenders, in tables and in lookups. */
export const NAMES = {
  ours: 'this package',
  oursReused: 'grad reused',
  threads: '2 threads',
  threadsReused: '2 threads, reused',
  threadsShared: '2 threads, shared',
  pyTorchBuiltin: 'PyTorch builtin',
  pyTorchOps: 'PyTorch autograd',
  pyTorchByHand: 'PyTorch by hand',
  tensorFlow: 'TensorFlow.js',
  tensorFlowByHand: 'TensorFlow.js by hand',
  plain: 'plain TypeScript',
  floor: 'floor',
  floorReused: 'floor, reused',
  webgpu: 'WebGPU',
  webgpuResident: 'WebGPU, resident',
  webgpuFloor: 'GPU copy',
} as const;

export type Name = (typeof NAMES)[keyof typeof NAMES];

export interface Result {
  loss: number;
  /** Null where it was not asked for. */
  grad: FloatArray | null;
}

/** Something that computes the mean loss of a batch, and its gradient. */
export interface Contender {
  readonly name: Name;
  /** Hands over the inputs that the calls take in turn. */
  load(batch: Batch): void | Promise<void>;
  /** The ways in which it can compute the loaded batch, of which the fastest counts; empty where it cannot. */
  forms(gradient: boolean): readonly string[];
  /** Milliseconds that this number of calls takes. */
  time(form: string, gradient: boolean, calls: number): number | Promise<number>;
  /** The loss and gradient of the first input. */
  result(form: string, gradient: boolean): Result | Promise<Result>;
  /** Ends its processes and threads. */
  dispose?(): void | Promise<void>;
}

/** A way to compute a batch: one call, on one input. */
export type Call = (input: Input) => Result;

/** A contender whose calls are plain synchronous functions, by form. */
export function synchronous(
  name: Name,
  callsFor: (batch: Batch, gradient: boolean) => Record<string, Call>,
): Contender {
  let inputs: readonly Input[] = [];
  let calls: Record<string, Call>[] = [];
  let next = 0;
  const callOf = (form: string, gradient: boolean): Call => calls[Number(gradient)]![form]!;
  return {
    name,
    load(batch) {
      inputs = batch.inputs;
      calls = [callsFor(batch, false), callsFor(batch, true)];
      next = 0;
    },
    forms: (gradient) => Object.keys(calls[Number(gradient)]!),
    time(form, gradient, times) {
      const call = callOf(form, gradient);
      let sum = 0;
      const start = performance.now();
      for (let i = 0; i < times; i++) {
        sum += call(inputs[next]!).loss;
        if (++next === inputs.length) next = 0;
      }
      const elapsed = performance.now() - start;
      // The losses are used, so that no call can be optimised away.
      if (Number.isNaN(sum)) throw new Error(`${name}: the loss is NaN`);
      return elapsed;
    },
    result: (form, gradient) => callOf(form, gradient)(inputs[0]!),
  };
}
