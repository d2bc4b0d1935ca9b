import { LossError } from '../errors.js';
import type { NestedArray } from '../nested.js';
import { formatShape, sameShape, type Shape } from '../shapes.js';
import { gradNode, storage, Tensor, type TensorLike } from '../tensor.js';
import { needsGrad, OperationNode, resultOf, toOperand } from './operation.js';
import { toFloat32 } from './parameter.js';
import { newActivation } from './storage.js';
import { trainingMemory, type TrainingMemory } from './memory.js';

/**
 * The sum of two tensors of the same shape, or of the rows of one, [N, C], with the other, [C].
 *
 * @param x float32
 * @param y float32
 * @returns of the shape of the greater one
 * @throws LossError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE
 * @example
 * import { add, tensor } from 'multilabel-margin-loss';
 *
 * add(tensor([[1, 2], [3, 4]]), tensor([0.5, 0])).tolist(); // => [[1.5, 2], [3.5, 4]]
 */
export function add(x: TensorLike | NestedArray, y: TensorLike | NestedArray): Tensor<'float32'> {
  const [a, b] = [toFloat32(x, 'x of add()'), toFloat32(y, 'y of add()')];
  if (sameShape(a.shape, b.shape)) return a.shape.length === 0 ? addScalars(a, b) : addEqual(a, b);
  if (isRowOf(b.shape, a.shape)) return addRow(a, b);
  if (isRowOf(a.shape, b.shape)) return addRow(b, a);
  throw new LossError(
    'ERR_SHAPE',
    'add() needs two tensors of the same shape, or of shapes [N, C] and [C], got ' +
      `${formatShape(a.shape)} and ${formatShape(b.shape)}`,
  );
}

function isRowOf(row: Shape, matrix: Shape): boolean {
  return matrix.length === 2 && row.length === 1 && row[0] === matrix[1];
}

/** Sums of losses are read after they were recycled, so they are arrays of their own. */
function addScalars(a: Tensor<'float32'>, b: Tensor<'float32'>): Tensor<'float32'> {
  const needed = needsGrad(a, b);
  const sum = new Tensor<'float32'>(Float32Array.of((a.data[0] as number) + (b.data[0] as number)), [], needed);
  if (needed) sum[gradNode] = new AddNode(a, b, trainingMemory());
  return sum;
}

function addEqual(a: Tensor<'float32'>, b: Tensor<'float32'>): Tensor<'float32'> {
  const [x, y] = [toOperand(a, 'x of add()').memory, toOperand(b, 'y of add()').memory];
  const sum = newActivation(x.length, () => 'the output of add()');
  sum.memory.module.add(x.address, y.address, x.length, sum.address);
  return resultOf(sum, a.shape, needsGrad(a, b) ? new AddNode(a, b, sum.memory) : null);
}

function addRow(matrix: Tensor<'float32'>, row: Tensor<'float32'>): Tensor<'float32'> {
  const [x, y] = [toOperand(matrix, 'x of add()').memory, toOperand(row, 'y of add()').memory];
  const [rows, columns] = matrix.shape as [number, number];
  const sum = newActivation(x.length, () => 'the output of add()');
  sum.memory.module.addRow(x.address, y.address, rows, columns, sum.address);
  return resultOf(sum, matrix.shape, needsGrad(matrix, row) ? new AddRowNode(matrix, row, sum.memory) : null);
}

class AddNode extends OperationNode {
  override readonly name = 'AddBackward0';

  constructor(
    private readonly a: Tensor,
    private readonly b: Tensor,
    memory: TrainingMemory,
  ) {
    super([a, b], memory, []);
  }

  override backward(gradOutput: Tensor): (Tensor | null)[] {
    // Two tensors, for one may be kept as it is.
    const ofEach = (input: Tensor): Tensor | null => {
      if (!input.requires_grad) return null;
      return new Tensor<'float32'>(Float32Array.from(gradOutput.data as Float32Array), gradOutput.shape);
    };
    if (this.a.shape.length === 0) return [ofEach(this.a), ofEach(this.b)];
    const dy = this.read(gradOutput);
    const copyOf = (input: Tensor): Tensor | null =>
      this.gradOf(input, (dx) => this.memory.module.scale(dy.address, dy.length, 1, dx));
    return [copyOf(this.a), copyOf(this.b)];
  }
}

class AddRowNode extends OperationNode {
  override readonly name = 'AddBackward0';

  constructor(
    private readonly matrix: Tensor,
    private readonly row: Tensor,
    memory: TrainingMemory,
  ) {
    super([matrix, row], memory, []);
  }

  override backward(gradOutput: Tensor): (Tensor | null)[] {
    const dy = this.read(gradOutput);
    const [rows, columns] = this.matrix.shape as [number, number];
    // Whoever keeps a gradient that is in linear memory copies it, so that the one given can be passed on.
    const ofMatrix = gradOutput[storage] === dy ? gradOutput : new Tensor<'float32'>(dy, this.matrix.shape);
    return [
      this.matrix.requires_grad ? ofMatrix : null,
      this.gradOf(this.row, (sums) => this.memory.module.columnSums(dy.address, rows, columns, sums)),
    ];
  }
}
