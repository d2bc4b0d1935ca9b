// How tensors print: see ../fixtures/make_print_golden.py.

import { type DType, float64, MultiLabelMarginLoss, tensor, Tensor, zeros } from 'multilabel-margin-loss';
import { describe, expect, test } from 'vitest';
import golden from '../fixtures/print-golden.json' with { type: 'json' };
import { expectLossError, lossErrorOf } from './support.js';

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array };

describe(`as PyTorch ${golden.torch} prints it`, () => {
  test.each(golden.cases)('$dtype $shape $text', ({ dtype, shape, data, requires_grad, text }) => {
    // Every engine that runs these tests is little-endian, as WebAssembly is.
    const { buffer } = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const given = new Tensor(new ARRAYS[dtype as DType](buffer), shape, requires_grad);
    expect(String(given)).toBe(text);
  });

  test('a loss, clone() and detach()', () => {
    const scores = tensor([[0.1, 0.2, 0.4, 0.8]], { requires_grad: true });
    const loss = new MultiLabelMarginLoss().forward(scores, [[3, 0, -1, 1]]);
    expect(String(loss)).toBe(golden.results.loss);
    expect(String(loss.clone())).toBe(golden.results['clone of the loss']);
    expect(String(scores.clone())).toBe(golden.results.clone);
    expect(String(scores.detach())).toBe(golden.results.detach);
  });
});

test('an array whose memory was transferred says so', () => {
  const given = tensor(new Float32Array(4), { shape: [2, 2] });
  structuredClone(given.data.buffer, { transfer: [given.data.buffer] });
  expect(String(given)).toMatch(/^tensor\(<.*detached.*>, size=\[2, 2\]\)$/);
});

describe('toJSON()', () => {
  test('nested arrays of numbers, a number for a scalar', () => {
    const given = { a: tensor([[0.5, -1], [2, 3]], { dtype: float64 }), b: tensor(7), c: zeros(2, 0), d: tensor([]) }; // prettier-ignore
    expect(JSON.stringify(given)).toBe('{"a":[[0.5,-1],[2,3]],"b":7,"c":[[],[]],"d":[]}');
    expect(tensor(JSON.parse(JSON.stringify(given.a))).tolist()).toEqual(given.a.tolist());
    // Float32 is written as the doubles that it is, and so comes back the same.
    const single = tensor([0.1, 1e-45, 3.4e38]);
    expect(tensor(JSON.parse(JSON.stringify(single))).data).toEqual(single.data);
  });

  test('int64 as numbers, or an error where there is none', () => {
    const most = BigInt(Number.MAX_SAFE_INTEGER);
    expect(JSON.stringify(tensor([3n, -1n, most, -most], { dtype: 'int64' }))).toBe(`[3,-1,${most},${-most}]`);
    expectLossError(() => JSON.stringify(tensor([1n, most + 2n], { dtype: 'int64' })), 'ERR_DTYPE', [
      'int64 9007199254740993',
      'tolist()',
    ]);
  });

  test('numbers that are not finite become null, which tensor() refuses', () => {
    const given = tensor([NaN, Infinity, -Infinity, 1]);
    expect(given.toJSON()).toEqual([NaN, Infinity, -Infinity, 1]);
    expect(JSON.stringify(given)).toBe('[null,null,null,1]');
    expect(lossErrorOf(() => tensor(JSON.parse('[null]'))).code).toBe('ERR_DTYPE');
  });
});
