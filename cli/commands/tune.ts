import { ThresholdTuner, type TunedLabel, type TunedThresholds } from 'multilabel-margin-loss/evaluate';
import { type Command, numberOf, parse } from '../command.js';
import { InputError } from '../errors.js';
import { inFile } from '../evaluation/add-piece.js';
import { nameOf, type Piece } from '../input/input.js';
import { checkLabelCount, LABELS_USAGE, namesOf, readLabels, type Thresholds } from '../input/labels.js';
import { joinPieces, piecesOf, readPiece } from '../input/pieces.js';
import { INPUT_OPTIONS, INPUT_USAGE, inputsOf, sourcesOf } from '../input/sources.js';
import type { Names } from '../input/targets.js';
import { columnsOf } from '../output/classification.js';
import { formatMetric, formatWhole } from '../output/metrics.js';
import { nameCell } from '../output/names.js';
import { warn } from '../output/print.js';
import { Progress } from '../output/progress.js';
import { tellNumericNames, tellReading } from '../output/reading.js';
import { checkWritable, printAndWrite } from '../output/write.js';

const usage = `tune [options] --out <thresholds.json> <file>...
       multilabel-margin-loss tune [options] --out <thresholds.json> --scores <scores.npy> --targets <targets.npy>

Finds the threshold of each label that has the best F1, for --thresholds of evaluate and of predict. On the rows that it was
chosen on, a threshold looks better than it is: evaluate on other rows.

Files are read twice, so standard input and other pipes are refused. Thresholds are exact, whatever the number of rows;
memory is up to ${ThresholdTuner.BYTES_PER_LABEL} bytes for each label of a row.

${INPUT_USAGE}
${LABELS_USAGE}
  --beta <number>         the best F-measure with this weight of recall beside precision (default: 1)
  --precision <number>    instead: the highest recall at a precision of at least this
  --recall <number>       instead: the highest precision at a recall of at least this
  --skip-non-finite       leave out rows with NaN or infinite scores
  --out <file.json>       write the thresholds there: a list with a number for each label, or with --labels an object by
                          their names, unless these are numbers of classes; null for one that is never predicted
  --json                  print the metrics of all labels as JSON`;

const OPTIONS = {
  ...INPUT_OPTIONS,
  labels: { type: 'string' },
  beta: { type: 'string' },
  precision: { type: 'string' },
  recall: { type: 'string' },
  'skip-non-finite': { type: 'boolean' },
  out: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** Labels of fewer rows have thresholds that are a matter of chance: a single row moves recall by a tenth. */
const FEW = 10;
/** Labels to list in the table. */
const LABELS = 40;
/** Labels to name in a warning. */
const NAMED = 10;
const FLATTERS =
  'these metrics are of the rows that the thresholds were chosen on, where they look better than they are: ' +
  'evaluate --thresholds on other rows';

async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS);
  if (values.out !== undefined) {
    if (!values.out.endsWith('.json')) {
      throw new InputError(`--out writes thresholds to a name that ends in .json, got '${values.out}'`);
    }
    checkWritable(values.out, inputsOf(values, positionals));
  }
  const goal = Object.fromEntries(
    (['beta', 'precision', 'recall'] as const).flatMap((name) =>
      values[name] === undefined ? [] : [[name, numberOf(name, values[name])]],
    ),
  );
  const tuner = new ThresholdTuner({ ...goal, nonFinite: values['skip-non-finite'] === true ? 'skip' : 'error' });
  const sources = sourcesOf(values, positionals);
  const pipe = sources.find(({ isPipe }) => isPipe);
  if (pipe !== undefined) throw new InputError(`${nameOf(pipe.scoresFile)} cannot be read twice, as tune does`);
  const labels = values.labels === undefined ? null : await readLabels(values.labels);
  const names = namesOf(labels);
  const all = await piecesOf(sources, names);
  tellReading(all);
  if (values.labels !== undefined && labels !== null) {
    checkLabelCount(values.labels, labels, all);
    tellNumericNames(values.labels, labels, all);
  }
  await readTwice(tuner, joinPieces(all), names);
  const tuned = tuner.result();
  if (tuned.perLabel.length === 0) throw new InputError('there are no rows to choose thresholds on');
  for (const warning of warningsOf(tuned, labels)) warn(warning);
  if (values.json === true) warn(FLATTERS);
  await printAndWrite(
    values.json === true
      ? JSON.stringify({ ...tuned, labels })
      : toTable(tuned, labels, values.beta === undefined ? null : Number(values.beta)),
    values.out === undefined ? [] : [values.out],
    () => `${JSON.stringify(toFile(tuned, labels))}\n`,
  );
}

