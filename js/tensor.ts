import { brand } from './brand.js';
import {
  allocate,
  ARRAY_NAMES,
  type ArrayTypes,
  checkDType,
  type DType,
  dtypeOf,
  isTypedArray,
  type TypedArray,
} from './dtypes.js';
import { describe, LossError } from './errors.js';
import { fromNested, type NestedArray } from './nested.js';
import { checkOptions } from './options.js';
import { checkShape, formatShape, isShape, sameShape, type Shape, sizeOf } from './shapes.js';

/**
 * What every function of this package takes for a tensor besides its own: tensors of other libraries fit.
 *
 * @example
 * import { MultiLabelMarginLoss, type TensorLike } from 'multilabel-margin-loss';
 *
 * const scores: TensorLike = { data: Float32Array.of(0.1, 0.2, 0.4, 0.8), shape: [1, 4] };
 * new MultiLabelMarginLoss().forward(scores, [[3, 0]]).item(); // => 0.85
 */
export interface TensorLike {
  /** The elements, row-major. */
  readonly data: TypedArray;
  /** The product of its lengths is the length of `data`. */
  readonly shape: Shape;
}

/**
 * Options of {@link tensor}, {@link zeros} and {@link randn}.
 *
 * @example
 * import { type TensorOptions, zeros } from 'multilabel-margin-loss';
 *
 * const options: TensorOptions<'float64'> = { dtype: 'float64', requires_grad: true };
 * zeros([2, 3], options).dtype; // => 'float64'
 */
export interface TensorOptions<D extends DType = DType> {
  /**
   * The type of the elements.
   * @default the type of the typed array given, else 'float32'
   */
  dtype?: D;
  /**
   * Whether losses of this tensor compute the gradient with respect to it; float32 and float64 only.
   * @default false
   */
  requires_grad?: boolean;
}

/**
 * Options of {@link Tensor.backward}.
 *
 * @example
 * import { type BackwardOptions, MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
 *
 * const options: BackwardOptions = { retain_graph: true };
 * const scores = tensor([0.1, 0.2, 0.4, 0.8], { requires_grad: true });
 * const loss = new MultiLabelMarginLoss().forward(scores, [3, 0]);
 * loss.backward(undefined, options);
 * loss.backward();
 * scores.grad?.tolist(); // => [-1, 1, 1, -1]
 */
export interface BackwardOptions {
  /**
   * Whether `backward()` may be called again.
   * @default false
   */
  retain_graph?: boolean;
}

/** What an operation leaves on its result so that `backward()` finds its way: see autograd.ts. */
export interface Differentiable {
  /** Higher than those of all that the result was computed from. */
  readonly sequence: number;
  propagate(gradOutput: Tensor, retain: boolean): void;
}

/** Not part of the public API. Registered, so that tensors of another copy of this package have it too. */
export const gradNode = Symbol.for('multilabel-margin-loss.gradNode');

/** Where a tensor keeps its `grad`. */
export const gradient = Symbol.for('multilabel-margin-loss.gradient');

/** What a tensor has whose elements are not in an array of its own. */
export const storage = Symbol.for('multilabel-margin-loss.storage');

/** Where the elements of a tensor are that are not in an array of its own: in linear memory. */
export interface Storage<D extends DType = DType> {
  readonly dtype: D;
  /** In elements. */
  readonly length: number;
  /** A {@link Backend} that computes losses of what is in this memory where it is. */
  readonly backend: { compute: unknown };
  /**
   * A view, made anew at each call, because growth of the memory detaches views.
   *
   * @throws LossError ERR_DISPOSED once the memory was given back
   */
  view(): ArrayTypes[D];
}

/**
 * A typed array with a shape. Its elements are `data`, row-major; nothing is copied when one is made from a typed array.
 *
 * It is no framework's tensor: it has no arithmetic, and autograd ends at the loss of this package.
 *
 * @example
 * import { tensor, Tensor } from 'multilabel-margin-loss';
 *
 * const scores: Tensor<'float32'> = tensor([[1, 2, 3], [4, 5, 6]]);
 * scores instanceof Tensor; // => true
 * scores.shape; // => [2, 3]
 * scores.data; // => [1, 2, 3, 4, 5, 6]
 */
