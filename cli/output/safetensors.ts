import { writeWhole } from './write.js';

export interface Float32Tensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

/**
 * A file of safetensors: the length of a JSON header, the header, the arrays that it lists, little-endian.
 * https://huggingface.co/docs/safetensors
 */
export function writeSafetensors(
  file: string,
  tensors: readonly Float32Tensor[],
  metadata: Readonly<Record<string, string>>,
): void {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc(-json.length & 7, ' '); // So that the arrays are aligned.
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length + padding.length));
  const arrays = tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  writeWhole(new Map([[file, [length, json, padding, ...arrays]]]));
}
