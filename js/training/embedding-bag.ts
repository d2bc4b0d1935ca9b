import { describe, LossError } from '../errors.js';
import type { NestedArray } from '../nested.js';
import { checkOptions } from '../options.js';
import { generator } from '../random.js';
import { formatShape, sameShape } from '../shapes.js';
import { Tensor, type TensorLike, toTensor } from '../tensor.js';
import { checkCount } from './counts.js';
import { trainingMemory } from './memory.js';
import { Module } from './nn-module.js';
import { needsGrad, OperationNode, resultOf, toOwnOperand } from './operation.js';
import { type BagGradient, checkParameter, Parameter, Unfilled } from './parameter.js';
import { type LinearStorage, newActivation } from './storage.js';

/**
 * Options of {@link EmbeddingBag}.
 *
 * @example
 * import { nn } from 'multilabel-margin-loss';
 *
 * const options: nn.EmbeddingBagOptions = { mode: 'sum' };
 * new nn.EmbeddingBag(10, 3, options).weight.shape; // => [10, 3]
 */
export interface EmbeddingBagOptions {
  /** Must be given: PyTorch's default is 'mean', which is not here. */
  mode: 'sum';
}

/**
 * Sums of rows of a table, one sum for each bag of row indices: what a linear layer makes of inputs that are mostly zeros, such
 * as the words of a text.
 *
 * For bag n with entries e: y[n] = sum over e of per_sample_weights[e] * weight[input[e]]. The table, `weight`
 * [num_embeddings, embedding_dim], starts with samples of the standard normal distribution, as in PyTorch. Its gradient has
 * the values of PyTorch's dense one; what of it is zero takes no time with SGD and Adagrad without momentum and weight decay.
 *
 * @example
 * import { nn, tensor } from 'multilabel-margin-loss';
 *
 * const bags = new nn.EmbeddingBag(4, 2, { mode: 'sum' });
 * bags.weight.data.set([0, 1, 10, 11, 20, 21, 30, 31]);
 * const input = tensor([1, 2, 3], { dtype: 'int32' });
 * const offsets = tensor([0, 2], { dtype: 'int32' });
 * bags.forward(input, offsets).tolist(); // => [[30, 32], [30, 31]]
 */
export class EmbeddingBag extends Module {
  /** Rows of the table. */
  readonly num_embeddings: number;
  /** Columns of the table. */
  readonly embedding_dim: number;
  /** Always this. */
  readonly mode = 'sum';
  /** [num_embeddings, embedding_dim] */
  weight: Parameter;

  /**
   * @param num_embeddings above 0
   * @param embedding_dim above 0
   * @param options {@link EmbeddingBagOptions}
   * @throws LossError ERR_OPTION, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * new nn.EmbeddingBag(1000, 16, { mode: 'sum' }).embedding_dim; // => 16
   */
  constructor(num_embeddings: number, embedding_dim: number, options: EmbeddingBagOptions) {
    super();
    checkCount(num_embeddings, 'num_embeddings');
    checkCount(embedding_dim, 'embedding_dim');
    const { mode } = checkOptions<Partial<EmbeddingBagOptions>>(options ?? {}, ['mode'], 'EmbeddingBag');
    if (mode !== 'sum') {
      throw new LossError(
        'ERR_OPTION',
        `mode of EmbeddingBag must be given and be 'sum', got ${describe(mode)} ('mean', PyTorch's default, is not here)`,
      );
    }
    this.num_embeddings = num_embeddings;
    this.embedding_dim = embedding_dim;
    this.weight = new Parameter(new Unfilled([num_embeddings, embedding_dim]));
    generator().fillNormal(this.weight.data);
  }

