import { instantiationError } from '../wasm/instantiate.js';
import { decode } from '../wasm/printable.js';
import binary from './binary.mjs';
import type { TrainingModule } from './module.js';

// As CMakeLists.txt has it.
const MAXIMUM_BYTES = 2 ** 31;

const PRECOMPILED = 'torch.nn and torch.optim compile their module from bytes, so they do not run here';

/** @throws LossError ERR_BACKEND_UNAVAILABLE, ERR_OUT_OF_MEMORY */
export function instantiateTraining(): { module: TrainingModule; maximumBytes: number } {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(decode(binary)), {
      // Views are renewed where memory may have grown.
      env: { emscripten_notify_memory_growth: () => undefined },
    });
    const module = exports as unknown as TrainingModule;
    module._initialize();
    return { module, maximumBytes: MAXIMUM_BYTES };
  } catch (cause) {
    throw instantiationError(cause, PRECOMPILED);
  }
}
