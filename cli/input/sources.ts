import { existsSync, fstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { InputError, toCommandError } from '../errors.js';
import { type Format, nameOf, type Source } from './input.js';
import { isCompressed, isPipe, withoutCompression } from './streams.js';
import type { TargetsAre } from './targets.js';

/** Formats by the ending of a file's name. All other files are lines of JSON. */
const FORMATS: Record<string, Format> = {
  '.arrow': 'arrow',
  '.arrows': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.npz': 'npy',
  '.parquet': 'parquet',
  '.pq': 'parquet',
};

/** Formats that are not read, by the end of a file's name. */
const OTHERS = ['.csv', '.tsv', '.xlsx', '.h5', '.hdf5', '.pkl', '.pickle', '.pt', '.pth', '.safetensors', '.zip'];

/** The options of commands that read rows. */
export const INPUT_OPTIONS = {
  scores: { type: 'string', multiple: true },
  targets: { type: 'string', multiple: true },
  'scores-column': { type: 'string' },
  'targets-column': { type: 'string' },
  'targets-are': { type: 'string' },
  'row-id': { type: 'string' },
} as const;

export const INPUT_USAGE = `\
Input: files of rows, or standard input (-), each row with scores and targets:
  .arrow .arrows .feather .ipc
                          columns of an Arrow file or stream, by the package apache-arrow: lists of float16, 32 or 64,
                          and lists of integers, bool or text
  .parquet .pq            columns of a Parquet file, by the package @duckdb/node-api: lists of numbers, and lists of
                          integers, booleans or text
  .npz                    arrays of NumPy, named scores and targets
  any other name          lines of JSON, each { "scores": [...], "targets": [...] }
or .npy files of scores (float16, 32 or 64, [N, C]) and targets (integers or bool).
Lines of JSON, Arrow streams and .npy files may be compressed (.gz, .zst).
Targets are class indices, padded with -1 or in lists of any length, or a 0/1 mask of all C classes: each row shows which.
* and ? in a file's name match several files, unless there is a file of that very name.

  --scores <file.npy>     may be given several times; so may --targets, which pairs up in order
  --targets <file.npy>
  --scores-column <name>  of the scores (default: scores)
  --targets-column <name> of the targets (default: targets)
  --targets-are <what>    mask or indices, where rows do not show it
  --row-id <column>       of what rows are known by, for compare: text or whole numbers (default: their numbers)`;

/** The options that say where rows are. */
export interface SourceValues {
  scores?: string[] | undefined;
  targets?: string[] | undefined;
  'scores-column'?: string | undefined;
  'targets-column'?: string | undefined;
  'targets-are'?: string | undefined;
  'row-id'?: string | undefined;
  'sample-weight-column'?: string | undefined;
  'unknown-column'?: string | undefined;
}

/** A file that the user named, and what the wildcards of its pattern matched, or null if it was no pattern. */
interface Named {
  file: string;
  matched: readonly string[] | null;
}

/**
 * The sources that the options and the names of files say to read.
 *
 * @param what rows have in place of scores
 * @param classesOfTargets number of classes, if it was given
 */
export function sourcesOf(
  values: SourceValues,
  names: readonly string[],
  what: Source['what'] | 'unlabelled features' = 'scores',
  classesOfTargets: number | null = null,
): Source[] {
  const hasTargets = what !== 'unlabelled features';
  const kind: Source['what'] = what === 'unlabelled features' ? 'features' : what;
  /** The option and the column have this name. */
  const name = kind === 'pairs' ? 'scores' : kind;
  const scores = find(values.scores ?? []);
  const targets = find(values.targets ?? []);
  const files = expand(names);
  if (scores.length + targets.length + files.length === 0) throw new InputError('no input');
  if (files.length > 0 && scores.length + targets.length > 0) {
    throw new InputError(`give either files of rows, or --${name}${hasTargets ? ' and --targets' : ''}`);
  }
  if (hasTargets && scores.length !== targets.length) {
    throw new InputError(`${scores.length} files of ${name} need as many of targets, got ${targets.length}`);
  }
  if (
    [...files, ...scores.map(({ file }) => file), ...targets.map(({ file }) => file)].filter((file) => file === '-')
      .length > 1
  ) {
    throw new InputError('standard input can be read only once');
  }
  if (hasTargets) {
    checkDistinct([
      ...files.map((file) => [file]),
      ...scores.map(({ file }, i) => (targets[i] === undefined ? [file] : [file, targets[i].file])),
    ]);
  }
  const arrays = scores[0]?.file ?? files.find((file) => formatOf(file, kind) === 'npy');
  if (values['row-id'] !== undefined && arrays !== undefined) {
    throw new InputError(
      `${nameOf(arrays)}: --row-id names a column of ids, which .npy and .npz files do not have: give Arrow, Parquet or ` +
        'lines of JSON',
    );
  }
  for (const option of ['sample-weight-column', 'unknown-column'] as const) {
    if (values[option] === undefined || scores.length === 0) continue;
    throw new InputError(
      `--${option} names a column, which files of ${name} alone do not have: give .npz, Arrow, Parquet or lines of JSON`,
    );
  }
  const targetsAre = targetsAreOf(values['targets-are']);
  const common = {
    what: kind,
    hasTargets,
    columns: {
      scores: values['scores-column'] ?? name,
      targets: values['targets-column'] ?? 'targets',
      rowId: values['row-id'] ?? null,
      sampleWeight: values['sample-weight-column'] ?? null,
      unknown: values['unknown-column'] ?? null,
    },
    targetsAre,
    classesOfTargets,
  };
  return [
    ...files.map((file) => ({ format: formatOf(file, kind), scoresFile: file, targetsFile: file })),
    ...scores.map((score, i) => {
      const target = targets[i] ?? score;
      checkPair(score, target, kind);
      return { format: 'npy' as const, scoresFile: score.file, targetsFile: target.file };
    }),
  ].map((source, ordinal) => ({
    ...common,
    ...source,
    isPipe: isPipe(source.scoresFile) || isPipe(source.targetsFile),
    ordinal,
  }));
}

function targetsAreOf(text: string | undefined): TargetsAre | null {
  if (text !== undefined && text !== 'mask' && text !== 'indices') {
    throw new InputError(`--targets-are must be mask or indices, got '${text}'`);
  }
  return text ?? null;
}

/**
 * Refuses rows that would count twice.
 *
 * @param inputs the file or the two files of each
 */
function checkDistinct(inputs: readonly (readonly string[])[]): void {
  const names = new Map<string, string>();
  for (const files of inputs) {
    const file = files.map(nameOf).join(' with ');
    const identity = JSON.stringify(files.map(identityOf));
    const before = names.get(identity);
    if (before !== undefined) {
      throw new InputError(
        before === file
          ? `${file} is given twice: its rows would count twice`
          : `${file} and ${before} are one file: its rows would count twice`,
      );
    }
    names.set(identity, file);
  }
}

/** A text that identifies a file: all its names and all links to it have the same one. */
export function identityOf(file: string): string {
  try {
    const { dev, ino } = file === '-' ? fstatSync(0, { bigint: true }) : statSync(file, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    // There is no file of this name: it is refused elsewhere, or it is yet to be written.
    return resolve(file);
  }
}

/** Files of two patterns belong together where their wildcards matched the same. */
function checkPair(scores: Named, targets: Named, what: Source['what']): void {
  if (scores.matched === null || targets.matched === null) return;
  if (JSON.stringify(scores.matched) === JSON.stringify(targets.matched)) return;
  throw new InputError(
    `${scores.file} and ${targets.file} do not belong together: the wildcards of --${what} and --targets matched ` +
      `'${scores.matched.join("', '")}' and '${targets.matched.join("', '")}'`,
  );
}

function formatOf(file: string, what: Source['what']): Format {
  const end = extname(withoutCompression(file)).toLowerCase();
  if (end === '.npy') {
    throw new InputError(
      `${file}: is an .npy file, which has ${what} or targets alone: give it by --${what} or --targets`,
    );
  }
  if (OTHERS.includes(end)) {
    throw new InputError(`${file}: ${end} files are not read: write lines of JSON, .npy, Arrow or Parquet`);
  }
  const format = FORMATS[end] ?? 'ndjson';
  if (isCompressed(file) && (format === 'parquet' || end === '.npz')) {
    throw new InputError(`${file}: is compressed as a whole, and ${end} is not read in sequence: decompress it`);
  }
  return format;
}

/** Options whose values are names of files that are read. */
const FILE_OPTIONS = [
  ...(['scores', 'targets', 'features', 'test', 'test-features', 'test-targets'] as const),
  ...(['head', 'labels', 'thresholds', 'against'] as const),
];

/** The values of these options. */
export type FileValues = { [option in (typeof FILE_OPTIONS)[number]]?: string | string[] | undefined };

/** All files that the arguments of a command say to read. */
export function inputsOf(values: FileValues, names: readonly string[]): string[] {
  return expand([...names, ...FILE_OPTIONS.flatMap((option) => values[option] ?? [])]);
}

/** The names of files, in which patterns stand for all files that they match. */
export function expand(patterns: readonly string[]): string[] {
  return find(patterns).map(({ file }) => file);
}

/** * stands for any characters of a file's name, and ? for one. Files of a pattern are in order of their names. */
function find(patterns: readonly string[]): Named[] {
  return patterns.flatMap((pattern): Named[] => {
    // A name that exists is that file, whatever is in it.
    if (!/[*?]/.test(pattern) || existsSync(pattern)) return [{ file: pattern, matched: null }];
    const folder = dirname(pattern);
    if (/[*?]/.test(folder) && !existsSync(folder)) {
      throw new InputError(`${pattern}: * and ? stand for parts of a file's name, not of a folder's`);
    }
    const name = new RegExp(
      `^${basename(pattern)
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '(.*)')
        .replaceAll('?', '(.)')}$`,
      's',
    );
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch (error) {
      throw toCommandError(error, pattern);
    }
    const found = names.flatMap((each) => {
      const match = name.exec(each);
      return match === null ? [] : [{ file: each, matched: match.slice(1) }];
    });
    if (found.length === 0) throw new InputError(`${pattern}: no such file`);
    return found
      .sort((a, b) => (a.file < b.file ? -1 : 1))
      .map(({ file, matched }) => ({
        file: folder === '.' && !pattern.startsWith('.') ? file : join(folder, file),
        matched,
      }));
  });
}

/** @throws InputError for a file that is not there, and for a folder */
export function sizeOfFile(file: string): number {
  let stats: Stats | undefined;
  try {
    stats = statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    throw toCommandError(error, nameOf(file));
  }
  if (stats === undefined) throw new InputError(`${file}: no such file`);
  if (stats.isDirectory()) throw new InputError(`${file}: is a folder, not a file`);
  return stats.size;
}