export class Tensor<D extends DType = DType> implements TensorLike {
  /** The elements, row-major. */
  readonly data!: ArrayTypes[D];
  /** Empty for a scalar. */
  readonly shape: Shape;
  /** The type of the elements. */
  readonly dtype: D;
  /** Whether losses of this tensor compute the gradient with respect to it. */
  requires_grad: boolean;
  /** @internal */
  [gradient]: Tensor<D> | null = null;
  /** @internal */
  [gradNode]: Differentiable | null = null;
  /** @internal */
  [storage]: Storage<D> | null;

  /**
   * Use {@link tensor}, {@link zeros} or {@link randn}.
   * @hidden
   */
  constructor(data: ArrayTypes[D] | Storage<D>, shape: Shape, requires_grad = false) {
    const inMemory =
      typeof (data as Partial<Storage<D>> | undefined)?.view === 'function' ? (data as Storage<D>) : null;
    const dtype = inMemory?.dtype ?? dtypeOf(data);
    if (dtype === null) {
      throw new LossError('ERR_DTYPE', `a tensor's data must be one of ${ARRAY_NAMES}, got ${describe(data)}`);
    }
    checkShape(shape, data, 'tensor');
    if (typeof requires_grad !== 'boolean') {
      throw new LossError('ERR_OPTION', `requires_grad must be true or false, got ${describe(requires_grad)}`);
    }
    if (requires_grad && dtype !== 'float32' && dtype !== 'float64') {
      throw new LossError('ERR_DTYPE', `only float32 and float64 tensors can require a gradient, got ${dtype}`);
    }
    this.shape = shape.slice();
    this.dtype = dtype as D;
    this.requires_grad = requires_grad;
    this[storage] = inMemory;
    if (inMemory === null) this.data = data as ArrayTypes[D];
    // An own property too, which structuredClone() and spreading see.
    else Object.defineProperty(this, 'data', { get: () => inMemory.view(), enumerable: true, configurable: true });
  }

  /**
   * What `backward()` accumulated, of the same shape and dtype; null before. Set it to null to start anew.
   *
   * @throws LossError ERR_DTYPE or ERR_SHAPE where it is set to anything but null or a tensor of this shape and dtype
   */
  get grad(): Tensor<D> | null {
    return this[gradient];
  }

  /** Takes null, or a tensor of this shape and dtype. */
  set grad(value: Tensor<D> | null) {
    if (value !== null) checkGrad(value, this);
    this[gradient] = value;
  }

  /**
   * The value of a tensor of one element.
   *
   * @returns a number; a bigint for int64
   * @throws LossError ERR_SHAPE if it has more or fewer
   * @example
   * import { tensor } from 'multilabel-margin-loss';
   *
   * tensor([0.5]).item(); // => 0.5
   */
  item(): D extends 'int64' ? bigint : number {
    if (this.data.length !== 1) {
      throw new LossError(
        'ERR_SHAPE',
        `item() needs a tensor of one element, this one has ${this.data.length} (shape ${formatShape(this.shape)})`,
      );
    }
    return this.data[0] as D extends 'int64' ? bigint : number;
  }

  /**
   * The elements as nested arrays.
   *
   * @returns lists as deep as the shape is long; a number (int64: bigint) for a scalar
   * @example
   * import { tensor } from 'multilabel-margin-loss';
   *
   * tensor(Float32Array.of(1, 2, 3, 4), { shape: [2, 2] }).tolist(); // => [[1, 2], [3, 4]]
   */
  tolist(): NestedArray {
    let at = 0;
    const nest = (depth: number): NestedArray =>
      depth === this.shape.length
        ? (this.data[at++] as number | bigint)
        : Array.from({ length: this.shape[depth] as number }, () => nest(depth + 1));
    return nest(0);
  }

