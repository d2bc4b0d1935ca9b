import { nameOf, type Piece } from '../input/input.js';
import { warn } from './print.js';

/** Says that targets which are numbers were not looked up, where names are numbers too, and others than those of the classes. */
export function tellNumericNames(
  file: string,
  labels: readonly string[],
  pieces: readonly Pick<Piece, 'reading'>[],
): void {
  const reading = pieces.find((piece) => piece.reading !== null)?.reading;
  if (reading === undefined || reading?.targetsAre !== 'indices' || reading.type === 'text') return;
  const label = labels.findIndex((name, i) => /^\d+$/.test(name) && Number(name) !== i && Number(name) < labels.length);
  if (label === -1) return;
  warn(
    `${file}: '${labels[label]}' is the name of class ${label}: targets that are numbers are classes, and names only as text`,
  );
}

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
