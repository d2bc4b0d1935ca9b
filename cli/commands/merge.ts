import type { Evaluator } from 'multilabel-margin-loss/evaluate';
import { type Command, parse, toCount } from '../command.js';
import { addPart, isWhole, missingShards, type Part } from '../evaluation/shards.js';
import { expand } from '../input/sources.js';
import { readState } from '../evaluation/state.js';
import type { TargetsAre } from '../input/targets.js';
import { InputError, toCommandError } from '../errors.js';
import { warn } from '../output/print.js';
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
  const known: { part: Part; file: string }[] = [];
  let targetsAre: TargetsAre | null = null;
  const models = new Set<string | null>();
  const files = new Set<string>();
  for (const file of expand(positionals)) {
    const state = readState(file);
    try {
      const other = state.parts.find(({ of }) => wanted !== null && of !== wanted);
      if (other !== undefined) {
        throw new InputError(`is of ${other.of === 1 ? 'no shard' : `${other.of} shards`}, ${wanted} are expected`);
      }
      if (targetsAre !== null && state.targetsAre !== null && state.targetsAre !== targetsAre) {
        throw new InputError(
          `its targets were read as ${NAMES[state.targetsAre]}, those before as ${NAMES[targetsAre]}: ` +
            'evaluate --targets-are says which',
        );
      }
      targetsAre ??= state.targetsAre;
      models.add(state.model);
      for (const each of state.files) files.add(each);
      for (const part of state.parts) addPart(known, part, file, wanted !== null);
      if (merged === undefined) merged = state.evaluator;
      else merged.merge(state.evaluator);
    } catch (error) {
      throw toCommandError(error, file);
    }
  }
  if (merged === undefined) throw new InputError('no parts to merge');
  const parts = known.map(({ part }) => part);
  const incomplete = parts.find((part) => !isWhole(part));
  if (incomplete !== undefined) {
    const problem = `of ${incomplete.of} shards, these are missing: ${missingShards(incomplete)}`;
    if (wanted !== null) throw new InputError(problem);
    warn(problem);
  }
  const [model = null] = models;
  await putOut(merged, {
    parts,
    targetsAre,
    model: models.size === 1 ? model : null,
    files: [...files].sort(),
  });
}

export const merge: Command = { usage, run };
