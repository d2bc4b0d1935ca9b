import { extname } from 'node:path';
import { InputError } from '../errors.js';
import { expand, type Format, type Source } from './input.js';

/** By the end of a file's name; others are lines of JSON. */
const FORMATS: Record<string, Format> = {
  '.arrow': 'arrow',
  '.arrows': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.parquet': 'parquet',
  '.pq': 'parquet',
};

/** The options of commands that read rows. */
export const INPUT_OPTIONS = {
  scores: { type: 'string', multiple: true },
  targets: { type: 'string', multiple: true },
  'scores-column': { type: 'string' },
  'targets-column': { type: 'string' },
} as const;

export const INPUT_USAGE = `\
Input: files of rows, or standard input (-), each row with scores and targets:
  .arrow .feather         columns of an Arrow file or stream, by the package apache-arrow: lists of float16, 32 or 64,
                          and lists of class indices, or masks (fixed-size lists of bool or uint8)
  .parquet                columns of a Parquet file, by the package @duckdb/node-api: lists of numbers, and lists of
                          class indices, or masks (lists of booleans)
  any other name          lines of JSON, each { "scores": [...], "targets": [...] }
or .npy files of scores (float16, 32 or 64, [N, C]) and targets (int32 or int64 class indices padded with -1, [N, K],
or a 0/1 mask of one byte each, [N, C]).
* and ? in a file's name match several files; --scores and --targets pair up in order.

  --scores <file.npy>     may be given several times; so may --targets
  --targets <file.npy>
  --scores-column <name>  of the scores (default: scores)
  --targets-column <name> of the targets (default: targets)`;

interface Values {
  scores?: string[] | undefined;
  targets?: string[] | undefined;
  'scores-column'?: string | undefined;
  'targets-column'?: string | undefined;
}

/**
 * What the options, and the names of files beside them, say is to be read.
 *
 * @param what rows have in place of scores
 */
export function sourcesOf(values: Values, names: readonly string[], what: Source['what'] = 'scores'): Source[] {
  const scores = expand(values.scores ?? []);
  const targets = expand(values.targets ?? []);
  const files = expand(names);
  if (scores.length + targets.length + files.length === 0) throw new InputError('no input');
  if (files.length > 0 && scores.length + targets.length > 0) {
    throw new InputError(`give either files of rows, or --${what} and --targets`);
  }
  if (scores.length !== targets.length) {
    throw new InputError(`${scores.length} files of ${what} need as many of targets, got ${targets.length}`);
  }
  const columns = {
    scores: values['scores-column'] ?? what,
    targets: values['targets-column'] ?? 'targets',
  };
  return [
    ...files.map((file): Source => ({ format: formatOf(file), scoresFile: file, targetsFile: file, what, columns })),
    ...scores.map((file, i): Source => ({
      format: 'npy',
      scoresFile: file,
      targetsFile: targets[i] as string,
      what,
      columns,
    })),
  ];
}

function formatOf(file: string): Format {
  return FORMATS[extname(file).toLowerCase()] ?? 'ndjson';
}
