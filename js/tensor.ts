import { describe, LossError } from './errors.js';

/**
 * The typed array of each dtype.
 *
 * @example
 * import type { ArrayTypes } from 'multilabel-margin-loss';
 *
 * const labels: ArrayTypes['int64'] = BigInt64Array.of(1n, 3n, -1n);
 * labels.length; // => 3
 */
export interface ArrayTypes {
  /** Scores, losses and gradients; the default. */
  float32: Float32Array;
  /** Scores, losses and gradients. */
  float64: Float64Array;
  /** Targets. */
  int32: Int32Array;
  /** Targets, as PyTorch has them. */
  int64: BigInt64Array;
}

/**
 * The type of the elements of a tensor.
 *
 * @example
 * import { type DType, zeros } from 'multilabel-margin-loss';
 *
 * const dtypes: DType[] = ['float32', 'float64', 'int32', 'int64'];
 * dtypes.map((dtype) => zeros([2], { dtype }).data.BYTES_PER_ELEMENT); // => [4, 8, 4, 8]
 */
export type DType = 'float32' | 'float64' | 'int32' | 'int64';

/**
 * The array of a tensor of any dtype.
 *
 * @example
 * import { tensor, type TypedArray } from 'multilabel-margin-loss';
 *
 * const data: TypedArray = new Float32Array(6);
 * tensor(data).data === data; // => true
 */
export type TypedArray = ArrayTypes[DType];

/**
 * The lengths of the dimensions, the outermost first: [N, C] for N rows of C; [] for a scalar.
 *
 * @example
 * import { type Shape, zeros } from 'multilabel-margin-loss';
 *
 * const shape: Shape = zeros(2, 3).shape;
 * shape; // => [2, 3]
 */
export type Shape = readonly number[];

/**
 * The dtypes that scores can have, and that have a gradient.
 *
 * @example
 * import { type FloatDType, randn } from 'multilabel-margin-loss';
 *
 * const dtype: FloatDType = 'float64';
 * randn([2, 3], { dtype }).data instanceof Float64Array; // => true
 */
export type FloatDType = 'float32' | 'float64';

/**
 * Numbers, nested as deep as the shape is long; every list at one depth has the same length.
 *
 * @example
 * import { type NestedArray, tensor } from 'multilabel-margin-loss';
 *
 * const rows: NestedArray = [[0.5, 1, 2], [3, 4, 5]];
 * tensor(rows).shape; // => [2, 3]
 */
export type NestedArray = number | bigint | readonly NestedArray[];

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
 * A dtype: a `Float32Array`.
 *
 * @example
 * import { float32, zeros } from 'multilabel-margin-loss';
 *
 * zeros([2], { dtype: float32 }).data instanceof Float32Array; // => true
 */
export const float32 = 'float32';

/**
 * A dtype: a `Float64Array`.
 *
 * @example
 * import { float64, tensor } from 'multilabel-margin-loss';
 *
 * tensor([0.1], { dtype: float64 }).item() === 0.1; // => true
 */
export const float64 = 'float64';

/**
 * A dtype, for targets: an `Int32Array`.
 *
 * @example
 * import { int32, tensor } from 'multilabel-margin-loss';
 *
 * tensor([[1, 3, -1]], { dtype: int32 }).data instanceof Int32Array; // => true
 */
export const int32 = 'int32';

/**
 * A dtype, for targets: a `BigInt64Array`.
 *
 * @example
 * import { int64, tensor } from 'multilabel-margin-loss';
 *
 * tensor([1, 3, -1], { dtype: int64 }).tolist(); // => [1n, 3n, -1n]
 */
export const int64 = 'int64';

const ARRAY_OF = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array };
const DTYPES = Object.keys(ARRAY_OF) as DType[];

type GradFunction = (gradOutput: TypedArray) => void;