  /**
   * Adds the gradient of this loss, times `gradOutput`, to `grad` of all that it was computed from and that requires a
   * gradient: scores, and the parameters of a model. As in PyTorch, once: the memory is freed, and a second call is an
   * error, unless `retain_graph` is true.
   *
   * @param gradOutput the shape of this tensor; may be left out for a loss of shape [], and is 1 then
   * @param options `retain_graph`: whether `backward()` may be called again
   * @throws LossError ERR_BACKWARD if this was not computed from tensors that require a gradient, if it was called before,
   * or if gradOutput is missing; ERR_SHAPE or ERR_DTYPE if gradOutput does not fit; ERR_DISPOSED if an activation that it
   * was computed from is recycled
   * @example
   * import { MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
   *
   * const scores = tensor([[0.1, 0.2, 0.4, 0.8], [0.5, 0.1, 0.2, 0.3]], { requires_grad: true });
   * const losses = new MultiLabelMarginLoss({ reduction: 'none' }).forward(scores, [[3, 0], [1]]);
   * losses.backward([1, 0]);
   * scores.grad?.tolist(); // => [[-0.5, 0.5, 0.5, -0.5], [0, 0, 0, 0]]
   */
  backward(gradOutput?: TensorLike | NestedArray, options: BackwardOptions = {}): void {
    const { retain_graph = false } = checkOptions(options, ['retain_graph'], 'backward()');
    if (typeof retain_graph !== 'boolean') {
      throw new LossError('ERR_OPTION', `retain_graph must be true or false, got ${describe(retain_graph)}`);
    }
    const node = this[gradNode];
    if (node === null) {
      throw new LossError(
        'ERR_BACKWARD',
        this.requires_grad
          ? 'backward() needs a loss, or another result of tensors that require a gradient; this tensor is not a result'
          : 'backward() on a tensor that does not require a gradient: make its scores with { requires_grad: true }',
      );
    }
    let factors: Tensor;
    if (gradOutput === undefined) {
      if (this.data.length !== 1 || this.shape.length > 0) {
        throw new LossError(
          'ERR_BACKWARD',
          `backward() of a loss of shape ${formatShape(this.shape)} needs a gradOutput of that shape ` +
            "(only the losses of reduction 'mean' and 'sum' are scalars)",
        );
      }
      factors = new Tensor(Float64Array.of(1), []);
    } else {
      const given = toTensor(gradOutput, 'float64', 'gradOutput');
      if (given.dtype === 'int32' || given.dtype === 'int64') {
        throw new LossError('ERR_DTYPE', `gradOutput must be float32 or float64, got ${given.dtype}`);
      }
      if (!sameShape(given.shape, this.shape)) {
        throw new LossError(
          'ERR_SHAPE',
          `gradOutput must have the shape of the loss, ${formatShape(this.shape)}, got ${formatShape(given.shape)}`,
        );
      }
      factors = given;
    }
    node.propagate(factors, retain_graph);
  }
}

brand(Tensor, 'Tensor');

/**
 * A tensor of the numbers given. A typed array is wrapped, not copied, unless `dtype` asks for another type.
 *
 * @param data nested arrays, a number, or a typed array
 * @param options `shape` gives a typed array its shape (default: its length)
 * @returns a tensor of the shape and dtype asked for; else of those of `data`, and float32 for nested arrays
 * @throws LossError ERR_SHAPE for ragged arrays or a length that does not fit the shape; ERR_DTYPE for elements that are
 * no numbers, or that an integer dtype cannot hold; ERR_OPTION; ERR_OUT_OF_MEMORY
 * @example
 * import { float64, int64, tensor } from 'multilabel-margin-loss';
 *
 * tensor(new Float32Array(6), { shape: [2, 3] }).shape; // => [2, 3]
 * tensor([[0.25, 0.5], [1, 2]], { dtype: float64, requires_grad: true }).shape; // => [2, 2]
 * tensor([[1, -1]], { dtype: int64 }).tolist(); // => [[1n, -1n]]
 */
export function tensor<D extends DType>(data: ArrayTypes[D], options?: TensorOptions<D> & { shape?: Shape }): Tensor<D>;
/** Of nested arrays, or of a typed array of another dtype; the rest is as above. */
export function tensor<D extends DType = 'float32'>(
  data: NestedArray | TypedArray,
  options?: TensorOptions<D> & { shape?: Shape },
): Tensor<D>;
export function tensor(data: NestedArray | TypedArray, options: TensorOptions & { shape?: Shape } = {}): Tensor {
  const {
    dtype,
    requires_grad = false,
    shape,
  } = checkOptions(options, ['dtype', 'requires_grad', 'shape'], 'tensor()');
  checkDType(dtype);
  if (!isTypedArray(data)) {
    const nested = fromNested(data, dtype ?? 'float32', 'data');
    return new Tensor(nested.data, shape ?? nested.shape, requires_grad);
  }
  const own = dtypeOf(data);
  const converted =
    dtype === undefined || dtype === own ? data : fromNested(Array.from(data as ArrayLike<number>), dtype, 'data').data;
  return new Tensor(converted, shape ?? [converted.length], requires_grad);
}

