import { describe, LossError } from '../errors.js';
import { decode } from './printable.js';

/**
 * A compiled WebAssembly module: `WebAssembly.Module` where the types of the program have it, as those of the DOM do.
 */
export type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } }
  ? Module
  : object;

/** The exports that every module without glue has. */
export interface BareModule {
  readonly memory: { readonly buffer: ArrayBufferLike };
  /** The constructors of C++: instantiate() calls them. */
  _initialize(): void;
  /** Bytes to which the memory can grow. */
  maximumMemory(): number;
}

/**
 * Instantiates a module of this package synchronously.
 *
 * @throws LossError ERR_BACKEND_UNAVAILABLE, ERR_OUT_OF_MEMORY
 */
export function instantiate<Module extends BareModule>(module: WasmModule): Module {
  let exports: Module;
  try {
    const instance = new WebAssembly.Instance(module, {
      // Views are renewed where memory may have grown.
      env: { emscripten_notify_memory_growth: () => {} },
    });
    exports = instance.exports as unknown as Module;
  } catch (cause) {
    throw new LossError(
      isOutOfMemory(cause) ? 'ERR_OUT_OF_MEMORY' : 'ERR_BACKEND_UNAVAILABLE',
      forbidden(messageOf(cause)) ?? `the WebAssembly module could not be instantiated: ${messageOf(cause)}`,
      { cause },
    );
  }
  exports._initialize();
  return exports;
}

/**
 * Compiles a module of this package synchronously.
 *
 * @param binary the text that wasm/printable.ts encodes
 * @param precompiled what to do where the environment refuses to compile bytes
 * @throws LossError ERR_BACKEND_UNAVAILABLE
 */
export function compile(binary: string, precompiled: string): WasmModule {
  try {
    return new WebAssembly.Module(decode(binary));
  } catch (cause) {
    throw startError(cause, precompiled);
  }
}

/**
 * Checks a module that a user compiled. Modules of another realm are good.
 *
 * @param file the file of this package that it must come from
 * @param only an export that no other file has
 * @throws LossError ERR_OPTION for anything else
 */
export function checkModule(module: unknown, file: string, only: string): asserts module is WasmModule {
  const wanted = `module must be the WebAssembly.Module of 'multilabel-margin-loss/${file}'`;
  if (Object.prototype.toString.call(module) !== '[object WebAssembly.Module]') {
    throw new LossError('ERR_OPTION', `${wanted}, got ${describe(module)}`);
  }
  if (!WebAssembly.Module.exports(module as WebAssembly.Module).some(({ name }) => name === only)) {
    throw new LossError('ERR_OPTION', `${wanted}, got one that does not export ${only}()`);
  }
}

/** The bytes of a module without content. */
const EMPTY = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
/** The bytes of a module with one function, which returns i8x16.splat(0). */
const SIMD = Uint8Array.of(...EMPTY, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 8, 1, 6, 0, 0x41, 0, 0xfd, 0x0f, 0x0b);

/**
 * Finds out by probing why a module of this package could not be made from bytes.
 *
 * @param precompiled what to do where the environment refuses to compile bytes
 */
export function startError(cause: unknown, precompiled: string): LossError {
  if (isOutOfMemory(cause)) {
    return new LossError('ERR_OUT_OF_MEMORY', `no memory for a WebAssembly module: ${messageOf(cause)}`, { cause });
  }
  return new LossError('ERR_BACKEND_UNAVAILABLE', reasonOf(cause, precompiled), { cause });
}

function reasonOf(cause: unknown, precompiled: string): string {
  if (typeof WebAssembly === 'undefined') return 'this environment has no WebAssembly';
  try {
    // Safari compiles what a policy forbids, and refuses the instance.
    new WebAssembly.Instance(new WebAssembly.Module(EMPTY));
  } catch (refusal) {
    const message = messageOf(refusal);
    return (
      forbidden(message) ?? `this environment does not compile WebAssembly from bytes (${message}): ${precompiled}`
    );
  }
  if (!WebAssembly.validate(SIMD)) {
    return 'this engine has no SIMD in WebAssembly, which Chrome 91, Firefox 89, Safari 16.4 and Node.js 16.4 have';
  }
  return `the WebAssembly module could not be compiled: ${messageOf(cause)}`;
}

/** Returns what an error says where an engine's message is about a content security policy. */
function forbidden(message: string): string | undefined {
  return /content security policy|csp/i.test(message)
    ? `the content security policy forbids WebAssembly: it must allow script-src 'wasm-unsafe-eval' (${message})`
    : undefined;
}

function isOutOfMemory(cause: unknown): boolean {
  return cause instanceof RangeError && /memory/i.test(cause.message);
}

function messageOf(cause: unknown): string {
  return String((cause as Error | undefined)?.message ?? cause);
}
