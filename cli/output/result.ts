import type { Evaluator } from 'multilabel-margin-loss/evaluate';
import type { Shards } from '../evaluation/shards.js';
import { InputError } from '../errors.js';
import { loadCharts } from './charts.js';
import { isPageName } from './page.js';
import { print } from './print.js';
import { reportOf } from './report.js';
import { toTable } from './table.js';
import { writeWhole } from './write.js';

/** The options of commands that end with a result. */
export const OUTPUT_OPTIONS = {
  out: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const;

export const OUTPUT_USAGE = `\
  --out <file.json>       write the exact sums there, for merge and compare
  --out <file.html>       write a report there, with charts: a page of one file (needs npm install vega@6 vega-lite@6)
  --json                  print the metrics as JSON, those of each label too`;

interface Values {
  out?: string[] | undefined;
  json?: boolean | undefined;
}

/** @param shards that it is the sum of, or null where it is of whole inputs */
type PutOut = (evaluator: Evaluator, shards: Shards | null) => Promise<void>;

/**
 * To be called before the work is done, for what is missing to be known by then.
 *
 * @returns what writes the files that are asked for, and prints the metrics
 */
export async function prepareOutput({ out = [], json }: Values): Promise<PutOut> {
  const isState = (file: string): boolean => file.endsWith('.json');
  for (const file of out) {
    if (!isState(file) && !isPageName(file)) {
      throw new InputError(`--out writes sums to a name that ends in .json, a report to one in .html; got '${file}'`);
    }
  }
  const draw = out.every(isState) ? null : await loadCharts();
  return async (evaluator, shards) => {
    const result = evaluator.result();
    const contents = new Map<string, readonly string[]>();
    for (const file of out) {
      const content =
        draw === null || isState(file)
          ? JSON.stringify({ ...evaluator.toJSON(), ...(shards === null ? {} : { shards }) })
          : await reportOf(result, draw);
      contents.set(file, [content]);
    }
    writeWhole(contents);
    await print(json === true ? JSON.stringify(result) : toTable(result));
  };
}
