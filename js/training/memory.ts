import type { Backend } from '../backend.js';
import type { ArrayTypes, TypedArray } from '../dtypes.js';
import { describe, LossError } from '../errors.js';
import { checkOptions } from '../options.js';
import { type Address, LinearMemory } from '../wasm/linear-memory.js';
import { checkModule, compile, instantiate, type WasmModule } from '../wasm/instantiate.js';
import binary from './binary.mjs';
import type { TrainingModule } from './module.js';

/** A block of linear memory. Each that needs it holds it; it is freed when the last one lets go. */
export class Block {
  #holders = 1;
  /** Why it is free, for messages; null while it is not. */
  freed: string | null = null;

  constructor(
    private readonly memory: TrainingMemory,
    readonly address: Address,
    /** Counts the blocks up. */
    readonly sequence: number,
  ) {}

  hold(): void {
    this.#holders++;
  }

  letGo(why: string): void {
    if (--this.#holders === 0) this.free(why);
  }

  /** Whoever holds it. */
  free(why: string): void {
    if (this.freed !== null) return;
    this.freed = why;
    this.memory.module.release(this.address);
    this.memory.forget(this);
  }
}

/** The linear memory of the training core: parameters, activations, gradients and the state of optimizers. */
export class TrainingMemory {
  readonly views: LinearMemory;
  /** What operations made, to be recycled. */
  readonly activations = new Set<Block>();
  #blocks = 0;
  // Frees what nobody disposed of. A block knows nothing of its owner, which could not be collected otherwise.
  readonly #registry = new FinalizationRegistry<Block>((block) => block.free('garbage-collected'));

  constructor(readonly module: TrainingModule) {
    this.views = new LinearMemory(module.memory, module.maximumMemory());
  }

  /**
   * @param what names the owner in the message
   * @throws LossError ERR_OUT_OF_MEMORY
   */
  allocate(bytes: number, what: () => string): Block {
    const address = this.views.allocate(Math.max(bytes, 1), (size) => this.module.allocate(size));
    if (address === 0) throw this.outOfMemory(bytes, what());
    return new Block(this, address, this.#blocks++);
  }

  /** Frees a block, if nobody else does, when its owner is garbage. */
  freeWith(owner: object, block: Block): void {
    this.#registry.register(owner, block, block);
  }

  /**
   * Drops what is kept about a block that is free. In a loop that never lets the event loop turn, no finalizers are called,
   * and the records of all activations would pile up.
   */
  forget(block: Block): void {
    this.activations.delete(block);
    this.#registry.unregister(block);
  }

  /** The number of the next block: activations from there on are those of what follows. */
  get mark(): number {
    return this.#blocks;
  }

  /** Lets go of the activations that were made since a mark. */
  recycle(mark: number, why: string): void {
    for (const block of this.activations) {
      if (block.sequence < mark) continue;
      this.activations.delete(block);
      block.letGo(why);
    }
  }

  /** A view, until memory grows. */
  array<D extends 'float32' | 'int32'>(dtype: D, address: Address, length: number): ArrayTypes[D] {
    this.views.renew();
    const { buffer } = this.views;
    return (
      dtype === 'float32'
        ? new Float32Array(buffer as ArrayBuffer, address, length)
        : new Int32Array(buffer as ArrayBuffer, address, length)
    ) as ArrayTypes[D];
  }

  /** An array, or a copy if it is a view of this memory: growth detaches views, which are empty then. */
  attached<A extends TypedArray>(array: A): A {
    return array.buffer === this.module.memory.buffer ? (array.slice() as A) : array;
  }

  outOfMemory(bytes: number, what: string): LossError {
    return new LossError(
      'ERR_OUT_OF_MEMORY',
      `no memory for ${what}: ${bytes} bytes do not fit in what is left of the training core's linear memory ` +
        `(${this.views.maximum} at most). Activations are given back by optimizer.step() and at the end of no_grad(), ` +
        'models and optimizers by dispose()',
    );
  }
}

let shared: TrainingMemory | undefined;

/** An array, or a copy if it is a view of linear memory, of which there is none before the module is there. */
export function attached<A extends TypedArray>(array: A): A {
  return shared === undefined ? array : shared.attached(array);
}

const PRECOMPILED =
  "import the module from 'multilabel-margin-loss/training.wasm' and call useTrainingModule({ module }) before anything " +
  'of nn and optim';

/** The memory of this thread; the module is compiled at the first call. */
export function trainingMemory(): TrainingMemory {
  shared ??= new TrainingMemory(instantiate<TrainingModule>(compile(binary, PRECOMPILED)));
  return shared;
}

/**
 * Gives `nn` and `optim` the WebAssembly module in which they compute, where that is not the one that they make themselves:
 *
 * - `backend`: that of a threads backend. Its threads share linear layers, losses and the steps of optimizers; results have the
 *   same bits. `dispose()` of the backend ends training too, and parameters stay readable.
 * - `module`: a compiled one. It is for environments that refuse to compile WebAssembly from bytes, such as the workers of some
 *   content delivery networks.
 *
 * Call it once in a thread, before anything else of `nn` and `optim`.
 *
 * @param options either `backend`: what `createThreadsBackend()` of `multilabel-margin-loss/threads` resolves to; or `module`: the
 * compiled `multilabel-margin-loss/training.wasm`; of this version of the package
 * @throws LossError ERR_OPTION for anything else; ERR_STATE after the first layer, parameter or optimizer;
 * ERR_BACKEND_UNAVAILABLE where the module cannot be instantiated; ERR_DISPOSED for a backend that was disposed of
 * @example
 * import { readFileSync } from 'node:fs';
 * import { nn, useTrainingModule } from 'multilabel-margin-loss';
 *
 * // There: import module from 'multilabel-margin-loss/training.wasm'. In Node, for one:
 * const file = new URL(import.meta.resolve('multilabel-margin-loss/training.wasm'));
 * useTrainingModule({ module: new WebAssembly.Module(readFileSync(file)) });
 *
 * new nn.Linear(3, 4).forward([[1, 2, 3]]).shape; // => [1, 4]
 */
export function useTrainingModule(options: { module: WasmModule } | { backend: Backend }): void {
  const where = 'useTrainingModule()';
  const given = checkOptions<{ module?: WasmModule; backend?: Backend }>(options, ['module', 'backend'], where);
  const { module, backend } = given;
  if ((module === undefined) === (backend === undefined)) {
    throw new LossError(
      'ERR_OPTION',
      `${where} needs either a module or a backend, got ${module ? 'both' : 'neither'}`,
    );
  }
  if (backend === undefined) {
    checkModule(module, 'training.wasm', 'computeLoss');
  } else if (typeof backend?.training !== 'function') {
    throw new LossError(
      'ERR_OPTION',
      `the backend of ${where} must be what createThreadsBackend() of this package resolves to, got ${describe(backend)}`,
    );
  }
  if (shared !== undefined) {
    throw new LossError(
      'ERR_STATE',
      `nn and optim have their module already: call ${where} once, before anything else`,
    );
  }
  const core = backend === undefined ? instantiate(module as WasmModule) : backend.training?.();
  shared = new TrainingMemory(core as TrainingModule);
}
