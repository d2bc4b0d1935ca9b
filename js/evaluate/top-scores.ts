import type { FloatArray, IndexArray } from '../backend.js';
import { allocate, dtypeOf, type FloatDType } from '../dtypes.js';
import { describe, LossError } from '../errors.js';
import { type Scores, toScores } from '../scores.js';
import { type Targets, toTargets } from '../targets.js';
import type { Tensor } from '../tensor.js';
import type { ClassificationJSON } from './classification.js';

/**
 * The classes of the highest scores of each row and these scores, as `topk()` returns them. The other classes rank below.
 *
 * @example
 * import { Evaluator, type TopScores } from 'multilabel-margin-loss/evaluate';
 *
 * const top: TopScores = { values: [[0.9, 0.5]], indices: [[3, 0]] };
 * const evaluator = new Evaluator({ k: [1, 2] });
 * evaluator.updateTopK(top, [[0, 2]], { classes: 10 });
 * evaluator.result().at[2]?.recall; // => 0.5
 */
export interface TopScores {
  /** float32 or float64, [N, K] or [K], in any order: the scores. */
  values: Scores;
  /** int32 or int64, of the shape of `values`: their classes. From a -1 on, a row has no more. */
  indices: Targets;
}

/** Why most metrics are missing where only the highest scores of rows are known. */
export const TOP_ONLY =
  'only the highest scores of each row are known, and these metrics need the scores of all classes';

/** What rows of their highest scores must tell. */
export interface Wanted {
  /** The option `k` of the evaluator. */
  k: readonly number[];
  classification: ClassificationJSON | null;
  nonFinite: 'error' | 'skip';
}

/** The classes of lists that are padded with -1, [rows, width]. */
export interface Lists {
  data: IndexArray;
  width: number;
}

/** Scores and classes in typed arrays, of which shapes alone are checked. */
export interface TopRows {
  values: FloatArray;
  indices: IndexArray;
  rows: number;
  width: number;
  /** The shape of the scores of all classes. */
  shape: [classes: number] | [rows: number, classes: number];
}

export function toTopRows({ values, indices }: TopScores, classes: number): TopRows {
  const { data, shape } = toScores(values) as Tensor<FloatDType>;
  const places = toTargets(indices, shape);
  if (places.shape.length !== shape.length || places.shape.some((size, i) => size !== shape[i])) {
    throw new LossError(
      'ERR_SHAPE',
      `values and indices must have one shape, got [${shape.join(', ')}] and [${places.shape.join(', ')}]`,
    );
  }
  const isBatch = shape.length === 2;
  const rows = isBatch ? (shape[0] as number) : 1;
  return {
    values: data,
    indices: places.data,
    rows,
    width: shape.at(-1) ?? 1,
    shape: isBatch ? [rows, classes] : [classes],
  };
}

/**
 * Scores of all classes that rank as the highest ones do: the others are below them, and of these the labels of the row come
 * first, so that they tie with no other class.
 *
 * @param targets of the rows, and `unknown` classes: all in [-1, classes)
 * @returns [rows, classes]
 * @throws LossError ERR_TARGET_RANGE for a class out of range; ERR_OPTION for one that is listed twice; ERR_NON_FINITE;
 * ERR_SHAPE for a row of too few scores for what is wanted
 */