/** What a loss leaves on its tensor so that `backward()` finds its way; not part of the public API. */
export const gradFunction = Symbol('gradFunction');

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
  readonly data: ArrayTypes[D];
  /** Empty for a scalar. */
  readonly shape: Shape;
  /** The type of the elements. */
  readonly dtype: D;
  /** Whether losses of this tensor compute the gradient with respect to it. */
  requires_grad: boolean;
  /** What `backward()` accumulated, of the same shape and dtype; null before. Set it to null to start anew. */
  grad: Tensor<D> | null = null;
  /** @internal */
  [gradFunction]: GradFunction | null = null;

  /**
   * Use {@link tensor}, {@link zeros} or {@link randn}.
   * @hidden
   */
  constructor(data: ArrayTypes[D], shape: Shape, requires_grad = false) {
    const dtype = dtypeOf(data);
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
    this.data = data;
    this.shape = shape.slice();
    this.dtype = dtype as D;
    this.requires_grad = requires_grad;
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
   * Adds the gradient of this loss, times `gradOutput`, to `grad` of the scores that it was computed from. As in
   * PyTorch, once: the memory is freed, and a second call is an error.
   *
   * @param gradOutput the shape of this tensor; may be left out for a single element, and is 1 then
   * @throws LossError ERR_BACKWARD if this is not the loss of scores that require a gradient, if it was called before,
   * or if gradOutput is missing; ERR_SHAPE or ERR_DTYPE if gradOutput does not fit
   * @example
   * import { MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
   *
   * const scores = tensor([[0.1, 0.2, 0.4, 0.8], [0.5, 0.1, 0.2, 0.3]], { requires_grad: true });
   * const losses = new MultiLabelMarginLoss({ reduction: 'none' }).forward(scores, [[3, 0], [1]]);
   * losses.backward([1, 0]);
   * scores.grad?.tolist(); // => [[-0.5, 0.5, 0.5, -0.5], [0, 0, 0, 0]]
   */
  backward(gradOutput?: TensorLike | NestedArray): void {
    const propagate = this[gradFunction];
    if (propagate === null) {
      throw new LossError(
        'ERR_BACKWARD',
        this.requires_grad
          ? 'backward() needs the loss of scores with requires_grad, and can be called once for each loss'
          : 'backward() on a tensor that does not require a gradient: make its scores with { requires_grad: true }',
      );
    }
    let factors: TypedArray;
    if (gradOutput === undefined) {
      if (this.data.length !== 1 || this.shape.length > 0) {
        throw new LossError(
          'ERR_BACKWARD',
          `backward() of a loss of shape ${formatShape(this.shape)} needs a gradOutput of that shape ` +
            "(only the losses of reduction 'mean' and 'sum' are scalars)",
        );
      }
      factors = Float64Array.of(1);
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
      factors = given.data;
    }
    propagate(factors);
    this[gradFunction] = null;
  }
}

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

/**
 * Samples of the standard normal distribution. Not seeded.
 *
 * @param args the shape, and {@link TensorOptions}
 * @returns float32, or float64 if that is asked for
 * @throws LossError ERR_SHAPE, ERR_OPTION, ERR_DTYPE, ERR_OUT_OF_MEMORY
 * @example
 * import { randn } from 'multilabel-margin-loss';
 *
 * const scores = randn([2, 3], { requires_grad: true });
 * scores.shape; // => [2, 3]
 */
export function randn<D extends FloatDType = 'float32'>(...args: ShapeArguments<D>): Tensor<D> {
  const [shape, dtype, requires_grad] = shapeArguments<D>(args, 'randn()');
  if (dtype !== 'float32' && dtype !== 'float64') {
    throw new LossError('ERR_DTYPE', `randn() makes float32 or float64, not ${dtype as string}`);
  }
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    // Box and Muller; 1 - random() is never 0.
    data[i] = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  }
  return new Tensor(data, shape, requires_grad);
}

/**
 * The lengths of a shape, as one list or one by one, and then options.
 *
 * @example
 * import { type ShapeArguments, zeros } from 'multilabel-margin-loss';
 *
 * const args: ShapeArguments<'float32'> = [[2, 3], { requires_grad: true }];
 * zeros(...args).shape; // => [2, 3]
 */
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

/** A view of memory. */
export function arrayIn<D extends DType>(
  dtype: D,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): ArrayTypes[D] {
  return new ARRAY_OF[dtype](buffer as ArrayBuffer, byteOffset, length) as ArrayTypes[D];
}

/** An array of zeros, or ERR_OUT_OF_MEMORY where there is no memory for it. */
export function allocate<D extends DType>(dtype: D, length: number): ArrayTypes[D] {
  try {
    return new ARRAY_OF[dtype](length) as ArrayTypes[D];
  } catch (cause) {
    throw new LossError('ERR_OUT_OF_MEMORY', `no memory for ${length} elements of ${dtype}`, { cause });
  }
}

