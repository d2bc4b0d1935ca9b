import type { Evaluator } from 'multilabel-margin-loss/evaluate';
import { type Command, parse, toCount } from '../command.js';
import { joinShards, missingShards, type Shards } from '../evaluation/shards.js';
import { expand } from '../input/sources.js';
import { readState } from '../input/state.js';
import type { TargetsAre } from '../input/targets.js';
import { InputError, toCommandError } from '../errors.js';
import { OUTPUT_OPTIONS, OUTPUT_USAGE, prepareOutput } from '../output/result.js';

const usage = `merge [options] <part.json>...

Adds up what evaluate --out <file.json> wrote, in any order: the result is that of a single run, to the bit.

  --expect <n>            refuse parts that are not the n shards of one input, each of them once
${OUTPUT_USAGE}`;

const OPTIONS = { expect: { type: 'string' }, ...OUTPUT_OPTIONS } as const;

const NAMES: Record<TargetsAre, string> = { mask: '0/1 masks', indices: 'class indices' };

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  const putOut = await prepareOutput(values, positionals);
  const wanted = values.expect === undefined ? null : toCount('expect', values.expect);
  let merged: Evaluator | undefined;
  let shards: Shards | null = null;
  /** The file that each evaluation came from, by what it is known by. */
  const parts = new Map<string, string>();
  let targetsAre: TargetsAre | null = null;
  const models = new Set<string | null>();
  const files = new Set<string>();
  for (const file of expand(positionals)) {
    const part = readState(file);
    try {
      if (wanted !== null && part.shards?.of !== wanted) {
        const given = part.shards === null ? 'no shard' : `${part.shards.of} shards`;
        throw new InputError(`is of ${given}, ${wanted} are expected`);
      }
      if (targetsAre !== null && part.targetsAre !== null && part.targetsAre !== targetsAre) {
        throw new InputError(
          `its targets were read as ${NAMES[part.targetsAre]}, those before as ${NAMES[targetsAre]}: ` +
            'evaluate --targets-are says which',
        );
      }
      targetsAre ??= part.targetsAre;
      models.add(part.model);
      for (const each of part.files) files.add(each);
      if (merged === undefined) {
        merged = part.evaluator;
        ({ shards } = part);
        checkNew(part.parts, parts, file);
        continue;
      }
      shards = shards === null || part.shards === null ? null : joinShards(shards, part.shards);
      checkNew(part.parts, parts, file);
      merged.merge(part.evaluator);
    } catch (error) {
      throw toCommandError(error, file);
    }
  }
  if (merged === undefined) throw new InputError('no parts to merge');
  const missing = shards === null ? '' : missingShards(shards);
  if (wanted !== null && missing !== '') {
    throw new InputError(`of ${wanted} shards, these are missing: ${missing}`);
  }
  // All shards of an input are a whole input, which can be merged with others.
  const [model = null] = models;
  await putOut(merged, {
    shards: missing === '' ? null : shards,
    targetsAre,
    parts: [...parts.keys()].sort(),
    model: models.size === 1 ? model : null,
    files: [...files].sort(),
  });
}

/**
 * Takes note of the evaluations that a state is the sum of.
 *
 * @param files of the evaluations before
 * @throws InputError for one that is there already, whose rows would count twice
 */
function checkNew(parts: readonly string[], files: Map<string, string>, file: string): void {
  for (const part of parts) {
    const before = files.get(part);
    if (before !== undefined)
      throw new InputError(`has an evaluation that ${before} has too: its rows would count twice`);
    files.set(part, file);
  }
}

export const merge: Command = { usage, run };
