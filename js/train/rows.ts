import { allocate } from '../dtypes.js';
import { describe, LossError, type LossErrorCode } from '../errors.js';
import { checkLength, checkWhole } from '../evaluate/row-lists.js';
import { checkOptions } from '../options.js';
import { checkSampleWeight } from '../sample-weight.js';
import { formatShape } from '../shapes.js';
import {
  fromMultiHot,
  isBooleans,
  type MultiHotMask,
  type Targets,
  targetOutOfRange,
  toTargets,
  toUnknown,
  unknownTarget,
} from '../targets.js';
import { RowsDigest } from './digest.js';
import { checkFinite, type FeatureRows, type Features, rowOfEntry, toFeatureRows } from './features.js';
import { FeatureScales } from './scales.js';
import { type Shares, splitRows } from './split.js';

/**
 * Rows to train on: the features and the targets of each, and what else is known of it.
 *
 * @example
 * import { type TaggerRows, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const rows: TaggerRows = { features: [[1, 0], [0, 1]], targets: [[0], [1, 2]], sampleWeight: [1, 2] };
 * const tagger = await trainTagger({ rows: () => [rows], validation: 0 });
 * tagger.classes; // => 3
 */
export interface TaggerRows {
  /** [N, F], float32 or float64, or sparse; finite. */
  features: Features;
  /** Class indices, as for the loss: [N, K], int32 or int64, or lists of different lengths. */
  targets: Targets;
  /**
   * [N], finite and not negative: by how much each row counts, in training and in metrics.
   * @default 1 for each row
   */
  sampleWeight?: ArrayLike<number> | undefined;
  /**
   * Classes of each row that are neither targets nor other classes, as for the loss.
   * @default none
   */
  unknown?: Targets | readonly (readonly boolean[])[] | undefined;
  /**
   * [N], strings or whole numbers: what the rows are known by. A hash of it decides whether a row is trained on; rows that
   * share an id stay together.
   * @default `sourceIndex` and the number of the row in its source
   */
  rowIds?: ArrayLike<string | number | bigint> | undefined;
  /**
   * The name of a file, say, for messages.
   * @default ''
   */
  source?: string | undefined;
  /**
   * The number of the source among all, from 0.
   * @default 0
   */
  sourceIndex?: number | undefined;
  /**
   * The number of the first row in its source, from 0.
   * @default the number of rows of the source before
   */
  firstRow?: number | undefined;
}

export const ROW_OPTIONS = [
  'features',
  'targets',
  'sampleWeight',
  'unknown',
  'rowIds',
  'source',
  'sourceIndex',
  'firstRow',
] as const satisfies readonly (keyof TaggerRows)[];

/** Lists of classes, one for each row: those of row i are values[offsets[i]] to before values[offsets[i + 1]]. */
export interface ClassLists {
  readonly values: Int32Array;
  readonly offsets: Int32Array;
}

/** Consecutive rows, checked. */
export interface Rows {
  readonly features: FeatureRows;
  readonly targets: ClassLists;
  readonly unknown: ClassLists | null;
  /** [N], or null for ones. */
  readonly sampleWeight: Float64Array | null;
  /** [N]: the part that each row is in, see split.ts. */
  readonly parts: Uint8Array;
  readonly bytes: number;
}

/** How large a head must be for rows. */
export type Size = Pick<Survey, 'features' | 'highest' | 'highestAt' | 'lastFeatureAt'>;

/** Facts about all rows. */
export interface Survey {
  readonly rows: number;
  /** Rows of each part: training, validation, test. */
  readonly parts: readonly [training: number, validation: number, test: number];
  readonly features: number;
  readonly isSparse: boolean;
  /** The mean number of features of a row: entries, of sparse rows. */
  readonly entries: number;
  readonly scales: FeatureScales;
  /** The highest class that is named, or -1. */
  readonly highest: number;
  /** The place of that class, for messages. */
  readonly highestAt: string;
  /** The place of the last feature of sparse rows, for messages, or ''. */
  readonly lastFeatureAt: string;
  /** A digest of all that is trained on, which tells other rows: see digest.ts. */
  readonly digest: number;
}

/**
 * Gives all rows, some at a time: for `epoch` 0 in one order, and for an epoch in that or another one.
 *
 * @example
 * import { type ReadRows, trainTagger } from 'multilabel-margin-loss/train';
 *
 * const read: ReadRows = function* () {
 *   yield { features: [[1, 0], [0, 1]], targets: [[0], [1]] };
 *   yield { features: [[1, 1]], targets: [[0, 1]] };
 * };
 * const tagger = await trainTagger({ rows: read, validation: 0 });
 * tagger.features; // => 2
 */
export type ReadRows = (epoch: number) => Iterable<TaggerRows> | AsyncIterable<TaggerRows>;

/** Bytes of rows that are kept in memory. Where there are more, they are read again in each epoch, so many at a time. */
const KEPT_BYTES = 2 ** 28;

/** All rows, in blocks that fit in memory. Rows are trained on in a random order within each block. */
export class RowStore {
  #kept: Rows[] | null = [];
  #keptBytes = 0;
  #columns = 0;