/** The options, or ERR_OPTION for a key that is not among those known. */
export function checkOptions<T extends object>(options: T, known: readonly string[], where: string): T {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new LossError('ERR_OPTION', `the options of ${where} must be an object, got ${describe(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new LossError('ERR_OPTION', `unknown option '${key}' of ${where}; it knows ${known.join(', ')}`);
    }
  }
  return options;
}

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** A shape, or what was given for one, as it would be written in a message. */
export function formatShape(shape: unknown): string {
  return Array.isArray(shape) ? `[${Array.from(shape, describe).join(', ')}]` : describe(shape);
}

const ARRAY_NAMES = DTYPES.map((dtype) => ARRAY_OF[dtype].name).join(', ');

/** By its tag and not its class: an array of another realm (an iframe, a vm context) has another class. */
function dtypeOf(data: unknown): DType | null {
  switch (isTypedArray(data) && data[Symbol.toStringTag]) {
    case 'Float32Array':
      return 'float32';
    case 'Float64Array':
      return 'float64';
    case 'Int32Array':
      return 'int32';
    case 'BigInt64Array':
      return 'int64';
    default:
      return null;
  }
}

function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && (value as TypedArray)[Symbol.toStringTag] !== ('DataView' as string);
}

/** With types: instanceof gives Tensor<any>. */
export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

function checkDType(dtype: unknown): void {
  if (dtype !== undefined && !DTYPES.includes(dtype as DType)) {
    throw new LossError('ERR_OPTION', `dtype must be one of ${DTYPES.join(', ')}, got ${describe(dtype)}`);
  }
}

export function isShape(shape: unknown): shape is Shape {
  if (!Array.isArray(shape)) return false;
  // By index: every() leaves holes out.
  for (let i = 0; i < shape.length; i++) {
    const length: unknown = shape[i];
    if (!Number.isSafeInteger(length) || (length as number) < 0) return false;
  }
  return true;
}

function checkShape(shape: unknown, data: TypedArray, name: string): void {
  if (!isShape(shape)) {
    throw new LossError(
      'ERR_SHAPE',
      `the shape of ${name} must be a list of integers from 0, got ${formatShape(shape)}`,
    );
  }
  const size = sizeOf(shape);
  if (size !== data.length) {
    // A detached array has length 0, and so would one of an empty buffer, but for that no shape would be given.
    const detached = data.length === 0 && data.buffer.byteLength === 0 ? ' (its ArrayBuffer is empty or detached)' : '';
    throw new LossError(
      'ERR_SHAPE',
      `${name} of shape ${formatShape(shape)} needs ${size} elements, its data has ${data.length}${detached}`,
    );
  }
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

// More dimensions than anyone means: a list that contains itself.
const MOST_DIMENSIONS = 32;

/** Row-major elements and shape of nested arrays. */
function fromNested(value: NestedArray, dtype: DType, name: string): { data: TypedArray; shape: number[] } {
  const shape: number[] = [];
  for (let inner: unknown = value; Array.isArray(inner); inner = inner[0]) {
    shape.push(inner.length);
    if (shape.length > MOST_DIMENSIONS) {
      throw new LossError('ERR_SHAPE', `${name} must be nested at most ${MOST_DIMENSIONS} deep`);
    }
  }
  const data = allocate(dtype, sizeOf(shape));
  const path: number[] = [];
  const here = (): string => name + path.map((i) => `[${i}]`).join('');
  let at = 0;
  const fill = (inner: unknown): void => {
    const depth = path.length;
    if (depth === shape.length) {
      data[at++] = toElement(inner, dtype, here);
      return;
    }
    if (!Array.isArray(inner) || inner.length !== shape[depth]) {
      throw new LossError(
        'ERR_SHAPE',
        `${here()} must be an array of length ${shape[depth]}, as the first one at its depth, got ${describe(inner)}`,
      );
    }
    for (let i = 0; i < inner.length; i++) {
      path.push(i);
      fill(inner[i]);
      path.pop();
    }
  };
  fill(value);
  return { data, shape };
}

function toElement(value: unknown, dtype: DType, where: () => string): never {
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw new LossError('ERR_DTYPE', `${where()} must be a number, got ${describe(value)}`);
  }
  if (dtype === 'float32' || dtype === 'float64') return Number(value) as never;
  if (typeof value === 'number' && !Number.isInteger(value)) {
    throw new LossError('ERR_DTYPE', `${where()} must be an integer for dtype ${dtype}, got ${value}`);
  }
  const integer = BigInt(value);
  const fits = dtype === 'int64' ? BigInt.asIntN(64, integer) === integer : BigInt.asIntN(32, integer) === integer;
  if (!fits) throw new LossError('ERR_DTYPE', `${where()} does not fit in ${dtype}: ${value}`);
  return (dtype === 'int64' ? integer : Number(value)) as never;
}
