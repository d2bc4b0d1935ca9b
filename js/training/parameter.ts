import { describe, LossError } from '../errors.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../shapes.js';
import type { NestedArray } from '../nested.js';
import { accumulateGrad, storage, Tensor, type TensorLike, toTensor } from '../tensor.js';
import { attached, trainingMemory } from './memory.js';
import { newStorage, type LinearStorage } from './storage.js';

/** The gradient of a table by what it is made of, until someone reads it: that of a batch of few entries is mostly zeros. */
export interface BagGradient {
  readonly input: LinearStorage<'int32'>;
  readonly offsets: LinearStorage<'int32'>;
  /** Null for ones. */
  readonly weights: LinearStorage | null;
  readonly dy: LinearStorage;
}

interface DenseGradient {
  /** Made when someone reads it: steps need the values alone. */
  tensor: Tensor<'float32'> | null;
  readonly values: LinearStorage;
  /** One byte for each row, 0 for rows that are zero and not written; null where all are there. */
  present: LinearStorage | null;
}

const DROPPED = 'the gradient of a parameter, which was set to null or replaced; clone() keeps one';

/** Stands for the data of a Parameter that a layer fills itself: large tables need no array beside their linear memory. */
export class Unfilled {
  readonly data: Float32Array = new Float32Array();
  constructor(readonly shape: Shape) {}
}

/**
 * A tensor of a model that an optimizer trains. It requires a gradient, unless `requires_grad` is set to false, and is
 * in linear memory: `data` is a new view at each read, and views made before may be dead once that memory has grown.
 * `grad` is in linear memory too. It is the sum of the gradients of the calls of `backward()` since it was null.
 *
 * A parameter that is a property of a {@link Module} is one of its `parameters()`.
 *
 * @example
 * import { nn, zeros } from 'multilabel-margin-loss';
 *
 * const bias = new nn.Parameter(zeros(3));
 * bias.data.fill(0.5);
 * bias.tolist(); // => [0.5, 0.5, 0.5]
 */
export class Parameter extends Tensor<'float32'> {
  /** @internal */
  readonly memory: LinearStorage;
  #dense: DenseGradient | null = null;
  #bag: BagGradient | null = null;

  /**
   * @param data float32; copied, unlike in PyTorch
   * @throws LossError ERR_DTYPE for float64 and integers; ERR_SHAPE; ERR_OUT_OF_MEMORY; ERR_BACKEND_UNAVAILABLE
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.Parameter([[1, 2], [3, 4]]).shape; // => [2, 2]
   */
  constructor(data: TensorLike | NestedArray) {
    const values = data instanceof Unfilled ? data : toFloat32(data, 'the data of a Parameter');
    const elements = trainingMemory().attached(values.data);
    const memory = newStorage(sizeOf(values.shape), () => `a parameter of shape ${formatShape(values.shape)}`);
    memory.view().set(elements);
    super(memory, values.shape, true);
    this.memory = memory;
    Object.defineProperties(this, {
      memory: { enumerable: false },
      version: { enumerable: false },
      grad: { get: () => this.#readGrad(), set: (grad: unknown) => this.#replaceGrad(grad), enumerable: true },
    });
  }

  /** @internal How often its values were replaced. */
  version = 0;

  /** @internal */
  checkVersion(version: number): void {
    if (this.version !== version) {
      throw new LossError(
        'ERR_BACKWARD',
        `a parameter of shape ${formatShape(this.shape)} was loaded or stepped after the result of backward() was computed from it`,
      );
    }
  }

  /** @internal [rows, columns] as its gradient has them. */
  get rows(): number {
    return this.shape.length > 1 ? (this.shape[0] as number) : 1;
  }

  /** @internal */
  get columns(): number {
    return this.rows === 0 ? 0 : this.memory.length / this.rows;
  }

  /** @internal */
  get hasGrad(): boolean {
    return this.#dense !== null || this.#bag !== null;
  }

  /** @internal */
  get bagGradient(): BagGradient | null {
    return this.#bag;
  }

  /** @internal As an array, though maybe without the rows that are zero. */
  denseGradient(): DenseGradient | null {
    if (this.#bag !== null) this.#materialise(this.#bag);
    return this.#dense;
  }

  /** @internal Takes over memory that nobody else has. */
  addGradient(values: LinearStorage, present: LinearStorage | null): void {
    const dense = this.denseGradient();
    if (dense === null) {
      this.#dense = { tensor: null, values, present };
      return;
    }
    this.#complete(dense);
    const { module } = this.memory.memory;
    if (present !== null) module.completeGradient(values.address, present.address, this.rows, this.columns);
    module.add(dense.values.address, values.address, values.length, dense.values.address);
    values.block.letGo(DROPPED);
    present?.block.letGo(DROPPED);
  }

  /** @internal */
  addBagGradient(bag: BagGradient): void {
    if (this.hasGrad) {
      const [values, present] = this.#valuesOf(bag);
      this.addGradient(values, present);
      return;
    }
    for (const part of partsOf(bag)) part.block.hold();
    this.#bag = bag;
  }

  /** @internal */
  [accumulateGrad](grad: Tensor): void {
    const elements = trainingMemory().attached(grad.data as Float32Array);
    const values = this.#newGradient();
    values.view().set(elements);
    this.addGradient(values, null);
  }

  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }

  /** @internal */
  dispose(): void {
    this.#dropGrad();
    this.memory.block.free("disposed of by its model's dispose()");
  }

  #readGrad(): Tensor<'float32'> | null {
    const dense = this.denseGradient();
    if (dense === null) return null;
    this.#complete(dense);
    return (dense.tensor ??= new Tensor<'float32'>(dense.values, this.shape));
  }

