/** How the main entry holds its module. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
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
