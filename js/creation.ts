import {
  allocate,
  checkDType,
  type DType,
  type DTypeOfArray,
  dtypeOf,
  type FloatDType,
  type IntegerArray,
  isTypedArray,
  type TypedArray,
} from './dtypes.js';
import { LossError } from './errors.js';
import { fromNested, type NestedArray } from './nested.js';
import { checkOptions } from './options.js';
import { formatShape, isShape, type Shape, sizeOf } from './shapes.js';
import { Tensor } from './tensor.js';

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
  dtype?: D | undefined;
  /**
   * Whether losses of this tensor compute the gradient with respect to it; float32 and float64 only.
   * @default false
   */
  requires_grad?: (D extends FloatDType ? boolean : false) | undefined;
}

/**
 * A tensor of the numbers of any typed array, converted to the dtype asked for.
 *
 * @param data a typed array; of a type that tensors do not have, too
 * @param options `dtype`; `shape` gives the array its shape (default: its length)
 * @returns a tensor of the shape and dtype asked for
 * @throws LossError ERR_SHAPE for a length that does not fit the shape; ERR_DTYPE for elements that an integer dtype cannot
 * hold; ERR_OPTION; ERR_OUT_OF_MEMORY
 * @example
 * import { tensor } from 'multilabel-margin-loss';
 *
 * tensor(Uint8Array.of(3, 0), { dtype: 'int32', shape: [1, 2] }).tolist(); // => [[3, 0]]
 */
export function tensor<D extends DType>(
  data: IntegerArray | TypedArray,
  options: TensorOptions<D> & { dtype: D; shape?: Shape | undefined },
): Tensor<D>;
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
export function tensor<A extends NestedArray, D extends DType = A extends TypedArray ? DTypeOfArray<A> : 'float32'>(
  data: A,
  options?: TensorOptions<D> & { shape?: Shape | undefined },
): Tensor<D>;
export function tensor<D extends DType>(
  data: NestedArray | IntegerArray,
  options: TensorOptions<D> & { shape?: Shape | undefined } = {},
): Tensor<D> {
  const {
    dtype,
    requires_grad = false,
    shape,
  } = checkOptions(options, ['dtype', 'requires_grad', 'shape'], 'tensor()');
  checkDType(dtype);
  if (!isTypedArray(data)) {
    const nested = fromNested(data as NestedArray, dtype ?? 'float32', 'data');
    return new Tensor(nested.data as TypedArray<D>, shape ?? nested.shape, requires_grad);
  }
  const own = dtypeOf(data);
  const converted =
    dtype === undefined || dtype === own ? data : fromNested(Array.from(data as ArrayLike<number>), dtype, 'data').data;
  return new Tensor(converted as TypedArray<D>, shape ?? [converted.length], requires_grad);
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
