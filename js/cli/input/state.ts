import { readFileSync } from 'node:fs';
import { Evaluator } from '../../evaluate/index.js';
import { InputError } from '../input-error.js';

/** What evaluate --state wrote. */
export function readState(file: string): Evaluator {
  try {
    return Evaluator.fromJSON(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new InputError(`${file}: ${(error as Error).message}`);
  }
}
