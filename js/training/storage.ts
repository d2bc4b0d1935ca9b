import type { Backend } from '../backend.js';
import type { ArrayTypes } from '../dtypes.js';
import { LossError } from '../errors.js';
import type { Storage } from '../tensor.js';
import type { Address } from '../wasm/linear-memory.js';
import { type Block, type TrainingMemory, trainingMemory } from './memory.js';
import { TrainingBackend } from './backend.js';

/** The elements of a tensor in linear memory. */
export class LinearStorage<D extends 'float32' | 'int32' = 'float32'> implements Storage<D> {
  constructor(
    readonly memory: TrainingMemory,
    readonly block: Block,
    readonly dtype: D,
    readonly length: number,
  ) {
    memory.freeWith(this, block);
  }

  get backend(): Backend {
    return trainingBackend(this.memory);
  }

  /** @throws LossError ERR_DISPOSED */
  get address(): Address {
    const { freed } = this.block;
    if (freed !== null) throw new LossError('ERR_DISPOSED', `this tensor has no memory any more: it was ${freed}`);
    return this.block.address;
  }

  view(): ArrayTypes[D] {
    return this.memory.array(this.dtype, this.address, this.length);
  }
}

let backend: TrainingBackend | undefined;

function trainingBackend(memory: TrainingMemory): TrainingBackend {
  backend ??= new TrainingBackend(memory, newActivation);
  return backend;
}

/** Memory that is given back by dispose(), or when its owner is garbage. Its contents are undefined. */
export function newStorage(length: number, what: () => string): LinearStorage {
  const memory = trainingMemory();
  return new LinearStorage(memory, memory.allocate(4 * length, what), 'float32', length);
}

/** Memory for the result of an operation, until it is recycled. Its contents are undefined. */
export function newActivation<D extends 'float32' | 'int32' = 'float32'>(
  length: number,
  what: () => string,
  dtype = 'float32' as D,
): LinearStorage<D> {
  const memory = trainingMemory();
  const block = memory.allocate(4 * length, what);
  memory.activations.add(block);
  return new LinearStorage(memory, block, dtype, length);
}