export function toAllScores(
  { values, indices, rows, width, shape }: TopRows,
  targets: Lists,
  unknown: Lists | null,
  wanted: Wanted,
): FloatArray {
  const classes = shape.at(-1) as number;
  const dtype = dtypeOf(values) as FloatDType;
  const all = allocate(dtype, rows * classes);
  const most = dtype === 'float32' ? 2 ** 127 * (2 - 2 ** -23) : Number.MAX_VALUE;
  const [others, labels] = [-most, -most / 2];
  all.fill(others);
  const least = Math.max(1, ...wanted.k, wanted.classification?.k ?? 0);
  const reach = reachOf(wanted.classification, classes, dtype === 'float32');
  const listed = new Set<number>();
  const leftOut = new Set<number>();
  for (let row = 0; row < rows; row++) {
    const first = row * classes;
    forEach(targets, row, (label) => (all[first + label] = labels));
    listed.clear();
    leftOut.clear();
    if (unknown !== null) forEach(unknown, row, (label) => leftOut.add(label));
    let lowest = Infinity;
    let known = 0;
    let isSkipped = false;
    for (let column = 0; column < width; column++) {
      const label = Number(indices[row * width + column]);
      if (label === -1) break;
      if (!(label >= 0 && label < classes)) {
        throw new LossError(
          'ERR_TARGET_RANGE',
          `class ${label} at row ${row}, column ${column} of the highest scores is not in [0, ${classes})`,
        );
      }
      if (listed.has(label)) throw new LossError('ERR_OPTION', `row ${row} lists the score of class ${label} twice`);
      listed.add(label);
      const score = values[row * width + column] as number;
      if (!Number.isFinite(score)) {
        if (wanted.nonFinite === 'error') {
          throw new LossError(
            'ERR_NON_FINITE',
            `score of class ${label} at row ${row} is ${score}: scores must be finite, unless nonFinite is 'skip'`,
          );
        }
        isSkipped = true;
      } else if (score <= labels) {
        throw new LossError(
          'ERR_OPTION',
          `score of class ${label} at row ${row} must be above ${labels}, got ${score}`,
        );
      }
      all[first + label] = score;
      if (leftOut.has(label)) continue;
      known++;
      lowest = Math.min(lowest, score);
    }
    const inRow = classes - leftOut.size;
    if (isSkipped || known >= inRow) continue;
    if (known < Math.min(least, inRow)) {
      throw new LossError(
        'ERR_SHAPE',
        `row ${row} has the scores of ${known} classes, and ${Math.min(least, inRow)} are wanted for k up to ${least}`,
      );
    }
    const threshold = reach?.((label) => listed.has(label) || leftOut.has(label)) ?? Infinity;
    if (lowest >= threshold) {
      throw new LossError(
        'ERR_SHAPE',
        `row ${row} does not tell what is predicted: its lowest score ${lowest} reaches the threshold ${threshold} of classes ` +
          'that it does not list. List more, or give k of classification too',
      );
    }
  }
  return all;
}

/**
 * The lowest threshold of the classes that a row does not list; null where the first k are predicted, which rows list, and
 * where nothing is.
 */
function reachOf(
  classification: ClassificationJSON | null,
  classes: number,
  isFloat32: boolean,
): ((isListed: (label: number) => boolean) => number) | null {
  if (classification === null || classification.thresholds === null || classification.k !== null) return null;
  const { thresholds } = classification;
  const rounded = (threshold: number | null): number =>
    threshold === null ? Infinity : isFloat32 ? Math.fround(threshold) : threshold;
  if (typeof thresholds === 'number') return () => rounded(thresholds);
  const ascending = Array.from({ length: classes }, (_, label): [number, number] => [
    label,
    rounded(thresholds[label] ?? null),
  ]).sort(([, a], [, b]) => (a < b ? -1 : a > b ? 1 : 0));
  return (isListed) => ascending.find(([label]) => !isListed(label))?.[1] ?? Infinity;
}

function forEach({ data, width }: Lists, row: number, use: (label: number) => void): void {
  for (let i = row * width; i < (row + 1) * width; i++) {
    const label = Number(data[i]);
    if (label < 0) return;
    use(label);
  }
}

/** @throws LossError ERR_OPTION */
export function checkClasses(classes: unknown): number {
  if (Number.isInteger(classes) && (classes as number) >= 1 && (classes as number) < 2 ** 31) return classes as number;
  throw new LossError(
    'ERR_OPTION',
    classes === undefined
      ? 'updateTopK() needs the option classes, how many there are, unless labels names them'
      : `classes must be a whole number from 1 to 2^31 - 1, got ${describe(classes)}`,
  );
}
