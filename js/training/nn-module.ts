// For users whose `lib` has no Disposable.
/// <reference lib="esnext.disposable" preserve="true" />
import { describe, LossError } from '../errors.js';
import { formatShape, sameShape } from '../shapes.js';
import { accumulateGrad, isTensor, Tensor, type TensorLike } from '../tensor.js';
import { trainingMemory } from './memory.js';
import { isParameter, type Parameter, toFloat32 } from './parameter.js';

/**
 * Parameters by name, as `state_dict()` gives them: tensors that are arrays of their own.
 *
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * const state: nn.StateDict = new nn.Linear(3, 2).state_dict();
 * Object.keys(state); // => ['weight', 'bias']
 */
export type StateDict = Record<string, Tensor<'float32'>>;

/**
 * A model or a part of one: a class with properties that are Parameters and other Modules, and a method `forward()` that
 * computes with them.
 *
 * Parameters and Modules must be properties of their own, which are neither private (`#name`) nor in arrays, objects, maps
 * or sets: there, they would not be found and never be trained. {@link Sequential} is for lists.
 *
 * @example
 * import * as torch from 'multilabel-margin-loss';
 *
 * class Classifier extends torch.nn.Module {
 *   fc1 = new torch.nn.Linear(256, 128);
 *   fc2 = new torch.nn.Linear(128, 10);
 *   forward(audio: torch.Tensor): torch.Tensor {
 *     return this.fc2.forward(torch.relu(this.fc1.forward(audio)));
 *   }
 * }
 * const model = new Classifier();
 * model.forward(torch.randn([32, 256])).shape; // => [32, 10]
 * model.named_parameters().map(([name]) => name); // => ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']
 */
export abstract class Module implements Disposable {
  /** Whether Dropout drops: see {@link train}. */
  training = true;

  /** @hidden */
  constructor() {}

  /**
   * What the model computes: each class has its own.
   *
   * @param inputs what it computes from
   * @returns what it computes
   * @throws LossError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_OUT_OF_MEMORY, as the layers in it do
   * @example
   * import { nn, randn } from 'multilabel-margin-loss';
   *
   * new nn.Linear(3, 2).forward(randn([4, 3])).shape; // => [4, 2]
   */
  abstract forward(...inputs: never[]): unknown;

  /**
   * The Parameters: own ones first, then those of the Modules among the properties, each in the order of the properties.
   * One that is there several times comes once.
   *
   * @returns a new array
   * @throws LossError ERR_OPTION for Parameters or Modules in an array, an object, a map or a set
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.Linear(3, 2).parameters().map(({ shape }) => shape); // => [[2, 3], [2]]
   */
  parameters(): Parameter[] {
    return this.named_parameters().map(([, parameter]) => parameter);
  }

  /**
   * The {@link parameters}, each with its name, as in PyTorch: the properties on the way to it, joined by dots.
   *
   * @returns a new array of pairs
   * @throws LossError ERR_OPTION as parameters does
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * const model = new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU());
   * model.named_parameters().map(([name]) => name); // => ['0.weight', '0.bias']
   */
  named_parameters(): [name: string, parameter: Parameter][] {
    const seen = new Set<Parameter>();
    return allParameters(this).filter(([, parameter]) => !seen.has(parameter) && seen.add(parameter));
  }

  /**
   * Copies of the values of all Parameters, by name.
   *
   * @returns arrays of their own; a Parameter of several names is there under each
   * @throws LossError ERR_OPTION as parameters() does; ERR_DISPOSED
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * const model = new nn.Linear(3, 2);
   * model.state_dict().weight?.shape; // => [2, 3]
   */
  state_dict(): StateDict {
    return Object.fromEntries(
      allParameters(this).map(([name, { data, shape }]) => [name, new Tensor<'float32'>(data.slice(), shape)]),
    );
  }

  /**
   * Sets the values of all Parameters. Either all are set or, where it throws, none.
   *
   * @param state float32, by the names and of the shapes of {@link state_dict}: no name too few or too many
   * @throws LossError ERR_STATE with the names that are missing or unexpected; ERR_SHAPE and ERR_DTYPE with the name of the
   * tensor that does not fit; ERR_DISPOSED
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * const [from, to] = [new nn.Linear(3, 2), new nn.Linear(3, 2)];
   * to.load_state_dict(from.state_dict());
   * to.weight.data; // => [...from.weight.data]
   */
  load_state_dict(state: Readonly<Record<string, TensorLike>>): void {
    if (typeof state !== 'object' || state === null || Array.isArray(state) || isTensor(state)) {
      throw new LossError('ERR_STATE', `load_state_dict() needs an object of tensors by name, got ${describe(state)}`);
    }
    const parameters = allParameters(this);
    const names = new Set(parameters.map(([name]) => name));
    const missing = [...names].filter((name) => !Object.hasOwn(state, name));
    const unexpected = Object.keys(state).filter((name) => !names.has(name));
    if (missing.length > 0 || unexpected.length > 0) {
      const parts = [
        ...(missing.length > 0 ? [`it misses ${missing.join(', ')}`] : []),
        ...(unexpected.length > 0 ? [`it has ${unexpected.join(', ')}, which the model does not`] : []),
      ];
      throw new LossError('ERR_STATE', `the state does not fit the model, so nothing is loaded: ${parts.join('; ')}`);
    }
    // A view of linear memory is copied: it may be of a Parameter that is written before it is read.
    const values = parameters.map(([name, parameter]) => {
      const given = toFloat32(state[name], `'${name}' of the state`);
      if (!sameShape(given.shape, parameter.shape)) {
        throw new LossError(
          'ERR_SHAPE',
          `'${name}' of the state must have shape ${formatShape(parameter.shape)}, got ${formatShape(given.shape)}; ` +
            'nothing is loaded',
        );
      }
      void parameter.data;
      return trainingMemory().attached(given.data);
    });
    parameters.forEach(([, parameter], i) => {
      parameter.data.set(values[i] as Float32Array);
      parameter.version++;
    });
  }

