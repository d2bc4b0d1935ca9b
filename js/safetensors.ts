// Files of the safetensors format, https://huggingface.co/docs/safetensors: the length of a JSON header as a 64-bit integer, the
// header, and the arrays that it lists, all little-endian.

import { allocate, type DType } from './dtypes.js';
import { describe, LossError } from './errors.js';
import { formatShape, isShape, sizeOf } from './shapes.js';
import { Tensor, type TensorLike, toTensor } from './tensor.js';

/** A Uint8Array over an ArrayBuffer, in a form that TypeScript before 5.7 knows too. */
export type Bytes = ReturnType<typeof Uint8Array.of>;

const METADATA = '__metadata__';
const LENGTH_BYTES = 8;
/** The limit of the library that defined the format. */
const MOST_HEADER_BYTES = 100_000_000;

const NAME_OF = { float64: 'F64', int64: 'I64', float32: 'F32', int32: 'I32' } as const;

/** Element types that are read: their size in bytes, the dtype they become, and what widens them where that is another. */
const FORMATS: Readonly<Record<string, { bytes: number; dtype: DType; widen?: (bits: number) => number }>> = {
  F64: { bytes: 8, dtype: 'float64' },
  F32: { bytes: 4, dtype: 'float32' },
  F16: { bytes: 2, dtype: 'float32', widen: widenHalf },
  BF16: { bytes: 2, dtype: 'float32', widen: widenBrain },
  I64: { bytes: 8, dtype: 'int64' },
  I32: { bytes: 4, dtype: 'int32' },
};

/**
 * The bytes of a safetensors file, which the libraries of Python and Rust read.
 *
 * @param state tensors by name, as `state_dict()` of a module gives them; of any dtype
 * @param metadata strings by name
 * @returns the bytes of the whole file
 * @throws LossError ERR_OPTION for anything but objects, metadata other than strings, or a tensor named '__metadata__';
 * ERR_DTYPE or ERR_SHAPE for what is no tensor; ERR_OUT_OF_MEMORY
 * @example
 * import { loadSafetensors, saveSafetensors, tensor } from 'multilabel-margin-loss';
 *
 * const bytes = saveSafetensors({ weight: tensor([[1, 2], [3, 4]]) }, { labels: '["cat","dog"]' });
 * const { tensors, metadata } = loadSafetensors(bytes);
 * tensors['weight']?.tolist(); // => [[1, 2], [3, 4]]
 * metadata['labels']; // => '["cat","dog"]'
 */