  #replaceGrad(grad: unknown): void {
    if (grad === null) {
      this.#dropGrad();
      return;
    }
    if (grad === this.#dense?.tensor) return;
    const given = toFloat32(grad, 'the grad of a Parameter');
    if (!sameShape(given.shape, this.shape)) {
      throw new LossError(
        'ERR_SHAPE',
        `the grad of a Parameter must be null or have its shape, ${formatShape(this.shape)}, got ${formatShape(given.shape)}`,
      );
    }
    const elements = trainingMemory().attached(given.data);
    const values = this.#newGradient();
    values.view().set(elements);
    this.#dropGrad();
    this.addGradient(values, null);
  }

  #newGradient(): LinearStorage {
    return newStorage(this.memory.length, () => `the gradient of a parameter of shape ${formatShape(this.shape)}`);
  }

  #dropGrad(): void {
    this.#dense?.values.block.letGo(DROPPED);
    this.#dense?.present?.block.letGo(DROPPED);
    if (this.#bag !== null) for (const part of partsOf(this.#bag)) part.block.letGo(DROPPED);
    this.#dense = null;
    this.#bag = null;
  }

  #complete(dense: DenseGradient): void {
    if (dense.present === null) return;
    const { module } = this.memory.memory;
    module.completeGradient(dense.values.address, dense.present.address, this.rows, this.columns);
    dense.present.block.letGo(DROPPED);
    dense.present = null;
  }

  #materialise(bag: BagGradient): void {
    const [values, present] = this.#valuesOf(bag);
    this.#dropGrad();
    this.addGradient(values, present);
  }

  #valuesOf({ input, offsets, weights, dy }: BagGradient): [values: LinearStorage, present: LinearStorage] {
    const { memory } = this.memory;
    const [entries, bags] = [input.length, offsets.length];
    reserveBagBackward(this, input.length, offsets.length);
    const values = this.#newGradient();
    const present = newPresent(this);
    memory.module.bagBackward(
      input.address,
      weights?.address ?? 0,
      offsets.address,
      entries,
      bags,
      dy.address,
      this.rows,
      this.columns,
      values.address,
      present.address,
    );
    return [values, present];
  }
}

function partsOf({ input, offsets, weights, dy }: BagGradient): LinearStorage<'float32' | 'int32'>[] {
  return [input, offsets, dy, ...(weights === null ? [] : [weights])];
}

/** Which rows of a gradient are there, one byte for each. */
export function newPresent(parameter: Parameter): LinearStorage {
  const { rows, shape } = parameter;
  return newStorage(Math.ceil(rows / 4), () => `the gradient of a parameter of shape ${formatShape(shape)}`);
}

/** Makes sure that the kernels of a bag's gradient do not run out of memory. */
export function reserveBagBackward(table: Parameter, entries: number, bags: number): void {
  const { memory } = table.memory;
  if (memory.module.reserveBagBackward(entries, bags, table.rows, table.columns) === 0) {
    throw memory.outOfMemory(8 * entries, `the gradient of ${entries} entries of an EmbeddingBag`);
  }
}

/** A tensor of float32, which the training core computes in. */
export function toFloat32(value: unknown, name: string): Tensor<'float32'> {
  const given = toTensor(value, 'float32', name);
  if (given.dtype !== 'float32') {
    throw new LossError('ERR_DTYPE', `${name} must be float32, in which models are computed, got ${given.dtype}`);
  }
  const tensor = given as Tensor<'float32'>;
  if (tensor[storage] !== null) return tensor;
  // A view of linear memory would be detached, once room for another operand makes that memory grow.
  const data = attached(tensor.data);
  return data === tensor.data ? tensor : new Tensor<'float32'>(data, tensor.shape);
}

export function isParameter(value: unknown): value is Parameter {
  return value instanceof Parameter;
}

/** @throws LossError ERR_OPTION for anything but a Parameter of the shape */
export function checkParameter(value: unknown, shape: Shape, name: string): Parameter {
  if (!isParameter(value) || !sameShape(value.shape, shape)) {
    const given = isParameter(value) ? `one of shape ${formatShape(value.shape)}` : describe(value);
    throw new LossError('ERR_OPTION', `${name} must be a Parameter of shape ${formatShape(shape)}, got ${given}`);
  }
  return value;
}
