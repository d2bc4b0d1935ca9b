/**
 * The least that a loss in WebAssembly can cost: copying the scores into linear memory, and a gradient of that size out
 * into a new array, computing nothing. In parts that stay in the second-level cache, or whole, whichever is faster.
 */
import type { Batch } from '../grid.js';
import { type Call, type Contender, NAMES, synchronous } from './contender.js';

const PART_BYTES = 256 * 1024;
const PAGE_BYTES = 64 * 1024;

export function floor(): Contender {
  const memory = new WebAssembly.Memory({ initial: PART_BYTES / PAGE_BYTES });
  return synchronous(NAMES.floor, (batch, gradient) => {
    const bytes = batch.inputs[0]!.scores.byteLength;
    const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) memory.grow(missing);
    return {
      parts: copyCall(batch, gradient, memory, PART_BYTES),
      ...(bytes > PART_BYTES && { whole: copyCall(batch, gradient, memory, bytes) }),
    };
  });
}

function copyCall({ dtype }: Batch, gradient: boolean, memory: WebAssembly.Memory, partBytes: number): Call {
  const ArrayType = dtype === 'float32' ? Float32Array : Float64Array;
  return ({ scores }) => {
    const out = gradient ? new ArrayType(scores.length) : null;
    const length = Math.min(scores.length, partBytes / ArrayType.BYTES_PER_ELEMENT);
    // A growth of the memory detaches older views.
    const staged = new ArrayType(memory.buffer, 0, length);
    for (let at = 0; at < scores.length; at += length) {
      const end = Math.min(scores.length, at + length);
      staged.set(at === 0 && end === scores.length ? scores : scores.subarray(at, end));
      out?.set(end - at === length ? staged : staged.subarray(0, end - at), at);
    }
    return { loss: 0, grad: out };
  };
}
