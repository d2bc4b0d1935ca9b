import { LossError } from 'multilabel-margin-loss';
import type { Evaluator } from 'multilabel-margin-loss/evaluate';
import { nameOf, type Piece, type RowBatch } from '../input/input.js';
import { readPiece } from '../input/pieces.js';
import { InputError } from '../input-error.js';

/** Is told of each batch, when it has been added. */
export type OnBatch = (bytes: number, rows: number) => void;

/**
 * Adds the rows of a piece to an evaluator.
 *
 * @throws InputError for what is wrong with the files, in one line that names file and row
 */
export async function addPiece(evaluator: Evaluator, piece: Piece, onBatch: OnBatch): Promise<void> {
  for await (const batch of readPiece(piece)) {
    try {
      evaluator.update(batch.scores, batch.targets, { source: nameOf(piece.scoresFile), firstRow: batch.firstRow });
    } catch (error) {
      throw error instanceof LossError ? inFile(error, piece, batch) : error;
    }
    onBatch(batch.bytes, batch.scores.shape[0]);
  }
}

/** With the row's number in its file for that in its batch. */
function inFile({ code, message }: LossError, piece: Piece, { firstRow }: RowBatch): InputError {
  const file = nameOf(code === 'ERR_TARGET_RANGE' ? piece.targetsFile : piece.scoresFile);
  return new InputError(`${file}: ${message.replace(/\brow (\d+)/, (_, row) => `row ${firstRow + Number(row)}`)}`);
}