export function saveSafetensors(
  state: Readonly<Record<string, TensorLike>>,
  metadata: Readonly<Record<string, string>> = {},
): Bytes {
  checkByName(state, 'tensors');
  checkByName(metadata, 'strings');
  for (const [name, value] of Object.entries(metadata) as [string, unknown][]) {
    if (typeof value === 'string') continue;
    throw new LossError(
      'ERR_OPTION',
      `metadata of a safetensors file must be strings, '${name}' is ${describe(value)}`,
    );
  }
  const tensors = Object.entries(state).map(([name, value]) => {
    if (name === METADATA) throw new LossError('ERR_OPTION', `'${METADATA}' cannot be the name of a tensor`);
    return { name, tensor: toTensor(value, 'float32', `state['${name}']`) };
  });
  // Arrays of 8-byte elements come first, so that each array is aligned.
  const size = ({ tensor }: { tensor: Tensor }): number => tensor.data.BYTES_PER_ELEMENT;
  tensors.sort((a, b) => size(b) - size(a));

  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  let end = 0;
  for (const { name, tensor } of tensors) {
    const begin = end;
    end += tensor.data.byteLength;
    entries.push([name, { dtype: NAME_OF[tensor.dtype], shape: tensor.shape, data_offsets: [begin, end] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  // Spaces after the header align the arrays.
  const headerBytes = Math.ceil(json.length / LENGTH_BYTES) * LENGTH_BYTES;
  if (headerBytes > MOST_HEADER_BYTES) {
    throw new LossError(
      'ERR_OPTION',
      `the header of a safetensors file has at most 100 MB, this one has ${json.length} bytes`,
    );
  }
  const bytes = allocateBytes(LENGTH_BYTES + headerBytes + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerBytes).set(json, LENGTH_BYTES);
  let at = LENGTH_BYTES + headerBytes;
  for (const { tensor } of tensors) {
    const { buffer, byteOffset, byteLength } = tensor.data;
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes;
}

/**
 * The tensors and metadata of a safetensors file. Every array is copied; F16 and BF16 become float32.
 *
 * @param bytes the whole file
 * @returns `tensors` by name, float32, float64, int32 or int64; `metadata`, strings by name
 * @throws LossError ERR_STATE for bytes that are no safetensors file, saying what is wrong; ERR_DTYPE for elements of another
 * type, naming the tensor; ERR_OUT_OF_MEMORY
 * @example
 * import { loadSafetensors, saveSafetensors, zeros } from 'multilabel-margin-loss';
 *
 * const { tensors } = loadSafetensors(saveSafetensors({ 'fc.bias': zeros(3) }));
 * Object.keys(tensors); // => ['fc.bias']
 */
export function loadSafetensors(bytes: Uint8Array): {
  /** The tensors by name. */
  tensors: Record<string, Tensor>;
  /** The strings by name; empty where the file has none. */
  metadata: Record<string, string>;
} {
  if (!ArrayBuffer.isView(bytes) || bytes[Symbol.toStringTag] !== 'Uint8Array') {
    throw new LossError('ERR_DTYPE', `a safetensors file must be given as a Uint8Array, got ${describe(bytes)}`);
  }
  const { header, arrays } = readHeader(bytes);
  // Without a prototype, a tensor may have any name.
  const tensors = Object.create(null) as Record<string, Tensor>;
  const metadata = Object.create(null) as Record<string, string>;
  const placed: [begin: number, end: number][] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === METADATA) {
      for (const [key, value] of Object.entries(Object(entry) as Record<string, unknown>)) {
        if (typeof value !== 'string') throw damaged(`its metadata '${key}' is ${describe(value)}, not a string`);
        metadata[key] = value;
      }
      continue;
    }
    const { tensor, begin, end } = readTensor(name, entry, arrays);
    tensors[name] = tensor;
    placed.push([begin, end]);
  }
  // The format has no gaps and no overlaps: with them, bytes could hide in a file, or a small file could grow in memory.
  let at = 0;
  for (const [begin, end] of placed.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (begin !== at) throw damaged(`an array begins at byte ${begin} where the one before ends at ${at}`);
    at = end;
  }
  if (at !== arrays.length) throw damaged(`it has ${arrays.length} bytes of arrays, and its header lists ${at}`);
  return { tensors, metadata };
}

/** Maps and lists have no properties by name: a file without their content would be written. */
function checkByName(given: unknown, what: string): void {
  if (typeof given === 'object' && given !== null && !(Symbol.iterator in given)) return;
  throw new LossError('ERR_OPTION', `saveSafetensors() needs an object of ${what} by name, got ${describe(given)}`);
}

function readHeader(bytes: Uint8Array): { header: object; arrays: Uint8Array } {
  if (bytes.length < LENGTH_BYTES) throw damaged(`it has ${bytes.length} bytes`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MOST_HEADER_BYTES || LENGTH_BYTES + Number(length) > bytes.length) {
    throw damaged(`its header should have ${length} bytes, and the file has ${bytes.length}`);
  }
  const end = LENGTH_BYTES + Number(length);
  let header: unknown;
  try {
    // A copy, because decoders refuse shared memory.
    header = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(bytes.subarray(LENGTH_BYTES, end))),
    );
  } catch (cause) {
    throw damaged(`its header is not JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw damaged(`its header must be an object, got ${describe(header)}`);
  }
  return { header, arrays: bytes.subarray(end) };
}

function readTensor(name: string, entry: unknown, arrays: Uint8Array): { tensor: Tensor; begin: number; end: number } {
  const { dtype: type, shape, data_offsets: offsets } = Object(entry) as Record<string, unknown>;
  if (!isShape(shape)) throw damaged(`the shape of '${name}' is ${formatShape(shape)}`);
  if (!isShape(offsets) || offsets.length !== 2) throw damaged(`the offsets of '${name}' are ${formatShape(offsets)}`);
  const format = typeof type === 'string' && Object.hasOwn(FORMATS, type) ? FORMATS[type] : undefined;
  if (format === undefined) {
    const known = Object.keys(FORMATS).join(', ');
    throw new LossError(
      'ERR_DTYPE',
      `tensor '${name}' has elements of ${describe(type)}; those that are read are ${known}`,
    );
  }
  const [begin, end] = offsets as [number, number];
  const size = sizeOf(shape);
  if (end > arrays.length || end - begin !== size * format.bytes) {
    throw damaged(
      `'${name}' of shape ${formatShape(shape)} and ${describe(type)} lies at bytes ${begin} to ${end} of ${arrays.length}`,
    );
  }
  const data = allocate(format.dtype, size);
  // A plain copy: slice() of a Buffer of Node is a view of the whole file.
  const source = new Uint8Array(arrays.subarray(begin, end));
  const { widen } = format;
  if (widen === undefined) {
    new Uint8Array(data.buffer).set(source);
  } else {
    const halves = new Uint16Array(source.buffer);
    for (let i = 0; i < size; i++) (data as Float32Array)[i] = widen(halves[i] as number);
  }
  return { tensor: new Tensor(data, shape), begin, end };
}

/** The value of a float of 16 bits: a sign, 5 bits of exponent, 10 of fraction. */
function widenHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The value of a bfloat16, which is the upper half of a float32. */
function widenBrain(bits: number): number {
  CONVERTED_BITS[0] = bits << 16;
  return CONVERTED[0] as number;
}
const CONVERTED_BITS = new Int32Array(1);
const CONVERTED = new Float32Array(CONVERTED_BITS.buffer);

function allocateBytes(length: number): Bytes {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new LossError('ERR_OUT_OF_MEMORY', `no memory for a safetensors file of ${length} bytes`, { cause });
  }
}

function damaged(what: string, cause?: unknown): LossError {
  return new LossError('ERR_STATE', `this is not a safetensors file, or it is damaged: ${what}`, { cause });
}
