import { type Command, numberOf, parse } from '../command.js';
import { InputError } from '../errors.js';
import { identityOf } from '../input/sources.js';
import { readState } from '../evaluation/state.js';
import { comparisonPage, compareRows, toComparisonTable } from '../output/comparison.js';
import { isPageName } from '../output/page.js';
import { checkWritable, printAndWrite } from '../output/write.js';

const usage = `compare [options] <first.json> <second.json>

Puts two models side by side that were evaluated over the same rows, from what evaluate or merge wrote by --out:
each metric with its confidence interval, and the difference of the second from the first. The difference is taken row
by row, so that its interval is narrow where the models are alike.

Intervals are percentiles of a bootstrap over 256 groups that rows fall into by a hash of the number of their file and
their number in it: both models' rows must be in as many files, in the same order. Otherwise evaluate both with --row-id.
Rows in fewer than 30 groups have no intervals. Average precisions are not means over rows, and have none.

The labels that differ most follow, by F1 where both models were evaluated with predictions, and else by mean rank. Their
intervals are wider, so that all of them hold at once. --json has all labels.

  --level <number>      of confidence (default: 0.95)
  --resamples <number>  draws of the bootstrap (default: 2000)
  --seed <number>       of the draws (default: 1)
  --out <file.html>     write the table there, as a page of one file
  --json                print it as JSON`;

const OPTIONS = {
  level: { type: 'string' },
  resamples: { type: 'string' },
  seed: { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean' },
} as const;

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  const [firstFile, secondFile, ...more] = positionals;
  if (firstFile === undefined || secondFile === undefined || more.length > 0) {
    throw new InputError(`compare needs two files, of evaluate --out <file.json>, got ${positionals.length}`);
  }
  if (identityOf(firstFile) === identityOf(secondFile)) {
    throw new InputError(`compare needs two files, got ${firstFile} twice`);
  }
  if (values.out !== undefined && !isPageName(values.out)) {
    throw new InputError(`--out writes a page, and its name must end in .html, got '${values.out}'`);
  }
  if (values.out !== undefined) checkWritable(values.out, positionals);
  const states = [readState(firstFile), readState(secondFile)] as const;
  const [first, second] = [states[0].evaluator, states[1].evaluator];
  const nameOf = (file: string, model: string | null): string => (model === null ? file : `${model} (${file})`);
  const options = Object.fromEntries(
    (['level', 'resamples', 'seed'] as const).flatMap((name) =>
      values[name] === undefined ? [] : [[name, numberOf(name, values[name])]],
    ),
  );
  const compared = {
    files: [nameOf(firstFile, states[0].model), nameOf(secondFile, states[1].model)] as const,
    results: [first.result(), second.result()] as const,
    comparison: compareRows(first, second, options),
  };
  const { comparison } = compared;
  await printAndWrite(
    values.json === true
      ? JSON.stringify({ first: firstFile, second: secondFile, ...comparison })
      : toComparisonTable(compared),
    values.out === undefined ? [] : [values.out],
    () => comparisonPage(compared),
  );
}

export const compare: Command = { usage, run };