  /**
   * Switches this Module, and those among its properties, to training or to evaluation.
   *
   * @param mode what `training` becomes
   * @returns this Module
   * @throws LossError ERR_OPTION for anything but a boolean
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.Sequential(new nn.Dropout(0.5)).train(false).training; // => false
   */
  train(mode = true): this {
    if (typeof mode !== 'boolean') {
      throw new LossError('ERR_OPTION', `the mode of train() must be true or false, got ${describe(mode)}`);
    }
    for (const module of allModules(this)) module.training = mode;
    return this;
  }

  /**
   * Does the same as `train(false)`.
   *
   * @returns this Module
   * @example
   * import { nn, tensor } from 'multilabel-margin-loss';
   *
   * new nn.Dropout(0.5).eval().forward(tensor([1, 2])).tolist(); // => [1, 2]
   */
  eval(): this {
    return this.train(false);
  }

  /**
   * Sets `grad` of all Parameters to null.
   *
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * const model = new nn.Linear(3, 2);
   * model.zero_grad();
   * model.weight.grad; // => null
   */
  zero_grad(): void {
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /**
   * Gives the memory of all Parameters back. What uses them later throws ERR_DISPOSED. A model that is not disposed of is
   * garbage-collected, though not before the synchronous code that made it ends.
   *
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * const model = new nn.Linear(3, 2);
   * model.dispose();
   */
  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
  }

  /**
   * Calls {@link dispose} at the end of a `using` block.
   *
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * using model = new nn.Linear(3, 2);
   * model.training; // => true
   */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** This Module and all below, each once. */
function allModules(module: Module): Set<Module> {
  const modules = new Set([module]);
  // A set is iterated over what is added meanwhile, too.
  for (const each of modules) for (const [, value] of partsOf(each)) if (value instanceof Module) modules.add(value);
  return modules;
}

/** Under all their names: own ones first. */
function allParameters(
  module: Module,
  prefix = '',
  within: readonly Module[] = [module],
): [name: string, parameter: Parameter][] {
  const parts = partsOf(module);
  const own = parts.filter((part): part is [string, Parameter] => isParameter(part[1]));
  const ofModules = parts.flatMap(([name, value]) => {
    if (!(value instanceof Module)) return [];
    if (within.includes(value)) {
      throw new LossError('ERR_OPTION', `the Module '${prefix}${name}' contains itself`);
    }
    return allParameters(value, `${prefix}${name}.`, [...within, value]);
  });
  return [...own.map(([name, parameter]): [string, Parameter] => [prefix + name, parameter]), ...ofModules];
}

/** Parameters and Modules among the properties. */
function partsOf(module: Module): [name: string, value: Parameter | Module][] {
  return Object.entries(module).filter((entry): entry is [string, Parameter | Module] => {
    const [name, value] = entry as [string, unknown];
    if (isParameter(value) || value instanceof Module) return true;
    if (isOfAnotherCopy(value)) {
      throw new LossError(
        'ERR_OPTION',
        `the property '${name}' of ${describe(module)} is ${describe(value)} of another copy of this package, which would ` +
          'never be trained: get the package by import alone, or by require() alone',
      );
    }
    const hidden = findHidden(value);
    if (hidden !== null) {
      throw new LossError(
        'ERR_OPTION',
        `the property '${name}' of ${describe(module)} holds ${describe(hidden)} within ${describe(value)}, where it would ` +
          'never be trained: make it a property of its own, or use nn.Sequential',
      );
    }
    return false;
  });
}

/** A Parameter or Module within an array, an object, a map or a set. */
function findHidden(value: unknown): unknown {
  const seen = new Set([value]);
  // A set is iterated over what is added meanwhile, too.
  for (const each of seen) {
    if (typeof each !== 'object' || each === null) continue;
    for (const part of contentsOf(each)) {
      if (isParameter(part) || part instanceof Module) return part;
      seen.add(part);
    }
  }
  return null;
}

/** Every copy of this package marks its Modules with this key: a program may have two, by `import` and by `require()`. */
const MODULE = Symbol.for('multilabel-margin-loss.Module');
Object.defineProperty(Module.prototype, MODULE, { value: true });

function isOfAnotherCopy(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return MODULE in value ? !(value instanceof Module) : accumulateGrad in value && !isParameter(value);
}

function contentsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value as Iterable<unknown>;
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)].flat(1);
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype ? (Object.values(value) as unknown[]) : [];
}
