import type { FloatArray, IndexArray } from '../backend.js';
import { arrayIn, type DType, dtypeOf } from '../dtypes.js';

/**
 * The elements from begin to end, for writeBuffer(). They are copied unless they are in an ArrayBuffer of this realm and of
 * fixed length: WebGPU refuses resizable memory, and the package webgpu ends the process where memory is shared.
 */
export function plainView(data: FloatArray | IndexArray, begin: number, end: number): ArrayBufferView<ArrayBuffer> {
  const { buffer, byteOffset, BYTES_PER_ELEMENT } = data;
  // A subclass may have overridden subarray() and slice().
  const view = arrayIn(dtypeOf(data) as DType, buffer, byteOffset + begin * BYTES_PER_ELEMENT, end - begin);
  const isFixed = Object.getPrototypeOf(buffer) === ArrayBuffer.prototype && (buffer as Resizable).resizable !== true;
  return isFixed ? view : view.slice();
}

/** A property of ArrayBuffer from ES2024 on. */
interface Resizable {
  readonly resizable?: boolean;
}
