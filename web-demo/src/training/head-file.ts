/** A trained head as a file: one line of JSON, and the parameters as float32, little-endian. */

// A training of the page has 40 epochs, and can be drawn out by ten at a time.
const MOST_EPOCHS = 10_000;

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

/**
 * @param features of an image
 * @param largestFeature no feature of any image is larger
 * @throws Error saying what is wrong with the file
 */
export function decodeHead(
  file: ArrayBuffer,
  vocabulary: readonly string[],
  features: number,
  largestFeature: number,
): Head {
  const size = (features + 1) * vocabulary.length;
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
  if (!Number.isInteger(epochs) || epochs! < 0 || epochs! > MOST_EPOCHS) {
    throw new Error(
      `This head says that it was trained for ${epochs} epochs: a whole number up to ${MOST_EPOCHS} is needed.`,
    );
  }
  const values = new Float32Array(parameters.buffer);
  vocabulary.forEach((tag, i) => {
    const bound = largestScore(values, i, features, vocabulary.length, largestFeature);
    // NaN too.
    if (!(bound <= LARGEST_FLOAT)) throw new Error(`This head gives “${tag}” scores that are not finite.`);
  });
  return { vocabulary: [...vocabulary], epochs: epochs!, parameters: values };
}

const LARGEST_FLOAT = (2 - 2 ** -23) * 2 ** 127;

/** No image has a larger score of the tag, nor has a sum on the way to it. */
function largestScore(
  parameters: Float32Array,
  tag: number,
  features: number,
  tags: number,
  largestFeature: number,
): number {
  let sum = Math.abs(parameters[tags * features + tag]!);
  for (let k = 0; k < features; k++) sum += Math.abs(parameters[tag * features + k]!) * largestFeature;
  return sum;
}
