// For users whose `lib` has no Disposable.
/// <reference lib="esnext.disposable" preserve="true" />
import { describe, LossError } from '../errors.js';
import { checkOptions, type Complete } from '../options.js';
import { formatShape, sameShape } from '../shapes.js';
import { isTensor, Tensor, type TensorLike, toTensor } from '../tensor.js';
import { type TrainingMemory, trainingMemory } from './memory.js';
import type { TrainingModule } from './module.js';
import { isParameter, type Parameter, reserveBagBackward } from './parameter.js';
import { type LinearStorage, newStorage } from './storage.js';

/**
 * The state of an optimizer, in PyTorch's form: for each parameter that was stepped, by its number among those that the
 * optimizer got, what the optimizer keeps of it; and the options.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const state: optim.OptimizerState = new optim.SGD(new nn.Linear(3, 2).parameters(), { lr: 0.1 }).state_dict();
 * state.param_groups[0].params; // => [0, 1]
 */
export interface OptimizerState {
  /** Tensors by name, for each parameter: `step` of shape [], the others of the shape of the parameter. */
  state: Record<number, Record<string, TensorLike>>;
  /** One group: the options, and the numbers of all parameters. */
  param_groups: [
    {
      /** From 0 on. */
      params: number[];
    } & Record<string, unknown>,
  ];
}

/**
 * What an optimizer trains, and its options.
 *
 * @example
 * import { nn, optim } from 'multilabel-margin-loss';
 *
 * const optimizer = new optim.SGD(new nn.Linear(3, 2).parameters(), { lr: 0.1 });
 * const group: optim.ParamGroup<optim.SGDOptions> = optimizer.param_groups[0];
 * group.lr = 0.01;
 * optimizer.state_dict().param_groups[0].lr; // => 0.01
 */
export type ParamGroup<Options extends object> = {
  /** What is trained. */
  readonly params: readonly Parameter[];
} & Complete<Options>;

/** What an optimizer keeps of a parameter. */
export interface ParameterState {
  /** How many steps there were. */
  step: number;
  readonly buffers: Record<string, LinearStorage>;
  /** Whether the buffers have values: those they start with, or those of a step. */
  isFilled: boolean;
}

const DISPOSED = "disposed of by its optimizer's dispose()";

/** What makes an optimizer what it is. */
export interface Algorithm<Options extends object> {
  readonly name: string;
  readonly defaults: Complete<Options>;
  /** @throws LossError ERR_OPTION for options that do not fit */
  check(options: Complete<Options>): void;
  /** Options of PyTorch's that cannot be set here, and the values that they have. */
  readonly fixed?: Readonly<Record<string, unknown>>;
  /** The names of what is kept of a parameter, and the values they start with; null where a step fills them. */
  buffersOf(options: Complete<Options>): Record<string, number | null>;
  /** Whether a step with these options needs them. */
  needsBuffers(options: Complete<Options>): boolean;
  /** Whether `state_dict()` has them before the first step, as in PyTorch. */
  readonly keepsFromStart: boolean;
  step(
    module: TrainingModule,
    parameter: Parameter,
    state: ParameterState,
    grad: Addresses,
    options: Complete<Options>,
  ): void;
  /** A step of the gradient of an EmbeddingBag as it is; null where rows without a gradient do not stay as they are. */
  bagStepOf(options: Complete<Options>): BagStep | null;
}

export type BagStep = (module: TrainingModule, parameter: Parameter, state: ParameterState, bag: BagAddresses) => void;

/**
 * What the optimizers have in common.
 *
 * @hidden
 */
export abstract class Optimizer<Options extends object> implements Disposable {
  /** One group: `params`, and the options, which may be set between steps: `param_groups[0].lr`. */
  readonly param_groups: readonly [ParamGroup<Options>];
  readonly #memory: TrainingMemory;
  readonly #algorithm: Algorithm<Options>;
  readonly #states = new Map<Parameter, ParameterState>();
  #isDisposed = false;

  /** @internal */
  constructor(params: Iterable<Parameter>, options: Options, algorithm: Algorithm<Options>) {
    const parameters = checkParameters(params, algorithm.name);
    const all = withDefaults(options, algorithm.defaults, algorithm.name);
    algorithm.check(all);
    this.#algorithm = algorithm;
    this.#memory = trainingMemory();
    this.param_groups = [{ params: parameters, ...all }];
    if (algorithm.keepsFromStart) for (const parameter of parameters) this.#stateOf(parameter);
  }

