import { describe, LossError } from '../errors.js';

/** The exports that every module without glue has. */
export interface BareModule {
  readonly memory: WebAssembly.Memory;
  /** The constructors of C++: instantiate() calls them. */
  _initialize(): void;
  /** Bytes to which the memory can grow. */
  maximumMemory(): number;
}

/**
 * Instantiates a module of this package synchronously.
 *
 * @param compile makes the module or returns one that was compiled before
 * @param precompiled what to do where the environment refuses to compile bytes
 * @throws LossError ERR_BACKEND_UNAVAILABLE, ERR_OUT_OF_MEMORY
 */
export function instantiate<Module extends BareModule>(compile: () => WebAssembly.Module, precompiled: string): Module {
  try {
    const { exports } = new WebAssembly.Instance(compile(), {
      // Views are renewed where memory may have grown.
      env: { emscripten_notify_memory_growth: () => {} },
    });
    const module = exports as unknown as Module;
    module._initialize();
    return module;
  } catch (cause) {
    throw instantiationError(cause, precompiled);
  }
}

/** @throws LossError ERR_OPTION for anything but a module; one of another realm is a module too */
export function checkModule(module: unknown): asserts module is WebAssembly.Module {
  if (Object.prototype.toString.call(module) !== '[object WebAssembly.Module]') {
    throw new LossError('ERR_OPTION', `module must be a WebAssembly.Module, got ${describe(module)}`);
  }
}

/** The bytes of a module without content. */
const EMPTY = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
/** The bytes of a module with one function, which returns i8x16.splat(0). */
const SIMD = Uint8Array.of(...EMPTY, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 8, 1, 6, 0, 0x41, 0, 0xfd, 0x0f, 0x0b);

/**
 * Finds out by probing why a module of this package could not be instantiated.
 *
 * @param precompiled what to do where the environment refuses to compile bytes
 */
export function instantiationError(cause: unknown, precompiled: string): LossError {
  if (/memory/i.test(messageOf(cause)) && cause instanceof RangeError) {
    return new LossError('ERR_OUT_OF_MEMORY', `no memory for a WebAssembly module: ${cause.message}`, { cause });
  }
  return new LossError('ERR_BACKEND_UNAVAILABLE', reasonOf(cause, precompiled), { cause });
}

function reasonOf(cause: unknown, precompiled: string): string {
  if (typeof WebAssembly === 'undefined') return 'this environment has no WebAssembly';
  try {
    new WebAssembly.Module(EMPTY);
  } catch (refusal) {
    const message = messageOf(refusal);
    return /content security policy|csp/i.test(message)
      ? `the content security policy forbids WebAssembly: it must allow script-src 'wasm-unsafe-eval' (${message})`
      : `this environment does not compile WebAssembly from bytes (${message}): ${precompiled}`;
  }
  if (!WebAssembly.validate(SIMD)) {
    return 'this engine has no SIMD in WebAssembly, which Chrome 91, Firefox 89, Safari 16.4 and Node.js 16.4 have';
  }
  return `the WebAssembly module could not be instantiated: ${messageOf(cause)}`;
}

function messageOf(cause: unknown): string {
  return String((cause as Error | undefined)?.message ?? cause);
}
