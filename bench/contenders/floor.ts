/**
 * The least that a loss in WebAssembly can cost: copying the scores into linear memory, and a gradient of that size out,
 * computing nothing. It copies in parts that stay in the second-level cache, or all at once, whichever is faster.
 */
import type { Batch } from '../grid.js';
import { type Call, type Contender, type Name, NAMES, synchronous } from './contender.js';
import type { Gradient } from './this-package.js';

const PART_BYTES = 256 * 1024;
const PAGE_BYTES = 64 * 1024;

export const floor = (): Contender[] => [contender(NAMES.floor, 'new'), contender(NAMES.floorReused, 'reused')];

function contender(name: Name, gradient: Gradient): Contender {
  const memory = new WebAssembly.Memory({ initial: PART_BYTES / PAGE_BYTES });
  return synchronous(name, (batch, withGradient) => {
    if (gradient === 'reused' && !withGradient) return {};
    const bytes = batch.inputs[0]!.scores.byteLength;
    const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) memory.grow(missing);
    return {
      parts: copyCall(batch, withGradient ? gradient : null, memory, PART_BYTES),
      ...(bytes > PART_BYTES && { whole: copyCall(batch, withGradient ? gradient : null, memory, bytes) }),
    };
  });
}

function copyCall(
  { dtype, inputs }: Batch,
  gradient: Gradient | null,
  memory: WebAssembly.Memory,
  partBytes: number,
): Call {
  const ArrayType = dtype === 'float32' ? Float32Array : Float64Array;
  const reused = gradient === 'reused' ? new ArrayType(inputs[0]!.scores.length) : null;
  return ({ scores }) => {
    const out = gradient === 'new' ? new ArrayType(scores.length) : reused;
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
