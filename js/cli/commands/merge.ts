import { readFileSync } from 'node:fs';
import { Evaluator } from '../../evaluate/index.js';
import { type Command, parse } from '../command.js';
import { expand } from '../input/input.js';
import { InputError } from '../input-error.js';
import { OUTPUT_OPTIONS, OUTPUT_USAGE, prepareOutput } from '../output/result.js';

const usage = `merge [options] <part.json>...

Adds up what evaluate --state wrote, in any order: the result is that of a single run, to the bit.

${OUTPUT_USAGE}`;

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OUTPUT_OPTIONS);
  const putOut = await prepareOutput(values);
  let merged: Evaluator | undefined;
  for (const file of expand(positionals)) {
    try {
      const part = Evaluator.fromJSON(JSON.parse(readFileSync(file, 'utf8')));
      if (merged === undefined) merged = part;
      else merged.merge(part);
    } catch (error) {
      throw new InputError(`${file}: ${(error as Error).message}`);
    }
  }
  if (merged === undefined) throw new InputError('no parts to merge');
  await putOut(merged);
}

export const merge: Command = { usage, run };
