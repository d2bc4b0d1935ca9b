import { GrowingFile } from './growing-file.js';

/** Enough for the header of any number of rows: it is written anew when that is known. */
const HEADER_BYTES = 128;

/** Rows of float32 in NumPy's file format: [rows, columns]. */
export class NpyFile {
  readonly #file: GrowingFile;
  #rows = 0;

  constructor(
    name: string,
    private readonly columns: number,
  ) {
    this.#file = new GrowingFile(name);
    this.#file.append(this.#header());
  }

  /** @param data whole rows */
  append(data: Float32Array): void {
    this.#file.append(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.#rows += data.length / this.columns;
  }

  end(): void {
    this.#file.writeStart(this.#header());
    this.#file.end();
  }

  abandon(): void {
    this.#file.abandon();
  }

  #header(): Buffer {
    const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${this.#rows}, ${this.columns}), }`;
    const header = Buffer.alloc(HEADER_BYTES, ' ');
    header.write('\x93NUMPY\x01\x00', 'latin1');
    header.writeUInt16LE(HEADER_BYTES - 10, 8);
    header.write(text, 10);
    header[HEADER_BYTES - 1] = 0x0a;
    return header;
  }
}
