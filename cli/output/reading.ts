import { nameOf, type Piece } from '../input/input.js';
import { warn } from './print.js';

/** The types of masks that need no message: nobody writes class indices as bool, and few as uint8. */
const MASK_TYPES = ['bool', 'uint8'];

/** Says that targets were read as a mask, where nothing but the values of the first row suggested it. */
export function tellReading(pieces: readonly Pick<Piece, 'targetsFile' | 'targetsAre' | 'reading'>[]): void {
  const first = pieces.find(({ reading }) => reading !== null);
  if (first === undefined || first.targetsAre !== null) return;
  const { targetsAre, type, classes } = first.reading as NonNullable<Piece['reading']>;
  if (targetsAre !== 'mask' || MASK_TYPES.includes(type)) return;
  warn(
    `${nameOf(first.targetsFile)}: its targets of ${type} are read as 0/1 masks of ${classes} classes; ` +
      '--targets-are indices reads class indices',
  );
}
