import type { Evaluator } from 'multilabel-margin-loss/evaluate';
import { type Command, parse, toNumber } from '../command.js';
import { joinShards, missingShards, type Shards, shardsIn } from '../evaluation/shards.js';
import { expand } from '../input/input.js';
import { readState } from '../input/state.js';
import { InputError, toCommandError } from '../errors.js';
import { OUTPUT_OPTIONS, OUTPUT_USAGE, prepareOutput } from '../output/result.js';

const usage = `merge [options] <part.json>...

Adds up what evaluate --out <file.json> wrote, in any order: the result is that of a single run, to the bit.

  --expect <n>            refuse parts that are not the n shards of one input, each of them once
${OUTPUT_USAGE}`;

const OPTIONS = { expect: { type: 'string' }, ...OUTPUT_OPTIONS } as const;

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  const putOut = await prepareOutput(values);
  const wanted = values.expect === undefined ? null : toNumber(values.expect);
  if (wanted !== null && !(Number.isInteger(wanted) && wanted >= 1)) {
    throw new InputError(`--expect must be a number of shards, got '${values.expect}'`);
  }
  let merged: Evaluator | undefined;
  let shards: Shards | null = null;
  for (const file of expand(positionals)) {
    const { evaluator: part, json } = readState(file);
    try {
      const own = shardsIn(json);
      if (wanted !== null && own?.of !== wanted) {
        throw new InputError(`is of ${own === null ? 'no shard' : `${own.of} shards`}, ${wanted} are expected`);
      }
      if (merged === undefined) {
        merged = part;
        shards = own;
        continue;
      }
      shards = shards === null || own === null ? null : joinShards(shards, own);
      merged.merge(part);
    } catch (error) {
      throw toCommandError(error, file);
    }
  }
  if (merged === undefined) throw new InputError('no parts to merge');
  const missing = shards === null ? '' : missingShards(shards);
  if (wanted !== null && missing !== '') {
    throw new InputError(`of ${wanted} shards, these are missing: ${missing}`);
  }
  // All of them are a whole input, which can be merged with others.
  await putOut(merged, missing === '' ? null : shards);
}

export const merge: Command = { usage, run };
