import type { Evaluator } from '../../evaluate/index.js';
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

/** Writes the files that are asked for, and prints the metrics. */
export function putOut(evaluator: Evaluator, values: { state?: string | undefined; json?: boolean | undefined }): void {
  const result = evaluator.result();
  if (values.state !== undefined) writeWhole(values.state, JSON.stringify(evaluator));
  console.log(values.json === true ? JSON.stringify(result) : toTable(result));
}
