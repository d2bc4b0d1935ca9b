import { nameOf, type Piece } from '../input/input.js';
import { warn } from './print.js';

/** Says that integers were read as a mask. Bool needs no message: it cannot be class indices. */
export function tellReading(pieces: readonly Pick<Piece, 'targetsFile' | 'targetsAre' | 'reading'>[]): void {
  const first = pieces.find(({ reading }) => reading !== null);
  if (first === undefined || first.targetsAre !== null) return;
  const { targetsAre, type, classes } = first.reading as NonNullable<Piece['reading']>;
  if (targetsAre !== 'mask' || type === 'bool') return;
  warn(
    `${nameOf(first.targetsFile)}: its targets of ${type} are read as 0/1 masks of ${classes} classes; ` +
      '--targets-are indices reads class indices',
  );
}