  /**
   * @param isOwn whether the arrays of rows stay as they are
   * @param classes null if it is not known
   */
  constructor(
    private readonly read: ReadRows,
    private readonly isOwn: boolean,
    private readonly classes: number | null,
    private readonly shares: Shares,
  ) {}

  /**
   * Reads all rows, and keeps them where they fit.
   *
   * @param onSize is called with what is known by then, before arrays of that size are made
   */
  async survey(onRows: (rows: number) => Promise<void> | void, onSize: (size: Size) => void): Promise<Survey> {
    const counts: [number, number, number] = [0, 0, 0];
    const scales = new FeatureScales();
    let [rows, features, entries, highest] = [0, 0, 0, -1];
    let isSparse = false;
    let highestAt = '';
    let lastFeatureAt = '';
    const digest = new RowsDigest();
    for await (const given of this.#batches(0)) {
      const batch = given.rows;
      const { columns } = batch.features;
      if (rows > 0 && batch.features.isSparse !== isSparse) {
        throw given.error('ERR_SHAPE', `has ${isSparse ? 'dense' : 'sparse'} features, and rows before have not`);
      }
      if (rows > 0 && !isSparse && columns !== features) {
        throw given.error('ERR_SHAPE', `has ${columns} features, those before have ${features}`);
      }
      ({ isSparse } = batch.features);
      if (columns > features) {
        features = columns;
        lastFeatureAt = given.placeOfFeature(columns - 1);
      }
      for (const part of batch.parts) (counts[part] as number)++;
      entries += isSparse ? batch.features.data.length : batch.features.rows * columns;
      for (const { values, offsets } of [batch.targets, ...(batch.unknown === null ? [] : [batch.unknown])]) {
        for (let row = 0, at = 0; row < batch.parts.length; row++) {
          for (; at < (offsets[row + 1] as number); at++) {
            if ((values[at] as number) <= highest) continue;
            highest = values[at] as number;
            highestAt = `${given.place}target ${highest} at row ${given.firstRow + row}`;
          }
        }
      }
      onSize({ features, highest, highestAt, lastFeatureAt });
      scales.add(batch.features, batch.parts, batch.sampleWeight);
      digest.add(batch);
      rows += batch.parts.length;
      if (this.#kept !== null) {
        this.#kept.push(batch);
        this.#keptBytes += batch.bytes;
        if (this.#keptBytes > KEPT_BYTES && !this.isOwn) this.#kept = null;
      }
      await onRows(batch.parts.length);
    }
    this.#columns = features;
    return {
      rows,
      parts: counts,
      features,
      isSparse,
      entries: entries / rows,
      scales,
      highest,
      highestAt,
      lastFeatureAt,
      digest: digest.value(),
    };
  }

  /** All rows again. */
  async *blocks(epoch: number): AsyncGenerator<readonly Rows[]> {
    if (this.#kept !== null) {
      yield this.#kept;
      return;
    }
    let block: Rows[] = [];
    let bytes = 0;
    for await (const given of this.#batches(epoch)) {
      const { rows } = given;
      const { columns, isSparse } = rows.features;
      if (isSparse ? columns > this.#columns : columns !== this.#columns) {
        throw given.error('ERR_SHAPE', `has ${columns} features, and had ${this.#columns} before`);
      }
      block.push(rows);
      bytes += rows.bytes;
      if (bytes < KEPT_BYTES) continue;
      yield block;
      block = [];
      bytes = 0;
    }
    if (block.length > 0) yield block;
  }

  async *#batches(epoch: number): AsyncGenerator<Checked> {
    let sourceIndex = 0;
    let firstRow = 0;
    const batches: unknown = this.read(epoch);
    if (!(Symbol.asyncIterator in Object(batches)) && !(Symbol.iterator in Object(batches))) {
      throw new LossError('ERR_OPTION', `rows() must give batches of rows, got ${describe(batches)}`);
    }
    for await (const batch of batches as AsyncIterable<TaggerRows>) {
      const given = checkOptions(batch, ROW_OPTIONS, 'a batch of rows');
      if (given.sourceIndex !== undefined && given.sourceIndex !== sourceIndex)
        [sourceIndex, firstRow] = [given.sourceIndex, 0];
      const checked = new Checked(given, { sourceIndex, firstRow: given.firstRow ?? firstRow }, this);
      firstRow = checked.firstRow + checked.rows.parts.length;
      if (checked.rows.parts.length > 0) yield checked;
    }
  }

  get options(): { classes: number | null; shares: Shares; isOwn: boolean } {
    return { classes: this.classes, shares: this.shares, isOwn: this.isOwn };
  }
}

/** Rows that a user gave, checked by themselves. Errors say where in the source they are. */
class Checked {
  readonly rows: Rows;
  readonly firstRow: number;
  readonly place: string;

