import { brand } from './brand.js';
import {
  allocate,
  ARRAY_NAMES,
  type ArrayTypes,
  type DType,
  dtypeOf,
  type FloatDType,
  type HasOnly,
  isTypedArray,
  plainArray,
  type TypedArray,
} from './dtypes.js';
import { describe, LossError } from './errors.js';
import { gradEnabled } from './grad-mode.js';
import { fromNested, isList, type NestedArray } from './nested.js';
import { checkOptions } from './options.js';
import { printTensor } from './print.js';
import { checkShape, formatShape, sameShape, type Shape } from './shapes.js';

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
  retain_graph?: boolean | undefined;
}

/** Not part of the public API. Registered, so that tensors of another copy of this package have it too. */
export const gradNode = Symbol.for('multilabel-margin-loss.gradNode');

/** Where a tensor keeps its `grad`. */
export const gradient = Symbol.for('multilabel-margin-loss.gradient');

/** What console.log() of Node, Deno and Bun looks for. */
const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A gradient with respect to a result, in a form that {@link Tensor.backward} takes. */
type GradOutput = number | bigint | Float32Array | Float64Array | TensorLike | readonly NestedArray[];

/** Refuses, when compiled, a gradient of type G that can only be integers. */
type NoIntegers<G> =
  HasOnly<G, Int32Array | BigInt64Array> extends true ? 'gradOutput must be floating-point' : unknown;

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

// One getter for all tensors: with a closure for each, engines would give every tensor a hidden class of its own, and a step
// of a small model took twice as long.
const DATA_IN_MEMORY = {
  get(this: Tensor): TypedArray {
    return (this[storage] as Storage).view();
  },
  enumerable: true,
  configurable: true,
};

