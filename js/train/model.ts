// The model of a head: one linear layer, or two with ReLU between them.

import { allocate } from '../dtypes.js';
import type { StateDict } from '../training/nn-module.js';
import { Module } from '../training/nn-module.js';
import { add } from '../training/add.js';
import { Dropout } from '../training/dropout.js';
import { EmbeddingBag } from '../training/embedding-bag.js';
import { Linear } from '../training/linear.js';
import { Parameter } from '../training/parameter.js';
import { ReLU } from '../training/relu.js';
import { type Layer, Sequential } from '../training/sequential.js';
import { Tensor } from '../tensor.js';
import { Generator, generator, withGenerator } from '../random.js';
import type { Scaler } from './scales.js';

export interface HeadShape {
  readonly features: number;
  readonly classes: number;
  /** Units of the hidden layer, or null without one. */
  readonly hidden: number | null;
}

/** Sparse rows as EmbeddingBag takes them. */
export interface Bags {
  readonly input: Tensor<'int32'>;
  readonly offsets: Tensor<'int32'>;
  readonly weights: Tensor<'float32'>;
}

export type Model = Module & { forward(input: Tensor | Bags): Tensor<'float32'> };

/** A linear layer over rows that are mostly zeros. Its weight is [in, out], where that of Linear is [out, in]. */
class SparseLinear extends Module {
  readonly #table: EmbeddingBag;
  weight: Parameter;
  bias: Parameter;

  constructor(inputs: number, outputs: number) {
    super();
    this.#table = new EmbeddingBag(inputs, outputs, { mode: 'sum' });
    this.weight = this.#table.weight;
    this.bias = new Parameter({ data: allocate('float32', outputs), shape: [outputs] });
  }

  override forward({ input, offsets, weights }: Bags): Tensor<'float32'> {
    return add(this.#table.forward(input, offsets, weights), this.bias);
  }
}

/** Settings of a new model. */
export interface Start {
  readonly random: Generator;
  readonly dropout: number;
  /** The mean number of features of a row that are not left out. */
  readonly entries: number;
}

/** @param start null for a model that a state is loaded into */
export function newModel(shape: HeadShape, isSparse: boolean, start: Start | null): Model {
  // The random numbers of the caller stay as they are.
  return withGenerator(start?.random ?? new Generator(0n), () => make(shape, isSparse, start));
}

function make({ features, classes, hidden }: HeadShape, isSparse: boolean, start: Start | null): Model {
  const width = hidden ?? classes;
  const first = isSparse ? new SparseLinear(features, width) : new Linear(features, width);
  // The loss of a linear model is convex, so that it can start anywhere.
  if (hidden === null) {
    first.weight.data.fill(0);
    first.bias?.data.fill(0);
    return first as Model;
  }
  // The bound of Linear, by the number of terms that a unit sums up: for sparse rows, their entries.
  const bound = 1 / Math.sqrt(Math.max(1, start?.entries ?? 1));
  if (isSparse) generator().fillUniform(first.weight.data, -bound, bound);
  // In one place, so that the layers have the numbers of nn.Sequential(Linear, ReLU, Linear), with dropout or without.
  const between = new Sequential(new ReLU(), new Dropout(start?.dropout ?? 0));
  return new Sequential(first as unknown as Layer, between, new Linear(hidden, classes)) as unknown as Model;
}

/** The names of the first layer's parameters. */
function firstLayer({ hidden }: HeadShape): { weight: string; bias: string } {
  const prefix = hidden === null ? '' : '0.';
  return { weight: `${prefix}weight`, bias: `${prefix}bias` };
}

/** The state of a model for features as they are, made of that of one for features that are scaled. */
export function foldScaler(state: StateDict, { mean, scale }: Scaler, shape: HeadShape, isSparse: boolean): StateDict {
  const names = firstLayer(shape);
  const weight = state[names.weight] as Tensor<'float32'>;
  const bias = state[names.bias] as Tensor<'float32'>;
  const outputs = bias.data.length;
  const inputs = shape.features;
  const folded = allocate('float32', weight.data.length);
  const shift = new Float64Array(outputs);
  for (let out = 0; out < outputs; out++) {
    for (let j = 0; j < inputs; j++) {
      const at = isSparse ? j * outputs + out : out * inputs + j;
      const value = (weight.data[at] as number) / (scale[j] as number);
      folded[at] = value;
      (shift[out] as number) += value * (mean[j] as number);
    }
  }
  return {
    ...state,
    [names.weight]: new Tensor<'float32'>(folded, weight.shape),
    [names.bias]: new Tensor<'float32'>(
      bias.data.map((value, out) => value - (shift[out] as number)),
      bias.shape,
    ),
  };
}

/** The state with the weight of the first layer transposed: [out, in] of [in, out], and the other way round. */
export function transposeFirst(state: StateDict, shape: HeadShape): StateDict {
  const { weight: name } = firstLayer(shape);
  const {
    data,
    shape: [rows = 0, columns = 0],
  } = state[name] as Tensor<'float32'>;
  const transposed = allocate('float32', data.length);
  // In tiles, so that both arrays are read and written by whole cache lines.
  const tile = 32;
  for (let row = 0; row < rows; row += tile) {
    for (let column = 0; column < columns; column += tile) {
      for (let i = row; i < Math.min(rows, row + tile); i++) {
        for (let j = column; j < Math.min(columns, column + tile); j++) {
          transposed[j * rows + i] = data[i * columns + j] as number;
        }
      }
    }
  }
  return { ...state, [name]: new Tensor<'float32'>(transposed, [columns, rows]) };
}
