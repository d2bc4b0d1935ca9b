// A training that goes on where it was interrupted: all that the next epochs depend on.

import { LossError } from '../errors.js';
import { type Bytes, loadSafetensors, saveSafetensors } from '../safetensors.js';
import { Tensor, type TensorLike } from '../tensor.js';
import type { StateDict } from '../training/nn-module.js';
import type { OptimizerState } from '../training/optimizer.js';
import type { Scaler } from './scales.js';
import { MAY_CHANGE, type Settings } from './settings.js';
import type { EpochSummary } from './summary.js';
import { PACKAGE_VERSION } from './version.js';

const FORMAT = 'multilabel-margin-loss checkpoint';

/** Facts that tell other rows from those of the checkpoint. */
export interface RowsOfTraining {
  rows: number;
  features: number;
  classes: number;
  isSparse: boolean;
  digest: number;
}

export interface Checkpoint {
  settings: Settings;
  rows: RowsOfTraining;
  scaler: Scaler;
  epochs: readonly EpochSummary[];
  model: StateDict;
  optimizer: OptimizerState;
  best: { epoch: number; state: StateDict };
}

export function encodeCheckpoint({ settings, rows, scaler, epochs, model, optimizer, best }: Checkpoint): Bytes {
  const tensors: Record<string, TensorLike> = {
    mean: new Tensor(scaler.mean, [scaler.mean.length]),
    scale: new Tensor(scaler.scale, [scaler.scale.length]),
  };
  for (const [name, tensor] of Object.entries(model)) tensors[`model.${name}`] = tensor;
  for (const [name, tensor] of Object.entries(best.state)) tensors[`best.${name}`] = tensor;
  for (const [i, buffers] of Object.entries(optimizer.state)) {
    for (const [name, tensor] of Object.entries(buffers)) tensors[`optimizer.${i}.${name}`] = tensor;
  }
  const groups = optimizer.param_groups;
  return saveSafetensors(tensors, {
    format: FORMAT,
    version: PACKAGE_VERSION,
    training: JSON.stringify({ settings, rows, epochs, best: best.epoch, groups }),
  });
}

/** @throws LossError ERR_STATE for anything but a checkpoint of these settings and rows */
export function decodeCheckpoint(
  bytes: Uint8Array,
  settings: Settings,
  rows: RowsOfTraining,
  scaler: Scaler,
): Checkpoint {
  const { tensors, metadata } = loadSafetensors(bytes);
  if (metadata['format'] !== FORMAT) throw new LossError('ERR_STATE', 'this is no checkpoint of a training');
  if (metadata['version'] !== PACKAGE_VERSION) {
    throw new LossError(
      'ERR_STATE',
      `this checkpoint was made by version ${metadata['version']}, and this is ${PACKAGE_VERSION}`,
    );
  }
  let training: { settings: Settings; rows: RowsOfTraining; epochs: EpochSummary[]; best: number; groups: never };
  try {
    training = JSON.parse(metadata['training'] ?? '') as typeof training;
  } catch (cause) {
    throw new LossError('ERR_STATE', 'this checkpoint is damaged: it does not say how it was made', { cause });
  }
  for (const [name, value] of Object.entries(settings)) {
    const before: unknown = training.settings[name as keyof Settings];
    if (MAY_CHANGE.includes(name) || JSON.stringify(before) === JSON.stringify(value)) continue;
    throw new LossError(
      'ERR_STATE',
      `this checkpoint was made with ${name} ${JSON.stringify(before)}, and now it is ${JSON.stringify(value)}`,
    );
  }
  const isSame =
    Object.entries(rows).every(([name, value]) => training.rows[name as keyof RowsOfTraining] === value) &&
    isEqual(tensors['mean'], scaler.mean) &&
    isEqual(tensors['scale'], scaler.scale);
  if (!isSame) throw new LossError('ERR_STATE', 'this checkpoint is of other rows');
  const named = (prefix: string): [string, Tensor][] =>
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]);
  const state: OptimizerState['state'] = {};
  for (const [name, tensor] of named('optimizer.')) {
    const [i, buffer] = name.split('.') as [string, string];
    state[Number(i)] = { ...state[Number(i)], [buffer]: tensor };
  }
  return {
    settings,
    rows,
    scaler,
    epochs: training.epochs,
    model: Object.fromEntries(named('model.')) as StateDict,
    optimizer: { state, param_groups: training.groups },
    best: { epoch: training.best, state: Object.fromEntries(named('best.')) as StateDict },
  };
}

function isEqual(tensor: Tensor | undefined, values: Float64Array): boolean {
  return tensor?.data.length === values.length && values.every((value, i) => tensor.data[i] === value);
}