/**
 * Zeros of a shape, given as one list or as several arguments.
 *
 * @param args the shape, and {@link TensorOptions}
 * @returns float32, if no other dtype is asked for
 * @throws LossError ERR_SHAPE, ERR_OPTION, ERR_DTYPE, ERR_OUT_OF_MEMORY
 * @example
 * import { int64, zeros } from 'multilabel-margin-loss';
 *
 * zeros(2, 3).tolist(); // => [[0, 0, 0], [0, 0, 0]]
 * zeros([2], { dtype: int64 }).tolist(); // => [0n, 0n]
 */
export function zeros<D extends DType = 'float32'>(...args: ShapeArguments<D>): Tensor<D> {
  const [shape, dtype, requires_grad] = shapeArguments<D>(args, 'zeros()');
  return new Tensor(allocate(dtype, sizeOf(shape)), shape, requires_grad);
}

/** The lengths of a shape, as one list or one by one, and then options. */
export type ShapeArguments<D extends DType> =
  [...number[]] | [...number[], TensorOptions<D>] | [Shape] | [Shape, TensorOptions<D>];

/** A tensor of anything that is one, or that describes one; not copied where it need not be. */
export function toTensor(value: unknown, nestedDType: DType, name: string): Tensor {
  if (isTensor(value)) {
    // Its buffer may have been detached since it was made.
    checkShape(value.shape, value.data, name);
    return value;
  }
  if (isTypedArray(value)) return toTensor({ data: value, shape: [value.length] }, nestedDType, name);
  if (typeof value === 'number' || typeof value === 'bigint' || Array.isArray(value)) {
    const { data, shape } = fromNested(value as NestedArray, nestedDType, name);
    return new Tensor(data, shape);
  }
  if (typeof value !== 'object' || value === null || !('data' in value) || !('shape' in value)) {
    throw new LossError(
      'ERR_DTYPE',
      `${name} must be a Tensor, { data, shape }, a typed array or nested arrays of numbers, got ${describe(value)}`,
    );
  }
  if (dtypeOf(value.data) === null) {
    throw new LossError('ERR_DTYPE', `${name}.data must be one of ${ARRAY_NAMES}, got ${describe(value.data)}`);
  }
  checkShape(value.shape, value.data as TypedArray, name);
  return new Tensor(value.data as TypedArray, value.shape as Shape);
}

/** Refuses what cannot be added to as the gradient of a tensor. */
export function checkGrad(grad: unknown, { dtype, shape }: Tensor): void {
  if (!isTensor(grad)) {
    throw new LossError('ERR_DTYPE', `grad of a tensor must be null or a Tensor, got ${describe(grad)}`);
  }
  // Its buffer may have been transferred.
  toTensor(grad, dtype, 'grad');
  if (grad.dtype !== dtype || !sameShape(grad.shape, shape)) {
    throw new LossError(
      grad.dtype === dtype ? 'ERR_SHAPE' : 'ERR_DTYPE',
      `grad of a tensor must be null, or ${dtype} of its shape ${formatShape(shape)}, got ` +
        `${grad.dtype} of shape ${formatShape(grad.shape)}`,
    );
  }
}

/** With types: instanceof gives Tensor<any>. */
export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

export function shapeArguments<D extends DType>(
  args: ShapeArguments<D>,
  where: string,
): [shape: Shape, dtype: D, requires_grad: boolean] {
  const rest: unknown[] = [...args];
  const last = rest.at(-1);
  const hasOptions = rest.length > 0 && typeof last === 'object' && last !== null && !Array.isArray(last);
  const options = hasOptions ? (rest.pop() as TensorOptions<D>) : {};
  const shape: unknown = rest.length === 1 && Array.isArray(rest[0]) ? rest[0] : rest;
  if (!isShape(shape)) {
    throw new LossError('ERR_SHAPE', `${where} needs a shape of integers from 0, got ${formatShape(shape)}`);
  }
  const { dtype = 'float32' as D, requires_grad = false } = checkOptions(options, ['dtype', 'requires_grad'], where);
  checkDType(dtype);
  return [shape, dtype, requires_grad];
}