/**
 * A typed array with a shape. Its elements are `data`, row-major; nothing is copied when one is made from a typed array.
 *
 * A tensor has no arithmetic of its own. Autograd goes through the loss, the layers of `nn`, `relu()`, `add()` and `clone()`.
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
  /** The elements, row-major. In shared memory if the array given was, which the type does not tell. */
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
  [gradNode]: GradNode | null = null;
  /** @internal */
  [storage]: Storage<D> | null;

  /**
   * Use {@link tensor}, {@link zeros} or {@link randn}.
   * @hidden
   */
  constructor(data: TypedArray<D> | Storage<D>, shape: Shape, requires_grad = false, name = 'tensor') {
    const inMemory =
      typeof (data as Partial<Storage<D>> | undefined)?.view === 'function' ? (data as Storage<D>) : null;
    const dtype = inMemory?.dtype ?? dtypeOf(data);
    if (dtype === null) {
      throw new LossError('ERR_DTYPE', `a tensor's data must be one of ${ARRAY_NAMES}, got ${describe(data)}`);
    }
    checkShape(shape, data, name);
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
    else Object.defineProperty(this, 'data', DATA_IN_MEMORY);
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
    return this.#nest((element) => element);
  }

  /**
   * Adds the gradient of this loss to `grad` of all that it was computed from and that requires a gradient: scores, and the
   * parameters of a model. It can be called once, as in PyTorch: it frees the memory, and a second call is an error, unless
   * `retain_graph` is true.
   *
   * @param options `retain_graph`: whether `backward()` may be called again
   * @throws LossError ERR_BACKWARD if this was not computed from tensors that require a gradient, if it was called before,
   * or if this is not of shape []; ERR_OPTION; ERR_DISPOSED if an activation that it was computed from is recycled
   * @example
   * import { MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
   *
   * const scores = tensor([[0.1, 0.2, 0.4, 0.8]], { requires_grad: true });
   * const loss = new MultiLabelMarginLoss().forward(scores, [[3, 0]]);
   * loss.backward({ retain_graph: true });
   * loss.backward();
   * scores.grad?.tolist(); // => [[-1, 1, 1, -1]]
   */
  backward(options?: BackwardOptions): void;
  /**
   * Adds the gradient of this loss, times `gradOutput`, to `grad` of all that it was computed from and that requires a
   * gradient: scores, and the parameters of a model.
   *
   * @param gradOutput float32 or float64, of the shape of this tensor; undefined for 1, where that shape is []
   * @param options `retain_graph`: whether `backward()` may be called again
   * @throws LossError ERR_BACKWARD if this was not computed from tensors that require a gradient, if it was called before,
   * or if `gradOutput` is missing; ERR_SHAPE or ERR_DTYPE if it does not fit; ERR_OPTION; ERR_DISPOSED if an activation that
   * it was computed from is recycled
   * @example
   * import { MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
   *
   * const scores = tensor([[0.1, 0.2, 0.4, 0.8], [0.5, 0.1, 0.2, 0.3]], { requires_grad: true });
   * const losses = new MultiLabelMarginLoss({ reduction: 'none' }).forward(scores, [[3, 0], [1]]);
   * losses.backward([1, 0]);
   * scores.grad?.tolist(); // => [[-0.5, 0.5, 0.5, -0.5], [0, 0, 0, 0]]
   */
  backward<G extends GradOutput | undefined>(gradOutput: G & NoIntegers<G>, options?: BackwardOptions): void;
  backward(first?: GradOutput | BackwardOptions, second?: BackwardOptions): void {
    const [gradOutput, options = {}] = second === undefined && isOptions(first) ? [undefined, first] : [first, second];
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
      // The gradient of a table is computed when it is read or stepped: what is in linear memory may have changed by then.
      factors = given[storage] === null ? given : new Tensor((given.data as Float32Array).slice(), given.shape);
    }
    node.propagate(factors, retain_graph);
  }

  /**
   * A copy with an array of its own, which stays when an activation is recycled. As in PyTorch, `backward()` goes through
   * it to what this tensor was computed from; `detach().clone()` keeps the values alone.
   *
   * @returns of the same shape and dtype; it requires a gradient if this tensor does, but for `no_grad()`
   * @throws LossError ERR_DISPOSED for an activation that is recycled already; ERR_SHAPE for a detached array;
   * ERR_OUT_OF_MEMORY
   * @example
   * import { tensor } from 'multilabel-margin-loss';
   *
   * const scores = tensor([1, 2]);
   * const copy = scores.clone();
   * scores.data[0] = 5;
   * copy.tolist(); // => [1, 2]
   */
  clone(): Tensor<D> {
    const { data } = this;
    checkShape(this.shape, data, 'this tensor');
    const copy = allocate(this.dtype, data.length);
    (copy as Float32Array).set(data as Float32Array);
    const needsGrad = this.requires_grad && gradEnabled();
    const result = new Tensor<D>(copy, this.shape, needsGrad);
    if (needsGrad) result[gradNode] = new CloneNode(this);
    return result;
  }

  /**
   * The same elements without autograd: losses of the result compute no gradient with respect to it.
   *
   * @returns of the same shape and dtype, and in the same memory, as in PyTorch: writing to one writes to both
   * @example
   * import { tensor } from 'multilabel-margin-loss';
   *
   * const scores = tensor([1, 2], { requires_grad: true });
   * scores.detach().requires_grad; // => false
   * scores.detach().data === scores.data; // => true
   */
  detach(): Tensor<D> {
    return new Tensor<D>(this[storage] ?? this.data, this.shape);
  }

  /**
   * What `JSON.stringify()` writes: the elements as nested arrays. JSON has no NaN and no infinity, and writes null for them.
   * It keeps neither dtype nor `requires_grad`.
   *
   * @returns as {@link Tensor.tolist}, with numbers for int64 too
   * @throws LossError ERR_DTYPE for an int64 beyond 2^53, which a number cannot hold
   * @example
   * import { tensor } from 'multilabel-margin-loss';
   *
   * JSON.stringify({ targets: tensor([[3, 0, -1]], { dtype: 'int64' }) }); // => '{"targets":[[3,0,-1]]}'
   */
  toJSON(): NestedArray {
    return this.#nest((element) => {
      const number = Number(element);
      if (typeof element === 'bigint' && !Number.isSafeInteger(number)) {
        throw new LossError('ERR_DTYPE', `JSON has no number for the int64 ${element}: tolist() gives bigints`);
      }
      return number;
    });
  }

  /**
   * The tensor as PyTorch prints it: four digits, a width in common, and the first and last three of each dimension where
   * there are more than 1,000 elements. `console.log()` in Node prints this.
   *
   * @returns of an activation that is recycled, or an array whose memory is gone, why there are no elements
   * @example
   * import { tensor } from 'multilabel-margin-loss';
   *
   * String(tensor([[0.1, 0.25], [-1, 2]])); // => 'tensor([[ 0.1000,  0.2500],\n        [-1.0000,  2.0000]])'
   * String(tensor([1, 2], { requires_grad: true })); // => 'tensor([1., 2.], requires_grad=True)'
   */
  toString(): string {
    const node = this[gradNode];
    const suffix = node !== null ? `grad_fn=<${node.name}>` : this.requires_grad ? 'requires_grad=True' : null;
    try {
      const { data } = this;
      checkShape(this.shape, data, 'a tensor');
      return printTensor(data, this.shape, this.dtype, suffix);
    } catch (error) {
      if (!(error instanceof LossError)) throw error;
      return `tensor(<${error.message}>, size=${formatShape(this.shape)})`;
    }
  }

  /** @internal */
  [inspect](): string {
    return this.toString();
  }

  #nest(toElement: (element: number | bigint) => number | bigint): NestedArray {
    const { data, shape } = this;
    // Its buffer may have been detached since it was made.
    checkShape(shape, data, 'this tensor');
    let at = 0;
    const nest = (depth: number): NestedArray =>
      depth === shape.length
        ? toElement(data[at++] as number | bigint)
        : Array.from({ length: shape[depth] as number }, () => nest(depth + 1));
    return nest(0);
  }
}

