import { gradEnabled } from '../grad-mode.js';
import type { Shape } from '../shapes.js';
import { GradNode, gradNode, storage, Tensor } from '../tensor.js';
import { type TrainingMemory, trainingMemory } from './memory.js';
import { type Parameter, toFloat32 } from './parameter.js';
import { LinearStorage, newActivation } from './storage.js';

/** A tensor that an operation reads, and its elements in linear memory: copied there if they were in an array. */
export interface Operand {
  readonly tensor: Tensor<'float32'>;
  readonly memory: LinearStorage;
}

/** @throws LossError ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED, ERR_OUT_OF_MEMORY */
export function toOperand(value: unknown, name: string): Operand {
  const tensor = toFloat32(value, name);
  return { tensor, memory: inLinearMemory(tensor, name) };
}

function inLinearMemory(tensor: Tensor<'float32'>, name: string): LinearStorage {
  const given = tensor[storage];
  if (given instanceof LinearStorage) return given as LinearStorage;
  return copyOf(tensor, name);
}

function copyOf({ data }: Tensor<'float32'>, name: string): LinearStorage {
  const values = trainingMemory().attached(data);
  const memory = newActivation(values.length, () => name);
  memory.view().set(values);
  return memory;
}

/** Does what `toOperand()` does, and always copies: nobody else writes to that memory. */
export function toOwnOperand(value: unknown, name: string): Operand {
  const tensor = toFloat32(value, name);
  return { tensor, memory: copyOf(tensor, name) };
}

/** Whether an operation must keep what `backward()` needs. */
export function needsGrad(...tensors: readonly (Tensor | null)[]): boolean {
  return gradEnabled() && tensors.some((tensor) => tensor?.requires_grad);
}

/** A result, with what `backward()` needs or null. */
export function resultOf(memory: LinearStorage, shape: Shape, node: OperationNode | null): Tensor<'float32'> {
  const result = new Tensor<'float32'>(memory, shape, node !== null);
  result[gradNode] = node;
  return result;
}

/** What an operation in linear memory leaves for `backward()`. */
export abstract class OperationNode extends GradNode {
  readonly #versions: readonly number[];

  constructor(
    inputs: readonly Tensor[],
    protected readonly memory: TrainingMemory,
    /** What `backward()` reads. */
    private readonly saved: readonly LinearStorage<'float32' | 'int32'>[],
    private readonly parameters: readonly Parameter[] = [],
  ) {
    super(inputs);
    this.#versions = parameters.map(({ version }) => version);
  }

  override check(): void {
    for (const { address } of this.saved) void address;
    this.parameters.forEach((parameter, i) => parameter.checkVersion(this.#versions[i] as number));
  }

  override sum(a: Tensor, b: Tensor): Tensor {
    const [x, y] = [toOperand(a, 'a gradient').memory, toOperand(b, 'a gradient').memory];
    const sum = newActivation(x.length, () => 'a gradient');
    this.memory.module.add(x.address, y.address, x.length, sum.address);
    return new Tensor<'float32'>(sum, a.shape);
  }

  /** The gradient of the result, in linear memory. */
  protected read(gradOutput: Tensor): LinearStorage {
    return toOperand(gradOutput.dtype === 'float64' ? toSingle(gradOutput) : gradOutput, 'gradOutput').memory;
  }

  /** The gradient of an input. */
  protected gradOf(input: Tensor, write: (address: number) => void): Tensor | null {
    if (!input.requires_grad) return null;
    const grad = newActivation(sizeOfTensor(input), () => 'a gradient');
    write(grad.address);
    return new Tensor<'float32'>(grad, input.shape);
  }
}

function toSingle({ data, shape }: Tensor): Tensor<'float32'> {
  return new Tensor<'float32'>(Float32Array.from(data as Float64Array), shape);
}

function sizeOfTensor(tensor: Tensor): number {
  return tensor[storage]?.length ?? tensor.data.length;
}