  constructor(
    { features, targets, sampleWeight, unknown, rowIds, source = '' }: TaggerRows,
    { sourceIndex, firstRow }: { sourceIndex: number; firstRow: number },
    { options: { classes, shares, isOwn } }: RowStore,
  ) {
    this.place = source === '' ? '' : `${source}: `;
    this.firstRow = firstRow;
    checkWhole(sourceIndex, 'sourceIndex');
    checkWhole(firstRow, 'firstRow');
    const checked = this.#named(() => toFeatureRows(features));
    const { rows, columns, data } = checked;
    if (columns === 0) throw this.error('ERR_SHAPE', 'features must have at least one column');
    this.#named(() => checkFinite(checked));
    const lists = this.#named(() =>
      this.#lists(toTargets(targets, [rows, classes ?? MOST_CLASSES]), rows, 'targets', classes),
    );
    const skipped =
      unknown === undefined
        ? null
        : this.#named(() => this.#lists(unknownOf(unknown, rows, classes), rows, 'unknown', classes));
    if (skipped !== null) this.#named(() => checkApart(lists, skipped));
    if (rowIds !== undefined) checkLength(rowIds, rows, 'rowIds');
    this.rows = {
      features: isOwn ? checked : copied(checked),
      targets: lists,
      unknown: skipped,
      sampleWeight: sampleWeight === undefined ? null : this.#weights(sampleWeight, rows),
      parts: splitRows(rows, { rowIds: rowIds ?? null, sourceIndex, firstRow }, shares),
      bytes:
        data.byteLength + 4 * lists.values.length + 16 * rows + (checked.isSparse ? 4 * checked.indices.length : 0),
    };
  }

  error(code: LossErrorCode, message: string): LossError {
    return new LossError(code, this.place + message);
  }

  /** The first row that has an entry of a feature, for messages; '' for none. */
  placeOfFeature(column: number): string {
    const { features } = this.rows;
    const at = features.isSparse ? features.indices.indexOf(column) : -1;
    if (!features.isSparse || at === -1) return '';
    return `${this.place}feature ${column} at row ${this.firstRow + rowOfEntry(features, at)}`;
  }

  /** Calls a check of a batch, whose errors count rows from the first of the batch. */
  #named<T>(check: () => T): T {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof LossError)) throw error;
      const message = error.message.replace(/\brow (\d+)/, (_, row) => `row ${this.firstRow + Number(row)}`);
      throw this.error(error.code, message);
    }
  }

  #lists(
    given: { data: Int32Array | BigInt64Array; shape: readonly number[] },
    rows: number,
    name: 'targets' | 'unknown',
    classes: number | null,
  ): ClassLists {
    const { data, shape } = given;
    const width =
      shape.length === 2 ? (shape[1] as number) : shape.length === 1 && rows === 1 ? (shape[0] as number) : -1;
    if (width === -1 || data.length !== rows * width) {
      throw new LossError(
        'ERR_SHAPE',
        `${name} of ${rows} rows must have shape [${rows}, K], or be ${rows} lists, got shape ${formatShape(shape)}`,
      );
    }
    const values = allocate('int32', data.length);
    const offsets = allocate('int32', rows + 1);
    let size = 0;
    for (let row = 0; row < rows; row++) {
      let isPadding = false;
      for (let column = 0; column < width; column++) {
        const value = Number(data[row * width + column]);
        // Checked after the first -1 as well, as the loss does.
        if (value < -1 || value >= (classes ?? MOST_CLASSES)) {
          throw targetOutOfRange(value, row, column, classes ?? MOST_CLASSES, name);
        }
        isPadding ||= value === -1;
        if (!isPadding) values[size++] = value;
      }
      offsets[row + 1] = size;
    }
    return { values: values.slice(0, size), offsets };
  }

  #weights(given: ArrayLike<number>, rows: number): Float64Array {
    checkLength(given, rows, 'sampleWeight');
    this.#named(() => checkSampleWeight(given, 'float32'));
    return Float64Array.from(given);
  }
}

const MOST_CLASSES = 2 ** 31 - 1;

/** @throws LossError ERR_TARGET_RANGE for an unknown class that is a target of its row too */
function checkApart(targets: ClassLists, unknown: ClassLists): void {
  for (let row = 0; row + 1 < targets.offsets.length; row++) {
    const own = targets.values.subarray(targets.offsets[row], targets.offsets[row + 1]);
    const others = unknown.values.subarray(unknown.offsets[row], unknown.offsets[row + 1]);
    const column = others.findIndex((value) => own.includes(value));
    if (column !== -1) throw unknownTarget(others[column] as number, row, column);
  }
}

function unknownOf(value: unknown, rows: number, classes: number | null) {
  if (classes === null && isBooleans(value)) return fromMultiHot(value as MultiHotMask);
  const unknown = toUnknown(value, [rows, classes ?? MOST_CLASSES]);
  const width = unknown.shape.at(-1) ?? 1;
  // If the number of classes is not known, three or more of 0 and 1 are a mask: as indices they would name a class twice.
  const isMask =
    classes === null && width > 2 && [...unknown.data].every((one) => Number(one) === 0 || Number(one) === 1);
  return isMask ? fromMultiHot(unknown) : unknown;
}

function copied(features: FeatureRows): FeatureRows {
  return features.isSparse
    ? { ...features, data: features.data.slice(), indices: features.indices.slice(), indptr: features.indptr.slice() }
    : { ...features, data: features.data.slice() };
}
