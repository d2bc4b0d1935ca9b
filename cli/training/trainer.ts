import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { uniform } from './uniform.js';
import type { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import type { OnBatch } from '../evaluation/add-piece.js';
import { nameOf, type Piece, type RowBatch } from '../input/input.js';
import { joinPieces, readPiece } from '../input/pieces.js';
import { InputError } from '../errors.js';
import { shareOf, shuffled } from './chance.js';
import type { LinearHead } from './linear-head.js';

interface Options {
  lossFn: MultiLabelMarginLoss;
  learningRate: number;
  batchSize: number;
  seed: number;
  /** Share of the rows that are not trained on. */
  heldOut: number;
}

/** A row of a batch. */
interface Row {
  /** [features] */
  features: RowBatch['scores']['data'];
  targets: number[];
}

function rowOf({ scores, targets }: RowBatch, i: number): Row {
  const features = scores.shape[1];
  return { features: scores.data.subarray(i * features, (i + 1) * features), targets: targetsOf(targets, i) };
}

/** The class indices of a row, with their padding. */
function targetsOf({ data, shape: [, width] }: RowBatch['targets'], i: number): number[] {
  return Array.from(data.subarray(i * width, (i + 1) * width));
}

export interface Survey {
  rows: number;
  features: number;
  classes: number;
  /** Where the number of classes comes from, for messages: '' if it was given. */
  classesBy: string;
}

/**
 * Counts rows, features and classes. All rows are looked at before the first is trained on.
 *
 * @param classes null for the width of masks, or one more than the highest target
 * @throws InputError for a feature that is not finite, for a target out of range, and for no rows, or none with a target
 */
export async function surveyRows(pieces: readonly Piece[], classes: number | null, onBatch: OnBatch): Promise<Survey> {
  let maskClasses: number | null = null;
  let highestPlace = '';
  let rows = 0;
  let features = 0;
  let highest = -1;
  for (const piece of joinPieces(pieces)) {
    for await (const batch of readPiece(piece)) {
      const [size, width] = batch.scores.shape;
      const where = (i: number): string => `at row ${batch.firstRow + i}`;
      if (rows > 0 && width !== features) {
        throw new InputError(`${nameOf(piece.scoresFile)}: has ${width} features, those before have ${features}`);
      }
      features = width;
      const bad = batch.scores.data.findIndex((value) => !Number.isFinite(value));
      if (bad !== -1) {
        const place = `${where(Math.floor(bad / width))}, column ${bad % width}`;
        throw new InputError(
          `${nameOf(piece.scoresFile)}: feature ${place} is ${batch.scores.data[bad]}: features must be finite`,
        );
      }
      for (let i = 0; i < size; i++) {
        for (const target of targetsOf(batch.targets, i)) {
          if (target < -1 || target >= (classes ?? 2 ** 31 - 1)) {
            const range = classes === null ? 'whole numbers from 0' : `class indices in [0, ${classes})`;
            throw new InputError(
              `${nameOf(piece.targetsFile)}: target ${target} ${where(i)} is out of range: targets must be ${range}, ` +
                'or -1 for padding',
            );
          }
          if (target > highest) {
            highest = target;
            highestPlace = `${nameOf(piece.targetsFile)}: target ${target} ${where(i)}`;
          }
        }
      }
      rows += size;
      maskClasses ??= batch.reading.classes;
      onBatch(batch.bytes, size);
    }
  }
  if (rows === 0) throw new InputError('there are no rows to train on');
  if (classes !== null) return { rows, features, classes, classesBy: '' };
  if (maskClasses !== null) return { rows, features, classes: maskClasses, classesBy: 'masks' };
  if (highest === -1) throw new InputError('no row has a target');
  return { rows, features, classes: highest + 1, classesBy: highestPlace };
}

/** Passes over the rows of pieces, with a head that learns from them. */
export class Trainer {
  /** [batchSize, classes] */
  readonly #scores: Float32Array;
  #hasLearned = false;

  /** @param pieces each with the number of its first row */
  constructor(
    private readonly head: LinearHead,
    private readonly pieces: readonly Piece[],
    private readonly options: Options,
    private readonly onBatch: OnBatch,
  ) {
    this.#scores = new Float32Array(options.batchSize * head.classes);
  }

  /**
   * Trains on all rows but those held out.
   *
   * @param number the epoch's, from 1: each has an order of its own
   * @returns the mean of their losses, each before the head learned from it
   */
  async epoch(number: number): Promise<number> {
    const { seed, heldOut, batchSize } = this.options;
    const random = uniform(seed + number * 0x9e3779b1);
    let sum = 0;
    let rows = 0;
    for (const piece of shuffled(this.pieces, random)) {
      for await (const batch of readPiece(piece)) {
        const size = batch.scores.shape[0];
        const own = shuffled(Array(size).keys(), random).filter(
          (i) => shareOf(piece.ordinal, batch.firstRow + i) >= heldOut,
        );
        for (let begin = 0; begin < own.length; begin += batchSize) {
          sum += this.#learn(own.slice(begin, begin + batchSize).map((i) => rowOf(batch, i)));
        }
        rows += own.length;
        this.onBatch(batch.bytes, size);
      }
    }
    if (rows === 0) throw new InputError('all rows are held out, and none is left to train on');
    return sum / rows;
  }

  /** Whether the head is no longer what it was at the beginning. */
  get hasLearned(): boolean {
    return this.#hasLearned;
  }

  /** @returns the sum of the losses before the step */
  #learn(rows: readonly Row[]): number {
    const { lossFn, learningRate } = this.options;
    const { classes } = this.head;
    const { loss, grad } = lossFn.valueAndGrad(
      this.#score(rows),
      rows.map(({ targets }) => targets),
    );
    rows.forEach(({ features }, i) => {
      this.head.step(features, grad.data.subarray(i * classes, (i + 1) * classes), learningRate);
    });
    this.#hasLearned = true;
    return Number(loss.item());
  }

  /** The metrics of the rows that are held out. */
  async heldOut(): Promise<Evaluator> {
    const { lossFn, heldOut, batchSize } = this.options;
    const { margin, normalization, targetOrder } = lossFn.options;
    const evaluator = new Evaluator({ loss: { margin, normalization, targetOrder } });
    for (const piece of joinPieces(this.pieces)) {
      for await (const batch of readPiece(piece)) {
        const size = batch.scores.shape[0];
        const own = [...Array(size).keys()].filter((i) => shareOf(piece.ordinal, batch.firstRow + i) < heldOut);
        for (let begin = 0; begin < own.length; begin += batchSize) {
          const rows = own.slice(begin, begin + batchSize).map((i) => rowOf(batch, i));
          evaluator.update(
            this.#score(rows),
            rows.map(({ targets }) => targets),
          );
        }
        this.onBatch(batch.bytes, size);
      }
    }
    return evaluator;
  }

  #score(rows: readonly Row[]): { data: Float32Array; shape: [rows: number, classes: number] } {
    const { classes } = this.head;
    rows.forEach(({ features }, i) => {
      this.head.score(features, this.#scores.subarray(i * classes, (i + 1) * classes));
    });
    return { data: this.#scores.subarray(0, rows.length * classes), shape: [rows.length, classes] };
  }
}
