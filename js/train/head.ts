// Files of heads: safetensors with the names and shapes of PyTorch's nn.Linear, or of
// nn.Sequential(nn.Linear, nn.ReLU, nn.Linear) where there is a hidden layer.

import { LossError } from '../errors.js';
import { checkLabels } from '../labels.js';
import { type Bytes, loadSafetensors, saveSafetensors } from '../safetensors.js';
import { formatShape, sameShape } from '../shapes.js';
import { Tensor } from '../tensor.js';
import type { StateDict } from '../training/nn-module.js';
import { type HeadShape, transposeFirst } from './model.js';
import { PACKAGE_VERSION } from './version.js';

/** A head as files have it: weights are [out, in]. */
export interface Head {
  readonly shape: HeadShape;
  readonly state: StateDict;
  /** [C], or null. */
  readonly labels: readonly string[] | null;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What 0.1.0 wrote into the metadata of its heads, whose weight is [in, out]. */
const DESCRIPTION_OF_0_1 = 'scores = features * weight + bias';

export function encodeHead({ state, labels, metadata }: Pick<Head, 'state' | 'labels' | 'metadata'>): Bytes {
  return saveSafetensors(state, {
    ...metadata,
    version: PACKAGE_VERSION,
    ...(labels === null ? {} : { labels: JSON.stringify(labels) }),
  });
}

/**
 * The head of a file, be it of this package or of PyTorch.
 *
 * @throws LossError ERR_STATE for a file that holds something else
 */
export function decodeHead(bytes: Uint8Array): Head {
  const { tensors, metadata } = loadSafetensors(bytes);
  const names = Object.keys(tensors);
  const wrong = (what: string): LossError =>
    new LossError(
      'ERR_STATE',
      `this is no head: ${what}. A head has weight [C, F] and bias [C], or 0.weight, 0.bias, 2.weight and 2.bias`,
    );
  // nn.Sequential(Linear, ReLU, Dropout, Linear) has the same layers under other numbers.
  const last = names.includes('3.weight') ? '3' : '2';
  const layers = names.includes('0.weight') ? ['0.', `${last}.`] : [''];
  const state: StateDict = {};
  const wanted = layers.flatMap((layer) => [`${layer}weight`, `${layer}bias`]);
  const unexpected = names.filter((name) => !wanted.includes(name));
  if (unexpected.length > 0) throw wrong(`it has ${unexpected.slice(0, 5).join(', ')}`);
  layers.forEach((layer, i) => {
    const weight = tensors[`${layer}weight`];
    if (weight === undefined) throw wrong(`it misses ${layer}weight`);
    if (weight.shape.length !== 2 || weight.shape.includes(0)) {
      throw wrong(`the shape of ${layer}weight is ${formatShape(weight.shape)}`);
    }
    // A layer may have no bias.
    const bias = tensors[`${layer}bias`] ?? null;
    const prefix = i === 0 ? layer : '2.';
    state[`${prefix}weight`] = toFloat32(weight, `${layer}weight`);
    state[`${prefix}bias`] = bias === null ? zeros(biasLength(weight, metadata)) : toFloat32(bias, `${layer}bias`);
  });
  const isDeep = layers.length === 2;
  const first = state[isDeep ? '0.weight' : 'weight'] as Tensor<'float32'>;
  let shape: HeadShape = isDeep
    ? {
        features: first.shape[1] as number,
        hidden: first.shape[0] as number,
        classes: (state['2.weight'] as Tensor).shape[0] as number,
      }
    : { features: first.shape[1] as number, hidden: null, classes: first.shape[0] as number };
  let oriented = state;
  if (!isDeep && isOf0_1(first, (state['bias'] as Tensor).shape, metadata)) {
    oriented = transposeFirst(state, shape);
    shape = { features: shape.classes, hidden: null, classes: shape.features };
  }
  for (const [name, expected] of Object.entries(shapesOf(shape))) {
    const { shape: given, data } = oriented[name] as Tensor<'float32'>;
    if (!sameShape(given, expected)) {
      throw wrong(`the shape of ${name} is ${formatShape(given)}, where ${formatShape(expected)} fits the others`);
    }
    if (!data.every(Number.isFinite)) throw wrong(`${name} has numbers that are not finite`);
  }
  return { shape, state: oriented, labels: labelsOf(metadata, shape.classes), metadata };
}

function shapesOf({ features, hidden, classes }: HeadShape): Record<string, readonly number[]> {
  if (hidden === null) return { weight: [classes, features], bias: [classes] };
  return {
    '0.weight': [hidden, features],
    '0.bias': [hidden],
    '2.weight': [classes, hidden],
    '2.bias': [classes],
  };
}

/** Whether a weight is [in, out]: by what 0.1.0 wrote into its files, or because the bias fits no other way. */
function isOf0_1({ shape }: Tensor, bias: readonly number[], metadata: Readonly<Record<string, string>>): boolean {
  if (bias.length !== 1 || shape[1] !== bias[0]) return false;
  return shape[0] !== bias[0] || metadata['description'] === DESCRIPTION_OF_0_1;
}

function biasLength({ shape }: Tensor, metadata: Readonly<Record<string, string>>): number {
  return shape[metadata['description'] === DESCRIPTION_OF_0_1 ? 1 : 0] as number;
}

/** @throws LossError ERR_STATE for the metadata of labels that are not as many as there are classes */
function labelsOf({ labels: json }: Readonly<Record<string, string>>, classes: number): readonly string[] | null {
  if (json === undefined) return null;
  let labels: unknown;
  try {
    labels = JSON.parse(json);
  } catch {
    labels = null;
  }
  try {
    return checkLabels(labels, classes);
  } catch (error) {
    throw new LossError('ERR_STATE', `the metadata of this head is damaged: ${(error as Error).message}`);
  }
}

function toFloat32(tensor: Tensor, name: string): Tensor<'float32'> {
  if (tensor.dtype === 'float32') return tensor as Tensor<'float32'>;
  throw new LossError('ERR_STATE', `this is no head: ${name} must be F32, F16 or BF16, got ${tensor.dtype}`);
}

function zeros(length: number): Tensor<'float32'> {
  return new Tensor<'float32'>(new Float32Array(length), [length]);
}
