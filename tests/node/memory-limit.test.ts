// The number that a module gives JavaScript for messages is the limit that the engine keeps to.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const MEMORY_SECTION = 5;
const HAS_MAXIMUM = 1;
const PAGE_BYTES = 2 ** 16;

/** The maximum of a module's memory in bytes, by the binary format of WebAssembly. */
function maximumOf(binary: Uint8Array): number {
  let at = 8; // the magic number and the version
  const readUnsigned = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = binary[at++] as number;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < binary.length) {
    const section = binary[at++];
    const end = readUnsigned() + at;
    if (section === MEMORY_SECTION) {
      expect(readUnsigned(), 'memories').toBe(1);
      expect(readUnsigned() & HAS_MAXIMUM, 'a maximum').toBe(HAS_MAXIMUM);
      readUnsigned();
      return readUnsigned() * PAGE_BYTES;
    }
    at = end;
  }
  throw new Error('no section of memories');
}

test('the module of the loss names the limit of its memory', () => {
  const binary = readFileSync(new URL(import.meta.resolve('multilabel-margin-loss/multilabel_margin_loss.wasm')));
  const module = new WebAssembly.Module(binary);
  const imports: Record<string, Record<string, () => void>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => {};
  const { maximumMemory } = new WebAssembly.Instance(module, imports).exports as { maximumMemory: () => number };
  expect(maximumMemory() >>> 0).toBe(maximumOf(binary));
});
