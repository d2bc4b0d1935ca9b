import type { LossError } from '../errors.js';
import type { Usability } from '../usability.js';
import type { BareModule } from '../wasm/instantiate.js';
import type { ThreadsModule } from './glue.mjs';

type Kernel = (...args: number[]) => number;

/**
 * The functions of the training core in the module of several threads, under the names that a module without glue exports.
 *
 * @param usability ends with the backend: from then on all functions throw, except that memory can be given back
 * @param died is told why a function trapped, as they do when a worker does not answer; it ends the backend
 */
export function trainingModule(
  module: ThreadsModule,
  maximumMemory: number,
  usability: Usability,
  died: (cause: unknown) => LossError,
): BareModule {
  // Emscripten's glue has each export under its name with an underscore, as a function that replaces itself when it is called.
  const glue = module as unknown as Readonly<Record<string, Kernel>>;
  const functions: Record<string, Kernel> = {};
  for (const property of Object.keys(glue)) {
    if (!property.startsWith('_')) continue;
    functions[property.slice(1)] = (...args) => {
      usability.check();
      try {
        return (glue[property] as Kernel)(...args);
      } catch (cause) {
        throw died(cause);
      }
    };
  }
  const release: Kernel = (block) => (glue['_release'] as Kernel)(block);
  return {
    ...functions,
    release,
    memory: module.wasmMemory,
    maximumMemory: () => maximumMemory,
    _initialize: () => {},
  } as BareModule;
}