/** The thresholds in the form that --thresholds reads. */
function toFile({ thresholds }: TunedThresholds, labels: readonly string[] | null): Thresholds {
  const numbers = new Set(thresholds.map((_, label) => String(label)));
  // Such names would be taken for the classes of these numbers where names are not given.
  if (labels === null || labels.every((name) => numbers.has(name))) return [...thresholds];
  return Object.fromEntries(labels.map((name, label) => [name, thresholds[label] as number | null]));
}

async function readTwice(tuner: ThresholdTuner, pieces: readonly Piece[], names: Names | null): Promise<void> {
  const progress = new Progress([...pieces, ...pieces]);
  try {
    for (const pass of ['collect', 'count'] as const) {
      for (const piece of pieces) {
        for await (const batch of readPiece(piece, names)) {
          try {
            if (pass === 'collect') tuner.collect(batch.scores, batch.targets);
            else tuner.count(batch.scores);
          } catch (error) {
            throw inFile(error, piece, batch);
          }
          progress.add(batch.bytes, batch.scores.shape[0]);
        }
      }
    }
  } finally {
    progress.stop();
  }
}

function warningsOf({ perLabel }: TunedThresholds, known: readonly string[] | null): string[] {
  const warnings: string[] = [];
  const add = (labels: readonly TunedLabel[], one: string, several: string): void => {
    if (labels.length === 0) return;
    const names = labels.slice(0, NAMED).map(({ label }) => (known === null ? label : `${label} ${known[label]}`));
    const more = labels.length > NAMED ? ' and others' : '';
    warnings.push(
      labels.length === 1
        ? `label ${names[0]}: ${one}`
        : `${formatWhole(labels.length)} labels (${names.join(', ')}${more}): ${several}`,
    );
  };
  add(
    perLabel.filter(({ support }) => support === 0),
    'no row has it, and it is never predicted',
    'no row has them, and they are never predicted',
  );
  add(
    perLabel.filter(({ support }) => support > 0 && support < FEW),
    `fewer than ${FEW} rows have it, too few for a threshold that holds on other rows`,
    `fewer than ${FEW} rows have them, too few for thresholds that hold on other rows`,
  );
  add(
    perLabel.filter(({ support, threshold }) => support > 0 && threshold === null),
    'no threshold has the wanted precision, and it is never predicted',
    'no threshold has the wanted precision, and they are never predicted',
  );
  return warnings;
}

function toTable({ perLabel }: TunedThresholds, labels: readonly string[] | null, beta: number | null): string {
  const columns = columnsOf(beta);
  const worst = [...perLabel].sort((a, b) => a.f1 - b.f1 || a.label - b.label).slice(0, LABELS);
  const mean = (metric: (typeof columns)[number][1]): number =>
    perLabel.reduce((sum, label) => sum + (label[metric] ?? 0), 0) / perLabel.length;
  const which = worst.length < perLabel.length ? `; the ${formatWhole(worst.length)} labels of the lowest F1` : '';
  const toLine = (cells: readonly string[]): string =>
    cells.map((cell, i) => cell.padStart(i === 0 ? 10 : 11)).join('');
  const lines = [
    `Thresholds of ${formatWhole(perLabel.length)} labels${which}:`,
    toLine(['label', 'threshold', 'rows', 'predicted', ...columns.map(([name]) => name)]) +
      nameCell(labels && ['name'], 0),
  ];
  for (const label of worst) {
    const threshold = label.threshold === null ? 'never' : String(Number(label.threshold.toPrecision(4)));
    lines.push(
      toLine([
        String(label.label),
        threshold,
        formatWhole(label.support),
        formatWhole(label.predicted),
        ...columns.map(([, metric]) => formatMetric(label[metric])),
      ]) + nameCell(labels, label.label),
    );
  }
  lines.push(toLine(['macro', '', '', '', ...columns.map(([, metric]) => formatMetric(mean(metric)))]));
  const note = FLATTERS.replace(': ', ':\n');
  return [...lines, '', note.charAt(0).toUpperCase() + note.slice(1)].join('\n');
}

export const tune: Command = { usage, run };