  /**
   * Steps all parameters whose `grad` is not null, and recycles all activations of this thread.
   *
   * @throws LossError ERR_OPTION for an option that was set to what it cannot be; ERR_DISPOSED after dispose() of this
   * or of the model; ERR_OUT_OF_MEMORY. Nothing is changed then.
   * @example
   * import { MultiLabelMarginLoss, nn, optim, randn } from 'multilabel-margin-loss';
   *
   * const model = new nn.Linear(3, 2);
   * const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
   * optimizer.zero_grad();
   * new MultiLabelMarginLoss().forward(model.forward(randn([4, 3])), [[0], [1], [1], [0]]).backward();
   * optimizer.step();
   */
  step(): void {
    const options = this.#group();
    const bagStep = this.#algorithm.bagStepOf(options);
    // All that can fail comes first.
    for (const { memory } of options.params) void memory.address;
    const steps = options.params
      .filter(({ hasGrad }) => hasGrad)
      .map((parameter) => {
        const { bagGradient } = parameter;
        if (bagGradient === null || bagStep === null) parameter.denseGradient();
        else reserveBagBackward(parameter, bagGradient.input.length, bagGradient.offsets.length);
        return { parameter, state: this.#stateOf(parameter) };
      });
    const { module } = this.#memory;
    for (const { parameter, state } of steps) {
      state.step++;
      parameter.version++;
      const { bagGradient } = parameter;
      if (bagGradient !== null) {
        const { input, offsets, weights, dy } = bagGradient;
        bagStep?.(module, parameter, state, [
          input.address,
          weights?.address ?? 0,
          offsets.address,
          input.length,
          offsets.length,
          dy.address,
        ]);
        continue;
      }
      const { values, present } = parameter.denseGradient()!;
      const grad: Addresses = [values.address, present?.address ?? 0, parameter.rows, parameter.columns];
      this.#algorithm.step(module, parameter, state, grad, options);
    }
    this.#memory.recycle(0, 'recycled by optimizer.step(); clone() keeps a tensor');
  }

  /**
   * Sets `grad` of all parameters to null, as PyTorch does with set_to_none=True.
   *
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * const model = new nn.Linear(3, 2);
   * new optim.SGD(model.parameters(), { lr: 0.1 }).zero_grad();
   * model.weight.grad; // => null
   */
  zero_grad(): void {
    for (const parameter of this.param_groups[0].params) parameter.grad = null;
  }

  /**
   * A copy of all that the next steps depend on, besides the parameters.
   *
   * @throws LossError ERR_DISPOSED
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * const state = new optim.Adagrad(new nn.Linear(3, 2).parameters(), { lr: 1 }).state_dict();
   * Object.keys(state.state[0] ?? {}); // => ['step', 'sum']
   */
  state_dict(): OptimizerState {
    this.#checkUsable();
    const { params, ...options } = this.param_groups[0];
    const state: OptimizerState['state'] = {};
    params.forEach((parameter, i) => {
      const kept = this.#states.get(parameter);
      if (kept === undefined) return;
      const filled = kept.isFilled ? Object.entries(kept.buffers) : [];
      const buffers = filled.map(([name, buffer]): [string, Tensor] => [
        name,
        new Tensor(buffer.view().slice(), parameter.shape),
      ]);
      state[i] = { step: new Tensor(Float32Array.of(kept.step), []), ...Object.fromEntries(buffers) };
    });
    return { state, param_groups: [{ ...copied(options), params: params.map((_, i) => i) }] };
  }

  /**
   * Continues where another optimizer was when its `state_dict()` was taken. Either all is loaded or, where it throws,
   * nothing.
   *
   * @param state of an optimizer of this class, with as many parameters of the same shapes
   * @throws LossError ERR_STATE for anything else; ERR_OPTION, ERR_SHAPE, ERR_DTYPE, ERR_OUT_OF_MEMORY, ERR_DISPOSED
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * const parameters = new nn.Linear(3, 2).parameters();
   * const state = new optim.SGD(parameters, { lr: 0.1 }).state_dict();
   * const optimizer = new optim.SGD(parameters, { lr: 1 });
   * optimizer.load_state_dict(state);
   * optimizer.param_groups[0].lr; // => 0.1
   */
  load_state_dict(state: OptimizerState): void {
    this.#checkUsable();
    const group = this.param_groups[0];
    const { params } = group;
    const { options, states } = this.#read(state);
    const allocated: [Parameter, ParameterState][] = [];
    try {
      params.forEach((parameter, i) => {
        const given = states[i];
        if (given === undefined) return;
        const buffers = Object.entries(given.buffers);
        const next: ParameterState = { step: given.step, buffers: {}, isFilled: buffers.length > 0 };
        allocated.push([parameter, next]);
        for (const [name, { data }] of buffers) {
          const elements = this.#memory.attached(data as Float32Array);
          const buffer = newStorage(elements.length, () => `'${name}' of the state of ${this.#algorithm.name}`);
          next.buffers[name] = buffer;
          buffer.view().set(elements);
        }
      });
    } catch (error) {
      for (const [, { buffers }] of allocated) free(buffers);
      throw error;
    }
    for (const { buffers } of this.#states.values()) free(buffers);
    this.#states.clear();
    for (const [parameter, next] of allocated) this.#states.set(parameter, next);
    Object.assign(group, options);
  }

  /**
   * Gives the memory of the state back. Methods that need it throw ERR_DISPOSED from then on. An optimizer that is not
   * disposed of is garbage-collected, though not before the synchronous code that made it ends.
   *
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * const optimizer = new optim.Adam(new nn.Linear(3, 2).parameters());
   * optimizer.dispose();
   */
  dispose(): void {
    this.#isDisposed = true;
    for (const { buffers } of this.#states.values()) free(buffers);
    this.#states.clear();
  }

  /**
   * Calls {@link dispose} at the end of a `using` block.
   *
   * @example
   * import { nn, optim } from 'multilabel-margin-loss';
   *
   * using optimizer = new optim.Adam(new nn.Linear(3, 2).parameters());
   * optimizer.param_groups[0].lr; // => 0.001
   */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The state of a parameter. Its buffers are made at the first step that needs them. */
  #stateOf(parameter: Parameter): ParameterState {
    const [options] = this.param_groups;
    const starts = this.#algorithm.needsBuffers(options) ? this.#algorithm.buffersOf(options) : {};
    const state = this.#states.get(parameter) ?? { step: 0, buffers: {}, isFilled: false };
    const made: Record<string, LinearStorage> = {};
    try {
      for (const [name, value] of Object.entries(starts)) {
        if (state.buffers[name] !== undefined) continue;
        const buffer = newStorage(parameter.memory.length, () => `'${name}' of the state of ${this.#algorithm.name}`);
        made[name] = buffer;
        if (value === null) continue;
        this.#memory.module.fill(buffer.address, buffer.length, value);
        state.isFilled = true;
      }
    } catch (error) {
      free(made);
      throw error;
    }
    Object.assign(state.buffers, made);
    this.#states.set(parameter, state);
    return state;
  }

  #group(): ParamGroup<Options> {
    this.#checkUsable();
    const group = this.param_groups[0];
    this.#algorithm.check(group);
    return group;
  }

  #checkUsable(): void {
    if (this.#isDisposed) throw new LossError('ERR_DISPOSED', `this ${this.#algorithm.name} was ${DISPOSED}`);
  }

  #read(given: unknown): {
    options: Complete<Options>;
    states: ({ step: number; buffers: Record<string, Tensor> } | undefined)[];
  } {
    const wrong = (what: string): LossError =>
      new LossError('ERR_STATE', `this is not the state of a ${this.#algorithm.name} of these parameters: ${what}`);
    const { state, param_groups } = Object(given) as Partial<Record<keyof OptimizerState, unknown>>;
    const group: unknown = Array.isArray(param_groups) && param_groups.length === 1 ? param_groups[0] : null;
    if (typeof state !== 'object' || state === null || typeof group !== 'object' || group === null) {
      throw wrong('it must be { state, param_groups } with one group');
    }
    const { params, ...own } = this.param_groups[0];
    const { params: numbers, ...others } = group as { params?: unknown } & Record<string, unknown>;
    if (!Array.isArray(numbers) || numbers.length !== params.length || numbers.some((number, i) => number !== i)) {
      throw wrong(`params of its group must be the numbers from 0 to ${params.length - 1}`);
    }
    // PyTorch's files have options that are not here, as amsgrad; those that are not off would change results.
    for (const [key, value] of Object.entries(others)) {
      if (key in own || value === false || value === null) continue;
      if (this.#algorithm.fixed?.[key] !== value) throw wrong(`its option '${key}' is unknown`);
    }
    for (const key of Object.keys(own)) if (!Object.hasOwn(others, key)) throw wrong(`its option '${key}' is missing`);
    const options = copied(Object.fromEntries(Object.keys(own).map((key) => [key, others[key]]))) as Complete<Options>;
    this.#algorithm.check(options);
    for (const key of Object.keys(state)) {
      if (!(Number.isInteger(Number(key)) && Number(key) >= 0 && Number(key) < params.length)) {
        throw wrong(`it has a state of parameter ${describe(key)}, of ${params.length}`);
      }
    }
    const starts = Object.entries(this.#algorithm.buffersOf(options));
    const states = params.map((parameter, i) => {
      const ofParameter = (state as Record<number, unknown>)[i];
      if (ofParameter === undefined) return undefined;
      if (typeof ofParameter !== 'object' || ofParameter === null) throw wrong(`the state of parameter ${i} is none`);
      const entries = ofParameter as Record<string, unknown>;
      for (const name of Object.keys(entries)) {
        if (name !== 'step' && !starts.some(([known]) => known === name) && entries[name] !== null) {
          throw wrong(`it has '${name}' of parameter ${i}`);
        }
      }
      const buffers = Object.fromEntries(
        starts.flatMap(([name, start]): [string, Tensor][] => {
          if (entries[name] === undefined || entries[name] === null) {
            if (start === null) return [];
            throw wrong(`it misses '${name}' of parameter ${i}`);
          }
          const buffer = toTensor(entries[name], 'float32', `'${name}' of parameter ${i}`);
          if (buffer.dtype !== 'float32' || !sameShape(buffer.shape, parameter.shape)) {
            throw wrong(
              `'${name}' of parameter ${i} must be float32 of shape ${formatShape(parameter.shape)}, got ${buffer.dtype} of ` +
                `shape ${formatShape(buffer.shape)}`,
            );
          }
          return [[name, buffer]];
        }),
      );
      return {
        step: readStep(entries['step'], () => wrong(`'step' of parameter ${i} must be an integer from 0`)),
        buffers,
      };
    });
    return { options, states };
  }
}

/** Addresses of the values of a gradient and of which rows are there, rows, columns. */
export type Addresses = [values: number, present: number, rows: number, columns: number];
export type BagAddresses = [input: number, weights: number, offsets: number, entries: number, bags: number, dy: number];

function free(buffers: Readonly<Record<string, LinearStorage>>): void {
  for (const buffer of Object.values(buffers)) buffer.block.free(DISPOSED);
}

/** PyTorch has a tensor; SGD, which has no step there, has one from the first on. */
function readStep(value: unknown, wrong: () => LossError): number {
  if (value === undefined) return 1;
  const step = Number(
    isTensor(value) || typeof value === 'object' ? toTensor(value, 'float32', 'step').data[0] : value,
  );
  if (!Number.isSafeInteger(step) || step < 0) throw wrong();
  return step;
}

function checkParameters(given: unknown, name: string): Parameter[] {
  if (typeof (given as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] !== 'function') {
    throw new LossError('ERR_OPTION', `${name} needs a list of Parameters, got ${describe(given)}`);
  }
  const parameters = [...(given as Iterable<unknown>)];
  if (parameters.length === 0) throw new LossError('ERR_OPTION', `${name} got no Parameters to train`);
  parameters.forEach((parameter, i) => {
    if (!isParameter(parameter)) {
      throw new LossError(
        'ERR_OPTION',
        `${name} trains Parameters, as parameters() of a model gives them; number ${i} is ${describe(parameter)}`,
      );
    }
    if (parameters.indexOf(parameter) !== i) {
      throw new LossError(
        'ERR_OPTION',
        `${name} got the same Parameter as number ${parameters.indexOf(parameter)} and ${i}`,
      );
    }
  });
  return parameters as Parameter[];
}

/** @throws LossError ERR_OPTION for an option that is no finite number from 0 */
export function checkNumbers<Options extends object>(
  options: Options,
  names: readonly (keyof Options & string)[],
  optimizer: string,
): void {
  for (const name of names) {
    const value: unknown = options[name];
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) {
      throw new LossError(
        'ERR_OPTION',
        `${name} of ${optimizer} must be a finite number from 0, got ${describe(value)}`,
      );
    }
  }
}

/** Options whose arrays nobody else can change. */
function copied<T extends object>(options: T): T {
  const entries = Object.entries(options) as [string, unknown][];
  return Object.fromEntries(
    entries.map(([key, value]) => [key, Array.isArray(value) ? [...(value as unknown[])] : value]),
  ) as T;
}

/** The options with defaults for those left out. */
function withDefaults<Options extends object>(
  options: Options,
  defaults: Complete<Options>,
  optimizer: string,
): Complete<Options> {
  const given = checkOptions(options, Object.keys(defaults), optimizer);
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return copied({ ...defaults, ...(Object.fromEntries(set) as Partial<Options>) });
}