  /**
   * @param input rows of the table, bag by bag: int32 or int64, [E], each in [0, num_embeddings)
   * @param offsets where each bag begins in `input`: int32 or int64, [N]; the first is 0, and none is less than the one
   * before. A bag without entries gives zeros.
   * @param per_sample_weights float32, [E]: by what each row is multiplied; ones, if left out. It gets no gradient.
   * @returns [N, embedding_dim]
   * @throws LossError ERR_OPTION for entries and offsets that are out of range, with the place; ERR_SHAPE, ERR_DTYPE,
   * ERR_DISPOSED, ERR_OUT_OF_MEMORY
   * @example
   * import { nn } from 'multilabel-margin-loss';
   *
   * const bags = new nn.EmbeddingBag(2, 1, { mode: 'sum' });
   * bags.weight.data.set([1, 10]);
   * bags.forward(Int32Array.of(0, 1), Int32Array.of(0), [2, 0.5]).tolist(); // => [[7]]
   */
  override forward(
    input: TensorLike | Int32Array | BigInt64Array | NestedArray,
    offsets: TensorLike | Int32Array | BigInt64Array | NestedArray,
    per_sample_weights?: TensorLike | Float32Array | NestedArray | null,
  ): Tensor<'float32'> {
    const { num_embeddings, embedding_dim } = this;
    const weight = checkParameter(this.weight, [num_embeddings, embedding_dim], 'the weight of EmbeddingBag');
    const { address } = weight.memory;
    // Before room for the indices makes memory grow, which would detach a view.
    const weights =
      per_sample_weights === undefined || per_sample_weights === null
        ? null
        : toOwnOperand(per_sample_weights, 'the per_sample_weights of EmbeddingBag');
    const entries = toIndices(input, 'the input of EmbeddingBag', 'E');
    const begins = toIndices(offsets, 'the offsets of EmbeddingBag', 'N');
    if (weights !== null) {
      if (!sameShape(weights.tensor.shape, [entries.length])) {
        throw new LossError(
          'ERR_SHAPE',
          `per_sample_weights must have the shape of the input, [${entries.length}], got ${formatShape(weights.tensor.shape)}`,
        );
      }
      if (weights.tensor.requires_grad) {
        throw new LossError(
          'ERR_OPTION',
          'per_sample_weights of EmbeddingBag get no gradient, so they cannot require one',
        );
      }
    }
    const { module } = entries.memory;
    const badEntry = module.findBadIndex(entries.address, entries.length, num_embeddings);
    if (badEntry >= 0) {
      throw new LossError(
        'ERR_OPTION',
        `the input of EmbeddingBag must be in [0, ${num_embeddings}), got ${given(input, badEntry)} at entry ${badEntry}`,
      );
    }
    const badOffset = module.findBadOffset(begins.address, begins.length, entries.length);
    if (badOffset >= 0) throw offsetError(offsets, badOffset, entries.length);
    if (begins.length === 0 && entries.length > 0) {
      throw new LossError(
        'ERR_OPTION',
        `there are no offsets, so the ${entries.length} entries of the input are in no bag`,
      );
    }
    const y = newActivation(begins.length * embedding_dim, () => 'the output of EmbeddingBag');
    module.bagForward(
      entries.address,
      weights?.memory.address ?? 0,
      begins.address,
      entries.length,
      begins.length,
      address,
      embedding_dim,
      y.address,
    );
    const bag = { input: entries, offsets: begins, weights: weights?.memory ?? null };
    return resultOf(y, [begins.length, embedding_dim], needsGrad(weight) ? new EmbeddingBagNode(y, weight, bag) : null);
  }
}

class EmbeddingBagNode extends OperationNode {
  override readonly name = 'EmbeddingBagBackward0';

  constructor(
    y: LinearStorage,
    private readonly weight: Parameter,
    private readonly bag: Omit<BagGradient, 'dy'>,
  ) {
    super([], y.memory, [bag.input, bag.offsets, ...(bag.weights ? [bag.weights] : []), weight.memory]);
  }

  override backward(gradOutput: Tensor): [] {
    if (this.weight.requires_grad) this.weight.addBagGradient({ ...this.bag, dy: this.read(gradOutput) });
    return [];
  }
}

/** In linear memory, as int32. An index that int32 cannot hold becomes one that no table has. */
function toIndices(value: unknown, name: string, length: string): LinearStorage<'int32'> {
  const { data, shape, dtype } = toTensor(value, 'int32', name);
  if (dtype !== 'int32' && dtype !== 'int64') {
    throw new LossError('ERR_DTYPE', `${name} must be int32 or int64, got ${dtype}`);
  }
  if (shape.length !== 1) {
    throw new LossError('ERR_SHAPE', `${name} must have shape [${length}], got ${formatShape(shape)}`);
  }
  const indices = trainingMemory().attached(data as Int32Array | BigInt64Array);
  const memory = newActivation<'int32'>(indices.length, () => name, 'int32');
  memory.memory.views.copyIndices(indices, 0, indices.length, memory.address);
  return memory;
}

function given(indices: unknown, at: number): number | bigint {
  return toTensor(indices, 'int32', 'indices').data[at] as number | bigint;
}

function offsetError(offsets: unknown, at: number, entries: number): LossError {
  const offset = given(offsets, at);
  const wanted =
    at === 0
      ? 'the first must be 0'
      : `each must be at least the one before, here ${given(offsets, at - 1)}, and at most the number of entries, ${entries}`;
  return new LossError('ERR_OPTION', `offset ${offset} at bag ${at} of EmbeddingBag is wrong: ${wanted}`);
}
