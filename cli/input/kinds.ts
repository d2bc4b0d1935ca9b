// Kinds of files, by their first bytes: for messages about a file in the wrong place.

const KINDS: readonly (readonly [magic: string, kind: string])[] = [
  ['\x93NUMPY', 'an .npy file: its name must end in .npy'],
  ['PK\x03\x04', 'a ZIP file: the name of an .npz file must end in .npz'],
  ['ARROW1', 'an Arrow file: its name must end in .arrow'],
  ['\xff\xff\xff\xff', 'an Arrow stream: its name must end in .arrow'],
  ['PAR1', 'a Parquet file: its name must end in .parquet'],
  ['\x1f\x8b', 'compressed by gzip: its name must end in .gz'],
  ['\x28\xb5\x2f\xfd', 'compressed by ZSTD: its name must end in .zst'],
  ['\x89HDF', 'an HDF5 file, which is not read here'],
  ['\x80', "a file of Python's pickle, which is not read here"],
  ['{', 'text, perhaps lines of JSON'],
  ['\xff\xfe', 'text in UTF-16: save it as UTF-8'],
  ['\xfe\xff', 'text in UTF-16: save it as UTF-8'],
];

/** First bytes of a file that suffice for its kind. */
export const HEAD_BYTES = 256;

/**
 * Names the kind of a file that is not of the expected kind, for a message; empty if it is unknown, or the expected one.
 *
 * @param head the first bytes of the file
 * @param wanted what it was taken for
 */
export function kindOfBytes(
  head: Uint8Array,
  wanted: 'an .npy file' | 'an .npz file' | 'an Arrow file' | 'a Parquet file' | 'lines of JSON',
): string {
  const text = Buffer.from(head.subarray(0, HEAD_BYTES)).toString('latin1');
  const kind = KINDS.find(([magic]) => text.startsWith(magic))?.[1] ?? (isCsv(text) ? 'text, perhaps CSV' : undefined);
  return kind === undefined || kind.includes(wanted) ? '' : `is not ${wanted}, but ${kind}`;
}

/** Cells of words and numbers, with something between them. */
function isCsv(text: string): boolean {
  return /^[\w."' +-]+[,;\t][\w."' ,;\t+-]*[\r\n]*$/.test(text.split('\n')[0] as string);
}
