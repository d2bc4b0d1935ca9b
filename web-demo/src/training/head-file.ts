/** A trained head as a file: one line of JSON, and the parameters as float32, little-endian. */

const FORMAT = 'multilabel-margin-loss demo head';

interface Header {
  format: typeof FORMAT;
  version: 1;
  epochs: number;
  vocabulary: string[];
}

export interface Head {
  vocabulary: string[];
  epochs: number;
  parameters: Float32Array;
}

export function encodeHead({ vocabulary, epochs, parameters }: Head): Uint8Array<ArrayBuffer> {
  const header: Header = { format: FORMAT, version: 1, epochs, vocabulary };
  const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  const bytes = new Uint8Array(line.length + parameters.byteLength);
  bytes.set(line);
  bytes.set(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength), line.length);
  return bytes;
}

/** @throws Error saying what is wrong with the file */
export function decodeHead(file: ArrayBuffer, vocabulary: readonly string[], size: number): Head {
  const bytes = new Uint8Array(file);
  const end = bytes.indexOf(0x0a);
  let header: Partial<Header> | null = null;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, Math.max(end, 0)))) as Partial<Header> | null;
  } catch {
    // Told below.
  }
  if (header?.format !== FORMAT || header.version !== 1) throw new Error('This is not a head saved by this page.');
  if (JSON.stringify(header.vocabulary) !== JSON.stringify(vocabulary)) {
    throw new Error('This head was trained on other tags than those of this page.');
  }
  const parameters = bytes.slice(end + 1);
  if (parameters.length !== 4 * size) {
    throw new Error(
      `This head has ${parameters.length} bytes of parameters, and ${4 * size} are needed: it is cut off.`,
    );
  }
  const { epochs } = header;
  const values = new Float32Array(parameters.buffer);
  if (!Number.isInteger(epochs) || epochs! < 0 || !values.every(Number.isFinite)) {
    throw new Error('This head holds numbers that no training gives.');
  }
  return { vocabulary: [...vocabulary], epochs: epochs!, parameters: values };
}