const BRAND = brand(Tensor, 'Tensor');

/** The record that an operation leaves on its result, for `backward()`, where a tensor requires a gradient. */
export abstract class GradNode {
  /** A result has a higher number than all that it was computed from, also where these are of another copy of this package. */
  readonly sequence: number;
  isUsed = false;

  /** What PyTorch calls it. */
  abstract readonly name: string;

  constructor(readonly inputs: readonly Tensor[]) {
    this.sequence = 1 + Math.max(0, ...inputs.map((input) => input[gradNode]?.sequence ?? 0));
  }

  /** @throws LossError if what `backward()` needs is gone */
  check(): void {}

  /**
   * The gradient with respect to each input; null for one that needs none.
   *
   * @param gradOutput with respect to the result, of its shape
   * @param retain whether this may be called again
   */
  abstract backward(gradOutput: Tensor, retain: boolean): readonly (Tensor | null)[];

  /** The gradient of a result that was used twice. */
  sum(a: Tensor, b: Tensor): Tensor {
    const sum = (a.data as Float32Array).slice();
    for (let i = 0; i < sum.length; i++) (sum[i] as number) += b.data[i] as number;
    return new Tensor(sum, a.shape);
  }

  /** Adds the gradient of the result of this node to `grad` of all tensors that it was computed from. */
  propagate(gradOutput: Tensor, retain: boolean): void {
    const grads = new Map<GradNode, Tensor>([[this, gradOutput]]);
    for (const node of this.#reachable()) {
      // Every node comes after all whose input its result was. Without a gradient, nothing needs it any more: the
      // requires_grad of its result was set to false, say.
      const grad = grads.get(node);
      if (grad === undefined) continue;
      const ofInputs = node.backward(grad, retain);
      grads.delete(node);
      node.isUsed = !retain;
      node.inputs.forEach((input, i) => {
        const ofInput = ofInputs[i];
        if (!ofInput) return;
        const source = input[gradNode];
        if (source === null) accumulate(input, ofInput);
        else {
          const before = grads.get(source);
          grads.set(source, before ? source.sum(before, ofInput) : ofInput);
        }
      });
    }
  }

  /** All nodes that contributed to this one, itself included, later ones first, once each is known to be usable. */
  #reachable(): GradNode[] {
    const nodes = new Set<GradNode>([this]);
    // A set is iterated over what is added meanwhile, too.
    for (const node of nodes) {
      if (node.isUsed) {
        throw new LossError(
          'ERR_BACKWARD',
          'backward() can be called once for each loss: what it needs is freed then, unless it is called with ' +
            '{ retain_graph: true }',
        );
      }
      node.check();
      for (const input of node.inputs) {
        const source = input[gradNode];
        if (source !== null) nodes.add(source);
        else if (input.requires_grad && !(accumulateGrad in input) && input.grad !== null) checkGrad(input.grad, input);
      }
    }
    return [...nodes].sort((a, b) => b.sequence - a.sequence);
  }
}

class CloneNode extends GradNode {
  override readonly name = 'CloneBackward0';

  constructor(private readonly input: Tensor) {
    super([input]);
  }

  override backward(gradOutput: Tensor): [Tensor] {
    // A copy, because it may be kept and gradOutput may be the caller's; of the dtype of the input.
    const grad = allocate(this.input.dtype as FloatDType, gradOutput.data.length);
    grad.set(gradOutput.data as Float32Array);
    return [new Tensor<FloatDType>(grad, this.input.shape)];
  }
}

/** A method of tensors that keep their gradient elsewhere than in an array: it adds to the gradient. */
export const accumulateGrad = Symbol.for('multilabel-margin-loss.accumulateGrad');

interface Accumulator {
  [accumulateGrad](grad: Tensor): void;
}

/** tensor.grad += grad, which may be kept. */
function accumulate(tensor: Tensor, grad: Tensor): void {
  if (accumulateGrad in tensor) {
    (tensor as Tensor & Accumulator)[accumulateGrad](grad);
    return;
  }
  if (tensor.grad === null) {
    tensor.grad = grad[storage] === null ? grad : new Tensor((grad.data as Float32Array).slice(), grad.shape);
    return;
  }
  const sum = plainArray(tensor.grad.data);
  for (let i = 0; i < sum.length; i++) (sum[i] as number) += grad.data[i] as number;
}

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
  return new Tensor(value.data as TypedArray, value.shape as Shape, false, name);
}

/** Refuses what cannot be added to as the gradient of a tensor. */
function checkGrad(grad: unknown, { dtype, shape }: Tensor): void {
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

/** Whether the only argument of backward() is its options, as in PyTorch's backward(retain_graph=True). */
function isOptions(value: unknown): value is BackwardOptions {
  return typeof value === 'object' && value !== null && !isList(value) && !('data' in value) && !('shape' in value);
}

export function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && BRAND in value;
}
