// Files of safetensors: what is written is read again, widened floats have their values, and damaged files are refused.

import { type LossErrorCode, loadSafetensors, saveSafetensors, tensor, zeros } from 'multilabel-margin-loss';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectLossError, expectSameBits, untyped } from './support.js';

/** A file of any header, and arrays. */
function file(header: unknown, arrays: ArrayLike<number> = []): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + arrays.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(arrays, 8 + json.length);
  return bytes;
}

const entry = (dtype: string, shape: number[], begin: number, end: number): unknown => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('a file that was written', () => {
  test('has every dtype, shape and name again', () => {
    const state = {
      'fc1.weight': tensor([
        [1.5, -0],
        [Infinity, 3],
      ]),
      scalar: tensor(7, { dtype: 'float64' }),
      // Unaligned names and sizes: the header is padded.
      é: tensor([1, 2, 3], { dtype: 'int32' }),
      empty: zeros(0, 5),
      __proto: tensor([-(2n ** 63n), 2n ** 63n - 1n], { dtype: 'int64' }),
    };
    const bytes = saveSafetensors(state, { labels: '["é"]', '': '' });
    const { tensors, metadata } = loadSafetensors(bytes);
    expect(metadata).toEqual(Object.assign(Object.create(null), { labels: '["é"]', '': '' }));
    expect(Object.keys(tensors).sort()).toEqual(Object.keys(state).sort());
    for (const [name, { data, shape, dtype }] of Object.entries(state)) {
      const read = tensors[name]!;
      expect([read.shape, read.dtype]).toEqual([shape, dtype]);
      expect(Array.from(read.data as ArrayLike<unknown>)).toEqual(Array.from(data as ArrayLike<unknown>));
    }
  });

  test('is aligned, and reads from any offset of a buffer', () => {
    const bytes = saveSafetensors({ a: tensor([1]), b: tensor([2], { dtype: 'float64' }) });
    const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(header % 8).toBe(0);
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    expect(loadSafetensors(shifted).tensors['b']!.tolist()).toEqual([2]);
  });

  test('a name or key may be __proto__', () => {
    const state = Object.fromEntries([['__proto__', tensor([1])]]);
    const metadata = Object.fromEntries([['__proto__', 'text']]);
    const read = loadSafetensors(saveSafetensors(state, metadata));
    expect(Object.entries(read.metadata)).toEqual([['__proto__', 'text']]);
    expect(read.tensors['__proto__']!.tolist()).toEqual([1]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('arrays are copies', () => {
    const bytes = saveSafetensors({ a: tensor([1, 2]) });
    const { tensors } = loadSafetensors(bytes);
    bytes.fill(0xff);
    expect(tensors['a']!.tolist()).toEqual([1, 2]);
  });
});

describe('floats of 16 bits', () => {
  const read = (dtype: string, bits: readonly number[]): Float32Array => {
    const halves = Uint16Array.from(bits);
    const { tensors } = loadSafetensors(
      file({ x: entry(dtype, [bits.length], 0, halves.byteLength) }, new Uint8Array(halves.buffer)),
    );
    expect(tensors['x']!.dtype).toBe('float32');
    return tensors['x']!.data as Float32Array;
  };

  test('in a Buffer of Node, whose slice() is a view', () => {
    class Buffer extends Uint8Array {
      override slice(begin?: number, end?: number): this {
        return this.subarray(begin, end) as this;
      }
    }
    const bytes = file({ x: entry('F16', [2], 0, 4) }, Uint8Array.of(0, 0x3c, 0, 0xc0));
    const odd = new Buffer(new ArrayBuffer(bytes.length + 1), 1);
    odd.set(bytes);
    expect(loadSafetensors(odd).tensors['x']!.tolist()).toEqual([1, -2]);
  });

  test('F16', () => {
    // 1, -2, the largest, the smallest normal, the smallest, -0, infinities, NaN: the table of IEEE 754.
    expectSameBits(
      read('F16', [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xfc00, 0x7e00]),
      Float32Array.of(1, -2, 65504, 2 ** -14, 2 ** -24, -0, Infinity, -Infinity, NaN),
    );
  });

  test('BF16', () => {
    expectSameBits(
      read('BF16', [0x3f80, 0xc049, 0x7f7f, 0x0001, 0x8000, 0x7f80, 0x7fc0]),
      Float32Array.of(1, -3.140625, 255 * 2 ** 120, 2 ** -133, -0, Infinity, NaN),
    );
  });
});

describe('refused', () => {
  const four = [0, 0, 128, 63];
  test.each<[string, Uint8Array, LossErrorCode, (string | RegExp)[]]>([
    ['no bytes', new Uint8Array(0), 'ERR_STATE', ['0 bytes']],
    ['a header longer than the file', file('{}').fill(9, 0, 1), 'ERR_STATE', ['9 bytes', '10']],
    ['a header of 2^63 bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128, 123, 125), 'ERR_STATE', ['9223372036854775808']],
    ['no JSON', file('{"x":'), 'ERR_STATE', ['not JSON']],
    ['no UTF-8', file('{}').fill(0xff, 8), 'ERR_STATE', ['not JSON']],
    ['a list', file([]), 'ERR_STATE', ['object']],
    ['a tensor that is a number', file({ x: 1 }), 'ERR_STATE', ["'x'"]],
    ['a negative length', file({ x: entry('F32', [-1], 0, 4) }, four), 'ERR_STATE', ["'x'", '-1']],
    ['a shape that does not fit', file({ x: entry('F32', [2], 0, 4) }, four), 'ERR_STATE', ["'x'", '[2]']],
    ['a shape beyond all numbers', file({ x: entry('F32', [2 ** 52, 2 ** 52], 0, 4) }, four), 'ERR_STATE', ["'x'"]],
    ['an array past the end', file({ x: entry('F32', [2], 0, 8) }, four), 'ERR_STATE', ['0 to 8 of 4']],
    ['an end before the begin', file({ x: entry('F32', [0], 4, 0) }, four), 'ERR_STATE', ["'x'"]],
    ['three offsets', file({ x: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 4] } }, four), 'ERR_STATE', ["'x'"]],
    ['a gap', file({ x: entry('F32', [1], 4, 8) }, [...four, ...four]), 'ERR_STATE', ['begins at byte 4']],
    ['an overlap', file({ x: entry('F32', [1], 0, 4), y: entry('F32', [1], 0, 4) }, four), 'ERR_STATE', ['ends at 4']],
    ['bytes after the last', file({ x: entry('F32', [1], 0, 4) }, [...four, 1]), 'ERR_STATE', ['5 bytes', 'lists 4']],
    ['metadata of numbers', file({ __metadata__: { a: 1 } }), 'ERR_STATE', ["'a'", '1']],
    ['another element type', file({ x: entry('F8_E4M3', [4], 0, 4) }, four), 'ERR_DTYPE', ["'x'", 'F8_E4M3', 'BF16']],
    ['a type of every object', file({ x: entry('toString', [4], 0, 4) }, four), 'ERR_DTYPE', ['toString']],
    ['an ArrayBuffer', untyped(new ArrayBuffer(8)), 'ERR_DTYPE', ['Uint8Array', 'ArrayBuffer']],
  ])('%s', (_name, bytes, code, parts) => {
    expectLossError(() => loadSafetensors(bytes), code, parts);
  });

  test.each<[string, () => unknown, LossErrorCode, (string | RegExp)[]]>([
    ['metadata of numbers', () => saveSafetensors({}, untyped({ epoch: 3 })), 'ERR_OPTION', ["'epoch'", '3']],
    ['a tensor of that name', () => saveSafetensors({ __metadata__: zeros(1) }), 'ERR_OPTION', ['__metadata__']],
    ['no tensor', () => saveSafetensors(untyped({ x: 'text' })), 'ERR_DTYPE', ["state['x']", "'text'"]],
  ])('to write: %s', (_name, call, code, parts) => {
    expectLossError(call, code, parts);
  });

  test('any bytes give a file or an error of this package', () => {
    const whole = saveSafetensors({ a: tensor([1, 2]), b: tensor([3n], { dtype: 'int64' }) }, { k: 'v' });
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(whole.length), (at, byte, end) => {
        const bytes = whole.slice(0, end);
        bytes[at] = byte;
        try {
          loadSafetensors(bytes);
        } catch (error) {
          expect(error).toMatchObject({ name: 'LossError' });
        }
      }),
    );
  });
});
