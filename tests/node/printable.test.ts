/** How the main entry holds its module. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { createWasmBackend, LossError, MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../dist/wasm/printable.js';

const file = readFileSync(new URL('../../dist/wasm/multilabel_margin_loss.wasm', import.meta.url));

describe('bytes in a string', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1000 }), (bytes) => {
        expect(decode(encode(bytes))).toEqual(bytes);
      }),
    );
    const all = Uint8Array.from({ length: 512 }, (_, i) => i);
    expect(decode(encode(all))).toEqual(all);
  });

  it('need no escape', () => {
    const text = encode(file);
    expect(JSON.stringify(text)).toBe(`"${text}"`);
    expect(text).toMatch(/^[ -~]*$/);
    expect(text).not.toMatch(/[\\"'`$]/);
  });

  it('are those of the module that is exported', async () => {
    const { href } = new URL('../../dist/wasm/binary.mjs', import.meta.url);
    const { default: binary } = (await import(href)) as { default: string };
    expect(Buffer.compare(decode(binary), file)).toBe(0);
  });
});

describe('createWasmBackend', () => {
  const scores = [[0.1, 0.2, 0.4, 0.8]];
  const targets = [[3, 0, -1, 1]];

  it('computes on a module that was compiled before', () => {
    const backend = createWasmBackend({ module: new WebAssembly.Module(file) });
    const lossFn = new MultiLabelMarginLoss({ backend });
    expect(lossFn.forward(scores, targets).item()).toBe(new MultiLabelMarginLoss().forward(scores, targets).item());
  });

  it('refuses what is no module, and other modules', () => {
    const refused = (module: unknown): LossError => {
      try {
        createWasmBackend({ module: module as WebAssembly.Module });
      } catch (error) {
        if (error instanceof LossError) return error;
      }
      throw new Error('not refused');
    };
    expect(refused(file)).toMatchObject({ code: 'ERR_OPTION', message: /must be a WebAssembly.Module/ });
    const empty = new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    expect(refused(empty)).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
  });
});
