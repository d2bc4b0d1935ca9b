import type { Evaluator } from '../../evaluate/index.js';
import type { Shards } from '../evaluation/shards.js';
import { toTable } from './table.js';
import { writeWhole } from './write.js';

/** The options of commands that end with a result. */
export const OUTPUT_OPTIONS = {
  state: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const OUTPUT_USAGE = `\
  --state <file>          write the exact sums there, for merge
  --json                  print the metrics as JSON, those of each label too`;

interface Values {
  state?: string | undefined;
  json?: boolean | undefined;
}

/**
 * Writes the files that are asked for, and prints the metrics.
 *
 * @param shards that it is the sum of, or null where it is of whole inputs
 */
export function putOut(evaluator: Evaluator, shards: Shards | null, values: Values): void {
  const result = evaluator.result();
  if (values.state !== undefined) {
    writeWhole(values.state, JSON.stringify({ ...evaluator.toJSON(), ...(shards === null ? {} : { shards }) }));
  }
  console.log(values.json === true ? JSON.stringify(result) : toTable(result));
}
