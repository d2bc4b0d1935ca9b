/** Times the metrics beside scikit-learn's, and the command over files. */
import { execFile } from 'node:child_process';
import { closeSync, copyFileSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as arrow from 'apache-arrow';
import { MultiLabelMarginLoss, type Scores, type Targets } from 'multilabel-margin-loss';
import { type EvaluationResult, Evaluator } from 'multilabel-margin-loss/evaluate';
import { type Input, makeInput, type Point } from './grid.js';
import type { EvaluationRun } from './run.js';
import { type Spread, spreadOf } from './spread.js';
import { progress } from './timing.js';
import { PYTHON_ENV } from './python.js';

const run = promisify(execFile);
const COMMAND = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const SCIKIT_LEARN = fileURLToPath(new URL('contenders/scikit_learn.py', import.meta.url));

const ROUNDS = 5;
/** Scores per batch, as many as the command adds at a time. */
const SCORES_PER_UPDATE = 2 ** 18;
const READ_CLASSES = 100;
const READ_WIDTH = 4;

/** All metrics of one batch of random scores, in a process that has computed them before. */
export interface MetricsTiming {
  point: Point;
  /** Milliseconds of all metrics. */
  time: Spread;
  /** Milliseconds of these that the loss takes. */
  lossTime: Spread;
  /** Milliseconds that scikit-learn takes for the four metrics that it has; null where it is not installed. */
  peerTime: Spread | null;
  /** How many times as long it takes; null where it is not installed. */
  ratio: Spread | null;
  /** The largest difference from scikit-learn's values. */
  difference: number | null;
}

/** The command over files, from the start of its process to the end. */
export interface ReadingTiming {
  format: string;
  rows: number;
  threads: number;
  rowsPerSecond: Spread;
  /** The largest resident memory of its process, in MB. */
  megabytes: number;
}

/** Shows progress on a terminal. */
export async function timeEvaluation(
  points: readonly Point[],
  readRows: number,
  python: string,
): Promise<EvaluationRun> {
  const versions: Record<string, string> = { 'Node.js': process.versions.node };
  const leftOut: string[] = [];
  const metrics: MetricsTiming[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'mlml-bench-'));
  try {
    for (const point of points) {
      progress(`metrics of ${point.rows} x ${point.classes}`);
      const input = makeInput(point, 'float32', 'random');
      const { result, times, lossTimes } = timeMetrics(point, input);
      const files = [join(folder, 'scores.npy'), join(folder, 'targets.npy')];
      writeNpy(files[0]!, '<f4', [point.rows, point.classes], [input.scores]);
      writeNpy(files[1]!, '<i4', [point.rows, point.width], [input.targets]);
      progress(`scikit-learn: ${point.rows} x ${point.classes}`);
      const peer = await timeScikitLearn(python, files).catch((error: Error) => {
        if (leftOut.length === 0) leftOut.push(`scikit-learn (Debian's python3-sklearn): ${lastLineOf(error.message)}`);
        return null;
      });
      if (peer !== null) versions['scikit-learn'] = peer.version;
      metrics.push({
        point,
        time: spreadOf(times),
        lossTime: spreadOf(lossTimes),
        peerTime: peer && spreadOf(peer.milliseconds),
        // The two do not take turns: every run of the one over every run of the other.
        ratio: peer && spreadOf(peer.milliseconds.flatMap((theirs) => times.map((ours) => theirs / ours))),
        difference: peer && largestDifference(result, peer.values),
      });
    }
    const readings = await timeReading(folder, readRows);
    return { metrics, readings, versions, leftOut };
  } finally {
    rmSync(folder, { recursive: true });
    progress('');
  }
}

/** Times all rows: all metrics with the loss, and the loss alone. */
function timeMetrics({ rows, classes, width }: Point, { scores, targets }: Input) {
  const step = Math.max(1, Math.floor(SCORES_PER_UPDATE / classes));
  const forEachBatch = (use: (scores: Scores, targets: Targets) => unknown): void => {
    for (let row = 0; row < rows; row += step) {
      const end = Math.min(rows, row + step);
      use(
        { data: scores.subarray(row * classes, end * classes), shape: [end - row, classes] },
        { data: targets.subarray(row * width, end * width), shape: [end - row, width] },
      );
    }
  };
  let result: EvaluationResult | undefined;
  const times = timesOf(() => {
    const evaluator = new Evaluator();
    forEachBatch((...batch) => evaluator.update(...batch));
    result = evaluator.result();
  });
  const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
  const lossTimes = timesOf(() => forEachBatch((...batch) => lossFn.forward(...batch)));
  return { result: result!, times, lossTimes };
}

/** Milliseconds of some runs, after one run in which the engine compiles. */
function timesOf(what: () => void): number[] {
  what();
  return Array.from({ length: ROUNDS }, () => {
    const begin = performance.now();
    what();
    return performance.now() - begin;
  });
}

async function timeScikitLearn(python: string, files: readonly string[]) {
  const { stdout } = await run(python, [SCIKIT_LEARN, ...files], { env: PYTHON_ENV });
  return JSON.parse(stdout) as { version: string; milliseconds: number[]; values: number[] };
}

function largestDifference(result: EvaluationResult, [ranking, coverage, lrap, ndcg]: number[]): number {
  const { rankingLoss, coverageError, labelRankingAveragePrecision, at } = result;
  return Math.max(
    Math.abs(rankingLoss - ranking!),
    Math.abs(coverageError - coverage!) / coverage!,
    Math.abs(labelRankingAveragePrecision - lrap!),
    Math.abs(at[5]!.ndcg - ndcg!),
  );
}

