import { LossError } from 'multilabel-margin-loss/loss';
import type { Evaluator } from 'multilabel-margin-loss/evaluate';
import { nameOf, type Piece, type Reading, type RowBatch } from '../input/input.js';
import { readPiece } from '../input/pieces.js';
import type { Names } from '../input/targets.js';
import { toCommandError } from '../errors.js';

/** Is called after each batch that was added. */
export type OnBatch = (bytes: number, rows: number) => void;

/**
 * Adds the rows of a piece to an evaluator.
 *
 * @param names of labels, or null where they are not known
 * @param onRows is called with each batch that was added, for what else is made of it
 * @returns how targets were read, or null for no rows
 * @throws InputError for a fault of the files, in one line that names file and row
 * @throws CommandError with exit code 1 where memory does not suffice
 */
export async function addPiece(
  evaluator: Evaluator,
  piece: Piece,
  names: Names | null,
  onBatch: OnBatch,
  onRows?: (batch: RowBatch) => void,
): Promise<Reading | null> {
  let reading: Reading | null = null;
  for await (const batch of readPiece(piece, names)) {
    try {
      const options = {
        source: nameOf(piece.scoresFile),
        sourceIndex: piece.ordinal,
        firstRow: batch.firstRow,
        ...(batch.rowIds === null ? {} : { rowIds: batch.rowIds }),
      };
      if (batch.pairs === null) {
        evaluator.update(batch.scores, batch.targets, options);
      } else {
        const { values, indices, shape } = batch.pairs;
        const top = { values: { data: values, shape }, indices: { data: indices, shape } };
        evaluator.updateTopK(top, batch.targets, { ...options, classes: batch.scores.shape[1] });
      }
      onRows?.(batch);
    } catch (error) {
      throw inFile(error, piece, batch);
    }
    ({ reading } = batch);
    onBatch(batch.bytes, batch.scores.shape[0]);
  }
  return reading;
}

/** The error of the library with the row's number in its file in place of that in its batch; any other error as it is. */
export function inFile(error: unknown, piece: Piece, { firstRow }: RowBatch): unknown {
  if (!(error instanceof LossError)) return error;
  const file = nameOf(error.code === 'ERR_TARGET_RANGE' ? piece.targetsFile : piece.scoresFile);
  error.message = error.message
    .replace(/\brow (\d+)/, (_, row) => `row ${firstRow + Number(row)}`)
    .replace("unless nonFinite is 'skip'", 'unless --skip-non-finite leaves such rows out')
    .replace('List more, or give k of classification too', '--top says how many labels of a row are predicted at most');
  return toCommandError(error, file);
}
