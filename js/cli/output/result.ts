import type { Evaluator } from '../../evaluate/index.js';
import type { Shards } from '../evaluation/shards.js';
import { loadCharts } from './charts.js';
import { checkPageName } from './page.js';
import { reportOf } from './report.js';
import { toTable } from './table.js';
import { writeWhole } from './write.js';

/** The options of commands that end with a result. */
export const OUTPUT_OPTIONS = {
  state: { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const OUTPUT_USAGE = `\
  --state <file>          write the exact sums there, for merge and compare
  --out <file.html>       write a report there, with charts: a page of one file (needs npm install vega@6 vega-lite@6)
  --json                  print the metrics as JSON, those of each label too`;

interface Values {
  state?: string | undefined;
  out?: string | undefined;
  json?: boolean | undefined;
}

/** @param shards that it is the sum of, or null where it is of whole inputs */
type PutOut = (evaluator: Evaluator, shards: Shards | null) => Promise<void>;

/**
 * To be called before the work is done, for what is missing to be known by then.
 *
 * @returns what writes the files that are asked for, and prints the metrics
 */
export async function prepareOutput({ state, out, json }: Values): Promise<PutOut> {
  if (out !== undefined) checkPageName(out);
  const draw = out === undefined ? null : await loadCharts();
  return async (evaluator, shards) => {
    const result = evaluator.result();
    const report = draw === null ? '' : await reportOf(result, draw);
    if (state !== undefined) {
      writeWhole(state, JSON.stringify({ ...evaluator.toJSON(), ...(shards === null ? {} : { shards }) }));
    }
    if (out !== undefined) writeWhole(out, report);
    console.log(json === true ? JSON.stringify(result) : toTable(result));
  };
}