/** Runs the command as a process, timed from start to end; of the memory, the largest counts. */
async function timeReading(folder: string, rows: number): Promise<ReadingTiming[]> {
  progress('writing files to read');
  const scores = join(folder, 'scores.npy');
  const targets = join(folder, 'targets.npy');
  const table = join(folder, 'rows.arrow');
  const first = { scores: join(folder, 'first-scores.npy'), targets: join(folder, 'first-targets.npy') };
  const few = rows / 100;
  const inputs = Array.from({ length: 10 }, () =>
    makeInput({ rows: rows / 10, classes: READ_CLASSES, width: READ_WIDTH }, 'float32', 'random'),
  );
  const head = inputs[0]!;
  writeNpy(first.scores, '<f4', [few, READ_CLASSES], [head.scores.subarray(0, few * READ_CLASSES)]);
  writeNpy(first.targets, '<i4', [few, READ_WIDTH], [head.targets.subarray(0, few * READ_WIDTH)]);
  writeNpy(
    scores,
    '<f4',
    [rows, READ_CLASSES],
    inputs.map((input) => input.scores),
  );
  writeNpy(
    targets,
    '<i4',
    [rows, READ_WIDTH],
    inputs.map((input) => input.targets),
  );
  writeArrow(table, inputs);

  const pair = ['--scores', scores, '--targets', targets];
  // Ten copies of the targets, since the command refuses rows that are given twice.
  const pairs = Array.from({ length: 10 }, (_, i) => {
    const copy = join(folder, `targets-${i}.npy`);
    copyFileSync(targets, copy);
    return ['--scores', scores, '--targets', copy];
  }).flat();
  const plans = [
    { format: '.npy', rows: few, threads: 1, args: ['--scores', first.scores, '--targets', first.targets], rounds: 1 },
    { format: '.npy', rows, threads: 1, args: pair, rounds: ROUNDS },
    { format: '.npy', rows: 10 * rows, threads: 1, args: pairs, rounds: 1 },
    { format: '.npy', rows: 10 * rows, threads: 2, args: pairs, rounds: 1 },
    { format: '.npy, --exact', rows, threads: 1, args: [...pair, '--exact'], rounds: 1 },
    { format: '.arrow', rows, threads: 1, args: [table], rounds: ROUNDS },
    { format: '.arrow', rows, threads: 2, args: [table], rounds: 1 },
  ];
  const timings: ReadingTiming[] = [];
  for (const { args, rounds, ...plan } of plans) {
    progress(`${plan.format}: ${plan.rows} rows, ${plan.threads} threads`);
    const speeds: number[] = [];
    const megabytes: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const begin = performance.now();
      megabytes.push(await memoryOf(['evaluate', ...args, '--threads', String(plan.threads), '--json']));
      speeds.push((plan.rows * 1000) / (performance.now() - begin));
    }
    timings.push({ ...plan, rowsPerSecond: spreadOf(speeds), megabytes: Math.max(...megabytes) });
  }
  return timings;
}

/** The largest resident memory of a run of the command, in MB. */
async function memoryOf(args: readonly string[]): Promise<number> {
  // On Linux, resourceUsage() would include the memory of this process at the time when it started the other one.
  const tell = `
    import { existsSync, readFileSync } from 'node:fs';
    process.on('exit', () => {
      const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
      process.stderr.write(String(/VmHWM:\\s*(\\d+)/.exec(status)?.[1] ?? process.resourceUsage().maxRSS));
    });`;
  const code = `data:text/javascript,${encodeURIComponent(tell)}`;
  const { stderr } = await run(process.execPath, ['--import', code, COMMAND, ...args]);
  // Warnings come before it.
  return (Number(lastLineOf(stderr)) * 1024) / 1e6;
}

/** Writes the elements of all parts to a file in NumPy's format. */
function writeNpy(file: string, descr: string, shape: readonly number[], parts: readonly NodeJS.TypedArray[]): void {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`.padEnd(117);
  const start = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${header}\n`, 'latin1');
  const descriptor = openSync(file, 'w');
  for (const part of [start, ...parts]) writeAll(descriptor, part);
  closeSync(descriptor);
}

/** Writes columns of lists in record batches of 10,000 rows. */
function writeArrow(file: string, inputs: readonly Input[]): void {
  const rows = 10_000;
  const listsOf = (values: arrow.Data, width: number): arrow.Data<arrow.List> =>
    arrow.makeData({
      type: new arrow.List(new arrow.Field('item', values.type, false)),
      length: values.length / width,
      nullCount: 0,
      valueOffsets: Int32Array.from({ length: values.length / width + 1 }, (_, row) => row * width),
      child: values,
    });
  const descriptor = openSync(file, 'w');
  const writer = new arrow.RecordBatchFileWriter();
  for (const { scores, targets } of inputs) {
    for (let row = 0; row * READ_WIDTH < targets.length; row += rows) {
      const ofScores = scores.subarray(row * READ_CLASSES, (row + rows) * READ_CLASSES) as Float32Array;
      const ofTargets = targets.subarray(row * READ_WIDTH, (row + rows) * READ_WIDTH);
      writer.write(
        new arrow.RecordBatch({
          scores: listsOf(arrow.makeData({ type: new arrow.Float32(), data: ofScores }), READ_CLASSES),
          targets: listsOf(arrow.makeData({ type: new arrow.Int32(), data: ofTargets }), READ_WIDTH),
        }),
      );
    }
  }
  writer.finish();
  writeAll(descriptor, writer.toUint8Array(true));
  closeSync(descriptor);
}

/** Writes in pieces, since one write takes less than 2 GB. */
function writeAll(descriptor: number, array: NodeJS.TypedArray): void {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let written = 0; written < bytes.length;) {
    written += writeSync(descriptor, bytes, written, Math.min(2 ** 28, bytes.length - written));
  }
}

const lastLineOf = (text: string): string => text.trim().split('\n').at(-1)!;
