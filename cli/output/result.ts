import type { EvaluationResult, Evaluator } from 'multilabel-margin-loss/evaluate';
import { isWhole } from '../evaluation/shards.js';
import { type Origin, readState, type State, toState } from '../evaluation/state.js';
import { type FileValues, inputsOf } from '../input/sources.js';
import { InputError, toCommandError } from '../errors.js';
import { loadCharts } from './charts.js';
import { compareRows } from './comparison.js';
import { isPageName } from './page.js';
import { warn } from './print.js';
import { type Against, reportOf } from './report.js';
import { formatWhole, precisionWarning } from './metrics.js';
import { toTable } from './table.js';
import { checkWritable, printAndWrite } from './write.js';

/** The options of commands that end with a result. */
export const OUTPUT_OPTIONS = {
  out: { type: 'string', multiple: true },
  model: { type: 'string' },
  against: { type: 'string' },
  json: { type: 'boolean' },
  'allow-empty': { type: 'boolean' },
} as const;

export const OUTPUT_USAGE = `\
  --out <file.json>       write the exact sums there, for merge and compare
  --out <file.html>       write a report there, with charts: a page of one file (needs npm install vega@6 vega-lite@6)
  --model <name>          of the model, in the report and the sums (default: the names of the files)
  --against <file.json>   put another model beside this one in the report: the sums of the same rows, which --out wrote
  --json                  print the metrics as JSON, those of each label too
  --allow-empty           print metrics where there are no rows, instead of ending with exit code 2`;

interface Values extends FileValues {
  out?: string[] | undefined;
  model?: string | undefined;
  against?: string | undefined;
  json?: boolean | undefined;
  'allow-empty'?: boolean | undefined;
}

/** Prints the metrics, and then writes the files that --out asks for: what fails does not keep the rest from being done. */
type PutOut = (
  evaluator: Evaluator,
  origin: Origin,
  amend?: (result: EvaluationResult) => EvaluationResult,
) => Promise<void>;

/**
 * Checks what can be wrong with the output. To be called before the work is done.
 *
 * @param names of files that are read, beside those of options
 * @throws CommandError for a file that cannot be written, for a name that says nothing of its format, and for packages that
 * are missing
 */
export async function prepareOutput(values: Values, names: readonly string[]): Promise<PutOut> {
  const { out = [], json, against: otherFile, 'allow-empty': allowsEmpty } = values;
  const inputs = inputsOf(values, names);
  const isState = (file: string): boolean => file.endsWith('.json');
  for (const file of out) {
    if (!isState(file) && !isPageName(file)) {
      throw new InputError(`--out writes sums to a name that ends in .json, a report to one in .html; got '${file}'`);
    }
    checkWritable(file, inputs);
  }
  const draw = out.every(isState) ? null : await loadCharts();
  if (otherFile !== undefined && draw === null) {
    throw new InputError('--against puts another model into a report: give --out <file.html>');
  }
  const other = otherFile === undefined ? null : readState(otherFile);
  return async (evaluator, given, amend = (result) => result) => {
    const origin = values.model === undefined ? given : { ...given, model: values.model };
    const own = evaluator.result();
    const result = amend(own);
    // A shard may be empty where there are more shards than rows.
    if (result.rows === 0 && origin.parts.every(isWhole) && allowsEmpty !== true) {
      const skipped = result.rowsSkipped === 0 ? '' : `: all ${formatWhole(result.rowsSkipped)} were skipped`;
      throw new InputError(`there are no rows to evaluate${skipped} (--allow-empty prints metrics all the same)`);
    }
    const against = other === null ? null : againstOf(other, otherFile as string, evaluator);
    const warning = precisionWarning(result);
    if (warning !== null) warn(warning);
    const contentOf = async (file: string): Promise<string> =>
      draw === null || isState(file)
        ? toState(evaluator, own, origin)
        : reportOf({ ...origin, evaluator, result }, against, draw);
    // The sums come before the report, whose drawing takes memory and time, so that nothing of it costs them.
    const files = [...out].sort((a, b) => Number(isState(b)) - Number(isState(a)));
    await printAndWrite(json === true ? JSON.stringify(result) : toTable(result), files, contentOf);
  };
}

/**
 * @throws InputError for a model of other rows, with the name of the file
 */
function againstOf({ evaluator, model }: State, file: string, own: Evaluator): Against {
  try {
    const comparison = compareRows(evaluator, own, {});
    return { name: model ?? file, evaluator, result: evaluator.result(), comparison };
  } catch (error) {
    throw toCommandError(error, file);
  }
}
